"""Lists of commits worth reading, as exports of commit metadata give them: commit, file and repositories.

An export has no contents, and what it says of licence, message and time the repository itself says better, as it was
at the commit. So an export is not a source of rows: it is a setting of the source that has the contents, `git_history:
commits`, which reads histories as ever and gives changes of listed commits alone. Later commits, which take back or
correct a listed one, are still seen. One thing to learn, no schema of half a row, and no second reader of git.

It reads what `manifests/commit_export.sql` asks BigQuery for, the published query's exports, and the layouts of
Git-Commits and CommitPack, whose contents it leaves alone.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from themis_data.errors import SourceError

HOST = "github.com"  # of repositories that an export names without one
_FORMATS = {".parquet": "parquet", ".json": "json", ".jsonl": "json"}
_COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
_AFTER = ("new_file", "file_path")  # whichever of these columns an export has


@dataclass(frozen=True, kw_only=True)
class ListedCommit:
    """What an export says of one commit."""

    path: str  # of the one file that it changes
    repos: tuple[str, ...]  # host/owner/name, sorted; none where the export does not say it


@dataclass(frozen=True, kw_only=True)
class CommitExport:
    """The listed commits among those asked for, and what was seen on the way."""

    listed: dict[str, ListedCommit]
    num_rows: int  # rows of the export
    left_out: dict[str, int]  # of the commits asked for: renamed, no_path, many_paths (listed with several)


def read_commit_export(paths: Sequence[Path], *, among: Collection[str]) -> CommitExport:
    """Commits of an export that are `among` these object ids.

    `paths` are files (Parquet, or JSON lines, compressed or not) or folders of them at any depth, as partitioned
    exports are. They are read as a stream: memory grows with `among`, not with the export. Several rows of a commit are
    one if they agree on the path. Raises SourceError where there is no file, or where one lacks a column.
    """
    listed: dict[str, ListedCommit] = {}
    left_out: Counter[str] = Counter()
    several: set[str] = set()
    num_rows = 0
    for batch, after in _batches(paths):
        num_rows += len(batch)
        names = ("commit", after, "old_file", "repos")
        columns = [batch.column(n).to_pylist() if n in batch.schema.names else [None] * len(batch) for n in names]
        for commit, path, old_path, repos in zip(*columns, strict=True):
            if commit not in among:
                continue
            if not path or (old_path is not None and old_path != path):
                left_out["renamed" if path else "no_path"] += 1
                continue
            before = listed.get(commit)
            if before is not None and before.path != path:
                several.add(commit)
            found = _names(repos) | set(before.repos if before else ())
            listed[commit] = ListedCommit(path=path, repos=tuple(sorted(found)))
    for commit in several:
        del listed[commit]
    if several:
        left_out["many_paths"] = len(several)
    return CommitExport(listed=listed, num_rows=num_rows, left_out=dict(sorted(left_out.items())))


def choose_repositories(paths: Sequence[Path], *, dead: Collection[str]) -> list[str]:
    """host/owner/name of repositories that have all commits of an export, forks left out where they can be; sorted.

    Of a commit's repositories one that others need counts, or else the first by name, as the rows come. None is of
    those that are `dead`; commits that only these have are not there. Memory grows with the repositories.
    """
    chosen: set[str] = set()
    for batch, _ in _batches(paths):
        if "repos" not in batch.schema.names:
            continue
        for repos in batch.column("repos").unique().to_pylist():
            names = sorted(_names(repos).difference(dead))
            if names and chosen.isdisjoint(names):
                chosen.add(names[0])
    return sorted(chosen)


def _names(repos: str | None) -> set[str]:
    given = {name.strip() for name in (repos or "").split(",")} - {""}
    return {name if name.count("/") > 1 else f"{HOST}/{name}" for name in given}


def _batches(paths: Sequence[Path]) -> Iterator[tuple[pa.RecordBatch, str]]:
    """Batches of the columns that are read, each with the name of the column of the path."""
    from pyarrow import dataset  # loads pandas where that is installed

    for file, format_ in _files(paths):
        try:
            has = dataset.dataset(file, format=format_).schema.names
            after = next((name for name in _AFTER if name in has), None)
            if "commit" not in has or after is None:
                raise SourceError(
                    f"{file}: its columns are {sorted(has)}; an export of commits has `commit` and one of "
                    f"{list(_AFTER)}, as manifests/commit_export.sql gives them"
                )
            read = [name for name in ("commit", after, "old_file", "repos") if name in has]
            described = pa.schema([(name, pa.string()) for name in read])
            for batch in dataset.dataset(file, format=format_, schema=described).to_batches(columns=read):
                yield batch, after
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{file}: cannot be read as {format_}: {error}; export it again") from error


def _files(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Files with their formats, sorted; in folders, names that begin with a dot or an underscore are no data."""
    found: list[tuple[str, str]] = []
    for path in paths:
        inside = (
            [path]
            if path.is_file()
            else [file for file in sorted(path.rglob("*")) if file.is_file() and file.name[0] not in "._"]
        )
        own = [(str(file), _FORMATS[ending]) for file in inside if (ending := _ending(file)) in _FORMATS]
        if not own:
            raise SourceError(
                f"{path}: no file of an export there; expected a file or a folder of files that end in "
                f"{', '.join(_FORMATS)}, the latter two with or without {', '.join(_COMPRESSED)}"
            )
        found += own
    return found


def _ending(file: Path) -> str:
    plain = file.with_suffix("") if file.suffix.lower() in _COMPRESSED else file
    return plain.suffix.lower()
