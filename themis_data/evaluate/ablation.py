"""What each step of a pipeline is worth: the pipeline is built with and without it, a small model is fitted on as many
pairs of either, and both are tried on the same pairs of repositories and problems that neither has seen.

The pairs that are tried are those of the whole pipeline, fold by fold: a model is fitted on the pairs of all other
groups. Which pairs a fit takes, where there are more than the other builds have, is drawn by the seed and the row id,
so that builds with the same rows take the same ones.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from themis_data.dataset import RunFolder, open_version
from themis_data.errors import EvaluationError, PipelineError, StageError
from themis_data.evaluate.features import Features, LengthFeatures, TokenFeatures
from themis_data.evaluate.pair_sets import system_prompt
from themis_data.fingerprint import uniform
from themis_data.intervals import mean_by_groups, share_by_groups
from themis_data.llm.agreement import rounded
from themis_data.pipeline import Pipeline
from themis_data.publish.bradley_terry import Floats, Ints, fit, folds

Build = Callable[[Pipeline, Path], Any]
"""Builds a pipeline into a folder."""

_COLUMNS: Final = ("row_id", "criterion", "language", "group", "prompt", "chosen", "rejected", "criterion_conflict")
_RIDGES: Final = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
_FITS: Final = 4  # folds in which the ridge is chosen


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How the builds are compared."""

    features: Features
    folds: int = 5  # in which the groups are cut
    tested: int = 5  # of them that are tried, each by a model of all others
    seed: int = 0


