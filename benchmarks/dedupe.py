"""Near-duplicates end to end: time and memory at 10,000 to 1,000,000 documents, and beside the peers.

    python benchmarks/dedupe.py perturb FILE FOLDER COUNT     COUNT documents out of real ones, in shards
    python benchmarks/dedupe.py run FOLDER [--engine ray]     what the step makes of them: seconds, memory, survivors
    python benchmarks/dedupe.py peers FILE COUNT              text in, keep or drop out, one core, beside the peers

FILE is what `benchmarks/minhash.py documents` writes. A perturbed document is a real one of which a share of lines,
drawn between none and all, most often few, is dropped or replaced by words of its own; so some of the variants of a
document are near-duplicates of it and of one another, and the others are not.

Memory is the proportional size, anonymous and shared, of the process and all its children, read from /proc every
quarter of a second: so it counts what Ray's own processes hold, and leaves out files that are mapped.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SHARD_ROWS = 62_500
SEED = 1
SETTINGS = {
    "contents": {"permutations": 256, "shingle": 5, "similarity": 0.7},
    "pairs": {"permutations": 128, "shingle": 20, "similarity": 0.75},
}


# Documents


def perturbed(texts: list[str], count: int) -> Iterator[str]:
    """Variants of real documents, the same for the same arguments."""
    draw = np.random.default_rng(SEED)
    for number in range(count):
        lines = texts[number % len(texts)].split("\n")
        if number < len(texts):
            yield "\n".join(lines)
            continue
        share = draw.random() ** 2
        fate = draw.random(len(lines))
        kept = []
        for place, line in enumerate(lines):
            if fate[place] >= share:
                kept.append(line)
            elif fate[place] > share / 2:
                kept.append(f"w{number}_{place} v{number} u{place} t{number}{place} s{number}")
        yield "\n".join(kept)


def perturb(file: Path, folder: Path, count: int) -> None:
    draw = np.random.default_rng(SEED)
    documents = pq.read_table(file, columns=["repository", "text"]).to_pylist()
    # Whole repositories, so that a small sample has as many versions of a file as a large one.
    order = {name: place for place, name in enumerate(draw.permutation(sorted({d["repository"] for d in documents})))}
    documents.sort(key=lambda document: order[document["repository"]])
    texts = [document["text"] for document in documents[: max(1, count // 8)]]
    folder.mkdir(parents=True, exist_ok=True)
    variants = perturbed(texts, count)
    # Variants lie far from one another, in shards of their own.
    for number in range(-(-count // SHARD_ROWS)):
        own = list(islice(variants, SHARD_ROWS))
        places = range(number * SHARD_ROWS, number * SHARD_ROWS + len(own))
        table = pa.table(
            {
                "row_id": [hashlib.blake2b(str(place).encode(), digest_size=16).hexdigest() for place in places],
                "committed_at": pa.array(list(places), pa.timestamp("s")),
                "commit": pa.array(["c"] * len(own)),
                "cluster_size": pa.nulls(len(own), pa.int64()),
                "new_contents": pa.array(own, pa.large_string()),
            }
        )
        pq.write_table(table, folder / f"{number:05d}.parquet", compression="zstd", row_group_size=1_000)


# One run


def run(folder: Path, setting: str, engine: str, workers: int) -> dict[str, Any]:
    """Seconds of each kind of task and of all, rows, marks and a digest of them."""
    from themis_data.engine import inline, on_ray
    from themis_data.engine.link import linked
    from themis_data.engine.segment import Work
    from themis_data.engine.shuffle import Shard
    from themis_data.stages.drop_near_duplicates import DropNearDuplicates

    stage = DropNearDuplicates(same=(("new_contents",),), **SETTINGS[setting])
    shards = [Shard(path=path.name, rows=pq.read_metadata(path).num_rows) for path in sorted(folder.glob("*.parquet"))]
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    spent: dict[str, float] = {}

    def timed(tasks: Any) -> Any:
        def do(function: Any, todo: Any) -> Any:
            started = time.monotonic()
            yield from tasks(function, todo)
            spent[function.__name__] = spent.get(function.__name__, 0.0) + time.monotonic() - started

        return do

    opened = on_ray.open_engine(address=None, workers=workers) if engine == "ray" else inline.open_engine()
    with opened as running, Peak() as peak:
        started = time.monotonic()
        marks, warnings = linked(
            timed(running.run),
            Work(step="dedupe", stage=stage, place=0, is_last=True),
            shards,
            run_folder=folder,
            scratch=scratch,
            progress=lambda total: lambda done: None,
        )
        seconds = time.monotonic() - started
    size = sum(path.stat().st_size for path in scratch.rglob("*"))
    alike = sum(_rows_of(path) for path in scratch.glob("alike-*.arrow"))
    candidates = sum(_rows_of(path) for path in scratch.glob("candidates-*.arrow"))
    shutil.rmtree(scratch)
    dropped = marks.filter(marks["reason"].is_valid()).select(["row_id", "detail"]).sort_by("row_id")
    text = json.dumps(dropped.to_pydict(), sort_keys=True).encode()
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = sum(shard.rows for shard in shards)
    return {
        "rows": rows,
        "seconds": round(seconds, 1),
        "rows_a_second": round(rows / seconds),
        "tasks": {name: round(value, 1) for name, value in spent.items()},
        "peak_gib": round(peak.most / 2**30, 2),
        "scratch_gib": round(size / 2**30, 2),
        "cpu_seconds": round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 1),
        "candidates": candidates,  # a pair as often as it is found in another partition of the keys
        "alike": alike,
        "dropped": len(dropped),
        "digest": hashlib.sha256(text).hexdigest()[:16],
        "warnings": warnings,
    }


def _rows_of(path: Path) -> int:
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    return sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))


class Peak:
    """The most memory that this process and all its children held, in bytes."""

    def __init__(self) -> None:
        self.most, self._done = 0, threading.Event()

    def __enter__(self) -> "Peak":
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.25):
            self.most = max(self.most, sum(map(_proportional, _tree(os.getpid()))))


def _tree(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(place.name))
    found = [root]
    for one in found:
        found += parents.get(one, [])
    return found


def _proportional(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    # What is mapped from files can be given back at any moment: anonymous and shared memory cannot.
    sizes = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return 1024 * (sizes["Pss_Anon:"] + sizes["Pss_Shmem:"])


# Peers


def ours(texts: list[str], setting: str, folder: Path) -> tuple[float, int]:
    """Processor seconds and rows dropped, through the engine with all its files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    table = pa.table(
        {
            "row_id": [f"{place:08d}" for place in range(len(texts))],
            "committed_at": pa.array(range(len(texts)), pa.timestamp("s")),
            "commit": pa.array(["c"] * len(texts)),
            "cluster_size": pa.nulls(len(texts), pa.int64()),
            "new_contents": pa.array(texts, pa.large_string()),
        }
    )
    pq.write_table(table, folder / "0.parquet", compression="zstd", row_group_size=1_000)
    started = time.process_time()
    found = run(folder, setting, "inline", 1)
    return time.process_time() - started, found["dropped"]


