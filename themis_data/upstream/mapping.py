"""From the files of a data set to rows of ours, batch by batch; every row that gives none is counted by its reason."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from themis_data.code.answers import read_answer
from themis_data.code.language import canonical_language
from themis_data.criteria import canonical_criterion
from themis_data.errors import PipelineError
from themis_data.fingerprint import digest, pair_id, row_id, uniform
from themis_data.schema import schema
from themis_data.text.changes import line_changes
from themis_data.text.licenses import license_class
from themis_data.text.markup import text_of_html
from themis_data.text.messages import without_people
from themis_data.upstream.fields import key, taken, texts
from themis_data.upstream.read import UpstreamFile, read_file
from themis_data.upstream.recipes import PLACES, Fields, Recipe
from themis_data.upstream.rows import NATURAL_LANGUAGE, Change, Left, Made, Pair, Row, Task
from themis_data.upstream.settings import Prepared, RowRules
from themis_data.upstream.together import grouped

BATCH_ROWS = 1_000


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows of ours, of the schema that the mapper writes, and why others gave none.

    What gives several rows counts as often; rows that are seen together count once for each row of ours and once for
    each that is left out.
    """

    rows: pa.Table
    left_out: dict[str, int]


def map_files(
    prepared: Prepared,
    files: Sequence[UpstreamFile],
    *,
    statements: Mapping[str, str],
    seed: int,
    max_rows: int | None = None,
    scratch: Path | None = None,
) -> Iterator[Batch]:
    """The rows of files of one part, in their order; of rows that are seen together, in the order of a hash.

    `statements` are prompts by problem key, for rows without one. `max_rows` is of upstream rows. Raises PipelineError
    when all were read and none had a value that a setting wants.
    """
    left: Counter[str] = Counter()
    wanted = _Wanted(prepared.rules)
    tables = wanted.kept(_limited(_tables(prepared.recipe, files), max_rows), left)
    groups = (
        (group.to_pylist() for group in grouped(tables, prepared.recipe.together, scratch=scratch))
        if prepared.recipe.together
        else ([row] for table in tables for row in table.to_pylist())
    )
    writer = _Writer(prepared, files[0], statements, seed)
    while made := [writer.rows(group) for group in islice(groups, BATCH_ROWS)]:
        rows: list[dict[str, Any]] = []
        for own, reasons in made:
            rows += own
            left.update(reasons)
        yield Batch(rows=_table(prepared.mapper.writes, rows), left_out=dict(sorted(left.items())))
        left.clear()
    if left:
        yield Batch(rows=_table(prepared.mapper.writes, []), left_out=dict(sorted(left.items())))
    if max_rows is None:
        wanted.check(prepared.recipe)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    if not rows:
        return schema(name).empty()
    return schema(name).table({column: [row[column] for row in rows] for column in rows[0]})


def _tables(recipe: Recipe, files: Iterable[UpstreamFile]) -> Iterator[pa.Table]:
    """Upstream rows with where each was read, as columns."""
    for file in files:
        for rows in read_file(recipe, file):
            for place, where in file.places.items():
                rows = rows.append_column(place, pa.array([where] * len(rows), pa.large_string()))
            yield rows


def _limited(tables: Iterable[pa.Table], max_rows: int | None) -> Iterator[pa.Table]:
    taken = 0
    for table in tables:
        if max_rows is not None and taken + len(table) >= max_rows:
            yield table.slice(0, max_rows - taken)
            return
        taken += len(table)
        yield table


