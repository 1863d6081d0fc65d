"""Who meets whom among answers to one task, and how good each is by the verdicts.

All comparisons are known before the first is asked, so that they can be asked at once. Strengths are those of the
Bradley-Terry model: the log-odds that one answer beats another are the difference of their scores.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from themis_data.fingerprint import uniform

_CONVERGED = 1e-10  # largest change of a score in a round
_MOST_ROUNDS = 100_000
_ENOUGH = 20  # comparisons from which a share of them is held to a limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one vote said of two players, given by their places."""

    one: int
    other: int
    share: float  # of the win that goes to `one`: 1 it won, 0.5 a tie, or the probability that it is better


def pairings(size: int, *, rounds: int, seed: int, draw: str) -> list[tuple[int, int]]:
    """Which of `size` players meet, each two once, as sorted places.

    A round is a ring through all players: in each, everybody meets two others, and the first ring already joins all of
    them. With `rounds` of half the players or more, all meet all. `draw` (a row id) and `seed` give the order in the
    ring.
    """
    ring = sorted(range(size), key=lambda place: uniform(seed, "ring", draw, str(place)))
    met = {
        (min(one, other), max(one, other))
        for step in range(1, min(rounds, size // 2) + 1)
        for one, other in zip(ring, [*ring[step:], *ring[:step]], strict=True)
        if one != other
    }
    return sorted(met)


def bradley_terry(size: int, verdicts: Iterable[Verdict], *, prior: float = 0.5) -> list[float]:
    """A score for each player, in log-odds, mean 0: player a beats player b with `win_probability(a - b)`.

    The strengths p that make the verdicts likeliest, found by the minorise-maximise rounds of Hunter (2004, "MM
    algorithms for generalized Bradley-Terry models", Annals of Statistics 32): p_i becomes its wins over the sum of
    games_ij / (p_i + p_j). A tie is half a win for both. Whoever won or lost everything would have no finite score,
    and groups that never met no common scale; so everybody has also won `prior` games, and lost as many, against one
    player of strength 1 who is not in the result. With `prior` above 0 there is exactly one answer.
    """
    if not prior > 0.0:
        raise ValueError(f"prior is {prior}; without games against a player of known strength no score need exist")
    games = np.zeros((size, size))
    wins = np.full(size, prior)
    for verdict in verdicts:
        games[verdict.one, verdict.other] += 1.0
        games[verdict.other, verdict.one] += 1.0
        wins[verdict.one] += verdict.share
        wins[verdict.other] += 1.0 - verdict.share
    strengths = np.ones(size)
    for _ in range(_MOST_ROUNDS):
        played = (games / (strengths[:, None] + strengths[None, :])).sum(axis=1) + 2.0 * prior / (strengths + 1.0)
        better = wins / played
        moved = np.abs(np.log(better / strengths)).max(initial=0.0)
        strengths = better
        if moved < _CONVERGED:
            break
    scores = np.log(strengths)
    return [float(score) for score in scores - scores.mean()] if size else []


def win_probability(gap: float) -> float:
    """Of a player against one whose score is lower by `gap`."""
    return float(1.0 / (1.0 + np.exp(-gap)))


def distinct(codes: Sequence[str | None]) -> list[int]:
    """The place of the first of each different code, in order; null is none."""
    first: dict[str, int] = {}
    for place, code in enumerate(codes):
        if code is not None:
            first.setdefault(code, place)
    return list(first.values())


@dataclass
class OrderAudit:
    """How often a judge names the other of two players when they change places.

    `read` gives the votes of answers: (row id, model, place of the first, place of the second, share of the win that
    goes to the first). Shares of the votes of a model in one order are averaged.
    """

    read: Callable[[pa.Table], Iterable[tuple[str, str, int, int, float]]]
    max_flip_rate: float | None  # of the comparisons with a verdict in both orders; null for no limit
    both: int = 0
    flipped: int = 0
    votes: int = 0
    first: float = 0.0  # of all votes, the sum of what goes to the first

    def add(self, rows: pa.Table, answers: pa.Table) -> None:
        said: dict[tuple[str, str, int, int], list[float]] = {}
        for row_id, model, one, other, share in self.read(answers):
            said.setdefault((row_id, model, one, other), []).append(share)
            self.votes += 1
            self.first += share
        for (row_id, model, one, other), shares in said.items():
            back = said.get((row_id, model, other, one))
            if one < other and back is not None:
                ahead, behind = sum(shares) / len(shares) - 0.5, 0.5 - sum(back) / len(back)
                self.both += bool(ahead and behind)
                self.flipped += ahead * behind < 0.0

    def record(self) -> dict[str, Any]:
        return {
            "votes": self.votes,
            "first": round(self.first / self.votes, 4) if self.votes else None,
            "in_both_orders": self.both,
            "flip": round(self.flipped / self.both, 4) if self.both else None,
        }

    def breaches(self) -> list[str]:
        if self.max_flip_rate is None or self.both < _ENOUGH or self.flipped <= self.max_flip_rate * self.both:
            return []
        return [
            f"{self.flipped} of {self.both} comparisons name the other side when the order changes, at most "
            f"{self.max_flip_rate:.0%} may (max_flip_rate); the judges look at places and not at programs"
        ]