def ablate(
    pipeline: Pipeline,
    out: Path,
    trial: Trial,
    *,
    build: Build,
    steps: Sequence[str] | None = None,
    gold: Path | None = None,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Build `pipeline` into `out`/whole, and without each of `steps` into `out`/without-STEP, and compare.

    `steps` are ids of steps whose rows have the schema they came in with; by default all of them that dropped rows.
    `gold` is a file of schema `gold`: pairs that people judged, tried too, by models that saw none of their groups. The
    result is in JSON types.

    Raises PipelineError for a step that cannot be left out, EvaluationError where there are too few pairs or groups.
    """
    if not 1 <= trial.tested <= trial.folds:
        raise EvaluationError(f"{trial.tested} of {trial.folds} folds cannot be tried; expected 1 to {trial.folds}")
    pipeline = _unbound(pipeline)
    for step in steps or ():
        pipeline.without(step)  # what cannot be left out is said before anything is built
    whole_folder = out / "whole"
    note("building the whole pipeline")
    build(pipeline, whole_folder)
    whole = _pairs(whole_folder)
    dropped = _dropped(whole_folder)
    chosen = [step for step in dropped if _can_go(pipeline, step)] if steps is None else list(steps)
    built = {"whole": whole}
    failed: dict[str, str] = {}
    for step in chosen:
        variant, folder = pipeline.without(step), out / f"without-{step}"
        if not (folder / "run.json").exists():
            RunFolder(whole_folder).copy_to(RunFolder(folder))
        note(f"building it without {step}")
        try:
            build(variant, folder)
        except StageError as error:
            failed[step] = str(error)
            continue
        built[step] = _pairs(folder)
    return {
        "pipeline": pipeline.name,
        "features": trial.features.name,
        "folds": trial.folds,
        "folds_tried": trial.tested,
        "seed": trial.seed,
        "dropped": {step: dropped.get(step, 0) for step in chosen},
        "failed": failed,
        **_compared(built, _gold(gold), trial, note),
    }


def _unbound(pipeline: Pipeline) -> Pipeline:
    """The pipeline without what only a published version needs: splits, several layouts, limits that fail a build."""
    write = replace(pipeline.write, splits={"train": 1.0}, configs=("default",), max_surface_accuracy={})
    return replace(pipeline, write=write)


def _can_go(pipeline: Pipeline, step: str) -> bool:
    try:
        pipeline.without(step)
    except PipelineError:
        return False
    return True


def _dropped(folder: Path) -> dict[str, int]:
    """Rows that each step of a finished build dropped, for those that dropped any, in order."""
    funnel = open_version(folder).manifest["funnel"]
    counted = {entry["step"]: sum(entry["dropped"].values()) for entry in funnel}
    return {step: count for step, count in counted.items() if count}


def _pairs(folder: Path) -> pl.DataFrame:
    """The pairs of a finished build, by row id, each with the system prompt of its own criterion alone."""
    parts = [pl.read_parquet(file, columns=list(_COLUMNS)) for file in open_version(folder).final_files()]
    if not any(map(len, parts)):
        raise EvaluationError(f"{folder}: the build has no pairs")
    return _with_system(pl.concat(parts).sort("row_id"))


def _with_system(pairs: pl.DataFrame) -> pl.DataFrame:
    names = pairs["criterion"].unique().to_list()
    prompts = {name: system_prompt("criterion", name) for name in names}
    return pairs.with_columns(system=pl.col("criterion").replace_strict(prompts, return_dtype=pl.String))


def _gold(file: Path | None) -> pl.DataFrame | None:
    """Pairs on whose better side people agreed, that side as the chosen one: row_id, chosen, rejected."""
    if file is None:
        return None
    try:
        rows = pl.read_parquet(file, columns=["row_id", "chosen", "rejected", "verdict"])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise EvaluationError(f"{file}: no file of gold labels, as 'themis gold read' writes: {error}") from error
    turned = pl.col("verdict") == "rejected"
    sides = {"chosen": ("rejected", "chosen"), "rejected": ("chosen", "rejected")}
    return rows.filter(pl.col("verdict").is_in(["chosen", "rejected"])).select(
        "row_id", *(pl.when(turned).then(pl.col(a)).otherwise(pl.col(b)).alias(name) for name, (a, b) in sides.items())
    )


@dataclass(frozen=True)
class _Rows:
    """Pairs as a model sees them."""

    x: Any  # scipy.sparse.csr_array: a row a pair, chosen less rejected
    fold: Ints

    @classmethod
    def of(cls, pairs: pl.DataFrame, features: Features) -> "_Rows":
        return cls(features.differences(pairs), pairs["fold"].to_numpy())


def _compared(
    built: Mapping[str, pl.DataFrame], gold: pl.DataFrame | None, trial: Trial, note: Callable[[str], None]
) -> dict[str, Any]:
    features = trial.features
    usable = {name: pairs.filter(features.usable(pairs)) for name, pairs in built.items()}
    fold_of = _folds(usable["whole"], trial)
    cut = {name: _with_fold(pairs, fold_of, trial) for name, pairs in usable.items()}
    tried = cut["whole"].filter(pl.col("fold") < trial.tested)
    tests = {
        "pairs": tried,
        "shuffled_prompts": _shuffled_prompts(tried, trial.seed),
        "swapped_criteria": _swapped_criteria(tried, trial.seed),
    }
    judged = None if gold is None else _judged(gold, cut.values())
    if judged is not None and len(judged):
        tests["gold"] = judged.filter(pl.col("fold") < trial.tested)
    sizes = [min(int((pairs["fold"] != fold).sum()) for pairs in cut.values()) for fold in range(trial.tested)]
    seen = {name: _Rows.of(pairs, features) for name, pairs in tests.items()}
    margins = {}
    for name, pairs in cut.items():
        note(f"fitting on the pairs of {name}")
        margins[name] = _margins(pairs, features, seen, sizes, trial)
    whole = _measures(tests, margins["whole"])
    for baseline in (LengthFeatures(), TokenFeatures()):
        if baseline.name != features.name:
            found = _margins(cut["whole"], baseline, {"pairs": _Rows.of(tried, baseline)}, sizes, trial)
            whole[f"{baseline.name} alone"] = _share(_right(found["pairs"]), tried)
    pairs_of = {
        name: {"pairs": len(pairs), "not_usable": len(pairs) - len(usable[name])} for name, pairs in built.items()
    }
    return {
        "fitted_on": sizes,
        "gold_left_out": 0 if gold is None or judged is None else len(gold) - len(judged),
        "whole": pairs_of["whole"] | whole,
        "without": {
            name: pairs_of[name] | _worth(tests, margins["whole"], own)
            for name, own in margins.items()
            if name != "whole"
        },
    }


def _folds(whole: pl.DataFrame, trial: Trial) -> dict[str, int]:
    """The fold of each group of the whole build."""
    groups = whole["group"].unique().sort().to_list()
    if len(groups) < trial.folds:
        raise EvaluationError(
            f"the whole build has usable pairs of {len(groups)} groups (repositories and problems), which do not fill "
            f"{trial.folds} folds; give more repositories, or fewer --folds"
        )
    number = {group: place for place, group in enumerate(groups)}
    draws = np.array([uniform(trial.seed, "ablate fold", group) for group in groups])
    of_pairs = folds(np.array([number[group] for group in whole["group"]], dtype=np.int64), draws, trial.folds)
    return dict(zip(whole["group"].to_list(), of_pairs.tolist(), strict=True))


def _with_fold(pairs: pl.DataFrame, fold_of: Mapping[str, int], trial: Trial) -> pl.DataFrame:
    """With the fold of each pair, and the draw by which it is taken where there are too many. A group that the whole
    build lacks gets a fold of its own draw."""
    drawn = {group: int(uniform(trial.seed, "ablate fold", group) * trial.folds) for group in pairs["group"].unique()}
    return pairs.with_columns(
        fold=pl.col("group").replace_strict(drawn | dict(fold_of), return_dtype=pl.Int64),
        draw=pl.Series([uniform(trial.seed, "ablate", row_id) for row_id in pairs["row_id"]], dtype=pl.Float64),
    )


def _shuffled_prompts(pairs: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Each pair with the prompt of another one in its language, where there is another."""
    order = pl.Series([uniform(seed, "shuffled prompt", row_id) for row_id in pairs["row_id"]], dtype=pl.Float64)
    parts = [
        part.with_columns(prompt=pl.concat([part["prompt"].tail(-1), part["prompt"].head(1)]))
        for part in pairs.with_columns(order=order).sort("order").partition_by("language", maintain_order=True)
    ]
    return pl.concat(parts).drop("order").sort("row_id")


def _swapped_criteria(pairs: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Each pair with another criterion that its build has, drawn, where there is another."""
    names = pairs["criterion"].unique().sort().to_list()
    swapped = []
    for row_id, criterion in pairs.select("row_id", "criterion").iter_rows():
        others = [name for name in names if name != criterion] or [criterion]
        swapped.append(others[int(uniform(seed, "swapped criterion", row_id) * len(others))])
    return _with_system(pairs.with_columns(criterion=pl.Series(swapped, dtype=pl.String)))


def _judged(gold: pl.DataFrame, cut: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The gold pairs that any of the builds has, with the sides as people ordered them."""
    known = pl.concat(list(cut)).unique("row_id").drop("chosen", "rejected")
    return known.join(gold, on="row_id").sort("row_id")


def _margins(
    pairs: pl.DataFrame, features: Features, tests: Mapping[str, _Rows], sizes: Sequence[int], trial: Trial
) -> dict[str, Floats]:
    """Reward of the chosen side less that of the rejected one, for each pair of each test."""
    rows = _Rows.of(pairs, features)
    found = {name: np.full(len(test.fold), np.nan) for name, test in tests.items()}
    draw = pairs["draw"].to_numpy()
    for fold, size in enumerate(sizes):
        others = np.flatnonzero(rows.fold != fold)
        train = np.sort(others[np.argsort(draw[others], kind="stable")[:size]])
        weights = _fitted(rows.x[train], pairs["group"].gather(train), features.is_scaled, trial.seed)
        for name, test in tests.items():
            own = test.fold == fold
            found[name][own] = test.x[own] @ weights
    return found


def _fitted(x: Any, group: pl.Series, is_scaled: bool, seed: int) -> Floats:
    """Weights of the model with the ridge that tells pairs of other groups best, by their likelihood."""
    from scipy.sparse import csr_array

    scale = np.ones(x.shape[1])
    if is_scaled:
        spread = np.sqrt(np.asarray(x.multiply(x).mean(axis=0)).ravel())
        scale[spread > 0] = 1.0 / spread[spread > 0]
        x = csr_array(x.multiply(scale))
    used = np.flatnonzero(np.bincount(x.indices, minlength=x.shape[1]))
    x = csr_array(x[:, used])
    number = group.rank("dense").to_numpy().astype(np.int64) - 1
    draws = np.array([uniform(seed, "ablate ridge", name) for name in group.unique().sort()])
    fold = folds(number, draws, _FITS)

    def loss(ridge: float) -> float:
        return sum(
            float(np.logaddexp(0.0, -(x[fold == own] @ fit(x[fold != own], ridge))).sum()) for own in range(_FITS)
        )

    weights = np.zeros(len(scale))
    weights[used] = fit(x, min(_RIDGES, key=loss))
    return weights * scale


def _right(margins: Floats) -> Floats:
    return 0.5 + 0.5 * np.sign(margins)


def _measures(tests: Mapping[str, pl.DataFrame], margins: Mapping[str, Floats]) -> dict[str, Any]:
    """What the models of one build got right: in all, with both lengths alike, by criterion and language, on pairs that
    stand in the build the other way round by another criterion, on gold, and with what a reward should look at changed.
    """
    tried, right = tests["pairs"], _right(margins["pairs"])
    conflicts = tried["criterion_conflict"].fill_null(False).to_numpy()
    found: dict[str, Any] = {
        "accuracy": _share(right, tried),
        "length_balanced": _mean(*_length_balanced(right, tried)),
        "conflicts": _share(right[conflicts], tried.filter(conflicts)),
    }
    for by in ("criterion", "language"):
        of_pair = tried[by].to_numpy()
        found[f"by_{by}"] = {
            name: _share(right[of_pair == name], tried.filter(pl.col(by) == name)) for name in tried[by].unique().sort()
        }
    for name in ("shuffled_prompts", "swapped_criteria"):
        turned = (np.sign(margins[name]) != np.sign(margins["pairs"])).astype(np.float64)
        found[name] = {"accuracy": _share(_right(margins[name]), tried), "turned": _share(turned, tried)}
    if "gold" in tests:
        found["gold"] = _share(_right(margins["gold"]), tests["gold"])
    return found


def _worth(
    tests: Mapping[str, pl.DataFrame], whole: Mapping[str, Floats], without: Mapping[str, Floats]
) -> dict[str, Any]:
    """How much more the models of the whole build got right of the same pairs."""
    tried = tests["pairs"]
    gain = _right(whole["pairs"]) - _right(without["pairs"])
    found = {
        "accuracy": _share(_right(without["pairs"]), tried),
        "worth": _mean(gain, tried),
        "worth_length_balanced": _mean(*_length_balanced(gain, tried)),
    }
    if "gold" in tests:
        found["worth_on_gold"] = _mean(_right(whole["gold"]) - _right(without["gold"]), tests["gold"])
    return found


def _length_balanced(values: Floats, pairs: pl.DataFrame) -> tuple[Floats, pl.DataFrame]:
    """Pairs of which one side is longer, weighted so that the longer side is chosen in half of them: what only knows
    lengths gets half right. Empty where either kind is missing."""
    lengths = pairs.select(pl.col("chosen").str.len_chars().cast(pl.Int64) - pl.col("rejected").str.len_chars())
    sign = np.sign(lengths.to_series().to_numpy())
    weights = np.zeros(len(sign))
    for side in (1, -1):
        weights[sign == side] = 0.5 / max(int((sign == side).sum()), 1)
    unequal = sign != 0
    if not (sign == 1).any() or not (sign == -1).any():
        unequal[:] = False
    return values[unequal] * weights[unequal] * unequal.sum(), pairs.filter(unequal)


def _share(right: Floats, pairs: pl.DataFrame) -> dict[str, Any] | None:
    """The mean of values from 0 to 1, with its interval by groups; None of nothing."""
    if not len(right):
        return None
    share, low, high = map(rounded, share_by_groups(right, _groups(pairs)))
    return {"share": share, "low": low, "high": high, "pairs": len(right), "groups": pairs["group"].n_unique()}


def _mean(values: Floats, pairs: pl.DataFrame) -> dict[str, Any] | None:
    """The mean of values with its interval by groups; None of nothing."""
    if not len(values):
        return None
    return dict(zip(("mean", "low", "high"), map(rounded, mean_by_groups(values, _groups(pairs))), strict=True))


def _groups(pairs: pl.DataFrame) -> Ints:
    return pairs["group"].rank("dense").to_numpy().astype(np.int64)