class _Wanted:
    """The values that the settings `only` and `containing` want, and which of them were met."""

    def __init__(self, rules: RowRules) -> None:
        self._only = {c: [_plain(v) for v in values] for c, values in rules.only.items()}
        self._containing = {c: [_plain(v) for v in values] for c, values in rules.containing.items()}
        self._met: set[tuple[str, str | bool]] = set()
        self._found: dict[str, Counter[str]] = {c: Counter() for c in (*self._only, *self._containing)}

    def kept(self, tables: Iterable[pa.Table], left: Counter[str]) -> Iterator[pa.Table]:
        for table in tables:
            keeps = [self._fault(row) for row in table.select(list(self._found)).to_pylist()] if self._found else []
            if any(fault is not None for fault in keeps):
                left.update(fault for fault in keeps if fault is not None)
                table = table.filter(pa.array([fault is None for fault in keeps], pa.bool_()))
            yield table

    def _fault(self, row: Mapping[str, Any]) -> str | None:
        for column, values in (*self._only.items(), *self._containing.items()):
            found = _plain(row[column])
            is_text = column in self._containing
            met = next((v for v in values if (v in str(found) if is_text else v == found)), None)
            if len(self._found[column]) < _MAX_SHOWN:
                self._found[column][str(row[column])] += 1
            if met is None:
                return f"other_{column}"
            self._met.add((column, met))
        return None

    def check(self, recipe: Recipe) -> None:
        for column, values in (*self._only.items(), *self._containing.items()):
            lacking = [v for v in values if (column, v) not in self._met]
            if lacking and self._found[column]:
                raise PipelineError(
                    f"{recipe.path}: no row has {', '.join(map(repr, lacking))} in {column!r}, where the settings want "
                    f"it; found there: {', '.join(sorted(self._found[column]))}"
                )


_MAX_SHOWN = 30  # values of a column in an error


def _plain(found: Any) -> Any:
    return found.strip().lower() if isinstance(found, str) else found


class _Writer:
    """Rows of ours out of upstream rows that belong together."""

    def __init__(self, prepared: Prepared, file: UpstreamFile, statements: Mapping[str, str], seed: int) -> None:
        self._recipe, self._rules, self._mapper = prepared.recipe, prepared.rules, prepared.mapper
        self._fields, self._statements, self._seed = file.part.fields, statements, seed
        self._seen: set[bytes] = set()

    def rows(self, group: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], Counter[str]]:
        """Rows of the schema, and how many were left out for which reason."""
        left: Counter[str] = Counter()
        read = []
        for values in group:
            row = self._read(values)
            fault = self._fault(row.language, row.criterion)
            if fault is not None:
                left[fault] += 1
            else:
                read.append(row)
        rows: list[dict[str, Any]] = []
        for one in self._capped(self._mapper.map(read)) if read else ():
            if isinstance(one, Left):
                left[one.reason] += one.count
                continue
            fault = self._fault_of(one)
            if fault is not None:
                left[fault] += 1
                continue
            row_of_ours = self._row(one)
            identity = bytes.fromhex(row_of_ours["row_id"])
            if identity in self._seen:
                left["duplicate"] += 1
                continue
            self._seen.add(identity)
            rows.append(row_of_ours)
        return rows, left

    def _read(self, values: dict[str, Any]) -> Row:
        fields = self._fields
        assert fields is not None  # checked where recipes are read
        named = "/".join(part for part in texts(values, fields.item) if part)
        id_ = named or digest({name: v for name, v in values.items() if name not in _ELSEWHERE})
        language, criterion = taken(values, fields.language), taken(values, fields.criterion)
        problem = key(values, fields.problem_key)
        prompt = prompt_of(values, fields)
        return Row(
            values=values,
            id=id_,
            draw=uniform(self._seed, "hub_rows", self._recipe.name, id_),
            prompt=prompt if prompt is not None or problem is None else self._statements.get(problem),
            language=_language(language),
            criterion=self._rules.criterion or (canonical_criterion(criterion) if criterion else None),
            problem=problem,
        )

    def _fault(self, language: str | None, criterion: str | None) -> str | None:
        fields = self._fields
        assert fields is not None
        if language is None and fields.language is not None and self._recipe.reads_as != "change":
            return "unknown_language"
        if criterion is None and fields.criterion is not None:
            return "unknown_criterion"
        if language is not None and self._rules.languages is not None and language not in self._rules.languages:
            return "other_language"
        return None

    def _fault_of(self, one: Pair | Task | Change) -> str | None:
        if isinstance(one, Change):
            is_other = self._rules.languages is not None and one.language not in self._rules.languages
            return "other_language" if is_other else None
        if one.language is None:
            return "unknown_language"
        if self._rules.languages is not None and one.language not in self._rules.languages:
            return "other_language"
        if isinstance(one, Task):
            return None
        if not one.chosen.strip() or not one.rejected.strip():
            return "empty_side"
        return "same_sides" if one.chosen.strip() == one.rejected.strip() else None

    def _capped(self, made: Iterable[Made]) -> Iterator[Made]:
        """At most one pair a user and criterion, and so many of all rows that are seen together: drawn."""
        rules = self._rules
        if rules.max_together is None and not rules.one_per_user:
            yield from made
            return
        listed = list(made)
        pairs = sorted((one for one in listed if isinstance(one, Pair)), key=self._draw)
        yield from (one for one in listed if not isinstance(one, Pair))
        users: set[tuple[str, str | None]] = set()
        kept = 0
        for pair in pairs:
            if rules.one_per_user and pair.user is not None:
                if (pair.user, pair.criterion) in users:
                    yield Left(reason="same_user")
                    continue
                users.add((pair.user, pair.criterion))
            if rules.max_together is not None and kept >= rules.max_together:
                yield Left(reason="together_cap")
                continue
            kept += 1
            yield pair

    def _draw(self, pair: Pair) -> float:
        return uniform(self._seed, "together", self._recipe.name, *pair.parents, pair.criterion or "")

    def _row(self, one: Pair | Task | Change) -> dict[str, Any]:
        if isinstance(one, Pair):
            return _pair_row(self._recipe, one)
        return _task_row(self._recipe, one) if isinstance(one, Task) else _change_row(one)


