"""Small builds for tests: a made git repository, a pipeline over it, and what a build of it published."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.build import Built, build
from themis_data.engine.rows import Rows
from themis_data.engine.segment import Listing, Piece, Unit
from themis_data.errors import SourceError
from themis_data.fingerprint import digest, where_it_runs
from themis_data.pipeline import Branch, Pipeline, Step, Write, load_pipeline
from themis_data.schema import schema

ROOT = Path(__file__).parent.parent
CREATED_AT = "2026-01-02T03:04:05+00:00"
# What git and our own subprocesses see: nothing of the machine's configuration, and this checkout's package.
ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "PYTHONPATH": str(ROOT),
    "PYTHONUTF8": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
MIT = """MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

# The quickstart's commits, without the tasks whose bugs are executed.
COMMITS = """
name: {name}
seed: 7
branches:
  commits:
    source: {{use: git_history, as: git, repos: {repos}, unit_commits: {unit_commits}}}
    mine:
      - {{use: drop_reverts}}
      - {{use: drop_contradictions}}
      - {{use: keep_licenses}}
      - {{use: keep_languages}}
      - {{use: keep_messages}}
      - {{use: keep_sizes}}
    dedupe:
      - {{use: drop_near_duplicates, permutations: 64}}
    parse_check:
      - {{use: parse_check}}
    label:
      - {{use: classify_commits}}
    generate:
      - {{use: write_instructions}}
{more}
merge:
  assemble:
    - {{use: mix, max_per_file: 3, max_repo_share: 1.0}}
    - {{use: assign_system_prompts, shares: paper}}
write: {{shards: 2, splits: {{train: 1.0}}}}
"""
TASKS = """
  injected_bugs:
    source: {use: human_eval_tasks, as: human_eval, unit_tasks: 3}
    generate:
      - {use: inject_bugs, max_per_task: 1}
"""


def git(folder: Path, *arguments: str, text: str = "") -> str:
    """Run git in a folder and give what it printed."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=text, env=ENVIRONMENT, capture_output=True, check=True, encoding="utf-8"
    )
    return done.stdout.strip()


def made_repository(folder: Path, *, num_commits: int = 30, name: str = "made", since: int = 1_500_000_000) -> Path:
    """A bare repository of a Python project under the MIT licence, whose commits speed up, fix and simplify functions;
    every tenth does something that gives no pair. The same arguments give the same commits, an hour apart."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main")
    git(folder, "config", "remote.origin.url", f"https://example.org/{name}/{name}.git")
    git(folder, "fast-import", "--quiet", "--done", text="".join(_stream(name, 0, num_commits, since)))
    return folder


def add_commits(repository: Path, *, start: int, num_commits: int, name: str = "made") -> None:
    """Go on with the history of a made repository: commits START to START + NUM_COMMITS."""
    git(repository, "fast-import", "--quiet", "--done", text="".join(_stream(name, start, num_commits)))


_STEPS = ("faster", "fixed", "simpler")
_MESSAGES = {
    "faster": "Make {f} faster: look words up in a set\n\nThe list was scanned once for each word.",
    "fixed": "Fix wrong result of {f} for the last word",
    "simpler": "Simplify {f} with a comprehension",
}


