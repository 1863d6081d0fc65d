"""What happened to one commit, change or pair, step by step, and why.

Only what the manifest of the finished build names is looked at: shards that earlier builds left in the folder do not
count. Files are scanned for ids with the columns of contents left alone, so an answer takes about a second at a
hundred thousand changes.
"""

import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from rich.console import Console

from themis_data.dataset import RunFolder
from themis_data.errors import CorruptData, MissingExtra, ThemisError, UnknownName
from themis_data.lookup import find
from themis_data.manifest import FileRecord, read_record, shard_record
from themis_data.publish.layouts import layout
from themis_data.report.tables import BAD, GOOD, HEAD, LOUD, SOFT, console, count, decoded, say, settings, visible
from themis_data.schema import schema

MIN_CHARS = 6  # of the beginning of an id
_CANDIDATES = 10  # of an ambiguous beginning, listed
_NAMED = 5  # of several rows or repositories, in a sentence
_ID = re.compile(rf"[0-9a-f]{{{MIN_CHARS},64}}")
_WHOLE_ID = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})\b")

# Why the source git_history makes no change of a commit.
NOT_EMITTED = {
    "merge": "It is a merge: what it brings in was looked at commit by commit.",
    "root": "It has no parent (a first commit, or the cut of a shallow clone), so nothing is before it.",
    "empty": "It changes no file.",
    "many_paths": "It changes {num_paths} paths; a change is one modified file and nothing else.",
    "added": "It adds a file; nothing is before it that could be worse.",
    "deleted": "It deletes a file; nothing is after it that could be better.",
    "type_changed": "It turns the file into something of another type, for example into a link.",
    "submodule": "It moves a submodule, which is no file.",
    "symlink": "It changes a symbolic link, which is no file with contents.",
    "not_regular": "What it changes is no regular file.",
    "mode_only": "It changes the file's mode only, not its contents.",
    "path_not_utf8": "The path is not UTF-8.",
    "path_too_long": "The path is longer than the source reads.",
    "bad_date": "Its date lies outside of what a calendar has.",
    "message_too_large": "The message is larger than the source reads.",
    "unknown_language": "No known language claims the file's extension.",
    "not_listed": "The export of commits that was given does not list it with this file.",
    "message_not_utf8": "The message is not UTF-8.",
    "missing_blob": "The repository does not have the file's contents (a partial clone).",
    "corrupt": "The repository's copy of the file, or of a folder, is damaged; git fsck says where.",
    "too_large": "A side of the file is larger than the source reads.",
    "empty_side": "The file is empty before or after it.",
    "binary": "The file has NUL bytes: it is binary.",
    "not_utf8": "The file is not UTF-8, before or after it.",
}
_LIMITS = {
    "too_large": ("max_file_bytes",),
    "unknown_language": ("known_languages_only",),
}  # settings of the source that a reason rests on


