"""Train the classifiers of all criteria on a pool of commits, and say how good they are.

Seeds are commits that the term rules label by a clear lead. A commit without a term is *unlabelled*, not negative: it
may well improve a criterion in other words. So part of the seeds are hidden among the unlabelled commits as spies,
a first model is trained against all of them, and what it finds as alike to seeds as most spies are takes no part in
the negatives of the second. Where precision is measured, on the other hand, every unlabelled commit counts as wrong.
Repositories are disjoint between training, calibration and the held-out part.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.criteria.classifiers import Classifier, Kind, kind_of, labelled_criteria
from themis_data.criteria.classifiers._calibration import Calibration, calibrate
from themis_data.criteria.classifiers._examples import Example, example
from themis_data.criteria.classifiers._model_file import write_model
from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.criteria.classify import classify, excluded, recalled
from themis_data.criteria.evidence import Changes
from themis_data.errors import SourceError
from themis_data.fingerprint import uniform
from themis_data.intervals import wilson

Part = Literal["train", "calibration", "held_out"]
PARTS: tuple[Part, ...] = ("train", "calibration", "held_out")
Group = Literal["seed", "negative", "unlabelled"]
ChangedLines = Callable[[str, str], Changes]
_COLUMNS = ("row_id", "repository", "message", "path", "language", "old_contents", "new_contents")
_BATCH = 2_048
_SCREEN = "tfidf"  # the kind that tells likely positives among the unlabelled, for every kind: it costs seconds


@dataclass(frozen=True, slots=True)
class _Commit:
    repository: str
    group: Group
    criterion: str | None  # of a seed
    draw: float
    example: Example


def train_classifiers(
    files: Sequence[Path], out: Path, *, changed_lines: ChangedLines, settings: TrainSettings | None = None
) -> dict[str, Any]:
    """Train on the changes in some Parquet files, write the model to `out`, and give back its report.

    The report has, of each criterion, `seeds` by part, `threshold` (null where `min_precision` is never reached),
    `best_precision` (the highest of any threshold), and of the held-out repositories how well its seeds are told apart
    from other commits, and at the threshold `recall` and precision with Wilson intervals, among seeds of all criteria
    (`among_seeds`) and where every unlabelled commit counts as wrong (`among_all`); `kept` counts the commits of the
    whole pool without a term that would get the criterion (`sure`, and `shown` by the diff too), null where it was not
    to be counted. The order of files and rows makes no difference. Raises
    SourceError where there are fewer than three repositories with seeds, or no seed to train on.
    """
    settings = settings if settings is not None else TrainSettings()
    criteria = labelled_criteria()
    commits, without_term, counts = _pool(files, changed_lines, settings)
    parts = split_repositories(Counter(one.repository for one in commits if one.group == "seed"), settings)
    by_part = {part: [one for one in commits if parts.get(one.repository) == part] for part in PARTS}
    targets = _targets(by_part["train"], criteria)
    if not (targets == 1).any():
        raise SourceError("no seed in the repositories to train on: the term rules label none of their commits")
    screened = _without_likely(by_part["train"], targets, settings)
    model = _fit(settings.kind, by_part["train"], screened, settings)
    calibrations, thresholds, about = _calibrated(model, by_part, criteria, counts, settings)
    opened = Classifier(settings.kind, settings, criteria, calibrations, {}, model)
    kept = _kept(files, changed_lines, opened, thresholds, without_term) if settings.count_kept else None
    report: dict[str, Any] = {
        "kind": settings.kind,
        "repositories": {part: sorted(name for name in parts if parts[name] == part) for part in PARTS},
        "commits": counts,
        "left_out_of_negatives": {
            name: int(((screened[:, place] < 0) & (targets[:, place] >= 0)).sum())
            for place, name in enumerate(criteria)
        },
        "criteria": {name: {**about[name], "kept": kept[name] if kept else None} for name in criteria},
    }
    arrays = model.arrays()
    for name, one in zip(criteria, calibrations, strict=True):
        arrays[f"calibration/{name}/curve"] = np.array([one.slope, one.offset])
        arrays[f"calibration/{name}/thresholds"] = one.thresholds
        arrays[f"calibration/{name}/precisions"] = one.precisions
    described = {"settings": asdict(settings), "criteria": list(criteria), "report": report}
    write_model(out, described, arrays)
    return report


def split_repositories(seeds: Counter[str], settings: TrainSettings) -> dict[str, Part]:
    """The part of each repository: in an order drawn from the seed, each goes to the part that lacks most seeds of what
    it is to have."""
    if len(seeds) < len(PARTS):
        raise SourceError(
            f"{len(seeds)} repositories have commits that the term rules label; training, calibration and the held-out "
            f"part need one each. Mine more repositories"
        )
    shares = {
        "train": 1.0 - settings.calibration_share - settings.held_out_share,
        "calibration": settings.calibration_share,
        "held_out": settings.held_out_share,
    }
    wanted = {part: shares[part] * seeds.total() for part in PARTS}
    found: dict[str, Part] = {}
    for repository in sorted(seeds, key=lambda name: (uniform(settings.seed, "part", name), name)):
        part = max(PARTS, key=lambda part: wanted[part])
        found[repository] = part
        wanted[part] -= seeds[repository]
    return found


# The pool -----------------------------------------------------------------------------------------------------


def _batches(files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    for file in sorted(files):
        with pq.ParquetFile(file) as opened:
            yield from opened.iter_batches(batch_size=_BATCH, columns=list(_COLUMNS))


def _pool(
    files: Sequence[Path], changed_lines: ChangedLines, settings: TrainSettings
) -> tuple[list[_Commit], set[str], dict[str, int]]:
    """All seeds, and of the other two groups those of the lowest draws; row ids of everything unlabelled; counts."""
    seeds: list[_Commit] = []
    others: dict[Group, list[tuple[float, str, _Commit]]] = {"negative": [], "unlabelled": []}
    counts = {"seed": 0, "negative": 0, "unlabelled": 0, "left_out": 0}
    without_term: set[str] = set()
    limit = 3 * settings.max_unlabelled
    for batch in _batches(files):
        for row in batch.to_pylist():
            changes = _once(changed_lines, row["old_contents"], row["new_contents"])
            group, criterion = _group(row, changes, settings)
            counts[group or "left_out"] += 1
            if group is None:
                continue
            if group == "unlabelled":
                without_term.add(row["row_id"])
            draw = uniform(settings.seed, "commit", row["row_id"])
            heap = others.get(group)
            if heap is not None and len(heap) >= limit and -heap[0][0] <= draw:
                continue
            seen = example(
                message=row["message"],
                language=row["language"],
                changes=changes if settings.diff_features else None,
            )
            found = _Commit(row["repository"], group, criterion, draw, seen)
            if heap is None:
                seeds.append(found)
            elif len(heap) < limit:
                heapq.heappush(heap, (-draw, row["row_id"], found))
            else:
                heapq.heapreplace(heap, (-draw, row["row_id"], found))
    kept = [*seeds, *(found for heap in others.values() for _, _, found in heap)]
    return sorted(kept, key=lambda one: (one.draw, one.repository)), without_term, counts


def _group(
    row: dict[str, Any], changes: Callable[[], Changes], settings: TrainSettings
) -> tuple[Group | None, str | None]:
    """What a commit is to training: a seed with its criterion, a sure negative, unlabelled, or None for neither."""
    if row["language"] is None:
        return None, None
    message, path, language = row["message"], row["path"], row["language"]
    label = classify(message=message, path=path, language=language, changes=changes, margin=settings.margin)
    if label.criterion is not None:
        return ("seed", label.criterion) if label.margin >= settings.seed_margin else (None, None)
    if label.reason == "no_criterion":
        return ("negative" if excluded(message=message, path=path) else "unlabelled"), None
    if label.reason == "excluded" and excluded(message=message, path=path):
        return "negative", None
    return None, None  # it has a word of a criterion, and may be of it


def _once(changed_lines: ChangedLines, old: str, new: str) -> Callable[[], Changes]:
    seen: list[Changes] = []

    def changes() -> Changes:
        if not seen:
            seen.append(changed_lines(old, new))
        return seen[0]

    return changes


def _limited(commits: Sequence[_Commit], settings: TrainSettings) -> list[_Commit]:
    """At most `max_unlabelled` of each group but the seeds; commits are in the order of their draws."""
    taken: Counter[str] = Counter()
    kept = []
    for one in commits:
        taken[one.group] += 1
        if one.group == "seed" or taken[one.group] <= settings.max_unlabelled:
            kept.append(one)
    return kept


# Training -----------------------------------------------------------------------------------------------------


def _targets(commits: Sequence[_Commit], criteria: Sequence[str]) -> npt.NDArray[np.int8]:
    """[commits, criteria]: 1 for a seed of the criterion, 0 for every other commit."""
    return np.array([[one.criterion == name for name in criteria] for one in commits], np.int8).reshape(
        len(commits), len(criteria)
    )


def _fit(name: str, commits: Sequence[_Commit], targets: npt.NDArray[np.int8], settings: TrainSettings) -> Kind:
    taken = set(map(id, _limited(commits, settings)))
    rows = [place for place, one in enumerate(commits) if id(one) in taken]
    return kind_of(name).fit(
        [commits[row].example for row in rows], [commits[row].repository for row in rows], targets[rows], settings
    )


def _without_likely(
    commits: Sequence[_Commit], targets: npt.NDArray[np.int8], settings: TrainSettings
) -> npt.NDArray[np.int8]:
    """Targets in which the unlabelled commits that look like seeds are -1 for that criterion."""
    is_spy = np.array(
        [one.group == "seed" and uniform(settings.seed, "spy", str(one.draw)) < settings.spy_share for one in commits]
    )
    hidden = np.where(is_spy[:, None], 0, targets).astype(np.int8)
    screen = _fit(_SCREEN, commits, hidden, replace(settings, kind=_SCREEN))
    scores = screen.scores([one.example for one in commits])
    is_unlabelled = np.array([one.group == "unlabelled" for one in commits])
    screened = targets.copy()
    for place in range(targets.shape[1]):
        spies = scores[is_spy & (targets[:, place] == 1), place]
        if spies.size:
            limit = np.quantile(spies, settings.spy_quantile)
            screened[is_unlabelled & (scores[:, place] >= limit), place] = -1
    return screened


def _calibrated(
    model: Kind,
    by_part: dict[Part, list[_Commit]],
    criteria: tuple[str, ...],
    counts: dict[str, int],
    settings: TrainSettings,
) -> tuple[tuple[Calibration, ...], dict[str, float], dict[str, dict[str, Any]]]:
    """Calibrations, thresholds of the stated precision, and what the report says of each criterion."""
    drawn = sum(one.group == "unlabelled" for commits in by_part.values() for one in commits)
    chance = drawn / max(1, counts["unlabelled"])
    seen: dict[str, tuple[list[_Commit], npt.NDArray[np.float64], npt.NDArray[np.float64]]] = {}
    for part in ("calibration", "held_out"):
        all_of_part = [one for one in by_part[part] if one.group != "negative"]
        commits = _limited(all_of_part, settings)
        share = sum(o.group == "unlabelled" for o in commits) / max(
            1, sum(o.group == "unlabelled" for o in all_of_part)
        )
        each = 1.0 / max(chance * share, 1e-12)
        weights = np.array([1.0 if one.group == "seed" else each for one in commits])
        seen[part] = (commits, model.scores([one.example for one in commits]), weights)
    calibrations, thresholds, about = [], {}, {}
    for place, name in enumerate(criteria):
        commits, scores, weights = seen["calibration"]
        one = calibrate(
            scores[:, place],
            np.array([commit.criterion == name for commit in commits], np.bool_),
            weights,
            min_support=settings.min_support,
        )
        threshold = one.threshold(settings.min_precision)
        calibrations.append(one)
        if threshold is not None:
            thresholds[name] = threshold
        about[name] = {
            "seeds": {part: sum(commit.criterion == name for commit in by_part[part]) for part in PARTS},
            "threshold": threshold,
            "best_precision": float(one.precisions.max()) if one.precisions.size else None,
            "told_apart": _told_apart(name, place, seen["held_out"]),
            "held_out": _held_out(name, one.probabilities(seen["held_out"][1][:, place]), seen["held_out"], threshold),
        }
    return tuple(calibrations), thresholds, about


def _told_apart(
    name: str, place: int, seen: tuple[list[_Commit], npt.NDArray[np.float64], npt.NDArray[np.float64]]
) -> dict[str, float | None]:
    """How often a held-out seed of the criterion scores higher than a seed of another one, and than an unlabelled
    commit: 0.5 is chance."""
    commits, scores, _ = seen
    own = scores[[one.criterion == name for one in commits], place]
    found: dict[str, float | None] = {}
    for group, others in (
        ("from_other_seeds", [one.group == "seed" and one.criterion != name for one in commits]),
        ("from_unlabelled", [one.group == "unlabelled" for one in commits]),
    ):
        rest = np.sort(scores[others, place])
        if not own.size or not rest.size:
            found[group] = None
            continue
        below = (np.searchsorted(rest, own, "left") + np.searchsorted(rest, own, "right")) / 2
        found[group] = float(below.mean() / rest.size)
    return found


def _held_out(
    name: str,
    probabilities: npt.NDArray[np.float64],
    seen: tuple[list[_Commit], npt.NDArray[np.float64], npt.NDArray[np.float64]],
    threshold: float | None,
) -> dict[str, Any] | None:
    """Precision and recall on seeds of repositories that nothing was fitted to; None without a threshold."""
    if threshold is None:
        return None
    commits, _, weights = seen
    is_kept = probabilities >= threshold
    is_right = np.array([one.criterion == name for one in commits], np.bool_)
    is_seed = np.array([one.group == "seed" for one in commits], np.bool_)
    right, of_others = int((is_kept & is_right).sum()), int((is_kept & is_seed & ~is_right).sum())
    unlabelled = float(weights[is_kept & ~is_seed].sum())
    everything = right + of_others + round(unlabelled)
    return {
        "among_seeds": _share(right, right + of_others),
        "among_all": _share(right, everything),
        "recall": _share(right, int(is_right.sum())),
    }


def _share(right: int, total: int) -> dict[str, Any]:
    return {"right": right, "of": total, "interval": list(wilson(right, total)) if total else None}


def _kept(
    files: Sequence[Path],
    changed_lines: ChangedLines,
    opened: Classifier,
    thresholds: dict[str, float],
    without_term: set[str],
) -> dict[str, dict[str, int]]:
    """Of the whole pool without a term: commits above each threshold, and those whose diff shows it too."""
    found: dict[str, dict[str, int]] = {name: defaultdict(int, sure=0, shown=0) for name in opened.criteria}
    for batch in _batches(files) if thresholds else ():
        rows = [row for row in batch.to_pylist() if row["row_id"] in without_term]
        changed = [_once(changed_lines, row["old_contents"], row["new_contents"]) for row in rows]
        asked = opened.probabilities([row["message"] for row in rows], [row["language"] for row in rows], changed)
        for row, changes, probabilities in zip(rows, changed, asked, strict=True):
            for name, threshold in thresholds.items():
                found[name]["sure"] += probabilities[name] >= threshold
            label = recalled(
                message=row["message"],
                path=row["path"],
                language=row["language"],
                changes=changes,
                probabilities=probabilities,
                sure=thresholds,
            )
            if label is not None and label.criterion is not None:
                found[label.criterion]["shown"] += 1
    return {name: dict(counts) for name, counts in found.items()}
