"""What consumers load: the published layouts, the card, and the audit of what gives the chosen side away."""
