"""What signatures cost against the peers, and how many near-duplicates each of them finds.

    python benchmarks/minhash.py documents FILE REPOSITORY...   contents of files at several versions, as Parquet
    python benchmarks/minhash.py speed FILE                     text in, signatures out
    python benchmarks/minhash.py quality FILE                   pairs found, against brute force

Peers are measured where they are installed. datatrove needs an older xxhash than the project, so give them all an
environment of their own, with numba, scipy and the project's PYTHONPATH. One core, processor time (user and system);
methods alternate on the same documents, and the median of the ratios of a round counts. Signatures equal those of
datasketch or the run ends.
"""

import argparse
import contextlib
import importlib.util
import os
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.text import minhash

MIN_BYTES, MAX_BYTES = 200, 30_000
PER_REPOSITORY, NEWEST = 1_200, 20_000
SEED = 1


@dataclass(frozen=True)
class Setting:
    """The two of the paper."""

    name: str
    permutations: int
    shingle: int
    similarity: float


SETTINGS = (Setting("contents", 256, 5, 0.7), Setting("pairs", 128, 20, 0.75))


# Documents


def documents(repositories: Sequence[Path]) -> Iterator[pa.Table]:
    """Distinct contents of files, newest commits of each repository, versions of a path one after the other."""
    from themis_data.sources._git import open_git
    from themis_data.sources.git_history import GitHistory, read_commits, read_sides

    for repository in repositories:
        with tempfile.TemporaryDirectory() as memory:
            units = GitHistory(repos=(str(repository),)).list_units(Path(memory)).units
        found: dict[str, str] = {}
        for unit in reversed(units):
            with open_git(unit.payload["objects"], timeout_s=3600.0) as git:
                commits = read_commits(git, unit.payload["commits"][-NEWEST:])
                for commit, sides in read_sides(git, commits, MAX_BYTES):
                    for side in sides if isinstance(sides, tuple) else ():
                        with contextlib.suppress(UnicodeDecodeError):
                            if len(side) >= MIN_BYTES and len(found) < PER_REPOSITORY:
                                found.setdefault(side.decode(), (commit.path or b"").decode())
            if len(found) >= PER_REPOSITORY:
                break
        ordered = sorted(found, key=lambda text: found[text])
        yield pa.table(
            {
                "repository": [(repository.parent if repository.name == "repo" else repository).name] * len(ordered),
                "path": [found[text] for text in ordered],
                "text": pa.array(ordered, pa.large_string()),
            }
        )


def write_documents(file: Path, repositories: Sequence[Path]) -> None:
    writer = None
    for table in documents(repositories):
        writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
        if len(table):
            writer.write_table(table)
        print(len(table), table["repository"][0] if len(table) else "", file=sys.stderr)
    if writer:
        writer.close()


# Methods: texts in, one row of values a text out, bands of a row being what candidates share


def compiled(texts: pa.Array, setting: Setting, *, hash_function: minhash.HashFunction, seed: int = SEED) -> np.ndarray:
    return minhash.signatures(
        texts,
        permutations=setting.permutations,
        shingle=setting.shingle,
        seed=seed,
        hash_function=hash_function,
    )


def compiled_with_hashes(texts: pa.Array, setting: Setting, *, batch: int) -> np.ndarray:
    """As a stage needs it: also the hashes that exact similarities are computed from."""
    options = {"permutations": setting.permutations, "shingle": setting.shingle, "seed": SEED}
    batches = (texts.slice(begin, batch) for begin in range(0, len(texts), batch))
    return np.concatenate([minhash.sketch(own, **options)[0] for own in batches])


def ngrams(text: str, size: int) -> set[str]:
    """As plain Python does it best; what the peers that take tokens are given."""
    words = re.findall("[A-Za-z_0-9]+", text)
    if len(words) < size:
        return {" ".join(text.split())}
    return set(map(" ".join, zip(*(words[i:] for i in range(size)), strict=False)))


