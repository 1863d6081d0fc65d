"""What the surface of pairs gives away, before and after balancing, and what the audit costs.

    python benchmarks/surface.py tables BEFORE AFTER    two run folders of one pipeline: `balance_lengths` with
                                                        max_accuracy 1, which drops nothing, and with its default
    python benchmarks/surface.py bins BEFORE            rows lost, and what a rule on the difference still gets right
    python benchmarks/surface.py models BEFORE          the audit's model of countable features beside boosted trees
    python benchmarks/surface.py speed BEFORE ROWS      seconds and memory of the audit, on its pairs again and again

BEFORE's pairs are read from its last segment.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.fingerprint import uniform
from themis_data.publish.audit import _best_by_size, _folds, audit
from themis_data.publish.surface import differences
from themis_data.stages.balance_lengths import BalanceLengths

SEED = 7
MAX_BYTES = 16_384  # of a side, as the recipes have it
BINS: tuple[dict[str, Any], ...] = (
    {"max_accuracy": 1.0},
    {"changed_lines": (), "differences": ()},
    {"differences": ()},
    {"changed_lines": (), "differences": (40, 200)},
    {"changed_lines": ()},
    {},
    {"changed_lines": (3, 12)},
    {"max_accuracy": 0.5},
    {"max_accuracy": 0.6},
)


def manifest(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    return found


def last_pairs(run: Path) -> pa.Table:
    records = [run / shard["record"] for shard in manifest(run)["segments"][-1]["shards"]]
    paths = [json.loads(record.read_text(encoding="utf-8"))["rows"]["path"] for record in records]
    return pa.concat_tables([pq.read_table(run / path) for path in paths])


def tables(before: Path, after: Path) -> None:
    old, new = (
        {(a["source"], a["criterion"], a["language"]): a for a in manifest(run)["audit"]} for run in (before, after)
    )
    print("| slice | pairs | left | longer | length | by size | surface | words |\n|---|---|---|---|---|---|---|---|")
    for key, one in old.items():
        if one["pairs"] < 200 or one["measures"][0]["accuracy"] is None:
            continue
        other = new.get(key)
        cells = [
            f"{_figure(m)} → {_figure(other['measures'][n]) if other else '-'}" for n, m in enumerate(one["measures"])
        ]
        left = other["pairs"] if other else 0
        longer = f"{100 * one['chosen_longer']:.0f} → {100 * other['chosen_longer']:.0f}" if other else "-"
        print(f"| {' / '.join(key)} | {one['pairs']:,} | {left:,} | {longer} | {' | '.join(cells)} |")
    for name, found in (("before", old), ("after", new)):
        for measure in found["all", "all", "all"]["measures"]:
            print(f"{name}, {measure['name']}: {', '.join(measure['tells']) or '-'}")


def _figure(measure: dict[str, Any]) -> str:
    if measure["accuracy"] is None:
        return "-"
    return f"{100 * measure['accuracy']:.1f} ({100 * measure['low']:.0f}-{100 * measure['high']:.0f})"


def bins(run: Path) -> None:
    """Also the best rule "longer wins from some difference on, shorter below", or the other way, on the same pairs."""
    pairs = last_pairs(run)
    for settings in BINS:
        stage = BalanceLengths(max_lost_share=1.0, seed=SEED, **settings)
        gone = stage.within_limit(stage.matched(stage.measured(pairs))).marks["row_id"]
        left = pairs.filter(pc.invert(pc.is_in(pairs["row_id"], value_set=gone.combine_chunks())))
        print(f"{settings or 'default'}: {len(gone) / len(pairs):.1%} lost")
        rows = left.select(["criterion", "language", "group", "chosen", "rejected"]).to_pylist()
        sizes = Counter((row["criterion"], row["language"]) for row in rows)
        for key in [key for key, size in sizes.most_common() if size >= 300]:
            own = [row for row in rows if key == (row["criterion"], row["language"])]
            difference = np.array([len(row["chosen"]) - len(row["rejected"]) for row in own])
            right = _by_size(difference, [row["group"] for row in own])
            longer = float(0.5 + 0.5 * np.sign(difference).mean())
            print(
                f"  {' / '.join(key)}: {len(own)} pairs, length {max(longer, 1 - longer):.3f}, "
                f"by size {right:.3f}, best threshold {_best_threshold(difference):.3f}"
            )


def _by_size(difference: Any, groups: list[str]) -> float:
    """The audit's measure, without its models."""
    names = sorted(set(groups))
    group = np.array([names.index(one) for one in groups])
    fold = _folds(group, np.array([uniform(SEED, "fold", name) for name in names]))
    return float(_best_by_size(difference, fold).mean())


