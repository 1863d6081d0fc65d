"""The score sheet of a reward model: pair sets, scores, accuracy with intervals, re-ranking, perturbed answers."""