def datasketch(texts: pa.Array, setting: Setting, *, sha1: bool) -> np.ndarray:
    import xxhash
    from datasketch import MinHash

    sets = ([gram.encode() for gram in ngrams(text, setting.shingle)] for text in texts.to_pylist())
    options = {} if sha1 else {"hashfunc": xxhash.xxh32_intdigest}
    made = MinHash.generator(sets, num_perm=setting.permutations, seed=SEED, **options)
    return np.array([one.hashvalues for one in made])


def rensa(texts: pa.Array, setting: Setting) -> np.ndarray:
    from rensa import RMinHash

    sets = [list(ngrams(text, setting.shingle)) for text in texts.to_pylist()]
    return np.array(RMinHash.digests_from_token_sets(sets, setting.permutations, SEED))


def text_dedup(texts: pa.Array, setting: Setting) -> np.ndarray:
    """Its embed_func as its command calls it by default: SHA1, 64 bits, lower case, words of any alphabet."""
    from text_dedup.minhash import embed_func
    from text_dedup.utils import sha1_hash

    bands, rows = minhash.banding_of_datasketch(setting.similarity, setting.permutations)
    draw, prime = np.random.RandomState(42), np.uint64((1 << 61) - 1)
    options = {
        "num_perm": setting.permutations,
        "hashranges": [(n * rows, (n + 1) * rows) for n in range(bands)],
        "ngram_size": setting.shingle,
        "min_length": 0,
        "permutations": tuple(draw.randint(low, prime, setting.permutations, dtype=np.uint64) for low in (1, 0)),
        "hash_func": partial(sha1_hash, d=32),
        "dtype": np.uint64,
        "max_hash": np.uint32((1 << 32) - 1),
        "modulo_prime": prime,
    }
    found = [embed_func(text, n, **options)["__signatures__"] for n, text in enumerate(texts.to_pylist())]
    return np.array([np.frombuffer(b"".join(own), ">u8") for own in found])