def _best_threshold(difference: Any) -> float:
    sides = np.sign(difference)[np.argsort(np.abs(difference), kind="stable")]
    below = np.concatenate([[0], np.cumsum(sides)])
    return 0.5 + 0.5 * float(np.abs(below[-1] - 2 * below).max()) / len(sides)


def models(run: Path) -> None:
    """Boosted trees see each pair both ways round, as they have no other way to be fair to the sides."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    rows = last_pairs(run).select(["criterion", "language", "group", "chosen", "rejected"]).to_pylist()
    sizes = Counter((row["criterion"], row["language"]) for row in rows)
    for key in [("all", "all"), *(key for key, size in sizes.most_common() if size >= 200)]:
        own = [row for row in rows if key == ("all", "all") or key == (row["criterion"], row["language"])]
        x = np.array([differences(row["chosen"], row["rejected"], row["language"]).features for row in own])
        fold = np.array([int(5 * uniform(SEED, "fold", row["group"])) for row in own])
        scale = np.sqrt((x**2).mean(axis=0)) + 1e-12
        right = {"logistic": np.full(len(x), 0.5), "boosted": np.full(len(x), 0.5)}
        for number in set(fold):
            inside, outside = x[fold == number], x[fold != number]
            both, label = np.concatenate([outside, -outside]), np.repeat([1, 0], len(outside))
            linear = LogisticRegression(fit_intercept=False, C=0.5, max_iter=1_000).fit(both / scale, label)
            right["logistic"][fold == number] = linear.decision_function(inside / scale) > 0
            trees = HistGradientBoostingClassifier(random_state=SEED, max_iter=100).fit(both, label)
            right["boosted"][fold == number] = trees.decision_function(inside) > trees.decision_function(-inside)
        print(f"{' / '.join(key)}: {len(x)} pairs, " + ", ".join(f"{k} {v.mean():.3f}" for k, v in right.items()))


def speed(run: Path, rows: int) -> None:
    pairs = last_pairs(run)
    small = [pc.less_equal(pc.binary_length(pairs[side]), MAX_BYTES) for side in ("chosen", "rejected")]
    pairs = pairs.filter(pc.and_(*small))
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number in range(-(-rows // len(pairs))):
            ids = pa.array([f"{i}-{number}" for i in pairs["row_id"].to_pylist()])
            table = pairs.set_column(pairs.schema.get_field_index("row_id"), "row_id", ids)
            paths.append(Path(folder) / f"{number:05d}.parquet")
            pq.write_table(table.slice(0, min(len(pairs), rows - number * len(pairs))), paths[-1])
        start, used = time.perf_counter(), time.process_time()
        found = audit(paths, seed=SEED)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{found[0].pairs:,} pairs, {len(found)} slices: {time.perf_counter() - start:.0f} s, "
        f"{time.process_time() - used:.0f} s of processor time, peak {peak:.1f} GiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["tables", "bins", "models", "speed"])
    parser.add_argument("before", type=Path)
    parser.add_argument("more", nargs="?")
    given = parser.parse_args()
    if given.what == "tables":
        tables(given.before, Path(given.more))
    elif given.what == "speed":
        speed(given.before, int(given.more))
    else:
        {"bins": bins, "models": models}[given.what](given.before)


if __name__ == "__main__":
    main()
