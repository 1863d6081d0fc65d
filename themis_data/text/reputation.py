"""What is known of repositories: how many stars, contributors and issues they have."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from themis_data.errors import PipelineError
from themis_data.fingerprint import FileStamp, digest, file_stamp, model_digest

_FORMATS = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json"}
_COLUMNS = ("repository", "stars", "contributors", "issues")


class Reputation(NamedTuple):
    """Counts of a repository; null where the table does not say one."""

    stars: int | None
    contributors: int | None
    issues: int | None


def read_reputation(paths: Sequence[Path]) -> Mapping[str, Reputation]:
    """Repository, as OWNER/NAME or HOST/OWNER/NAME in lower case -> its counts, of all tables; the last one counts.

    A table is a file (Parquet, CSV with a header, JSON lines) or a folder of such, with the columns `repository`,
    `stars`, `contributors` and `issues`, in any order. Raises PipelineError where one is missing or lacks a column.
    """
    return _of_tables(*(file_stamp(file) for path in paths for file in _files(path)))


def reputation_digest(paths: Sequence[Path]) -> str:
    """Of the content of the tables, in their order."""
    return digest([model_digest(file) for path in paths for file in _files(path)])


def _files(path: Path) -> list[Path]:
    inside = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = [file for file in inside if file.is_file() and file.suffix in _FORMATS]
    if not found:
        raise PipelineError(
            f"{path}: no table of repositories there; expected {', '.join(_FORMATS)} with the columns "
            f"{', '.join(_COLUMNS)}"
        )
    return found


@cache
def _of_tables(*files: FileStamp) -> Mapping[str, Reputation]:
    """Of tables that may be asked for with every batch of rows; read again only when one changed."""
    return {name: counts for stamp in files for name, counts in _read(stamp.path).items()}


def _read(file: Path) -> dict[str, Reputation]:
    from pyarrow import dataset  # loads pandas where that is installed

    try:
        table = dataset.dataset(file, format=_FORMATS[file.suffix]).to_table()
        lacking = [name for name in _COLUMNS if name not in table.column_names]
        if lacking:
            raise PipelineError(f"{file}: lacks the columns {lacking}; it has {table.column_names}")
        counts = [table[name].cast(pa.int64()).to_pylist() for name in _COLUMNS[1:]]
    except pa.ArrowException as error:
        raise PipelineError(f"{file}: {error}; expected {', '.join(_COLUMNS[1:])} as whole numbers") from error
    names = table["repository"].cast(pa.string()).to_pylist()
    return {
        name.strip().lower(): Reputation(*values)
        for name, values in zip(names, zip(*counts, strict=True), strict=True)
        if name
    }
