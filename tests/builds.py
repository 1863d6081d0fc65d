"""Small builds for tests: a made git repository, a pipeline over it, and what a build of it published."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from themis_data.build import Built, build
from themis_data.pipeline import load_pipeline

ROOT = Path(__file__).parent.parent
CREATED_AT = "2026-01-02T03:04:05+00:00"
# What git and our own subprocesses see: nothing of the machine's configuration, and this checkout's package.
ENVIRONMENT = {
    **os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0",
    "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}  # fmt: skip
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
      - {{use: drop_cosmetic_changes}}
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
    done = subprocess.run(["git", *arguments], cwd=folder, input=text, env=ENVIRONMENT, capture_output=True, check=True,
                          encoding="utf-8")  # fmt: skip
    return done.stdout.strip()


def made_repository(folder: Path, *, num_commits: int = 30, name: str = "made") -> Path:
    """A bare repository of a Python project under the MIT licence, whose commits speed up, fix and simplify functions;
    every tenth does something that gives no pair. The same arguments give the same commits."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main")
    git(folder, "config", "remote.origin.url", f"https://example.org/{name}/{name}.git")
    git(folder, "fast-import", "--quiet", "--done", text="".join(_stream(name, 0, num_commits)))
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
    )  # fmt: skip
    return (f"def {f}({words}, {known}):\n"
            f'    """Give back every one of the words that is known, in order, with the ending for {part} and {number}."""\n'
            f"{lookup}{body}")  # fmt: skip


def _module(name: str, part: int, states: list[set[str]]) -> str:
    functions = "\n\n".join(_function(name, part, number, frozenset(state)) for number, state in enumerate(states))
    return f'"""Words of part {part}, looked up and brought into order."""\n\n\n{functions}'


def _stream(name: str, start: int, num_commits: int) -> Iterator[str]:
    """Commits of `git fast-import`. Commit n works on part n // 9: each of its three functions gets three commits."""
    parts = {n // 9 for n in range(start + num_commits)}
    states: dict[int, list[set[str]]] = {part: [set(), set(), set()] for part in parts}
    if start == 0:
        yield _commit(0, "Start", {"LICENSE": MIT, **{f"parts/part_{p}.py": _module(name, p, [set()] * 3) for p in range(60)}})
    for n in range(start + num_commits):
        part, number, step = n // 9, n % 3, _STEPS[n % 9 // 3]
        states[part][number].add(step)
        if n < start:
            continue
        files = {f"parts/part_{part}.py": _module(name, part, states[part])}
        message = _MESSAGES[step].format(f=_word(name, part, number, "f"))
        if n % 10 == 9:  # something that gives no pair: many paths, a short message, another language, a note
            message, files = (
                (message, files | {f"notes/{n}.txt": "note\n"}), ("wip", files), ("Write a note about words", {"notes/all.md": f"{n}\n"}),
                ("Revert the last change\n\nThis reverts commit 0123456789abcdef0123456789abcdef01234567.", files),
            )[n // 10 % 4]  # fmt: skip
        yield _commit(n + 1, message, files, goes_on=n == start and start > 0)
    yield "done\n"


def _commit(number: int, message: str, files: dict[str, str], *, goes_on: bool = False) -> str:
    who = f"A Writer <writer@example.org> {1_500_000_000 + 3_600 * number} +0000"
    changes = "".join(f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items())
    before = "from refs/heads/main^0\n" if goes_on else ""
    return (f"commit refs/heads/main\nauthor {who}\ncommitter {who}\n"
            f"data {len(message.encode())}\n{message}\n{before}{changes}\n")  # fmt: skip


def pipeline_file(folder: Path, repository: Path | list[Path], *, name: str = "small", with_tasks: bool = False,
                  unit_commits: int = 10) -> Path:
    """A pipeline over made repositories, as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    repositories = repository if isinstance(repository, list) else [repository]
    path = folder / f"{name}.yaml"
    path.write_text(COMMITS.format(name=name, repos=json.dumps([str(r) for r in repositories]), unit_commits=unit_commits,
                                   more=TASKS if with_tasks else ""), encoding="utf-8")
    return path


class Notes:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, name: str, total: int) -> Callable[[int], None]:
        return lambda count: None

    def note(self, text: str) -> None:
        self.notes.append(text)


def build_here(pipeline: Path, out: Path, *overrides: str, engine: str = "inline", workers: int | None = None,
               limit: int | None = None, notes: Notes | None = None, created_at: str = CREATED_AT) -> Built:
    """Build a pipeline file in this process."""
    return build(load_pipeline(str(pipeline), overrides), out, progress=notes or Notes(), created_at=created_at, engine=engine,
                 workers=workers, limit=limit)  # fmt: skip


def published(out: Path) -> dict[str, str]:
    """sha256 of every published Parquet file, by its path under the data set."""
    place = out / "dataset"
    return {path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(place.rglob("*.parquet"))}  # fmt: skip


def themis(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "themis_data.cli", *arguments], cwd=cwd, env=ENVIRONMENT,
                          capture_output=True, encoding="utf-8", check=False)  # fmt: skip


def records(out: Path, segment: str) -> list[dict[str, Any]]:
    """Records of all shards of a segment, the leftovers of earlier builds too."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / "segments" / segment).glob("*.json"))]
