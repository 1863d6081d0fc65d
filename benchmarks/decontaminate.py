"""Decontamination, measured: n-grams beside a plain Python set, the stage as a whole, and what it drops of real rows.

    taskset -c 0 python benchmarks/decontaminate.py speed DOCUMENTS.parquet      # one core, beside the set
    python benchmarks/decontaminate.py wall DOCUMENTS.parquet                    # 350,000 prompts, two threads
    python benchmarks/decontaminate.py look FOLDER... [--on pair|change]         # hits of HumanEval in shards of a run

DOCUMENTS has the columns `repository` and `text`; prompts are cut out of it. Shards of a run lie in OUT/segments/NAME.
"""

import argparse
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.benchmark_index import build_index, open_index
from themis_data.engine.rows import Rows
from themis_data.schema import schema
from themis_data.sources.human_eval_tasks import SOURCE
from themis_data.stages.drop_contaminated import DropContaminated
from themis_data.text.ngrams import find_ngrams, ngram_hashes, ngram_set

N, MIN_WORDS = 13, 6
WORD = re.compile(r"[^\W_]+")
PLANTED = 0.03  # share of prompts that have a benchmark prompt in them


def cut_prompts(documents: Path, number: int, benchmark: int, seed: int) -> tuple[list[str], list[str]]:
    """Prompts and benchmark prompts: pieces of 200 to 2,000 characters out of different repositories; some of the first
    have one of the second behind them."""
    draw = random.Random(seed)
    rows = pq.read_table(documents, columns=["repository", "text"]).to_pylist()
    draw.shuffle(rows)
    held = {name for n, name in enumerate(sorted({row["repository"] for row in rows})) if n % 5 == 0}
    of_benchmark = [row["text"] for row in rows if row["repository"] in held]
    others = [row["text"] for row in rows if row["repository"] not in held]

    def piece(text: str) -> str:
        size = draw.randint(200, 2_000)
        start = draw.randint(0, max(0, len(text) - size))
        return text[start : start + size]

    known = [piece(of_benchmark[n % len(of_benchmark)]) for n in range(benchmark)]
    prompts = [piece(others[n % len(others)]) for n in range(number)]
    for n in range(number):
        if draw.random() < PLANTED:
            prompts[n] = f"{prompts[n][:300]}\n\n{draw.choice(known)}\n"
    return prompts, known


def grams(text: str) -> Iterator[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    if len(words) >= N:
        return zip(*(words[i:] for i in range(N)), strict=False)
    return iter([tuple(words)] if len(words) >= MIN_WORDS else [])


def flags_of_set(prompts: list[str], known: set[tuple[str, ...]]) -> list[bool]:
    return [not known.isdisjoint(grams(text)) for text in prompts]


def flags_of_kernel(prompts: pa.Array, known: Any) -> list[bool]:
    flags = np.zeros(len(prompts), np.bool_)
    flags[find_ngrams(prompts, known, n=N, min_words=MIN_WORDS).text] = True
    return flags.tolist()


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - started, result


def speed(documents: Path, number: int, rounds: int) -> None:
    prompts, benchmark = cut_prompts(documents, number, 20_000, seed=1)
    made, known = timed(lambda: {gram for text in benchmark for gram in grams(text)})
    arrow, of_benchmark = pa.array(prompts, pa.large_string()), pa.array(benchmark, pa.large_string())
    flags_of_kernel(arrow.slice(0, 1), ngram_set(*ngram_hashes(of_benchmark.slice(0, 1), n=N, min_words=MIN_WORDS)[1:]))
    hashed, compiled = timed(lambda: ngram_set(*ngram_hashes(of_benchmark, n=N, min_words=MIN_WORDS)[1:]))
    print(
        f"{len(known):,} distinct n-grams of {len(benchmark):,} benchmark prompts; "
        f"built: set / compiled {made / hashed:.1f}"
    )
    ratios = []
    for _ in range(rounds):
        by_set, expected = timed(flags_of_set, prompts, known)
        by_kernel, found = timed(flags_of_kernel, arrow, compiled)
        assert expected == found
        ratios.append(by_set / by_kernel)
        print(f"  set {by_set:.2f} s, compiled {by_kernel:.3f} s, {by_set / by_kernel:.1f} times", flush=True)
    size = sum(len(text.encode()) for text in prompts) / 1e6
    print(
        f"{number:,} prompts of {size:.0f} MB, {sum(found):,} flagged, flags identical: "
        f"{statistics.median(ratios):.1f} times"
    )


def wall(documents: Path) -> None:
    prompts, benchmark = cut_prompts(documents, 350_000, 20_000, seed=2)
    arrow, of_benchmark = pa.array(prompts, pa.large_string()), pa.array(benchmark, pa.large_string())
    size = arrow.nbytes / 1e6
    del prompts, benchmark
    started = time.perf_counter()
    compiled = ngram_set(*ngram_hashes(of_benchmark, n=N, min_words=MIN_WORDS)[1:])
    halves = [arrow.slice(0, 175_000), arrow.slice(175_000)]
    with ThreadPoolExecutor(2) as pool:
        flags = list(pool.map(lambda half: flags_of_kernel(half, compiled), halves))
    seconds = time.perf_counter() - started
    print(f"350,000 prompts ({size:.0f} MB) against 20,000: {seconds:.1f} s wall, {sum(map(sum, flags)):,} flagged")


def human_eval(out: Path) -> Path:
    """An index of the HumanEval tasks that the package human-eval carries."""
    source = SOURCE()
    tasks = pa.concat_tables(
        [piece.rows for unit in source.list_units(out.parent).units for piece in source.read(unit, b"")]
    )
    size = len(tasks)
    items = schema("benchmark_item").table(
        {
            "benchmark": ["HumanEval"] * size,
            "item": tasks["task"],
            "prompt": tasks["prompt"],
            "responses": [[text] for text in tasks["solution"].to_pylist()],
            "language": tasks["language"],
            "problem_key": [f"human_eval/{n}" for n in range(size)],
        }
    )
    print(build_index([items], out))
    return out


def look(folders: list[Path], on: Any) -> None:
    with TemporaryDirectory() as folder:
        stage = DropContaminated(index=(str(human_eval(Path(folder) / "index.parquet")),), on=on)
        assert open_index(Path(stage.index[0])).items
        [operation] = stage.apply(Rows()).operations
        assert operation.by_key is not None
        columns = list(operation.by_key.columns)
        rows, seconds, found = 0, 0.0, []
        for path in sorted(p for f in folders for p in f.glob("*.parquet") if ".drops." not in p.name):
            for batch in pq.ParquetFile(path).iter_batches(1_000, columns=columns):
                took, hits = timed(stage.hits, pa.Table.from_batches([batch]))
                rows, seconds = rows + len(batch), seconds + took
                found.append(hits)
        hits = pa.concat_tables(found).sort_by([("key", "ascending"), ("row_id", "ascending")])
        marks = stage.one_a_row(stage.telling(hits), lambda *_: iter(()))
        print(f"{rows:,} rows at {rows / seconds:.0f} a second, {len(hits):,} hits, {len(marks):,} rows dropped")
        for row_id, detail in sorted(zip(marks["row_id"].to_pylist(), marks["detail"].to_pylist(), strict=True)):
            print(f"  {row_id}  {detail}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "wall", "look"])
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--prompts", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--on", default="pair")
    given = parser.parse_args()
    if given.what == "speed":
        speed(given.paths[0], given.prompts, given.rounds)
    elif given.what == "wall":
        wall(given.paths[0])
    else:
        look(given.paths, given.on)


if __name__ == "__main__":
    main()
