"""One small history with everything that can happen to a commit, built once; and a run folder written by hand."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from themis_data.build import Built, build
from themis_data.dataset import write_tables
from themis_data.manifest import ShardRecord, write_record
from themis_data.pipeline import load_pipeline
from themis_data.report.progress import Lines
from themis_data.schema import schema

PIPELINE = """
name: small
seed: 7
branches:
  commits:
    source: {{use: git_history, as: git, repos: ["{repository}", "{gone}"]}}
    mine:
      - {{use: drop_reverts}}
      - {{use: drop_contradictions}}
      - {{use: keep_languages}}
      - {{use: keep_messages}}
    dedupe:
      - {{use: drop_near_duplicates, permutations: 64}}
    label:
      - {{use: classify_commits}}
    generate:
      - {{use: write_instructions}}
merge:
  assemble:
    - {{use: mix, max_repo_share: 1.0}}
    - {{use: assign_system_prompts}}
write: {{shards: 2}}
"""
HOSTILE_PATH = "src/[red]od\u202ed\x1b[31m.py"
HOSTILE_SUBJECT = "Rearrange \x1b]0;owned\x07 [bold]things[/bold] \u202eelif\x9b31m"
TOTAL = '''def total(numbers):
    """Add up all numbers of a list, from the first to the last."""
    result = 0
    for place in range(len(numbers){less}):
        result += numbers[place]
    return result
'''
ODD = "value = '\x1b[2J \u2066'\n\nleft = {left}\nright = 'unchanged, and long enough to be looked at'\n"


def _search(name: str, known: str) -> str:
    return (f'def {name}(words, known):\n    """Give the words that are known, in their order."""\n    found = []\n'
            f"    for word in words:\n        if word in {known} and word not in found and len(word) > 3:\n"
            f"            found.append(word.strip().lower())\n    return found\n")  # fmt: skip


class History:
    """Commits for `git fast-import`, with fixed people and times; `ids` has their object ids by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stream: list[str] = []
        self._marks: dict[str, int] = {}

    def commit(self, name: str, message: str, files: dict[str, str], *, parents: tuple[str, ...] = ()) -> None:
        number = len(self._marks) + 1
        self._marks[name] = number
        at = 1_500_000_000 + 86_400 * number
        person = f"A Writer <writer@example.org> {at} +0000\n"
        links = "".join(f"{'from' if not i else 'merge'} :{self._marks[p]}\n" for i, p in enumerate(parents))
        changes = "".join(f'M 100644 inline "{_quoted(path)}"\n{_data(text)}' for path, text in files.items())
        self._stream.append(f"commit refs/heads/main\nmark :{number}\nauthor {person}committer {person}{_data(message)}"
                            f"{links}{changes}\n")  # fmt: skip

    def write(self) -> dict[str, str]:
        self._git("init", "--quiet", "--bare", "--initial-branch=main", ".")
        self._git("config", "remote.origin.url", "https://example.org/made/small.git")
        self._git("fast-import", "--quiet", "--force", "--export-marks=marks", text="".join(self._stream))
        lines = (self.folder / "marks").read_text().split()
        by_mark = dict(zip(lines[::2], lines[1::2], strict=True))
        return {name: by_mark[f":{number}"] for name, number in self._marks.items()}

    def _git(self, *arguments: str, text: str = "") -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        subprocess.run(["git", *arguments], cwd=self.folder, input=text.encode(), env=environment, check=True,
                       capture_output=True)  # fmt: skip


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"


def _quoted(path: str) -> str:
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03o}" for b in path.encode())


@dataclass(frozen=True)
class Small:
    """A finished build and the commits of its history by name."""

    folder: Path
    commits: dict[str, str]
    built: Built


def small_build(place: Path) -> Small:
    """Write the history under a folder and build it there."""
    history = History(place / "repository")
    a, b = _search("search", "known"), _search("search", "set(known)")
    start = {"total.py": TOTAL.format(less=" - 1"), "a.py": a, "b.py": a, "notes.txt": "one\n" * 30}
    faster = "Make search faster: look words up in a set"
    history.commit("root", "Start", {**start, HOSTILE_PATH: ODD.format(left=1)})
    history.commit("fix", "Fix wrong result of total for the last number", {"total.py": TOTAL.format(less="")},
                   parents=("root",))  # fmt: skip
    history.commit("many", "Rename two things", {"x.py": "x = 1\n", "y.py": "y = 1\n"}, parents=("fix",))
    history.commit("added", "Add a file", {"z.py": "z = 1\n"}, parents=("many",))
    history.commit("text", "Write more into the notes", {"notes.txt": "two\n" * 30}, parents=("added",))
    history.commit("faster", faster, {"a.py": b}, parents=("text",))
    history.commit("again", faster, {"b.py": b}, parents=("faster",))
    history.commit("merge", "Merge branch 'side'", {}, parents=("again", "many"))
    history.commit("hostile", HOSTILE_SUBJECT, {HOSTILE_PATH: ODD.format(left=2)}, parents=("merge",))
    history.commit("mistake", "Sort the words before they are searched", {"a.py": b + "\nmistake = True\n"},
                   parents=("hostile",))  # fmt: skip
    mistake = history.write()["mistake"]
    history.commit("revert", f"Revert \"Sort the words\"\n\nThis reverts commit {mistake}.", {"a.py": b + "\n"},
                   parents=("mistake",))  # fmt: skip
    history.folder = place / "with_revert"
    commits = history.write()
    file = place / "small.yaml"
    file.write_text(PIPELINE.format(repository=history.folder, gone=place / "gone"))
    built = build(load_pipeline(str(file)), place / "run", progress=Lines(), created_at="2026-01-02T03:04:05+00:00",
                  engine="inline")  # fmt: skip
    return Small(place / "run", commits, built)


