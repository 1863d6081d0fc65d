"""Rows of an upstream data set, by its recipe in `manifests/sources/`: from the Hub, or from files at hand."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pyarrow.parquet as pq

from themis_data.engine.segment import Listing, Piece, Unit
from themis_data.errors import PipelineError, SourceError
from themis_data.fingerprint import code_digest, digest, model_digest, where_it_runs
from themis_data.upstream.mapping import map_files
from themis_data.upstream.read import UpstreamFile, check_files, files_of
from themis_data.upstream.recipes import Recipe, as_pairs, named_recipe
from themis_data.upstream.settings import Prepared, Thresholds, prepare
from themis_data.upstream.statements import own_files, own_statements, read_statements, statements_digest
from themis_data.yaml_file import read_yaml

_COMMIT = re.compile(r"[0-9a-f]{40}")
# Sizes of files are guesses where counting would mean reading them; they are for progress and choosing an engine.
_ROW_BYTES = 2_000
_ROWS_OF_REMOTE_FILE = 50_000


@dataclass(frozen=True, kw_only=True)
class HubRows:
    """Reads an upstream data set as pairs, tasks or changes, as its recipe says.

    Files are read as a stream, batch by batch, and only those that the recipe's parts and the setting `choose` name. A
    unit is a file, or all files of a part where rows must be seen together or a setting wants values that some row must
    have. Rows that give none of ours are counted by the reasons of the mapper (`upstream/mappers/`) and: `other_COLUMN`
    (the settings `only` and `containing`), `unknown_language`, `other_language`, `unknown_criterion`, `empty_side`,
    `same_sides`, `same_user`, `together_cap`, `duplicate`. The first batch of every part is read when units are listed,
    so that columns that changed upstream stop a build at its start, with both lists.
    """

    also_writes: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    recipe: Annotated[str, "name of a recipe in manifests/sources, or path of one of your own that ends in .yaml"] = ""
    subset: Annotated[
        str | None,
        "of a benchmark: the subset of another one that its rows are pairs of, `demo_only`; null: no benchmark",
    ] = None
    files: Annotated[str | None, "folder laid out as the data set's repository, or one file of it; null: the Hub"] = (
        where_it_runs(None)
    )
    hub: Annotated[str | None, "id on the Hub in place of the recipe's, such as a copy of it"] = None
    revision: Annotated[str | None, "commit on the Hub, 40 hex digits, in place of the recipe's"] = None
    thresholds: Annotated[Thresholds, "which settings of the recipe: sound, or the paper's where they differ"] = "sound"
    settings: Annotated[Mapping[str, Any], "settings of the recipe's mapper and of upstream.settings.RowRules"] = field(
        default_factory=dict
    )
    max_rows: Annotated[int | None, "upstream rows read of each unit, at most; null: all"] = None
    statements: Annotated[
        str | None, "file or folder of problem statements, for rows that only name their problem; null: the recipe's"
    ] = where_it_runs(None)
    scratch: Annotated[str | None, "folder for temporary files of rows that are seen together; null: the system's"] = (
        where_it_runs(None)
    )
    seed: Annotated[int, "of every draw; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        if self.max_rows is not None and self.max_rows < 1:
            raise PipelineError(f"hub_rows: max_rows is {self.max_rows}; expected 1 or more, or null")
        if self.recipe:
            prepare(self._recipe, thresholds=self.thresholds, overrides=self.settings)

    @property
    def writes(self) -> str:
        return self._recipe.reads_as if self.recipe else "pair"

    @property
    def _recipe(self) -> Recipe:
        if not self.recipe:
            raise PipelineError("hub_rows: name a recipe of manifests/sources in the setting `recipe`")
        read = named_recipe(self.recipe, hub=self.hub)
        return read if self.subset is None else as_pairs(read, self.subset)

    @property
    def _prepared(self) -> Prepared:
        return prepare(self._recipe, thresholds=self.thresholds, overrides=self.settings)

    @property
    def _path(self) -> Path | None:
        return None if self.files is None else Path(self.files)

    def identity(self) -> dict[str, Any]:
        """The recipe as it is written, and the code of its mapper."""
        if not self.recipe:
            return {}
        return {
            "recipe": digest(read_yaml(self._recipe.path)),
            "mapper": code_digest(f"themis_data.upstream.mappers.{self._recipe.mapper}"),
        }

    def list_units(self, memory: Path) -> Listing:
        prepared = self._prepared
        revision = self._revision(prepared.recipe)
        files = files_of(prepared.recipe, from_path=self._path, revision=revision)
        own = own_files(prepared, from_path=self._path, revision=revision)
        check_files(prepared.recipe, [*files, *own])
        shared = digest(
            [
                {"recipe": prepared.recipe.name, "thresholds": self.thresholds, "settings": self.settings},
                {"seed": self.seed, "max_rows": self.max_rows, "identity": self.identity()},
                revision if self.files is None else None,
                [_content(file) for file in own],
                None if self.statements is None else statements_digest(Path(self.statements)),
                *([] if self.subset is None else [self.subset]),
            ]
        )
        units = tuple(self._unit(prepared, group, shared) for group in _groups(prepared, files))
        identity = {
            "recipe": prepared.recipe.name,
            "title": prepared.recipe.title,
            "from": "files at hand" if self.files is not None else prepared.recipe.hub,
            "revision": revision if self.files is None else None,
            "license": prepared.recipe.license,
            "generator_terms": prepared.recipe.generator_terms,
            "thresholds": self.thresholds,
            "units": [unit.name for unit in units],
        }
        return Listing(units=units, identity=[identity])

    def _revision(self, recipe: Recipe) -> str | None:
        revision = self.revision or recipe.revision
        if self.files is None and revision is not None and not _COMMIT.fullmatch(revision):
            raise SourceError(
                f"hub_rows, {recipe.path}: the revision is {revision!r}, and what a branch or tag names changes; "
                f"give the 40 hex digits of a commit of {recipe.hub}"
            )
        return revision

    def _unit(self, prepared: Prepared, files: Sequence[UpstreamFile], shared: str) -> Unit:
        names = [_name(file, self._path) for file in files]
        label = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        part = prepared.recipe.parts.index(files[0].part)
        rows = sum(_rows_guessed(file) for file in files)
        return Unit(
            name=f"{prepared.recipe.name}: {label}",
            fingerprint=digest([shared, part, names, [_content(file) for file in files]]),
            size=rows if self.max_rows is None else min(rows, self.max_rows),
            payload={"part": part, "files": [[file.split, file.url] for file in files]},
        )

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        """The rows of one unit."""
        prepared = self._prepared
        part = prepared.recipe.parts[unit.payload["part"]]
        files = [UpstreamFile(part=part, split=split, url=url) for split, url in unit.payload["files"]]
        statements = own_statements(prepared, from_path=self._path, revision=self._revision(prepared.recipe))
        if self.statements is not None:
            statements = {**statements, **read_statements(Path(self.statements))}
        for batch in map_files(
            prepared,
            files,
            statements=statements,
            seed=self.seed,
            max_rows=self.max_rows,
            scratch=None if self.scratch is None else Path(self.scratch),
        ):
            seen = len(batch.rows) + sum(batch.left_out.values())
            yield Piece(rows=batch.rows, num_seen=seen, left_out=batch.left_out)


def _groups(prepared: Prepared, files: Sequence[UpstreamFile]) -> list[list[UpstreamFile]]:
    if not prepared.needs_whole_parts:
        return [[file] for file in files]
    return [own for part in prepared.recipe.parts if (own := [file for file in files if file.part == part])]


def _content(file: UpstreamFile) -> str:
    """What identifies a file's content: its hash, or its address at a commit of the Hub."""
    return file.url if "://" in file.url else model_digest(Path(file.url))


def _name(file: UpstreamFile, root: Path | None) -> str:
    if "://" in file.url:
        return file.url.partition("@")[2].partition("/")[2] or file.url
    path = Path(file.url)
    inside = root is not None and root.is_dir() and path.is_relative_to(root)
    return path.relative_to(root).as_posix() if inside and root is not None else path.name


def _rows_guessed(file: UpstreamFile) -> int:
    if "://" in file.url:
        return _ROWS_OF_REMOTE_FILE
    path = Path(file.url)
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    return max(1, path.stat().st_size // _ROW_BYTES)


SOURCE = HubRows
