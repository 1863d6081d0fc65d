"""Assembling a corpus of the paper's size and composition: caps, quotas, system prompts, splits and writing.

    python benchmarks/assemble.py rows FOLDER REPOSITORY ...   1.3 times the paper's rows, with text of repositories
    python benchmarks/assemble.py build FOLDER OUT [--scale 0.01] [--engine ray|inline] [--splits]
                                                               seconds and memory of each phase, and what came out

REPOSITORY is a bare repository; its newest source files are the filler. A pair is a file, whole for commits and its
first part elsewhere, with three lines marked one way and another; so every text is real code of a real length, and no
two are equal. Counts by source are the paper's. It does not say how the rows of a source fall on criteria and
languages: here evenly, for commits by the languages of its pool. Memory is that of the process and all its children, as
in `dedupe.py`.
"""

import argparse
import json
import os
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
from dedupe import Peak

from themis_data.build import build
from themis_data.dataset import read_batches, write_tables
from themis_data.engine.segment import Listing, Piece, Unit
from themis_data.fingerprint import row_id
from themis_data.pipeline import Branch, Pipeline, Step, Write
from themis_data.schema import schema
from themis_data.stages.assign_system_prompts import AssignSystemPrompts
from themis_data.stages.mix import Mix, Quota, targets

ENDINGS = (".c", ".h", ".cc", ".cpp", ".cs", ".go", ".java", ".js", ".py", ".rb")
SHARD_ROWS = 16_384
ROWS_OF_INPUT = 1.3  # times the paper's
FC, RE, ME = "functional_correctness", "runtime_efficiency", "memory_efficiency"
SH, RM = "security_hardness", "readability_and_maintainability"
# The pool of commits by language, in thousands.
EIGHT = {"C": 173, "C++": 194, "C#": 138, "Go": 189, "Java": 402, "JavaScript": 694, "Python": 915, "Ruby": 345}
EVEN = dict.fromkeys(EIGHT, 1)
# Source: rows, criteria, weights of languages.
PAPER: dict[str, tuple[int, tuple[str, ...], dict[str, int]]] = {
    "Commit-Preference": (126_586, (FC, RE, ME, SH, RM), EIGHT),
    "CodeR-Pile": (77_153, (FC,), EVEN),
    "Bugged-Instruct": (54_969, (FC,), EVEN),
    "ProSec": (37_690, (SH,), dict.fromkeys(("C", "C++", "Java", "JavaScript", "Python"), 1)),
    "Venus": (21_784, (RE, ME), {"Python": 1}),
    "CodeNet": (16_819, (RE, ME), EVEN),
    "RunBugRun": (6_931, (FC,), {"Python": 1}),
    "ECCO": (6_188, (RE,), {"Python": 1}),
    "CodeScaleR": (2_896, (FC,), {"Python": 1}),
    "Pie4Perf": (1_640, (RE,), {"C++": 1}),
    "Cybernative-DPO": (
        1_354,
        (SH,),
        dict.fromkeys(("C#", "C++", "Go", "Java", "JavaScript", "Python", "Ruby"), 1),
    ),
}
ROWS_A_PROBLEM, ROWS_A_REPOSITORY = 8, 12
FORKED = 0.02  # share of commits that two repositories have


def documents(repository: Path) -> list[str]:
    """Source files of 300 bytes to 8 kB at the newest commit."""
    listed = _git(repository, "ls-tree", "-r", "-l", "-z", "HEAD").decode("utf-8", "replace").split("\0")
    fields = [entry.partition("\t")[::2] for entry in listed if entry]
    wanted = [
        about.split()[2]
        for about, path in fields
        if path.endswith(ENDINGS) and about.split()[1] == "blob" and 300 <= int(about.split()[3]) <= 8_192
    ]
    content, place, texts = _git(repository, "cat-file", "--batch", given="\n".join(wanted).encode()), 0, []
    for _ in wanted:
        end = content.index(b"\n", place)
        size = int(content[place:end].split()[2])
        texts.append(content[end + 1 : end + 1 + size].decode("utf-8", "replace"))
        place = end + size + 2
    return texts


def _git(repository: Path, *arguments: str, given: bytes = b"") -> bytes:
    command = ["git", "--git-dir", str(repository), *arguments]
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout


def cells() -> Iterator[tuple[str, str, str, int]]:
    """Source, criterion, language and rows of the input."""
    for source, (rows, criteria, languages) in PAPER.items():
        for criterion in criteria:
            for language, weight in languages.items():
                share = weight / sum(languages.values()) / len(criteria)
                yield source, criterion, language, round(rows * ROWS_OF_INPUT * share) + 1


