"""Judges that write text, scored like reward models: by their votes on pairs.

`judge_pairs` asks any language model which side is better, half of the votes in each order, and a finished data set
publishes what it said in its configuration `judgements`. The score of a side is its mean share of the votes that could
be read: a vote in words gives 1, 0, or to both sides 0.5 for a tie, one by probabilities gives these. So a judge that
always takes the first side ties, and a tie is wrong.
"""

import math
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from themis_data.errors import EvaluationError
from themis_data.evaluate.pair_sets import read_pairs

_SHARES: Final = {"chosen": 1.0, "tie": 0.5, "rejected": 0.0}


def shares_of_votes(answers: pa.Table, place: str) -> tuple[list[float], dict[str, Any]]:
    """Of each pair that was voted on: the chosen side's share, not a number where no vote could be read; and its id,
    its criterion as aspect, and language and subset of the data set at `place` (PATH#CONFIG), null where it is none.

    Raises EvaluationError where there are no votes, or votes about a pair by several criteria.
    """
    shares: dict[str, list[float]] = defaultdict(list)
    asked: dict[str, str] = {}
    for answer in answers.filter(pc.equal(answers["kind"], "vote")).to_pylist():
        pair, criterion = answer["id"], answer["criterion"]
        if asked.setdefault(pair, criterion) != criterion:
            raise EvaluationError(
                f"{place}: the pair {pair} was judged by {asked[pair]} and by {criterion}; expected votes by its own "
                f"criterion alone: build without `also` of judge_pairs"
            )
        if answer["probability"] is not None:
            shares[pair].append(answer["probability"])
        elif answer["verdict"] is not None:
            shares[pair].append(_SHARES[answer["verdict"]])
    if not asked:
        raise EvaluationError(f"{place}: no votes in it; judge_pairs writes some")
    known = _described(place)
    described: dict[str, Any] = {"id": list(asked), "aspect": list(asked.values())}
    for name in ("subset", "language"):
        described[name] = pa.array([known.get(pair, {}).get(name) for pair in asked], pa.string())
    return [float(np.mean(shares[pair])) if shares[pair] else math.nan for pair in asked], described


def _described(place: str) -> dict[str, dict[str, Any]]:
    """Language and subset by id, where the place is a configuration of a data set."""
    path, _, config = place.partition("#")
    if not config or not Path(path).is_dir():
        return {}
    return {row["id"]: row for row in read_pairs(path).table.select(["id", "language", "subset"]).to_pylist()}
