"""The probability of each choice, out of the probabilities of an answer's first token."""

import math
from collections.abc import Iterable, Sequence


def choice_probabilities(choices: Sequence[str], first_tokens: Iterable[tuple[str, float]]) -> dict[str, float] | None:
    """Probability of each choice, summing to 1; null where no token is the beginning of one.

    `first_tokens` are the texts of the likeliest first tokens with the natural logarithms of their probabilities. A
    token counts, without white space around it, for the choice that it is, and else for the only choice that begins
    with it; one that begins several choices tells nothing.
    """
    weights = dict.fromkeys(choices, 0.0)
    for token, logarithm in first_tokens:
        begun = _begun(choices, token.strip())
        if begun is not None and not math.isnan(logarithm):
            weights[begun] += math.exp(min(0.0, logarithm))
    total = sum(weights.values())
    return {choice: weight / total for choice, weight in weights.items()} if total > 0.0 else None


def likeliest(probabilities: dict[str, float]) -> str:
    """The choice with the highest probability; of several the first."""
    return max(probabilities, key=lambda choice: probabilities[choice])


def _begun(choices: Sequence[str], token: str) -> str | None:
    if not token:
        return None
    begun = [choice for choice in choices if choice.strip().startswith(token)]
    same = [choice for choice in begun if choice.strip() == token]
    if same:
        return same[0]
    return begun[0] if len(begun) == 1 else None