def write_rows(folder: Path, texts: list[str]) -> None:
    """The input in shards whose rows are of all cells, in a drawn order."""
    draw = np.random.default_rng(1)
    listed = list(cells())
    of_row = draw.permutation(np.repeat(np.arange(len(listed)), [rows for *_, rows in listed]))
    chosen = draw.integers(0, len(texts), len(of_row))
    repositories = 126_586 // ROWS_A_REPOSITORY
    for number, start in enumerate(range(0, len(of_row), SHARD_ROWS)):
        rows = []
        for n in range(start, min(start + SHARD_ROWS, len(of_row))):
            source, criterion, language, _ = listed[of_row[n]]
            is_commit = source == "Commit-Preference"
            text = texts[chosen[n]]
            lines = (text if is_commit else text[:3_000]).split("\n")
            better, worse = list(lines), list(lines)
            for place in draw.integers(0, len(lines), 3):
                better[place], worse[place] = f"{lines[place]} // good {n} {place}", f"{lines[place]} // bad {n}"
            one, other = (f"example.org/owner/r{number}" for number in draw.integers(0, repositories, 2))
            forked, path, version = draw.random() < FORKED, f"src/{n % 50}.c", n % 3
            problem = f"{source}/{n // ROWS_A_PROBLEM}"
            rows.append(
                {
                    "row_id": row_id("row", str(n)),
                    "parent_ids": [row_id("parent", str(n))],
                    "source": source,
                    "criterion": criterion,
                    "also_matches": [],
                    "language": language,
                    "prompt": f"Task {n}. " + " ".join(lines[:12])[:600],
                    "prompt_by": "upstream",
                    "chosen": "\n".join(better),
                    "rejected": "\n".join(worse),
                    "form": "file",
                    "evidence": "executed",
                    "changed_share": 0.1,
                    "license": "MIT",
                    "license_class": "permissive",
                    "repos": (f"{one},{other}" if forked else one) if is_commit else source,
                    "group": one if is_commit else problem,
                    "commit": row_id("commit", str(n))[:40] if is_commit else None,
                    "message": "Make it better" if is_commit else None,
                    "path": path if is_commit else None,
                    "old_blob": row_id(one, path, str(version)) if is_commit else None,
                    "new_blob": row_id(one, path, str(version + 1)) if is_commit else None,
                    "demo_only": False,
                }
            )
        described = schema("pair")
        table = described.table({name: [row.get(name) for row in rows] for name in described.names})
        write_tables(folder / f"{number:05d}.parquet", described.arrow, [table], relative_to=folder)


@dataclass(frozen=True, kw_only=True)
class WrittenPairs:
    """Shards of pairs, one unit each."""

    writes: ClassVar[str] = "pair"
    also_writes: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    folder: str

    def list_units(self, memory: Path) -> Listing:
        units = tuple(
            Unit(name=path.name, fingerprint=f"{path.name} {path.stat().st_size}", size=pq.read_metadata(path).num_rows)
            for path in sorted(Path(self.folder).glob("*.parquet"))
        )
        return Listing(units=units, identity=[{"name": "pairs", "rows": sum(unit.size for unit in units)}])

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        for batch in read_batches(Path(self.folder) / unit.name):
            yield Piece(rows=batch.cast(schema("pair").arrow), num_seen=len(batch))


class Phases:
    """Progress that keeps when each phase began."""

    def __init__(self) -> None:
        self.began: list[tuple[str, float]] = []

    def step(self, name: str, total: int) -> Any:
        self.began.append((name, time.monotonic()))
        return lambda count: None

    def note(self, text: str) -> None:
        print(text, flush=True)


def run(folder: Path, out: Path, scale: float, engine: str, splits: dict[str, float], shards: int) -> dict[str, Any]:
    quotas = tuple(Quota(source=source, rows=rows) for source, (rows, _, _) in PAPER.items())
    source = Step(id="pairs", use="pairs", phase="source", config=WrittenPairs(folder=str(folder.absolute())))
    steps = (Mix(quotas=quotas, scale=scale, others="drop", seed=7), AssignSystemPrompts(shares="paper", seed=7))
    merge = tuple(Step(id=type(c).__name__, use=type(c).__name__, phase="assemble", config=c) for c in steps)
    pipeline = Pipeline(
        name="assemble",
        path=Path(__file__),
        seed=7,
        branches=(Branch(name="pairs", source=source, steps=()),),
        merge=merge,
        write=Write(shards=shards, splits=splits),
    )
    phases, load = Phases(), os.getloadavg()[0]
    with Peak() as peak:
        started = time.monotonic()
        built = build(pipeline, out, progress=phases, created_at="2026-01-01T00:00:00+00:00", engine=engine, workers=2)
        ended = time.monotonic()
    ends = [when for _, when in phases.began[1:]] + [ended]
    seconds = {name: round(end - when, 1) for (name, when), end in zip(phases.began, ends, strict=True)}
    found = built.manifest["counts"]["source"]
    wanted = dict(zip(PAPER, targets(quotas, scale), strict=True))
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "rows_in": sum(step["rows_in"] for step in built.manifest["funnel"][:1]),
        "rows": built.manifest["rows"],
        "as_wanted": found == wanted,
        "sources": found,
        "dropped": dict(Counter({k: v for step in built.manifest["funnel"] for k, v in step["dropped"].items()})),
        "splits": built.manifest["splits"]["rows"],
        "largest_component": built.manifest["splits"]["largest_component"],
        "seconds": round(ended - started, 1),
        "seconds_after_the_source": round(ended - phases.began[1][1], 1),
        "by_phase": seconds,
        "peak_gib": round(peak.most / 2**30, 2),
        "cpu_seconds": round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 1),
        "load_before": round(load, 1),
        "load_after": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    rows = commands.add_parser("rows")
    rows.add_argument("folder", type=Path)
    rows.add_argument("repositories", type=Path, nargs="+")
    one = commands.add_parser("build")
    one.add_argument("folder", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--scale", type=float, default=1.0)
    one.add_argument("--engine", default="ray")
    one.add_argument("--shards", type=int, default=16)
    one.add_argument("--splits", action="store_true", help="hold out 5 %% for validation")
    given = parser.parse_args()
    if given.command == "rows":
        texts = sorted({text for repository in given.repositories for text in documents(repository)})
        print(f"{len(texts)} files, {sum(map(len, texts)) / len(texts):.0f} characters on average", flush=True)
        write_rows(given.folder, texts)
        return
    splits = {"train": 0.95, "validation": 0.05} if given.splits else {"train": 1.0}
    found = run(given.folder, given.out, given.scale, given.engine, splits, given.shards)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