def _word(*parts: object) -> str:
    number = int(hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest(), 16)
    return "".join(("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru")[number // 10**i % 10] for i in range(4))


def _function(name: str, part: int, number: int, state: frozenset[str]) -> str:
    f, words, known = (_word(name, part, number, what) for what in ("f", "words", "known"))
    bound = f"len({words})" if "fixed" in state else f"len({words}) - 1"
    lookup = f"    {known} = set({known})\n" if "faster" in state else ""
    body = (
        f"    return [word.strip() + '{_word(f)}' for word in {words}[:{bound}] if word in {known}]\n"
        if "simpler" in state
        else f"    {f}_found = []\n    for {f}_place in range({bound}):\n        if {words}[{f}_place] in {known}:\n"
        f"            {f}_found.append({words}[{f}_place].strip() + '{_word(f)}')\n    return {f}_found\n"
    )
    return (
        f"def {f}({words}, {known}):\n"
        f'    """Give back each of the words that is known, in order, with the ending for {part} and {number}."""\n'
        f"{lookup}{body}"
    )


def _module(name: str, part: int, states: list[set[str]]) -> str:
    functions = "\n\n".join(_function(name, part, number, frozenset(state)) for number, state in enumerate(states))
    return f'"""Words of part {part}, looked up and brought into order."""\n\n\n{functions}'


def _stream(name: str, start: int, num_commits: int, since: int = 1_500_000_000) -> Iterator[str]:
    """Commits of `git fast-import`. Commit n works on part n // 9: each of its three functions gets three commits."""
    parts = {n // 9 for n in range(start + num_commits)}
    states: dict[int, list[set[str]]] = {part: [set(), set(), set()] for part in parts}
    if start == 0:
        yield _commit(
            0,
            "Start",
            {"LICENSE": MIT, **{f"parts/part_{p}.py": _module(name, p, [set()] * 3) for p in range(60)}},
            since=since,
        )
    for n in range(start + num_commits):
        part, number, step = n // 9, n % 3, _STEPS[n % 9 // 3]
        states[part][number].add(step)
        if n < start:
            continue
        files = {f"parts/part_{part}.py": _module(name, part, states[part])}
        message = _MESSAGES[step].format(f=_word(name, part, number, "f"))
        if n % 10 == 9:  # something that gives no pair: many paths, a short message, another language, a note
            message, files = (
                (message, files | {f"notes/{n}.txt": "note\n"}),
                ("wip", files),
                ("Write a note about words", {"notes/all.md": f"{n}\n"}),
                ("Revert the last change\n\nThis reverts commit 0123456789abcdef0123456789abcdef01234567.", files),
            )[n // 10 % 4]
        yield _commit(n + 1, message, files, goes_on=n == start and start > 0, since=since)
    yield "done\n"


def module_versions(name: str, number: int) -> Iterator[tuple[str, str, str, str]]:
    """Message, path, and contents before and after, of so many changes as `made_repository` has them; all are meant to
    give a pair."""
    for n in range(number):
        part, step = n // 9, n % 9
        states: list[set[str]] = [set(), set(), set()]
        for before in range(step):
            states[before % 3].add(_STEPS[before // 3])
        old = _module(name, part, states)
        states[step % 3].add(_STEPS[step // 3])
        message = _MESSAGES[_STEPS[step // 3]].format(f=_word(name, part, step % 3, "f"))
        yield message, f"parts/part_{part}.py", old, _module(name, part, states)


def _commit(number: int, message: str, files: dict[str, str], *, goes_on: bool = False, since: int) -> str:
    who = f"A Writer <writer@example.org> {since + 3_600 * number} +0000"
    changes = "".join(f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items())
    before = "from refs/heads/main^0\n" if goes_on else ""
    return (
        f"commit refs/heads/main\nauthor {who}\ncommitter {who}\n"
        f"data {len(message.encode())}\n{message}\n{before}{changes}\n"
    )


def pipeline_file(
    folder: Path,
    repository: Path | list[Path],
    *,
    name: str = "small",
    with_tasks: bool = False,
    unit_commits: int = 10,
) -> Path:
    """A pipeline over made repositories, as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    repositories = repository if isinstance(repository, list) else [repository]
    path = folder / f"{name}.yaml"
    path.write_text(
        COMMITS.format(
            name=name,
            repos=json.dumps([str(r) for r in repositories]),
            unit_commits=unit_commits,
            more=TASKS if with_tasks else "",
        ),
        encoding="utf-8",
    )
    return path


class Notes:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, name: str, total: int) -> Callable[[int], None]:
        return lambda count: None

    def note(self, text: str) -> None:
        self.notes.append(text)


def build_here(
    pipeline: Path,
    out: Path,
    *overrides: str,
    engine: str = "inline",
    workers: int | None = None,
    limit: int | None = None,
    notes: Notes | None = None,
    created_at: str = CREATED_AT,
) -> Built:
    """Build a pipeline file in this process."""
    return build(
        load_pipeline(str(pipeline), overrides),
        out,
        progress=notes or Notes(),
        created_at=created_at,
        engine=engine,
        workers=workers,
        limit=limit,
    )


def published(out: Path) -> dict[str, str]:
    """sha256 of every published Parquet file, by its path under the data set."""
    place = out / "dataset"
    return {
        path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*.parquet"))
    }


def themis(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "themis_data.cli", *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


# A pipeline without git: rows that a test writes down, of the schema `mark`, because it is the smallest.


@dataclass(frozen=True, kw_only=True)
class GivenRows:
    """Units of rows (row id, reason), read in pieces of so many rows.

    A unit whose first row has the id `broken` cannot be read.
    """

    writes: ClassVar[str] = "mark"
    also_writes: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    units: tuple[tuple[tuple[str, str], ...], ...]
    piece_rows: int = where_it_runs(1_000)

    def list_units(self, memory: Path) -> Listing:
        units = tuple(
            Unit(name=f"unit {n}", fingerprint=digest([n, rows]), size=len(rows), payload={"rows": rows})
            for n, rows in enumerate(self.units)
        )
        return Listing(units=units, identity=[{"name": "given", "rows": sum(map(len, self.units))}])

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        rows = unit.payload["rows"]
        for start in range(0, len(rows), self.piece_rows):
            part = rows[start : start + self.piece_rows]
            if start == 0 and part[0][0] == "broken":
                raise SourceError(f"{unit.name} is broken")
            yield Piece(rows=marks(part), num_seen=len(part))


@dataclass(frozen=True)
class ToPreferences:
    """Makes a preference of each mark, so that it can be published; the group is the reason."""

    reads: ClassVar[str] = "mark"
    writes: ClassVar[str] = "preference"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.map(preferences)


def marks(rows: Sequence[tuple[str, str]]) -> pa.Table:
    """Rows of the schema `mark`."""
    return schema("mark").table({"row_id": [row[0] for row in rows], "reason": [row[1] for row in rows]})


def preferences(rows: pa.Table, **changes: list[Any]) -> pa.Table:
    """A preference for each mark."""
    size = len(rows)
    same = {
        "source": "Given",
        "criterion": "runtime_efficiency",
        "language": "Python",
        "prompt": "Write it.",
        "prompt_by": "rules",
        "system_kind": "none",
        "chosen": "good",
        "rejected": "bad",
        "form": "file",
        "evidence": "message",
        "changed_share": 0.5,
        "license": "MIT",
        "license_class": "permissive",
        "repos": "host/owner/name",
        "demo_only": False,
    }
    columns: dict[str, Any] = {name: [value] * size for name, value in same.items()}
    columns |= {
        "row_id": rows["row_id"],
        "group": rows["reason"],
        "parent_ids": [[i] for i in rows["row_id"].to_pylist()],
        "also_matches": [[]] * size,
    }
    return schema("preference").table(columns | changes)


def given_pipeline(
    folder: Path,
    units: Sequence[Sequence[tuple[str, str]]],
    *stages: Any,
    piece_rows: int = 1_000,
    publish: bool = True,
    write: Write | None = None,
    phases: Sequence[str] = (),
) -> Pipeline:
    """A pipeline over given rows through stages, each named by its class, and made preferences of at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "given.yaml"
    path.write_text("name: given\n", encoding="utf-8")
    source = Step(
        id="rows",
        use="given_rows",
        phase="source",
        config=GivenRows(units=tuple(tuple(unit) for unit in units), piece_rows=piece_rows),
    )
    configs = [*stages, ToPreferences()] if publish else list(stages)
    steps = tuple(
        Step(id=type(config).__name__, use="x", phase=phase, config=config)
        for config, phase in zip(configs, [*phases, *["mine"] * len(configs)], strict=False)
    )
    branch = Branch(name="given", source=source, steps=steps)
    return Pipeline(
        name="given", path=path, seed=0, branches=(branch,), merge=(), write=write or Write(configs=("lineage",))
    )


def build_given(pipeline: Pipeline, out: Path, notes: Notes | None = None, **settings: Any) -> Built:
    """Build such a pipeline in this process."""
    return build(pipeline, out, progress=notes or Notes(), created_at=CREATED_AT, engine="inline", **settings)


def published_ids(out: Path, config: str = "lineage") -> list[str]:
    """Ids of the published rows, file by file, in order."""
    return [
        i
        for path in sorted((out / "dataset" / config).glob("*.parquet"))
        for i in pq.read_table(path)["id"].to_pylist()
    ]


def drops(out: Path) -> list[tuple[str, str, str, str | None]]:
    """(row id, step, reason, detail) of every dropped row of the last build, sorted."""
    manifest = json.loads((out / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    found = []
    for segment in manifest["segments"]:
        for shard in segment["shards"]:
            record = json.loads((out / shard["record"]).read_text(encoding="utf-8"))
            rows = pq.read_table(out / record["drops"]["path"])
            found += zip(*(rows[n].to_pylist() for n in ("row_id", "step", "reason", "detail")), strict=True)
    return sorted(found)


# Rows of the larger schemas: a test writes down what matters to it, and the rest is filled in.

_CHANGE = {
    "form": "file",
    "repos": "example.org/o/n",
    "repository": "example.org/o/n",
    "path": "a.py",
    "committed_at": 1_500_000_000,
    "authored_at": 1_500_000_000,
    "author_hash": "0" * 32,
    "is_bot": False,
    "message": "Make it better",
    "language": "Python",
    "license": "MIT",
    "license_class": "permissive",
    "old_contents": "x = 1\n",
    "new_contents": "x = 2\n",
}
_TASK = {
    "source": "Tasks",
    "language": "Python",
    "prompt": "Write f.",
    "entry_point": "f",
    "solution": "def f(x):\n    return x + 1\n",
    "tests": "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(-1) == 0\n",
    "license": "MIT",
    "demo_only": False,
}
_PAIR = {
    "source": "Commit-Preference",
    "criterion": "runtime_efficiency",
    "also_matches": [],
    "language": "Python",
    "prompt": None,
    "prompt_by": None,
    "chosen": "x = 2\n",
    "rejected": "x = 1\n",
    "form": "file",
    "evidence": "message",
    "changed_share": 0.5,
    "license": "MIT",
    "license_class": "permissive",
    "repos": "example.org/o/n",
    "group": "example.org/o/n",
    "path": "a.py",
    "demo_only": False,
}
_COMMIT = {
    "repos": "example.org/o/n",
    "parents": [],
    "committed_at": 1_500_000_000,
    "subject": "Change it",
    "reverts": [],
    "num_paths": 1,
    "path": None,
    "edit_keys": [],
    "not_emitted": None,
}


def _rows(name: str, defaults: dict[str, Any], rows: Sequence[dict[str, Any]]) -> pa.Table:
    described = schema(name)
    filled = [dict.fromkeys(described.names) | defaults | row for row in rows]
    return described.table({column: [row[column] for row in filled] for column in described.names})


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def changes(*rows: dict[str, Any]) -> pa.Table:
    """Changes; the n-th is `row_id` n of a commit whose id is made of it, and its blobs are made of its contents."""
    filled = []
    for number, given in enumerate(rows):
        row = {"row_id": str(number)} | _CHANGE | given
        row = {"commit": _id(f"commit {row['row_id']}")[:40], "subject": row["message"].partition("\n")[0]} | row
        blobs = {"old_blob": _id(row["old_contents"])[:40], "new_blob": _id(row["new_contents"])[:40]}
        filled.append(blobs | row)
    return _rows("change", {}, filled)


def tasks(*rows: dict[str, Any]) -> pa.Table:
    """Tasks; the n-th is `row_id` and `task` n."""
    return _rows("task", _TASK, [{"row_id": str(n), "task": f"Tasks/{n}"} | row for n, row in enumerate(rows)])


def candidates(*codes: str | None, **columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Candidates of a task, one for each program; null is an answer without one. `columns` gives values for each."""
    empty = dict.fromkeys(schema("candidate").names)
    plain = {"model": "scripted", "sample": 0}
    return [
        empty
        | plain
        | {"answer": f"answer {n}", "sample": n, "text": code, "code": code, "failure": None if code else "no_code"}
        | {name: values[n] for name, values in columns.items()}
        for n, code in enumerate(codes)
    ]


def pairs(*rows: dict[str, Any]) -> pa.Table:
    """Pairs; the n-th is `row_id` n, made of the change n."""
    return _rows("pair", _PAIR, [{"row_id": str(n), "parent_ids": [str(n)]} | row for n, row in enumerate(rows)])


def votes(*, criterion: str = "runtime_efficiency", **verdicts: int) -> list[dict[str, Any]]:
    """Entries of `judgements`: so many votes for `chosen`, for `rejected` and of `tie`, each order in turn."""
    said = [verdict for verdict, count in verdicts.items() for _ in range(count)]
    same = dict.fromkeys(schema("judgement").names) | {
        "kind": "vote",
        "model": "scripted",
        "criterion": criterion,
        "is_blind": True,
    }
    return [
        same
        | {"answer": f"{n:032x}", "sample": n // 2, "shown_first": ("chosen", "rejected")[n % 2], "verdict": verdict}
        for n, verdict in enumerate(said)
    ]


def commits(*rows: dict[str, Any]) -> pa.Table:
    """Rows of the side table of the git source."""
    return _rows("commit", _COMMIT, rows)


@dataclass(frozen=True, kw_only=True)
class GivenTables:
    """A source over tables that a test made: one unit each, with the rows of a side table in the first."""

    writes: str
    also_writes: tuple[str, ...]
    key: str  # in what follows
    version: ClassVar[int] = 1
    known: ClassVar[dict[str, tuple[list[pa.Table], pa.Table | None]]] = {}

    def list_units(self, memory: Path) -> Listing:
        tables, _ = self.known[self.key]
        units = tuple(
            Unit(name=f"table {n}", fingerprint=f"{self.key} {n}", size=len(table)) for n, table in enumerate(tables)
        )
        return Listing(units=units, identity=[{"name": "tables", "tables": len(tables)}])

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        tables, side = self.known[self.key]
        number = int(unit.name.split()[1])
        side_tables = {} if side is None else {self.also_writes[0]: side if number == 0 else side.slice(0, 0)}
        yield Piece(rows=tables[number], side=side_tables, num_seen=len(tables[number]))


@dataclass(frozen=True)
class AnyToPreferences:
    """Makes a preference of each row of any schema."""

    reads: str
    writes: ClassVar[str] = "preference"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.map(lambda table: preferences(marks([(i, "group") for i in table["row_id"].to_pylist()])))


def stage_pipeline(folder: Path, stage: Any, *, side: str | None = None) -> Pipeline:
    """A pipeline of one stage over the tables that are known by this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stage.yaml").write_text("name: stage\n", encoding="utf-8")
    source = GivenTables(writes=stage.reads, also_writes=() if side is None else (side,), key=str(folder))
    configs = [stage] if stage.writes == "preference" else [stage, AnyToPreferences(stage.writes)]
    steps = tuple(
        Step(id=f"step{n}", use="x", phase=phase, config=config)
        for n, (phase, config) in enumerate(zip(("label", "assemble"), configs, strict=False))
    )
    branch = Branch(name="stage", source=Step(id="tables", use="x", phase="source", config=source), steps=steps)
    return Pipeline(name="stage", path=folder / "stage.yaml", seed=0, branches=(branch,), merge=(), write=Write())


def run_stage(
    folder: Path,
    stage: Any,
    tables: pa.Table | list[pa.Table],
    side: pa.Table | tuple[str, pa.Table] | None = None,
) -> tuple[pa.Table, list[tuple[str, str, str | None]]]:
    """What a stage makes of tables, as a build runs it: its rows, and those it drops.

    Dropped ones are (row id, reason, detail), sorted. `side` are rows of the table `commit`, or of the one named.
    """
    listed = tables if isinstance(tables, list) else [tables]
    name, rows = side if isinstance(side, tuple) else ("commit" if side is not None else None, side)
    GivenTables.known[str(folder)] = (listed, rows)
    build_given(stage_pipeline(folder, stage, side=name), folder / "out")
    manifest = json.loads((folder / "out" / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    segment = [s for s in manifest["segments"] if s["name"].endswith(".label")][-1]
    paths = [
        json.loads((folder / "out" / shard["record"]).read_text(encoding="utf-8"))["rows"]["path"]
        for shard in segment["shards"]
    ]
    written = pa.concat_tables(
        [schema(stage.writes).conform(pq.read_table(folder / "out" / path), "the stage") for path in paths]
        or [schema(stage.writes).empty()]
    )
    return written, [
        (row_id, reason, detail) for row_id, step, reason, detail in drops(folder / "out") if step == "step0"
    ]