_ELSEWHERE = PLACES[:2]  # no part of a row's content; its file's name is


def prompt_of(values: Mapping[str, Any], fields: Fields) -> str | None:
    """What is asked in an upstream row; null where it is not in it."""
    prompt = "\n\n".join(texts(values, fields.prompt))
    return (text_of_html(prompt) if fields.prompt_is_html else prompt).strip() or None


def _language(name: str | None) -> str | None:
    if name is None:
        return None
    return NATURAL_LANGUAGE if name.strip() == NATURAL_LANGUAGE else canonical_language(name)


def _pair_row(recipe: Recipe, pair: Pair) -> dict[str, Any]:
    parents = [row_id(recipe.name, parent) for parent in pair.parents]
    license_ = recipe.license or "NOASSERTION"
    assert pair.criterion is not None  # a recipe's field or setting, checked before
    return {
        "row_id": pair_id(parents, pair.criterion, pair.chosen, pair.rejected),
        "parent_ids": parents,
        "source": recipe.published_as,
        "criterion": pair.criterion,
        "also_matches": [],
        "language": pair.language,
        "prompt": pair.prompt,
        "prompt_by": None if pair.prompt is None else "upstream",
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "written_by": list(pair.written_by or recipe.written_by) or None,
        "form": "file",
        "evidence": recipe.evidence,
        "strength": pair.strength,
        "strength_unit": None if pair.strength is None else pair.strength_unit,
        "label_detail": pair.detail,
        "changed_share": line_changes(read_answer(pair.rejected).code, read_answer(pair.chosen).code).changed_share,
        "license": license_,
        "license_class": license_class(license_),
        "repos": recipe.published_as,
        # Pairs of one prompt belong together as those of one problem do.
        "group": pair.problem or f"{recipe.name}/{row_id(pair.prompt) if pair.prompt else parents[0]}",
        "demo_only": recipe.demo_only,
    }


def _task_row(recipe: Recipe, task: Task) -> dict[str, Any]:
    assert recipe.published_as is not None
    return {
        "row_id": row_id(recipe.published_as, task.id),
        "source": recipe.published_as,
        "task": task.id,
        "language": task.language,
        "prompt": task.prompt,
        "entry_point": None,
        "solution": task.solution,
        "tests": None,
        "license": recipe.license or "NOASSERTION",
        "demo_only": False,
    }


def _change_row(change: Change) -> dict[str, Any]:
    repos = sorted(f"github.com/{name}" for name in change.repos)
    return {
        "row_id": row_id(change.commit, change.path),
        "repos": ",".join(repos),
        "repository": repos[0],
        "commit": change.commit,
        "path": change.path,
        "committed_at": change.committed_at,
        "subject": change.subject,
        "message": without_people(change.message),
        "language": change.language,
        "license": change.license,
        "license_class": license_class(change.license),
        "old_blob": _blob(change.old_contents),
        "new_blob": _blob(change.new_contents),
        "form": "file",
        "old_contents": change.old_contents,
        "new_contents": change.new_contents,
    }


def _blob(contents: str) -> str:
    """The id that git gives to a file of these contents in UTF-8."""
    data = contents.encode("utf-8", "replace")
    return hashlib.sha1(b"blob %d\0%s" % (len(data), data), usedforsecurity=False).hexdigest()
