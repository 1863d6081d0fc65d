"""Rows that benchmarks are made of, or copied from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from themis_data.benchmark_index import BenchmarkIndex, IndexSettings, code_hashes, open_index, sign
from themis_data.code.answers import read_answer
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.guard import Crashed
from themis_data.engine.rows import ByKey, Rows
from themis_data.fingerprint import model_digest
from themis_data.schema import schema
from themis_data.text.ngrams import words
from themis_data.text.problem_keys import problem_key

Check = Literal["definitions", "minhash", "problems", "prompts", "answers"]
CHECKS: tuple[Check, ...] = ("definitions", "minhash", "problems", "prompts", "answers")
_PROMPTS: dict[str, tuple[str, ...]] = {"pair": ("prompt",), "task": ("prompt",), "change": ()}
_ANSWERS = {
    "pair": ("chosen", "rejected"),
    "task": ("solution",),
    "change": ("new_contents", "old_contents"),
}
# Columns that may hold a problem's name, and the one that says where a row is from.
_NAMES: dict[str, tuple[str, ...]] = {"pair": ("group",), "task": ("task",), "change": ()}
_REPOS = {"pair": "repos", "task": "source", "change": "repos"}
_MAX_DETAIL = 120  # characters of a row's own text in a detail
_EXPLODED = pa.schema(
    [
        ("key", pa.string()),
        ("row_id", pa.string()),
        ("repository", pa.string()),
        ("is_ngram", pa.bool_()),
        ("rank", pa.int64()),  # of the row's hits the least is told
        ("reason", pa.string()),
        ("detail", pa.large_string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class DropContaminated:
    """Drops rows that an index of benchmarks knows (`contaminated`, with the item, the field and how it was found), and
    rows whose code brings the parser down (`parser_crashed`). Without an index it is off and drops nothing.

    `definitions`: a function, class or whole program of an answer is one of a benchmark's responses, whatever its
    layout and comments, or with other names. `minhash`: the code of an answer is nearly that of a response. `problems`:
    the row is about a benchmark's problem, by its group or commit. `prompts`, `answers`: the prompt or an answer has an
    n-gram of a benchmark's prompt. An n-gram that rows of `max_repos` repositories or more have is common text and
    tells nothing; a commit that forks share counts once.

    Benchmark material that is marked `demo_only` is treated as any other row.
    """

    version: ClassVar[int] = 1
    gate: ClassVar[str] = "overlap with benchmarks"
    distributions: ClassVar[tuple[str, ...]] = ("tree-sitter",)

    index: Annotated[tuple[str, ...], "files that `themis build-index` wrote; none for off"] = ()
    on: Annotated[Literal["pair", "task", "change"], "which rows it reads and writes"] = "pair"
    checks: Annotated[tuple[Check, ...], "what is looked for"] = CHECKS
    max_repos: Annotated[int, "repositories whose rows have an n-gram, from which on it is common text"] = 10
    similarity: Annotated[float, "estimated Jaccard similarity of 5-word shingles from which on code is a copy"] = 0.7
    ngram: Annotated[int, "words an n-gram; the index must have been built with it"] = 13
    grammars: Annotated[Grammars, "auto, bundle or wheels; the index must have been built with them"] = "auto"

    reads = writes = property(attrgetter("on"))

    def identity(self) -> dict[str, Any]:
        if not self.index:
            return {}
        self.indexes()  # a wrong index is told before anything runs
        digests = [model_digest(Path(path).expanduser()) for path in self.index]
        return {"index": digests, "grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        if not self.index:
            return rows.drop(lambda table: pa.nulls(len(table), pa.string()))
        columns = {
            *("row_id", "language", _REPOS[self.on], *(("commit",) if self.on != "task" else ())),
            *(*_PROMPTS[self.on], *_ANSWERS[self.on], *_NAMES[self.on]),
        }
        return rows.by_key(
            ByKey(columns=tuple(sorted(columns)), explode=self.hits, decide=self.telling, resolve=self.one_a_row)
        )

    def indexes(self) -> list[BenchmarkIndex]:
        settings = IndexSettings(ngram=self.ngram, grammars=self.grammars)
        return [open_index(Path(path).expanduser(), settings) for path in self.index]

    def hits(self, rows: pa.Table) -> pa.Table:
        """Everything of the rows that an index has: n-grams by themselves, for others may have them too, and the rest
        by row."""
        found = []
        repositories = [repos.partition(",")[0] for repos in rows[_REPOS[self.on]].to_pylist()]
        ids = rows["row_id"].to_pylist()
        for key, row, rank, reason, detail in self._hits(rows):
            hit = (key or f"row/{ids[row]}", ids[row], repositories[row], key is not None, rank, reason, detail)
            found.append(dict(zip(_EXPLODED.names, hit, strict=True)))
        return pa.Table.from_pylist(found, schema=_EXPLODED)

    def telling(self, table: pa.Table) -> pa.Table:
        """The hits without n-grams that are common text."""
        counted = table.group_by("key").aggregate([("repository", "count_distinct")])
        common = counted.filter(pc.greater_equal(counted["repository_count_distinct"], self.max_repos))["key"]
        is_common = pc.and_(table["is_ngram"], pc.is_in(table["key"], value_set=common.combine_chunks()))
        return table.filter(pc.invert(is_common)).select(["row_id", "rank", "reason", "detail"])

    def one_a_row(self, hits: pa.Table) -> pa.Table:
        """A mark for each row that has a hit, with the one that tells most."""
        ordered = hits.sort_by([(name, "ascending") for name in ("row_id", "rank", "detail")])
        firsts = ordered.group_by("row_id", use_threads=False).aggregate([("reason", "first"), ("detail", "first")])
        return schema("mark").table(
            {"row_id": firsts["row_id"], "reason": firsts["reason_first"], "detail": firsts["detail_first"]}
        )

    def _hits(self, rows: pa.Table) -> Iterator[tuple[str | None, int, int, str, str]]:
        """(key of an n-gram, row, rank, reason, detail) of every hit."""
        indexes = self.indexes()
        for place, name in enumerate(_ANSWERS[self.on]):
            codes = [read_answer(text).code for text in rows[name].to_pylist()]
            if "definitions" in self.checks:
                yield from self._definitions(indexes, codes, rows["language"].to_pylist(), place, name)
            if "minhash" in self.checks:
                signed, _ = sign(codes)
                for index in indexes:
                    for row, near in enumerate(index.find_near(signed, self.similarity)):
                        if near is not None:
                            detail = f"{index.items[near[0]]}: {name} by MinHash, {near[1]:.2f} alike"
                            yield None, row, _rank(2, place), "contaminated", detail
        if "problems" in self.checks:
            yield from self._problems(indexes, rows)
        for check, names in (("prompts", _PROMPTS[self.on]), ("answers", _ANSWERS[self.on])):
            if check in self.checks:
                for place, name in enumerate(names):
                    yield from self._ngrams(indexes, rows[name], 4 if check == "prompts" else 5, place, name)

    def _definitions(
        self, indexes: list[BenchmarkIndex], codes: list[str], languages: list[str | None], place: int, name: str
    ) -> Iterator[tuple[None, int, int, str, str]]:
        for row, hashed in enumerate(code_hashes(codes, languages, indexes[0].settings)):
            if isinstance(hashed, Crashed):
                yield None, row, _rank(9, place), "parser_crashed", f"{name}: {hashed.why}"
                continue
            for index in indexes:
                found = index.find_definition(hashed or [])
                if found is not None:
                    definition, item, is_renamed = found
                    what = f"definition {_shown(definition.name)}" if definition.name else "its whole code"
                    how = f"{'renamed ' * is_renamed}{what}, line {definition.line + 1}"
                    yield (
                        None,
                        row,
                        _rank(int(is_renamed), place),
                        "contaminated",
                        f"{index.items[item]}: {name} by {how}",
                    )

    def _problems(self, indexes: list[BenchmarkIndex], rows: pa.Table) -> Iterator[tuple[None, int, int, str, str]]:
        keys = [
            [problem_key(text) if text is not None else None for text in rows[name].to_pylist()]
            for name in _NAMES[self.on]
        ]
        if self.on != "task":
            keys.append([None if commit is None else f"commit/{commit}" for commit in rows["commit"].to_pylist()])
        for row, key in ((row, key) for column in keys for row, key in enumerate(column) if key is not None):
            for index in indexes:
                item = index.find_problem(key)
                if item is not None:
                    yield (
                        None,
                        row,
                        _rank(3, 0),
                        "contaminated",
                        f"{index.items[item]}: by problem key {_shown(key)}",
                    )

    def _ngrams(
        self, indexes: list[BenchmarkIndex], texts: pa.ChunkedArray, kind: int, place: int, name: str
    ) -> Iterator[tuple[str, int, int, str, str]]:
        for number, index in enumerate(indexes):
            hits = index.find_ngrams(texts)
            _, distinct = np.unique(np.stack([hits.text, hits.entry]), axis=1, return_index=True)
            for hit in sorted(distinct.tolist()):
                row, word, entry = int(hits.text[hit]), int(hits.word[hit]), int(hits.entry[hit])
                item = index.items[index.ngram_items[entry]]
                own = " ".join(words(texts[row].as_py())[word : word + self.ngram])
                detail = f"{item}: {name} by {self.ngram}-gram {_shown(own)!r}"
                yield f"{number}/{entry}", row, _rank(kind, place, word), "contaminated", detail


def _rank(kind: int, place: int, word: int = 0) -> int:
    """The order of hits: by how much they tell, then by field, then by where they stand."""
    return (kind << 40) | (place << 36) | min(word, (1 << 36) - 1)


def _shown(text: str) -> str:
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = "".join(sign if sign.isprintable() else "?" for sign in plain)
    return plain if len(plain) <= _MAX_DETAIL else plain[: _MAX_DETAIL - 3] + "..."


STAGE = DropContaminated
