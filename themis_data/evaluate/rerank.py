"""Candidate answers ranked by their rewards, against how many of a problem's tests they pass.

A list is a problem and its candidates: in the paper 40 solutions by models to a problem of CodeContests+, in C++,
Java and Python. Of each list are told whether one of the 5 or 10 best-rewarded candidates passes all tests (where one
of the list does), Spearman's correlation of rewards and pass rates (where both vary), and the variance of the rewards;
of all lists, and of those in a language, means and medians with bootstrap intervals over lists, and what chance hits.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.errors import EvaluationError
from themis_data.evaluate.metrics import Floats, chance_of_hit, hits, interval, spearman
from themis_data.evaluate.pair_sets import Mode, read_tables, system_prompt
from themis_data.evaluate.scoring import Chat
from themis_data.evaluate.sheet import Scorer
from themis_data.manifest import write_atomically

_AT: Final = (5, 10)
# What a problem is judged by: its candidates differ in the tests that they pass.
_CRITERION: Final = "functional_correctness"
_NAMES: Final = {"description": "prompt", "query": "prompt", "completions": "candidates", "idx": "id"}


@dataclass(frozen=True)
class CandidateList:
    """A problem with candidate answers, the share of its tests that each passes (0 to 1), and whether it passes all."""

    id: str
    language: str | None
    prompt: str
    candidates: tuple[str, ...]
    pass_rates: tuple[float, ...]
    passed: tuple[bool, ...]


def read_candidates(place: str) -> list[CandidateList]:
    """The candidate lists of a file (.parquet, .jsonl, .json), of a folder of Parquet files, or of a finished data set.

    Columns: id, description, completions, and for each completion num_passed and num_failed tests, or pass_rates in
    place of both; final_verdict (passed) and language where there are any. The names idx, query (or prompt) and
    candidates are taken too. A candidate without tests passes none; without a verdict those with a rate of 1 pass.

    Raises EvaluationError where columns are missing or lists are not as long as their candidates.
    """
    lists = [
        _list({_NAMES.get(name, name): value for name, value in row.items()}, place)
        for table in read_tables(place)
        for row in table.to_pylist()
    ]
    if not lists:
        raise EvaluationError(f"{place}: no candidate lists in it")
    ids = [one.id for one in lists]
    if len(set(ids)) < len(ids):
        raise EvaluationError(f"{place}: {len(ids) - len(set(ids))} ids stand twice; expected one row a problem")
    return lists


def _list(row: Mapping[str, Any], place: str) -> CandidateList:
    tests = ("pass_rates",) if row.get("pass_rates") is not None else ("num_passed", "num_failed")
    lacking = [name for name in ("id", "prompt", "candidates", *tests) if row.get(name) is None]
    if lacking:
        raise EvaluationError(f"{place}: a list without {', '.join(lacking)}; found {sorted(row)}")
    if "pass_rates" in tests:
        rates = tuple(float(rate) for rate in row["pass_rates"])
    else:
        counts = zip(row["num_passed"], row["num_failed"], strict=False)
        rates = tuple(passed / (passed + failed) if passed + failed else 0.0 for passed, failed in counts)
    verdicts = row.get("final_verdict")
    passed = tuple(rate >= 1.0 for rate in rates) if verdicts is None else tuple(bool(one) for one in verdicts)
    candidates = tuple(row["candidates"])
    if not candidates or not len(candidates) == len(rates) == len(passed):
        raise EvaluationError(
            f"{place}: the list {row['id']} has {len(candidates)} candidates, {len(rates)} pass rates and "
            f"{len(passed)} verdicts; expected as many of each, and one at least"
        )
    return CandidateList(str(row["id"]), row.get("language"), row["prompt"], candidates, rates, passed)


def rerank(
    scorer: Scorer, lists: Sequence[CandidateList], mode: Mode, folder: Path, *, described: Mapping[str, Any]
) -> dict[str, Any]:
    """Score all candidates in one mode of system prompts, and write results.json, per_question_scores.parquet and
    rewards.parquet as they are published; the results, as they stand in results.json.

    The mode criterion takes the definition of functional correctness. Raises EvaluationError for the mode rows.
    """
    system = system_prompt(mode, _CRITERION)
    found = scorer.score([Chat(system, one.prompt, candidate) for one in lists for candidate in one.candidates])
    rewards = np.split(found.rewards, np.cumsum([len(one.candidates) for one in lists])[:-1])
    rows = [_measured(one, own) for one, own in zip(lists, rewards, strict=True)]
    results = {
        "overall": _summary(rows),
        "by_language": {
            language: _summary([row for row in rows if row["language"] == language])
            for language in sorted({one.language for one in lists if one.language is not None})
        },
        "record": {**described, "system_prompts": mode, "candidates_cut": int(found.is_cut.sum())},
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "per_question_scores.parquet", compression="zstd")
    kept = pa.table({"id": [one.id for one in lists], "rewards": [own.tolist() for own in rewards]})
    pq.write_table(kept, folder / "rewards.parquet", compression="zstd")
    write_atomically(folder / "results.json", (json.dumps(results, indent=1) + "\n").encode())
    return results


def _measured(one: CandidateList, rewards: Floats) -> dict[str, Any]:
    """The published columns of a list; hits and correlation are null where it can have none."""
    num_passing = sum(one.passed)
    return {
        "id": one.id,
        "language": one.language,
        "n_completions": len(one.candidates),
        "n_passing": num_passing,
        "reward_mean": float(rewards.mean()),
        "reward_std": float(rewards.std()),
        "reward_variance": float(rewards.var()),
        **{f"hits_at_{at}": hits(rewards.tolist(), one.passed, at) for at in _AT},
        **{f"hits_at_{at}_by_chance": chance_of_hit(len(one.passed), num_passing, at) for at in _AT},
        "spearman": spearman(rewards.tolist(), one.pass_rates),
    }


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "n_questions": len(rows),
        "n_questions_with_positive": sum(row["n_passing"] > 0 for row in rows),
        "total_completions": sum(row["n_completions"] for row in rows),
    }

    def add(name: str, column: str, statistic: Callable[..., Any]) -> None:
        values = np.array([row[column] for row in rows if row[column] is not None], dtype=np.float64)
        middle, low, high = interval(values, statistic) if len(values) else (None, None, None)
        found.update({name: middle, f"{name}_low": low, f"{name}_high": high})

    for at in _AT:
        add(f"hits_at_{at}", f"hits_at_{at}", np.mean)
        by_chance = [row[f"hits_at_{at}_by_chance"] for row in rows if row["n_passing"]]
        found[f"hits_at_{at}_by_chance"] = float(np.mean(by_chance)) if by_chance else None
    for name, statistic in (("mean", np.mean), ("median", np.median)):
        add(f"spearman_{name}", "spearman", statistic)
        add(f"reward_variance_{name}", "reward_variance", statistic)
    variances = [row["reward_variance"] for row in rows]
    found["reward_variance_std"] = float(np.std(variances, ddof=1)) if len(variances) > 1 else None
    return found