def text_dedup(texts: list[str], setting: str, folder: Path) -> tuple[float, int]:
    """Its own functions in its own order: signatures, buckets, union-find, one text of each cluster."""
    from text_dedup.minhash import embed_func
    from text_dedup.utils import sha1_hash
    from text_dedup.utils.union_find import UnionFind

    from themis_data.text.minhash import banding_of_datasketch

    chosen = SETTINGS[setting]
    started = time.process_time()
    bands, rows = banding_of_datasketch(chosen["similarity"], chosen["permutations"])
    draw, prime = np.random.RandomState(42), np.uint64((1 << 61) - 1)
    options = {
        "num_perm": chosen["permutations"],
        "hashranges": [(n * rows, (n + 1) * rows) for n in range(bands)],
        "ngram_size": chosen["shingle"],
        "min_length": 0,
        "permutations": tuple(draw.randint(low, prime, chosen["permutations"], dtype=np.uint64) for low in (1, 0)),
        "hash_func": partial(sha1_hash, d=32),
        "dtype": np.uint64,
        "max_hash": np.uint32((1 << 32) - 1),
        "modulo_prime": prime,
    }
    tables: list[dict[bytes, list[int]]] = [{} for _ in range(bands)]
    for place, text in enumerate(texts):
        for key, own in zip(embed_func(text, place, **options)["__signatures__"], tables, strict=True):
            own.setdefault(key, []).append(place)
    sets = UnionFind()
    for own in tables:
        for members in own.values():
            for member in members[1:]:
                sets.union(members[0], member)
    dropped = sum(sets.find(place) != place for place in range(len(texts)))
    return time.process_time() - started, dropped