def datatrove(texts: pa.Array, setting: Setting) -> np.ndarray:
    """Shingles and signature of its first stage, without its files; its own word tokenizer and clean-up of text."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    bands, rows = minhash.banding_of_datasketch(setting.similarity, setting.permutations)
    with tempfile.TemporaryDirectory() as folder:
        config = MinhashConfig(n_grams=setting.shingle, num_buckets=bands, hashes_per_bucket=rows)
        step = MinhashDedupSignature(folder, config=config)
        shingled = (step.get_shingles(text) for text in texts.to_pylist())
        return np.array([step.get_signature(own) if len(own) else np.zeros((bands, rows)) for own in shingled])


Method = Callable[[pa.Array, Setting], np.ndarray]

OURS: dict[str, Method] = {
    "compiled, xxh32": partial(compiled, hash_function="xxh32"),
    "compiled, xxh32, with hashes, 2,000 texts a call": partial(compiled_with_hashes, batch=2_000),
    "compiled, xxh32, with hashes, one call": partial(compiled_with_hashes, batch=1_000_000),
    "compiled, SHA1": partial(compiled, hash_function="sha1"),
}
# (module to be installed, method, which of ours it is compared with, whether it is measured on a tenth of the texts)
PEERS: dict[str, tuple[str, Method, str, bool]] = {
    "datasketch, xxh32": ("datasketch", partial(datasketch, sha1=False), "compiled, xxh32", False),
    "datasketch, SHA1": ("datasketch", partial(datasketch, sha1=True), "compiled, SHA1", False),
    "rensa": ("rensa", rensa, "compiled, xxh32", False),
    "text-dedup": ("text_dedup", text_dedup, "compiled, xxh32", False),
    "datatrove": ("datatrove", datatrove, "compiled, xxh32", True),
}


# Speed


def seconds(method: Method, texts: pa.Array, setting: Setting) -> float:
    """Processor seconds a run; repeated until half a second has gone by."""
    runs, begun = 0, time.process_time()
    while (used := time.process_time() - begun) < 0.5:
        method(texts, setting)
        runs += 1
    return used / runs


def speed(file: Path, number: int, peers: int, rounds: int) -> None:
    texts = texts_of(file)
    many = sampled(texts, number)
    few = sampled(texts, peers)
    fewer = few[: peers // 10]
    installed = {name: peer for name, peer in PEERS.items() if importlib.util.find_spec(peer[0])}
    print(f"{len(many)} documents, {size_of(many) / 1e6:.0f} MB; peers on {len(few)} and {len(fewer)} of them")
    for setting in SETTINGS:
        for name, sha1 in (("compiled, xxh32", False), ("compiled, SHA1", True)):
            assert (OURS[name](few, setting) == datasketch(few, setting, sha1=sha1)).all(), name
        alone: dict[str, list[float]] = defaultdict(list)
        ratios: dict[str, list[float]] = defaultdict(list)
        rates: dict[str, list[float]] = defaultdict(list)
        for round_ in range(rounds):
            for name, method in OURS.items():
                alone[name].append(seconds(method, many, setting))
            for name, (_, method, ours, is_slow) in installed.items():
                own = fewer if is_slow else few
                before = seconds(OURS[ours], own, setting)
                used = seconds(method, own, setting)
                after = seconds(OURS[ours], own, setting)
                ratios[name].append(2 * used / (before + after))
                rates[name].append(len(own) / used)
            print(f"{setting.name}: round {round_ + 1} of {rounds}", file=sys.stderr)
        print(f"\n{setting.permutations} permutations, shingles of {setting.shingle}\n")
        print("| | documents/s | MB/s | its time / ours |\n|---|---|---|---|")
        for name, used_s in alone.items():
            median = statistics.median(used_s)
            print(f"| {name} | {len(many) / median:,.0f} | {size_of(many) / median / 1e6:.0f} | |")
        for name, own_ratios in ratios.items():
            low, middle, high = min(own_ratios), statistics.median(own_ratios), max(own_ratios)
            print(f"| {name} | {statistics.median(rates[name]):,.0f} | | {middle:.1f} ({low:.1f}-{high:.1f}) |")


def texts_of(file: Path) -> pa.ChunkedArray:
    return pq.read_table(file, columns=["text"])["text"]


def sampled(texts: pa.ChunkedArray, number: int) -> pa.Array:
    places = np.random.default_rng(SEED).permutation(len(texts))[:number]
    return texts.take(pa.array(places)).combine_chunks()


def size_of(texts: pa.Array) -> int:
    return sum(len(text.as_buffer()) for text in texts)


# Quality

Pairs = set[tuple[int, int]]


def versions(file: Path, number: int) -> pa.Array:
    """All versions in the file of paths drawn at random: far denser in near-duplicates than a corpus is."""
    table = pq.read_table(file)
    of_path: dict[tuple[str, str], list[int]] = defaultdict(list)
    for n, key in enumerate(zip(table["repository"].to_pylist(), table["path"].to_pylist(), strict=True)):
        of_path[key].append(n)
    paths = sorted(key for key, places in of_path.items() if len(places) > 1)
    order = np.random.default_rng(SEED).permutation(len(paths))
    places = [place for n in order for place in of_path[paths[n]][:10]][:number]
    return table["text"].take(pa.array(places)).combine_chunks()


def brute_force(texts: pa.Array, setting: Setting) -> dict[tuple[int, int], float]:
    """Similarity of all pairs that have a shingle in common, from sets of strings."""
    from scipy.sparse import csr_array

    numbers: dict[bytes, int] = {}
    sets = [minhash.shingles(text.encode(), setting.shingle) for text in texts.to_pylist()]
    columns = [[numbers.setdefault(one, len(numbers)) for one in own] for own in sets]
    starts = np.cumsum([0, *map(len, columns)])
    flat = np.concatenate([np.array(own) for own in columns])
    rows = csr_array((np.ones(len(flat), np.int32), flat, starts), shape=(len(sets), len(numbers)))
    common = (rows @ rows.T).tocoo()
    return {
        (int(a), int(b)): both / (len(sets[a]) + len(sets[b]) - both)
        for a, b, both in zip(*common.coords, common.data.tolist(), strict=True)
        if a < b
    }


def candidates(values: np.ndarray, bands: int, rows: int) -> Pairs:
    found: Pairs = set()
    for band in range(bands):
        members: dict[bytes, list[int]] = defaultdict(list)
        for n, own in enumerate(np.ascontiguousarray(values[:, band * rows : (band + 1) * rows])):
            members[own.tobytes()].append(n)
        for alike in members.values():
            found.update(combinations(alike, 2))
    return found


def quality(file: Path, number: int, seeds: int) -> None:
    texts = versions(file, number)
    for setting in SETTINGS:
        exact = brute_force(texts, setting)
        truth = {pair for pair, similarity in exact.items() if similarity >= setting.similarity}
        near = sum(abs(similarity - setting.similarity) < 0.05 for similarity in exact.values())
        print(f"\n{setting.permutations} permutations, shingles of {setting.shingle}, similarity {setting.similarity}:")
        print(f"{len(truth)} of {number} documents' pairs are alike; {near} pairs lie within 0.05 of the threshold\n")
        print("| | bands | candidates | recall | precision |\n|---|---|---|---|---|")
        ours = minhash.banding(setting.similarity, setting.permutations)
        theirs = minhash.banding_of_datasketch(setting.similarity, setting.permutations)
        signed = [compiled(texts, setting, hash_function="xxh32", seed=seed) for seed in range(1, seeds + 1)]
        found = [candidates(own, *ours) for own in signed]
        show("ours, candidates", ours, found, truth)
        show("ours, verified", ours, [verified(texts, setting, own) for own in found], truth)
        show("datasketch's bands (same signatures)", theirs, [candidates(own, *theirs) for own in signed], truth)
        for name, method in (("rensa", rensa), ("text-dedup", text_dedup)):
            if importlib.util.find_spec(PEERS[name][0]):
                show(f"{name}, datasketch's bands", theirs, [candidates(method(texts, setting), *theirs)], truth)


def verified(texts: pa.Array, setting: Setting, pairs: Pairs) -> Pairs:
    """Those whose similarity, from the compiled hashes, reaches the threshold."""
    offsets, hashes = minhash.shingle_hashes(texts, shingle=setting.shingle)
    places = np.array(sorted(pairs), np.int64)
    similar = minhash.jaccard(offsets, hashes, places[:, 0], offsets, hashes, places[:, 1])
    return {(int(a), int(b)) for a, b in places[similar >= setting.similarity]}


def show(name: str, banding: tuple[int, int], found: Sequence[Pairs], truth: Pairs) -> None:
    """A row; of several seeds the worst."""
    recall = min(len(own & truth) / len(truth) for own in found)
    precision = min(len(own & truth) / len(own) for own in found)
    most = max(map(len, found))
    print(f"| {name} | {banding[0]} x {banding[1]} | {most} | {recall:.4f} | {precision:.4f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("documents")
    making.add_argument("file", type=Path)
    making.add_argument("repositories", type=Path, nargs="+")
    timing = commands.add_parser("speed")
    timing.add_argument("file", type=Path)
    timing.add_argument("--number", type=int, default=60_000, help="documents for the compiled code alone")
    timing.add_argument("--peers", type=int, default=1_500, help="documents for the comparison")
    timing.add_argument("--rounds", type=int, default=3)
    finding = commands.add_parser("quality")
    finding.add_argument("file", type=Path)
    finding.add_argument("--number", type=int, default=3_000)
    finding.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if options.command == "documents":
        write_documents(options.file, options.repositories)
    elif options.command == "speed":
        speed(options.file, options.number, options.peers, options.rounds)
    else:
        quality(options.file, options.number, options.seeds)


if __name__ == "__main__":
    main()
