"""Which programs for one task make a pair worth having, by what running them showed."""

from collections.abc import Mapping
from typing import Any, Literal

from themis_data.fingerprint import uniform

Kind = Literal["passes", "wrong_output", "breaks", "fails_all"]


def kind_of_run(run: Mapping[str, Any]) -> Kind:
    """What a run (`status`, `passed`, `failed`, `raised` of the schema `candidate`) shows of a program.

    passes        all tests, at least one
    wrong_output  it passes some tests and fails others by a wrong result, with no exception: a bug worth learning from
    breaks        a crash, a time-out, another limit, or an exception in a test: easily told from its text
    fails_all     it does something else, or nothing was tested
    """
    if run["status"] != "ok" or run["raised"]:
        return "breaks"
    if run["passed"] == 0:
        return "fails_all"
    return "wrong_output" if run["failed"] else "passes"


def fails_no_test(run: Mapping[str, Any]) -> bool:
    """Whether tests say nothing against a program: it passes all, or it was never run (`status` is null)."""
    return run["status"] is None or kind_of_run(run) == "passes"


def num_beside(num: int, share: float, *, seed: int, draw: str) -> int:
    """How many pairs of a kind that may be `share` of all, at most, a row with `num` other pairs may have.

    Drawn for each of the others, so that rows can be looked at alone: over many rows the kind has that share at most,
    and it has none where there is nothing else. `share` is below 1.
    """
    odds = share / (1.0 - share)
    whole = int(odds)
    return sum(whole + (uniform(seed, "beside", draw, str(place)) < odds - whole) for place in range(num))