def datatrove(texts: list[str], setting: str, folder: Path) -> tuple[float, int]:
    """Its four stages with its own tokens, on one local task each."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
    from datatrove.utils.hashing import HashConfig

    shutil.rmtree(folder, ignore_errors=True)
    chosen = SETTINGS[setting]
    bands, rows = {"contents": (25, 10), "pairs": (11, 11)}[setting]
    config = MinhashConfig(
        n_grams=chosen["shingle"], num_buckets=bands, hashes_per_bucket=rows, hash_config=HashConfig(precision=64)
    )
    documents = [Document(text=text, id=str(place)) for place, text in enumerate(texts)]
    started = time.process_time()
    signatures, buckets, removed = (str(folder / name) for name in ("signatures", "buckets", "removed"))
    for _ in [MinhashDedupSignature(signatures, config=config).run(iter(documents), 0, 1) or ()]:
        pass
    for number in range(bands):
        MinhashDedupBuckets(signatures, buckets, config=config).run(None, number, bands)
    MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
    kept = sum(1 for _ in MinhashDedupFilter(removed).run(iter(documents), 0, 1))
    return time.process_time() - started, len(texts) - kept


def peers(file: Path, count: int, scratch: Path) -> None:
    texts = pq.read_table(file, columns=["text"])["text"].slice(0, count).to_pylist()
    methods = {"ours": (ours, count), "text-dedup": (text_dedup, 1_500), "datatrove": (datatrove, 150)}
    for setting in SETTINGS:
        ours(texts[:10], setting, scratch)  # compiled by now
        speeds: dict[str, list[float]] = {name: [] for name in methods}
        dropped: dict[str, int] = {}
        for _ in range(3):
            for name, (method, most) in methods.items():
                seconds, dropped[name] = method(texts[:most], setting, scratch)
                speeds[name].append(min(most, len(texts)) / seconds)
        print(f"{setting}: {SETTINGS[setting]}")
        for name, own in speeds.items():
            ratios = [a / b for a, b in zip(speeds["ours"], own, strict=True)]
            speed, times = statistics.median(own), statistics.median(ratios)
            seen = min(methods[name][1], len(texts))
            print(f"  {name}: {speed:,.0f} documents/s, dropped {dropped[name]} of {seen}")
            print(f"    ours is {times:.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("perturb")
    one.add_argument("file", type=Path)
    one.add_argument("folder", type=Path)
    one.add_argument("count", type=int)
    one = commands.add_parser("run")
    one.add_argument("folder", type=Path)
    one.add_argument("--setting", choices=SETTINGS, default="contents")
    one.add_argument("--engine", choices=("inline", "ray"), default="inline")
    one.add_argument("--workers", type=int, default=2)
    one = commands.add_parser("peers")
    one.add_argument("file", type=Path)
    one.add_argument("count", type=int)
    one.add_argument("--scratch", type=Path, default=Path("/tmp/dedupe"))
    given = parser.parse_args()
    if given.command == "perturb":
        perturb(given.file, given.folder, given.count)
    elif given.command == "run":
        print(json.dumps(run(given.folder, given.setting, given.engine, given.workers)))
    else:
        peers(given.file, given.count, given.scratch)


if __name__ == "__main__":
    main()
