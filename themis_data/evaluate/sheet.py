"""The score sheet of a model on a pair set: scores.parquet and results.json, in the layout that is published.

scores.parquet   id, subset, aspect, language, chosen_score, rejected_score, correct, score_diff: one row a pair; and
                 length_difference, characters of the chosen side less those of the rejected one
results.json     overall (accuracy, total_examples, correct_predictions, mean_, median_ and std_score_difference),
                 by_aspect, by_language, by_subset (accuracy, count); beside them intervals, ties, the pairs whose
                 chosen side is not longer, and what was scored and how
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.errors import EvaluationError
from themis_data.evaluate.judges import shares_of_votes
from themis_data.evaluate.metrics import Scored, compared, summary
from themis_data.evaluate.pair_sets import Mode, PairSet, read_tables
from themis_data.evaluate.scoring import Chat, Scores
from themis_data.manifest import write_atomically

_BY: Final = ("aspect", "language", "subset")
_NEEDED: Final = ("id", "chosen_score", "rejected_score")


class Scorer(Protocol):
    """What gives chats a reward."""

    def score(self, chats: list[Chat]) -> Scores: ...


def evaluate(
    scorer: Scorer, pairs: PairSet, mode: Mode, folder: Path, *, described: Mapping[str, Any]
) -> dict[str, Any]:
    """Score the pairs in one mode of system prompts and write both files; the results, as they stand in results.json.

    `described` says of the model and the code what the record should hold.
    """
    systems = pairs.systems(mode)
    columns = {name: pairs.table[name].to_pylist() for name in ("prompt", "chosen", "rejected")}
    chats = [
        Chat(system, prompt, answer)
        for side in ("chosen", "rejected")
        for system, prompt, answer in zip(systems, columns["prompt"], columns[side], strict=True)
    ]
    found = scorer.score(chats)
    chosen, rejected = np.split(found.rewards, 2)
    scores = score_table(chosen, rejected, {name: pairs.table[name] for name in ("id", "subset", "aspect", "language")})
    lengths = [len(c) - len(r) for c, r in zip(columns["chosen"], columns["rejected"], strict=True)]
    scores = scores.append_column("length_difference", pa.array(lengths, pa.int64()))
    results = {
        **summarised(scores),
        "record": {**described, "pairs": pairs.name, "system_prompts": mode, "sides_cut": int(found.is_cut.sum())},
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(scores, folder / "scores.parquet", compression="zstd")
    write_atomically(folder / "results.json", (json.dumps(results, indent=1) + "\n").encode())
    return results


def score_table(chosen: Any, rejected: Any, described: Mapping[str, Any]) -> pa.Table:
    """The published columns of scores: those that describe pairs, and of each the scores, and whether it is right."""
    chosen, rejected = np.asarray(chosen, dtype=np.float64), np.asarray(rejected, dtype=np.float64)
    return pa.table(
        {
            **described,
            "chosen_score": chosen,
            "rejected_score": rejected,
            "correct": chosen > rejected,
            "score_diff": chosen - rejected,
        }
    )


def read_scores(place: str) -> pa.Table:
    """Stored scores of pairs, of a file or a folder with one; a score may be null, as of a judge whose answer could not
    be read.

    What language models said of pairs is read as scores too: RUN#judgements of a finished data set, or a Parquet file
    of that configuration, see `judges`. Raises EvaluationError where there are no scores.
    """
    tables = read_tables(place)
    scores = pa.concat_tables(tables, promote_options="default") if tables else pa.table({})
    if "verdict" in scores.column_names:
        chosen, described = shares_of_votes(scores, place)
        return score_table(chosen, [1 - share for share in chosen], described)
    lacking = [name for name in _NEEDED if name not in scores.column_names]
    if lacking:
        raise EvaluationError(f"{place}: no column {', '.join(lacking)}; found {scores.column_names}")
    if scores["id"].null_count:
        raise EvaluationError(f"{place}: {scores['id'].null_count} rows without an id")
    return scores


def summarised(scores: pa.Table) -> dict[str, Any]:
    """The summary of stored scores; of lengths where they have the column."""
    return summary(_scored(scores))


def compare(one: pa.Table, other: pa.Table) -> dict[str, Any]:
    """Two models on the same pairs, joined by id. Raises EvaluationError where the pairs are not the same."""
    first, second = (
        dict(zip(scores["id"].to_pylist(), _scored(scores).right.tolist(), strict=True)) for scores in (one, other)
    )
    if len(first) < len(one) or len(second) < len(other):
        raise EvaluationError("an id stands twice in the scores, so that pairs cannot be told apart")
    if first.keys() != second.keys():
        differing = sorted(first.keys() ^ second.keys())
        raise EvaluationError(
            f"the scores are of different pairs: {len(differing)} ids are in one only, as {differing[:3]}"
        )
    ids = sorted(first)
    return compared(np.array([first[id_] for id_ in ids]), np.array([second[id_] for id_ in ids]))


def _scored(scores: pa.Table) -> Scored:
    by = {name: scores[name].to_pylist() for name in _BY if name in scores.column_names}
    sides = (pc.cast(scores[name], pa.float64()) for name in ("chosen_score", "rejected_score"))
    chosen, rejected = (side.to_numpy() for side in sides)  # null becomes not a number
    lengths = scores["length_difference"].to_numpy() if "length_difference" in scores.column_names else None
    return Scored(chosen, rejected, lengths, by)