@dataclass(frozen=True, kw_only=True)
class Part:
    """One segment of a finished build: its steps in order and the files that the manifest names."""

    segment: str
    track: str
    steps: tuple[str, ...]
    is_source: bool
    rows: tuple[Path, ...]
    drops: tuple[Path, ...]
    commits: tuple[Path, ...]  # the source's side table `commit`


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an id stands for: `commit`, or the schema of the row at its first appearance."""

    id: str
    kind: str


class Run:
    """A finished build, to be asked about single rows.

    Raises ManifestError where the folder holds none, and CorruptData where a file that the manifest names is gone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = RunFolder(folder)
        self.manifest: dict[str, Any] = {**self.folder.manifest()}
        self.parts = tuple(self._part(segment) for segment in self.manifest["segments"])

    def _part(self, segment: dict[str, Any]) -> Part:
        counted = [entry for entry in self.manifest["funnel"] if entry["segment"] == segment["name"]]
        records = [shard_record(read_record(self.folder.root / shard["record"])) for shard in segment["shards"]]
        return Part(
            segment=segment["name"],
            track=counted[0]["track"] if counted else segment["name"].split(".")[0],
            steps=tuple(entry["step"] for entry in counted),
            is_source=not segment["reads"],
            rows=self._paths([r.rows for r in records]),
            drops=self._paths([r.drops for r in records]),
            commits=self._paths([r.side["commit"] for r in records if "commit" in r.side]),
        )

    def _paths(self, files: Sequence[FileRecord]) -> tuple[Path, ...]:
        return tuple(self.folder.root / file.path for file in files if file.rows)

    def resolve(self, text: str) -> Asked | None:
        """What an id, or the beginning of one, stands for; None where nothing has it.

        Raises ThemisError where it cannot be an id, or where several begin so: the message lists them.
        """
        wanted = text.strip().lower()
        if not _ID.fullmatch(wanted):
            raise ThemisError(
                f"'{visible(text)}' is no id: expected a commit or a row id in hex, or at least its "
                f"first {MIN_CHARS} digits"
            )
        found: dict[str, str] = {}
        for part in self.parts:
            for files in (part.commits, part.rows) if part.is_source else ():
                found |= dict.fromkeys(self._beginning(files, "commit", wanted), "commit")
        for part in self.parts:
            for id_ in self._beginning(part.rows, "row_id", wanted):
                found.setdefault(id_, _kind(part))
        if wanted in found:
            return Asked(id=wanted, kind=found[wanted])
        if len(found) > 1:
            named = self.names(list(found)[:_CANDIDATES])
            listed = "\n".join(f"  {id_}  {named.get(id_, kind)}" for id_, kind in list(found.items())[:_CANDIDATES])
            more = f"\n  and {len(found) - _CANDIDATES} more" if len(found) > _CANDIDATES else ""
            raise ThemisError(f"{len(found)} ids begin with '{wanted}'; give more digits:\n{listed}{more}")
        return next((Asked(id=id_, kind=kind) for id_, kind in found.items()), None)

    def _beginning(self, files: Sequence[Path], column: str, text: str) -> list[str]:
        if not files or column not in _columns(files):
            return []
        frame = _select(files, [column], pl.col(column).str.starts_with(text))
        ids: list[str] = frame[column].unique().sort().to_list()
        return ids

    def ids(self, part: Part, ids: Collection[str]) -> list[str]:
        """Those of the rows that are in what a segment wrote."""
        return _strings(_select(part.rows, ["row_id"], _is_in("row_id", ids)), "row_id")

    def children(self, part: Part, ids: Collection[str]) -> list[tuple[str, list[str]]]:
        """Rows that a segment wrote and that name one of the ids as a parent, with all their parents."""
        if not part.rows or not ids or "parent_ids" not in _columns(part.rows):
            return []
        has_parent = pl.col("parent_ids").list.eval(pl.element().is_in(list(ids))).list.any()
        frame = _select(part.rows, ["row_id", "parent_ids"], has_parent)
        return [(row_id, parents) for row_id, parents in frame.sort("row_id").iter_rows()]

    def dropped(self, part: Part, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """The drops of a segment among the ids: row id -> step, reason, detail."""
        frame = _select(part.drops, ["row_id", "step", "reason", "detail"], _is_in("row_id", ids))
        return {row["row_id"]: row for row in frame.iter_rows(named=True)}

    def above(self, row_id: str) -> set[str]:
        """A row with all its ancestors."""
        line, todo = {row_id}, {row_id}
        while todo:
            born, parents = set[str](), set[str]()
            for part in self.parts:
                missing = todo - born
                found = set(self.ids(part, missing))
                if found and not part.is_source and "parent_ids" in _columns(part.rows):
                    rows = _select(part.rows, ["row_id", "parent_ids"], _is_in("row_id", found))
                    parents.update(parent for own in rows["parent_ids"].to_list() for parent in own)
                born |= found
            todo = parents - line
            line |= todo
        return line

    def commits(self, part: Part, ids: Collection[str]) -> list[dict[str, Any]]:
        """Rows of a source's side table for some commits."""
        if not part.commits or not ids:
            return []
        names = ["commit", "repos", "parents", "committed_at", "subject", "reverts", "num_paths", "path", "not_emitted"]
        return list(_select(part.commits, names, _is_in("commit", ids)).iter_rows(named=True))

    def of_commit(self, part: Part, commit: str) -> list[str]:
        """Rows that a source made of a commit."""
        if not part.rows or "commit" not in _columns(part.rows):
            return []
        return _strings(_select(part.rows, ["row_id"], pl.col("commit") == commit), "row_id")

    def latest(self, row_id: str) -> dict[str, Any] | None:
        """A row as the last segment that wrote it left it, all columns; None where no shard has it."""
        for part in reversed(self.parts):
            for path in part.rows if self.ids(part, [row_id]) else ():
                rows = _select([path], _columns([path]), pl.col("row_id") == row_id)
                if len(rows):
                    return rows.row(0, named=True)
        return None

    def published(self, ids: Collection[str]) -> dict[str, dict[str, str]]:
        """Where rows are in the data set: row id -> configuration -> file. A row that is in none is left out."""
        places: dict[str, dict[str, str]] = {}
        for name, config in self.manifest["configs"].items():
            files = [self.folder.published / file["path"] for file in config["files"] if file["rows"]]
            key = schema(config["schema"]).key[0]
            for file in files if ids else []:
                for id_ in _strings(_select([file], [key], _is_in(key, ids)), key):
                    places.setdefault(id_, {})[name] = file.relative_to(self.folder.published).as_posix()
        return places

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """A few words, already visible, for commits and rows: what it is, of which commit and path, what it says."""
        named: dict[str, str] = {}
        for part in self.parts:
            for row in self.commits(part, [id_ for id_ in ids if id_ not in named]):
                named[row["commit"]] = f'commit in {visible(row["repos"])}: "{visible(row["subject"])}"'
            missing = [id_ for id_ in ids if id_ not in named]
            if not missing or not part.rows:
                continue
            there = _columns(part.rows)
            telling = [name for name in ("commit", "path", "task", "criterion") if name in there]
            for row in _select(part.rows, ["row_id", *telling], _is_in("row_id", missing)).iter_rows(named=True):
                where = [f"{name} {visible(row[name])}" for name in telling if row[name] is not None]
                named[row["row_id"]] = f"{_kind(part)} ({', '.join(where)})"
        return named

    def searched(self) -> dict[str, Any]:
        """How much there is to find an id in: commits, rows, and the names of what the sources read."""
        sources = self.manifest["sources"]
        read = [item for source in sources for item in _listed(source["read"])]
        from_sources = {part.segment for part in self.parts if part.is_source}
        return {
            "commits": sum(pq.read_metadata(path).num_rows for part in self.parts for path in part.commits),
            "rows": sum(entry["rows_out"] for entry in self.manifest["funnel"] if entry["segment"] in from_sources),
            "read": [item["name"] if isinstance(item, dict) and "name" in item else str(item) for item in read],
            "listed_commits": sum(item.get("commits", 0) for item in read if isinstance(item, dict)),
            "limit": self.manifest.get("limit"),
            "unreadable": sorted({str(what) for source in sources for what, _ in source["unreadable"]}),
        }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _kind(part: Part) -> str:
    """Schema of the rows of a segment, as its files say."""
    metadata = pq.read_schema(part.rows[0]).metadata or {}
    return str(metadata.get(b"themis_schema", b"row").decode().partition("/")[0])


def _columns(files: Sequence[Path]) -> list[str]:
    try:
        return list(pq.read_schema(files[0]).names)
    except OSError as error:
        raise _unusable(error) from error


def _select(files: Sequence[Path], columns: Sequence[str], where: pl.Expr) -> pl.DataFrame:
    """Columns of the rows that fulfil a condition."""
    if not files:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    try:
        scan = pl.scan_parquet(list(files), glob=False, hive_partitioning=False)
        return scan.filter(where).select(columns).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unusable(error) from error


def _unusable(error: BaseException) -> CorruptData:
    return CorruptData(
        f"a file that the manifest names cannot be read ({error}); run 'themis verify' on the folder, "
        f"and 'themis build' to make it again"
    )


def _is_in(column: str, ids: Collection[str]) -> pl.Expr:
    return pl.col(column).is_in(list(ids))


def _strings(frame: pl.DataFrame, column: str) -> list[str]:
    ids: list[str] = frame[column].sort().to_list()
    return ids


def explain(folder: Path, id_: str) -> dict[str, Any]:
    """The story of a commit, change, task or pair in a run folder, as JSON types.

    asked      as it was asked for; `id` is the whole id
    kind       commit, or the schema of the row; unknown where nothing has the id
    commit     what the source noted of the commit; null where no commit is behind it
    steps      in order: segment, step, outcome (emitted, not_emitted, kept, became, dropped, published), row_id,
               reason, detail, explanation (a sentence), settings (of a step that dropped), became (ids of children)
    published  ids of the rows of the data set that came of it
    ends       published, dropped, not_emitted or unknown
    searched   for an unknown id: how much was looked at

    Raises ThemisError where the id is ambiguous or cannot be one, ManifestError where the folder holds no finished
    build.
    """
    run = Run(folder)
    asked = run.resolve(id_)
    if asked is None:
        return {
            "asked": id_,
            "id": None,
            "kind": "unknown",
            "commit": None,
            "steps": [],
            "published": [],
            "ends": "unknown",
            "searched": run.searched(),
        }
    story = _Story(run, asked)
    steps = story.steps()
    outcomes = {step["outcome"] for step in steps}
    return {
        "asked": id_,
        "id": asked.id,
        "kind": asked.kind,
        "commit": story.commit,
        "steps": steps,
        "published": [step["row_id"] for step in steps if step["outcome"] == "published"],
        "ends": next((end for end in ("published", "dropped", "not_emitted") if end in outcomes), "unknown"),
    }


class _Story:
    """Follows the rows that an id stands for, and their ancestors, through all segments."""

    def __init__(self, run: Run, asked: Asked) -> None:
        self._run, self._asked = run, asked
        self._line = set[str]() if asked.kind == "commit" else run.above(asked.id)
        self.commit: dict[str, Any] | None = None

    def steps(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = []
        live: dict[str, list[str]] = {}
        for part in self._run.parts:
            if part.is_source:
                live[part.track] = []
                steps += self._read(part, live[part.track])
                continue
            if part.track not in live:  # the merge: what is left of all branches
                live = {part.track: _merged(live)}
            here: list[str] = []
            steps += self._pass(part, live[part.track], here)
            live[part.track] = here
        steps += self._release(_merged(live))
        self._name_others(steps)
        return steps

    def _read(self, part: Part, live: list[str]) -> Iterator[dict[str, Any]]:
        """What a source made of it; fills `live`."""
        run, is_commit = self._run, self._asked.kind == "commit"
        rows = run.of_commit(part, self._asked.id) if is_commit else run.ids(part, self._line)
        live += rows
        commits = [self._asked.id] if is_commit else self._commits_of(part, rows)
        noted = {row["commit"]: row for row in run.commits(part, commits)}
        for row in noted.values():
            self.commit = self.commit or {**row, "committed_at": row["committed_at"].isoformat() + "Z"}
        values = run.manifest["pipeline"]["steps"][part.steps[0]]
        for row_id in rows:
            yield _step(part.segment, part.steps[0], "emitted", row_id, f"{values['use']} made a {_kind(part)} of it.")
        for row in noted.values() if is_commit and not rows else ():
            reason = str(row["not_emitted"])
            sentence = NOT_EMITTED.get(reason, "The source makes no row of it.").format(num_paths=row["num_paths"])
            limits = {name: values[name] for name in _LIMITS.get(reason, ()) if name in values}
            yield _step(part.segment, part.steps[0], "not_emitted", None, sentence, reason=reason, values=limits)

    def _commits_of(self, part: Part, rows: list[str]) -> list[str]:
        if not rows or "commit" not in _columns(part.rows):
            return []
        return _strings(_select(part.rows, ["commit"], _is_in("row_id", rows)), "commit")

    def _pass(self, part: Part, live: list[str], here: list[str]) -> Iterator[dict[str, Any]]:
        """What the steps of a segment did to the rows that came in; fills `here` with those that came out."""
        if not live:
            return
        dropped, kept = self._run.dropped(part, live), set(self._run.ids(part, live))
        family: dict[str, list[str]] = {}
        for child, parents in self._run.children(part, [i for i in live if i not in kept and i not in dropped]):
            for parent in parents:
                family.setdefault(parent, []).append(child)
        for row_id in live:
            drop = dropped.get(row_id)
            passed = list(part.steps) if row_id in kept else list(part.steps[:-1])
            if drop is not None:
                passed = passed[: part.steps.index(drop["step"])]
            for step in passed:
                yield _step(part.segment, step, "kept", row_id, f"{step} let it pass.")
            if drop is not None:
                yield self._drop(part, drop)
            elif row_id in kept:
                here.append(row_id)
            elif row_id in family:
                own = [child for child in family[row_id] if child in self._line]
                if not own or row_id == self._asked.id:
                    own = family[row_id]
                here += [child for child in own if child not in here]
                sentence = self._became(part, family[row_id], own)
                yield _step(part.segment, part.steps[-1], "became", row_id, sentence, became=own)
            else:
                raise CorruptData(
                    f"row {row_id} went into the segment {part.segment} and is neither in what it wrote "
                    f"nor among its drops; run 'themis verify' on {self._run.folder.root}"
                )

    def _became(self, part: Part, children: list[str], own: list[str]) -> str:
        others = len(children) - len(own)
        named = ", ".join(own[:_NAMED]) + (f" and {len(own) - _NAMED} more" if len(own) > _NAMED else "")
        beside = f", beside {others} other{'s' if others != 1 else ''}" if others else ""
        return f"It became the {_kind(part)}{'s' if len(own) != 1 else ''} {named}{beside}."

    def _drop(self, part: Part, drop: dict[str, Any]) -> dict[str, Any]:
        values = self._run.manifest["pipeline"]["steps"].get(drop["step"], {})
        seen = f" ({drop['detail']})" if drop["detail"] else ""
        meaning = _meaning(values.get("use"), drop["reason"])
        sentence = f"{drop['step']} dropped it: {drop['reason']}{seen}.{f' That is: {meaning}.' if meaning else ''}"
        return _step(
            part.segment,
            drop["step"],
            "dropped",
            drop["row_id"],
            sentence,
            reason=drop["reason"],
            detail=drop["detail"],
            values=values,
        )

    def _release(self, live: list[str]) -> Iterator[dict[str, Any]]:
        places = self._run.published(live)
        configs = list(self._run.manifest["configs"])
        for row_id in live:
            files = places.get(row_id, {})
            lacks = [name for name in configs if name not in files]
            without = "".join(f" Left out of {name}, as are all {layout(name).lacks}." for name in lacks)
            if files:
                listed = "; ".join(f"{name}: {file}" for name, file in files.items())
                sentence = f"It is in {', '.join(files)}.{without}"
                yield _step("dataset", "write", "published", row_id, sentence, detail=listed)
            else:
                yield _step("dataset", "write", "dropped", row_id, without.strip(), reason="left_out")

    def _name_others(self, steps: list[dict[str, Any]]) -> None:
        """Say what the ids in the details of drops stand for: the survivor, the commit that reverted."""
        told = [
            (step, id_)
            for step in steps
            if step["outcome"] == "dropped"
            for id_ in dict.fromkeys(_WHOLE_ID.findall(step["detail"] or ""))
        ]
        named = self._run.names({id_ for _, id_ in told}) if told else {}
        for step, id_ in told:
            if id_ in named:
                step["explanation"] += f" {id_[:12]} is a {named[id_]}."


def _merged(live: dict[str, list[str]]) -> list[str]:
    return list(dict.fromkeys(row_id for rows in live.values() for row_id in rows))


def _step(
    segment: str,
    step: str,
    outcome: str,
    row_id: str | None,
    explanation: str,
    *,
    reason: str | None = None,
    detail: str | None = None,
    values: dict[str, Any] | None = None,
    became: Sequence[str] = (),
) -> dict[str, Any]:
    chosen = {name: decoded(value) for name, value in (values or {}).items() if name not in ("use", "seed")}
    return {
        "segment": segment,
        "step": step,
        "outcome": outcome,
        "row_id": row_id,
        "reason": reason,
        "detail": detail,
        "explanation": explanation,
        "settings": chosen,
        "became": list(became),
    }


def _meaning(use: str | None, reason: str) -> str | None:
    """What a reason means, in the words of the stage's docstring; None where it has none.

    Docstrings have `reason` (meaning), or meaning (`reason`) with the meaning behind the bracket before it.
    """
    if use is None:
        return None
    try:
        docstring = find("stages", use, "STAGE").__doc__ or ""
    except (UnknownName, MissingExtra):  # a build of another version of the tool, or without what it needs
        return None
    text = " ".join(docstring.split())
    behind = re.search(rf"`{re.escape(reason)}` \(([^()`]+)\)", text)
    before = re.search(rf"(?:^|\)|[.:] )([^()]*) \((?:`\w+`, )*`{re.escape(reason)}`[^()]*\)", text)
    found = behind or before
    if found is None:
        return None
    clause = re.sub(r"^\W*(?:(?:and|or) )?", "", found.group(1)).rstrip(" .")
    return clause[:1].lower() + clause[1:].replace("`", "")


_STYLES = {"dropped": BAD, "not_emitted": BAD, "published": GOOD, "emitted": "", "became": "", "kept": SOFT}


def print_story(story: dict[str, Any]) -> None:
    """The story as a table, and how it ends in one line."""
    out = console()
    if story["ends"] == "unknown":
        for line in _unknown(story):
            say(out, line, LOUD if line.startswith("Nothing") else "")
        return
    say(out, f"{story['kind']} {story['id']}", HEAD)
    commit = story["commit"]
    if commit is not None:
        if story["kind"] != "commit":
            say(out, f"commit {commit['commit']}", indent=2)
        say(out, f'"{visible(commit["subject"])}"', indent=2)
        where = visible(commit["path"]) if commit["path"] is not None else count(commit["num_paths"], "path")
        say(out, f"{visible(commit['repos'])}, {where}, {commit['committed_at']}", indent=2)
        if len(commit["parents"]) > 1:
            say(out, f"merges {' and '.join(visible(id_) for id_ in commit['parents'])}", indent=2)
        if commit["reverts"]:
            say(out, f"says that it reverts {', '.join(visible(id_) for id_ in commit['reverts'])}", indent=2)
    several = len({step["row_id"] for step in story["steps"]} - {None}) > 1
    segment = None
    for step in story["steps"]:
        if step["segment"] != segment:
            segment = step["segment"]
            say(out, visible(segment))
        row = f"  {step['row_id'][:8]}" if several and step["row_id"] else ""
        style = _STYLES[step["outcome"]]
        say(out, f"{visible(step['step']):<24} {step['outcome']:<10} {row}".rstrip(), style, indent=2)
        if step["outcome"] != "kept":
            _say_why(out, step, style)
    say(out, _end(story), GOOD if story["ends"] == "published" else BAD)


def _say_why(out: Console, step: dict[str, Any], style: str) -> None:
    lines = textwrap.wrap(visible(step["explanation"]), out.width - 6, break_long_words=False, break_on_hyphens=False)
    for line in lines:
        say(out, line, style, indent=6)
    if step["settings"]:
        say(out, f"settings: {settings(step['settings'])}", indent=6)


def _end(story: dict[str, Any]) -> str:
    if story["ends"] == "published":
        return f"published: {', '.join(story['published'])}"
    last = next(step for step in reversed(story["steps"]) if step["outcome"] == story["ends"])
    word = "dropped by" if story["ends"] == "dropped" else "no change by"
    return f"{word} {visible(last['step'])}: {visible(last['reason'])}"


def _unknown(story: dict[str, Any]) -> Iterator[str]:
    searched = story["searched"]
    yield f"Nothing in this build has an id that begins with {visible(story['asked'])}."
    read = ", ".join(visible(name) for name in searched["read"][:_NAMED]) or "no source"
    if len(searched["read"]) > _NAMED:
        read += f" and {len(searched['read']) - _NAMED} more"
    amount = f"{count(searched['commits'], 'commit')} and {count(searched['rows'], 'row')}"
    yield f"Looked at {amount} of {read}, and at all that was made of them."
    if searched["limit"] is not None:
        yield f"The build took a sample of {count(searched['limit'], 'unit')} of each source (--limit)."
    elif searched["commits"] < searched["listed_commits"]:
        yield (
            f"The sources list {searched['listed_commits']:,} commits: forks share some, or a unit could not be read."
        )
    for what in searched["unreadable"]:
        yield f"{visible(what)} could not be read: its commits are not known."
    yield "A commit that no chosen ref leads to is not read: see the setting refs of git_history."