@dataclass(frozen=True)
class Handmade:
    """A run folder written by hand: changes out of one source, and pairs that a step made of them."""

    folder: Path

    def write(
        self,
        changes: dict[str, str],
        pairs: dict[str, str] | None = None,
        *,
        contents: tuple[str, str] = ("old", "new"),
    ) -> "Handmade":
        """`changes` has the commit of each change, `pairs` the change that each pair was made of, by their ids."""
        sides = {"old_contents": contents[0], "new_contents": contents[1]}
        rows = [{**_change(row_id, commit), **sides} for row_id, commit in changes.items()]
        self._segment("made.source", "change", rows)
        names = ["made.source"]
        if pairs is not None:
            self._segment("made.0.label", "pair", [_pair(row_id, parent) for row_id, parent in pairs.items()])
            names.append("made.0.label")
        steps = {"made.source": "git", "made.0.label": "split_changes"}
        counted = {"rows_in": 0, "rows_out": len(changes), "dropped": {}, "parents_kept": 0, "seconds": 0.0}
        config = {"folder": "data", "schema": "published_default", "files": [], "rows": 0, "left_out": 0}
        write_record(self.folder / "dataset/manifest.json", {
            "segments": [{"name": name, "reads": "change" if number else "",
                          "shards": [{"record": f"segments/{name}/0.json"}]} for number, name in enumerate(names)],
            "funnel": [{"track": "made", "segment": name, "step": steps[name], **counted} for name in names],
            "pipeline": {"steps": {"git": {"use": "git_history"}}},
            "sources": [{"step": "git", "use": "git_history", "read": [], "warnings": [], "unreadable": []}],
            "configs": {"default": config},
        })  # fmt: skip
        return self

    def _segment(self, name: str, described: str, rows: list[dict[str, Any]]) -> None:
        place, arrow = self.folder / "segments" / name, schema(described).arrow
        table = pa.Table.from_pylist(rows, schema=arrow)
        written = write_tables(place / "0.parquet", arrow, [table], relative_to=self.folder)
        drops = write_tables(place / "0.drops.parquet", schema("drop").arrow, [schema("drop").empty()],
                             relative_to=self.folder)  # fmt: skip
        record = ShardRecord(name="0", fingerprint="0", made_from="", rows=written, drops=drops, side={}, steps=())
        write_record(place / "0.json", record)


def _change(row_id: str, commit: str) -> dict[str, Any]:
    text = {column.name: "x" for column in schema("change").columns if "string" in column.type}
    return {**text, "row_id": row_id, "commit": commit, "committed_at": 0, "authored_at": 0, "is_bot": False}


def _pair(row_id: str, parent: str) -> dict[str, Any]:
    text = {column.name: "x" for column in schema("pair").columns if "string" in column.type}
    return {**text, "row_id": row_id, "parent_ids": [parent], "also_matches": [], "committed_at": 0, "strength": 1.0,
            "changed_share": 0.5, "demo_only": False}  # fmt: skip


def judgement(verdict: str | None = "chosen", **said: Any) -> dict[str, Any]:
    """One vote on a pair."""
    vote = {"answer": "0", "kind": "vote", "model": "m", "criterion": "runtime_efficiency", "sample": 0}
    return dict.fromkeys(schema("judgement").names) | vote | {"is_blind": True, "verdict": verdict} | said


def judged_run(folder: Path, *segments: pa.Table, drops: dict[str, str] | None = None) -> Path:
    """A run folder written by hand whose segments wrote these rows of one schema, one after the other.

    The last one dropped `drops`: row id -> reason.
    """
    entries, funnel = [], []
    for number, table in enumerate(segments):
        place, name = folder / "segments" / f"s{number}", f"s{number}"
        last = number == len(segments) - 1
        gone = drops if last and drops else {}
        dropped = schema("drop").table({"row_id": list(gone), "step": ["judge_pairs"] * len(gone),
                                        "reason": list(gone.values()), "parent_ids": [[]] * len(gone)})  # fmt: skip
        write_record(place / "0.json", ShardRecord(
            name="0", fingerprint="0", made_from="", side={}, steps=(),
            rows=write_tables(place / "0.parquet", table.schema, [table], relative_to=folder),
            drops=write_tables(place / "0.drops.parquet", dropped.schema, [dropped], relative_to=folder),
        ))  # fmt: skip
        entries.append({"name": name, "reads": f"s{number - 1}" if number else "",
                        "shards": [{"record": f"segments/{name}/0.json"}]})  # fmt: skip
        funnel.append({"track": "made", "segment": name, "step": "judge_pairs" if last else "git"})
    write_record(folder / "dataset/manifest.json", {"segments": entries, "funnel": funnel})
    return folder
