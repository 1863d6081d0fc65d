"""Whether the pairs keep up with the model, and whether memory grows with their number.

    python benchmarks/training_loader.py speed FOLDER [--rows 2000] [--steps 40]   who waits for whom
    python benchmarks/training_loader.py memory FOLDER [--rows 35401 354010]       a process for each number of rows

Rows are made: pieces of this repository's own sources, in the published layout, 1,000 a row group. The tiny model's
tokens are bytes, so lengths are chosen in tokens: prompts of 300 and answers of 800 in the median, log-normal, the
sides of a pair alike but for a piece. `speed` trains the tiny model and takes the time in which it waits for batches.
`memory` tokenises all rows and reads one epoch of them in the order of training; it counts anonymous memory (what the
process holds) apart from mapped pages of the file, which the system takes back when it needs them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from themis_data.manifest import write_record
from themis_data.schema import schema

ROOT = Path(__file__).parent.parent
GROUP_ROWS = 1_000  # as the writer of versions has it
SHARD_ROWS = 50_000
MEDIAN_PROMPT, MEDIAN_ANSWER, SPREAD = 300, 800, 0.7  # bytes, and the standard deviation of the logarithm
MAX_TOKENS = 4_096
PAIRS = {"pairs_per_step": 8, "pairs_per_device": 4}


# The rows


def make_version(folder: Path, rows: int, seed: int = 7) -> Path:
    """A finished data set of so many rows, written as a stream; made once."""
    if (folder / "manifest.json").exists():
        return folder
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "themis_data").rglob("*.py")))
    draw = np.random.default_rng(seed)
    files: dict[str, list[dict[str, object]]] = {"default": [], "lineage": []}
    for name in files:
        (folder / name).mkdir(parents=True)
    shards = -(-rows // SHARD_ROWS)
    for shard in range(shards):
        count = min(SHARD_ROWS, rows - shard * SHARD_ROWS)
        name = f"train-{shard:05d}-of-{shards:05d}.parquet"
        tables = {"default": schema("published_default").arrow, "lineage": lineage_schema()}
        writers = {kind: pq.ParquetWriter(folder / kind / name, of, compression="zstd") for kind, of in tables.items()}
        for start in range(0, count, GROUP_ROWS):
            ids = [f"{shard:05d}{n:011d}" for n in range(start, min(count, start + GROUP_ROWS))]
            made = [pair(text, draw) | {"idx": id_} for id_ in ids]
            writers["default"].write_table(pa.Table.from_pylist(made, schema=tables["default"]))
            marks = {"id": ids, "demo_only": [False] * len(ids)}
            writers["lineage"].write_table(pa.table(marks, schema=tables["lineage"]))
        for kind, writer in writers.items():
            writer.close()
            files[kind].append({"path": f"{kind}/{name}", "rows": count})
    manifest = {
        "name": "made",
        "version": "dev",
        "rows": rows,
        "segments": [],
        "configs": {kind: {"files": listed} for kind, listed in files.items()},
    }
    write_record(folder / "manifest.json", manifest)
    return folder


def lineage_schema() -> pa.Schema:
    return pa.schema([pa.field("id", pa.string()), pa.field("demo_only", pa.bool_())])


def pair(text: str, draw: np.random.Generator) -> dict[str, object]:
    def piece(size: int) -> str:
        start = int(draw.integers(0, len(text) - size))
        return text[start : start + size]

    asked, answer = (int(draw.lognormal(np.log(median), SPREAD)) + 16 for median in (MEDIAN_PROMPT, MEDIAN_ANSWER))
    chosen = piece(min(answer, 3_000))
    cut = int(draw.integers(0, len(chosen)))
    rejected = chosen[:cut] + piece(8) + chosen[cut + 8 :]
    return {
        "system": "Judge by speed alone.",
        "input": piece(min(asked, 900)),
        "chosen": chosen,
        "rejected": rejected,
        "language": int(draw.integers(0, 8)),
        "aspect": int(draw.integers(0, 5)),
        "source": "made",
    }


# Who waits for whom


def speed(folder: Path, rows: int, steps: int) -> None:
    """The tiny model trains on the rows; the time for tokens, for batches, and for the model."""
    from themis_data.train import reward
    from themis_data.train.recipe import load_recipe

    spent = {"tokens": 0.0, "batches": 0.0, "all": 0.0}

    class Timed(reward.PairTrainer):
        def get_batch_samples(self, *arguments: object) -> object:
            since = time.perf_counter()
            found = super().get_batch_samples(*arguments)
            if self.state.global_step:  # the first step opens the file and starts threads
                spent["batches"] += time.perf_counter() - since
            else:
                spent["all"] = -time.perf_counter()
            return found

    plain = reward.tokenized

    def timed(*arguments: object) -> object:
        since = time.perf_counter()
        made = plain(*arguments)
        spent["tokens"] += time.perf_counter() - since
        return made

    reward.PairTrainer, reward.tokenized = Timed, timed
    phase = {"pairs": [str(make_version(folder / f"rows-{rows}", rows))], "max_tokens": MAX_TOKENS, **PAIRS}
    rates = {"peak_rate": 1e-3, "final_rate": 1e-4, "lm_weight": 0.25, "penalty_weight": 0.001, "save_every": 10**6}
    recipe = folder / "speed.yaml"
    content = {
        "name": "speed",
        "seed": 7,
        "model": "tiny_qwen3",
        "phases": {"one": phase | rates | {"max_steps": steps}},
    }
    recipe.write_text(yaml.safe_dump(content), encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=folder) as out:
        train = partial(reward.fit, load_recipe(str(recipe)), "one", Path(out), use_cpu=True)
        wrap_end(reward, spent)
        train()
        lines = [json.loads(line) for line in (Path(out) / "one" / "metrics.jsonl").read_text().splitlines()]
    pairs = (steps - 1) * PAIRS["pairs_per_step"]
    model = pairs / (spent["all"] - spent["batches"])
    batches, tokens = pairs / spent["batches"], rows / spent["tokens"]
    rate = np.mean([line["tokens_per_second"] for line in lines[1:]])
    print(f"the model takes {model:.1f} pairs/s; with all else {rate:.0f} tokens/s")
    print(f"batches out of the file of tokens: {batches:.0f} pairs/s, {batches / model:.0f} times that")
    print(f"Parquet to tokens, once: {tokens:.0f} pairs/s, {tokens / model:.0f} times that")


def wrap_end(reward: object, spent: dict[str, float]) -> None:
    """Stops the clock when the last step is done, before anything is exported."""
    records = reward._Records

    class Ends(records):
        def on_train_end(self, *_: object, **__: object) -> None:
            spent["all"] += time.perf_counter()

    reward._Records = Ends


# Memory


def memory(folder: Path, rows: int) -> None:
    """All rows to tokens, and an epoch of batches; the most anonymous and the most resident memory, in MiB."""
    from torch.utils.data import DataLoader

    from themis_data.train.batches import Limits, Order, collate, tokenized
    from themis_data.train.models import load
    from themis_data.train.recipe import find_model

    version = make_version(folder / f"rows-{rows}", rows)
    chats = load(find_model("tiny_qwen3"), None, seed=7).chats
    peak, stop = {"RssAnon": 0, "RssFile": 0}, threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            for line in Path("/proc/self/status").read_text().splitlines():
                name = line.partition(":")[0]
                if name in peak:
                    peak[name] = max(peak[name], int(line.split()[1]) // 1024)

    watch = threading.Thread(target=look)
    watch.start()
    before = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        made = tokenized([str(version)], "train", chats, Path(out), Limits(MAX_TOKENS, demo_only=False))
        encoded, after_tokens = time.perf_counter(), dict(peak)
        order = Order(made.dataset()["length"][:], PAIRS["pairs_per_step"], seed=7)
        batches = DataLoader(
            made.dataset(), batch_size=PAIRS["pairs_per_device"], sampler=order, collate_fn=partial(collate, pad=0)
        )
        longest = sum(batch["input_ids"].numel() for batch in batches)
        read = time.perf_counter()
        size = made.path.stat().st_size
    stop.set()
    watch.join()
    print(
        json.dumps(
            {
                "rows": rows,
                "parquet_mib": sum(file.stat().st_size for file in version.rglob("*.parquet")) >> 20,
                "tokens_mib": size >> 20,
                "mean_tokens_a_side": round(longest / (2 * len(order))),
                "anonymous_mib_tokenising": after_tokens["RssAnon"],
                "anonymous_mib_in_all": peak["RssAnon"],
                "mapped_mib_in_all": peak["RssFile"],
                "pairs_a_second_tokenising": round(rows / (encoded - before)),
                "pairs_a_second_reading": round(len(order) / (read - encoded)),
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+")
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "speed":
        speed(given.folder, (given.rows or [2_000])[0], given.steps)
        return
    sizes = given.rows or [35_401, 354_010]
    if len(sizes) == 1:
        memory(given.folder, sizes[0])
        return
    for rows in sizes:
        subprocess.run([sys.executable, __file__, "memory", str(given.folder), "--rows", str(rows)], check=True)


if __name__ == "__main__":
    main()
