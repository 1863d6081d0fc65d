"""Precision and recall of terms, classifiers and both on commits that were read (tests/criteria/commit_labels.csv).

    python benchmarks/classifiers.py train --out tfidf.npz --settings '{"kind": "tfidf"}' POOL/*.parquet
    python benchmarks/classifiers.py score --model tfidf.npz --model minilm.npz RUN/segments/commits.0.mine/*.parquet

Files hold rows of the schema `change`. `train` leaves out every repository that has a labelled commit. `score` needs
the labelled commits among its rows. Shares are weighted by how many commits of the frame a labelled one stands for;
intervals are Wilson's at the effective sample size.
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.criteria.classifiers import Classifier, labelled_criteria, open_classifier
from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.criteria.classify import classify, recalled
from themis_data.criteria.training import train_classifiers
from themis_data.intervals import wilson
from themis_data.text.changes import line_changes

LABELS = Path(__file__).parent.parent / "tests" / "criteria" / "commit_labels.csv"
PRECISIONS = (0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05)
COLUMNS = ["repository", "commit", "path", "language", "message", "old_contents", "new_contents"]


@dataclass(frozen=True)
class Read:
    """A labelled commit with its row."""

    label: str
    second: str
    stratum: str
    weight: float
    row: dict[str, Any]


def labels() -> list[dict[str, str]]:
    with LABELS.open(newline="") as file:
        return list(csv.DictReader(file))


def read_commits(files: Sequence[Path]) -> list[Read]:
    wanted = {(row["commit"], row["path"]): row for row in labels()}
    found: dict[tuple[str, str], Read] = {}
    commits = pa.array(sorted({commit for commit, _ in wanted}))
    for file in files:
        table = pq.read_table(file, columns=COLUMNS, filters=pc.field("commit").isin(commits))
        for row in table.to_pylist():
            key = (row["commit"], row["path"])
            if key in wanted:
                one = wanted[key]
                found[key] = Read(one["label"], one["second"], one["stratum"], float(one["weight"]), row)
    if len(found) < len(wanted):
        raise SystemExit(f"{len(wanted) - len(found)} of {len(wanted)} labelled commits are in none of the files")
    return [found[key] for key in sorted(found)]


def train(files: Sequence[Path], out: Path, settings: TrainSettings) -> None:
    repositories = pa.array(sorted({row["repository"] for row in labels()}))
    with tempfile.TemporaryDirectory() as folder:
        kept = []
        for number, file in enumerate(sorted(files)):
            table = pq.read_table(file)
            table = table.filter(pc.invert(pc.is_in(table["repository"], repositories)))
            if len(table):
                kept.append(Path(folder) / f"{number:06}.parquet")
                pq.write_table(table, kept[-1])
        print(json.dumps(train_classifiers(kept, out, changed_lines=line_changes, settings=settings), indent=1))


Verdicts = list[str | None]


def lines_of(one: Read) -> Callable[[], Any]:
    return lambda: line_changes(one.row["old_contents"], one.row["new_contents"])


def by_terms(commits: Sequence[Read]) -> tuple[Verdicts, list[str | None]]:
    found = [
        classify(
            message=one.row["message"], path=one.row["path"], language=one.row["language"] or "", changes=lines_of(one)
        )
        for one in commits
    ]
    return [label.criterion for label in found], [label.reason for label in found]


def by_classifier(
    commits: Sequence[Read],
    asked: list[dict[str, float]],
    sure: dict[str, float],
    terms: Verdicts,
    reasons: Sequence[str | None],
) -> tuple[Verdicts, Verdicts, Verdicts]:
    """Its verdicts alone; of those of them that the diff shows, where terms leave none; and these beside the terms'."""
    alone: Verdicts = []
    rescued: Verdicts = []
    for one, probabilities, reason in zip(commits, asked, reasons, strict=True):
        likely = [name for name in sure if probabilities[name] >= sure[name]]
        alone.append(max(likely, key=lambda name: probabilities[name]) if likely else None)
        label = None
        if reason == "no_criterion":
            label = recalled(
                message=one.row["message"],
                path=one.row["path"],
                language=one.row["language"] or "",
                changes=lines_of(one),
                probabilities=probabilities,
                sure=sure,
            )
        rescued.append(label.criterion if label else None)
    return alone, rescued, [term or other for term, other in zip(terms, rescued, strict=True)]


def share(right: Sequence[float], all_of: Sequence[float]) -> str:
    """A weighted share with its interval at the effective sample size."""
    total = sum(all_of)
    if not total:
        return "none"
    size = total * total / sum(weight * weight for weight in all_of)
    point = sum(right) / total
    low, high = wilson_at(point, size)
    return f"{100 * point:.0f} ({100 * low:.0f}-{100 * high:.0f})"


def wilson_at(point: float, size: float) -> tuple[float, float]:
    whole = max(1, round(size))
    return wilson(round(point * whole), whole)


def table(commits: Sequence[Read], verdicts: Verdicts, title: str) -> None:
    print(f"\n{title}\n\n| | labelled so | right | weighted precision | with second choices | weighted recall |")
    print("|---|---|---|---|---|---|")
    for name in labelled_criteria():
        told = [one for one, verdict in zip(commits, verdicts, strict=True) if verdict == name]
        right = [one for one in told if one.label == name]
        either = [one for one in told if name in (one.label, one.second)]
        own = [one for one in commits if one.label == name]
        precision, loose, recall = (
            share([one.weight for one in some], [one.weight for one in every])
            for some, every in ((right, told), (either, told), (right, own))
        )
        print(f"| {name} | {len(told)} | {len(right)} | {precision} | {loose} | {recall} |")


def score(files: Sequence[Path], models: Sequence[Path]) -> None:
    commits = read_commits(files)
    terms, reasons = by_terms(commits)
    table(commits, terms, "terms")
    for path in models:
        opened: Classifier = open_classifier(str(path))
        asked = opened.probabilities(
            [one.row["message"] for one in commits],
            [one.row["language"] or "" for one in commits],
            [lines_of(one) for one in commits],
        )
        ranking(commits, asked, path.stem)
        for precision in PRECISIONS:
            sure = opened.sure(precision)
            if not sure:
                print(f"\n{path.stem}, stated precision {precision}: sure of nothing")
                continue
            alone, rescued, both = by_classifier(commits, asked, sure, terms, reasons)
            table(commits, alone, f"{path.stem} alone, stated precision {precision}")
            table(commits, rescued, f"{path.stem} where terms leave none, stated precision {precision}")
            table(commits, both, f"terms and {path.stem}, stated precision {precision}")


def ranking(commits: Sequence[Read], asked: list[dict[str, float]], title: str) -> None:
    """Weighted average precision of each criterion's ranking, and what chance would have."""
    print(f"\n{title}: average precision of the ranking (share of the criterion)\n")
    for name in labelled_criteria():
        order = sorted(zip(asked, commits, strict=True), key=lambda pair: -pair[0][name])
        right = seen = gained = 0.0
        for _, one in order:
            seen += one.weight
            if one.label == name:
                right += one.weight
                gained += one.weight * right / seen
        print(f"- {name}: {gained / right:.2f} ({right / seen:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "score"))
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("classifier.npz"))
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--model", type=Path, action="append", default=[])
    given = parser.parse_args()
    files = [file for file in given.files if ".drops." not in file.name]
    if given.what == "train":
        train(files, given.out, TrainSettings(**given.settings))
    else:
        score(files, given.model)


if __name__ == "__main__":
    main()
