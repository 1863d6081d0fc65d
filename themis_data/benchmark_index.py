"""What benchmarks hold, as hashes: built once from their items, asked by decontamination, and without their text.

An index is one Parquet file. Of each item it has both hashes of the n-grams of its prompt, the hashes of the
definitions in its responses (as they are, and with their names numbered), a MinHash signature of the code of each
response, and the key of its problem; in plain text only the names of benchmarks and items and the keys. Settings,
counts and revisions stand in the file's metadata. Every index has a control, an item that we made up: an index in which
the running code does not find it cannot be opened.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.code.answers import read_answer
from themis_data.code.definition_hashes import DefinitionHash, definition_hashes
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.guard import Crashed, shared_guard
from themis_data.code.language import all_languages, canonical_language
from themis_data.errors import CorruptData, PipelineError, SourceError
from themis_data.fingerprint import FileStamp, file_stamp
from themis_data.manifest import commit_file, temporary_beside
from themis_data.schema import schema
from themis_data.text.licenses import license_texts
from themis_data.text.minhash import Signatures, band_keys, banding, sketch
from themis_data.text.ngrams import Hits, NgramSet, find_ngrams, ngram_hashes, ngram_set, words

_FORMAT = 1  # raised when anything that is hashed, or where it stands, changes
_METADATA = b"themis_benchmark_index"
_PERMUTATIONS, _SHINGLE, _SEED = 256, 5, 0
# Code with fewer distinct shingles is like other code by accident: two getters of four lines share most of theirs.
_MIN_SHINGLES = 20
# Distinct words of two letters or more in an n-gram. Without that, 330 sides of 163,514 real changes had an n-gram
# of HumanEval, all of them the digits of a hexadecimal number.
_MIN_REAL_WORDS = 3

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What bears on the hashes; an index answers only those who ask with the same."""

    ngram: Annotated[int, "words an n-gram"] = 13
    min_words: Annotated[int, "words of a prompt that is shorter than an n-gram, below which it is left out"] = 6
    # Of 182,385 definitions of this size in 23,491 files, 50 stand in two repositories in the same words, nearly all of
    # them copies. With names numbered and other words, 15 of 140,402 of 50 tokens and more, where they look copied too,
    # but 34 of 38,478 of 30 to 49, which are swaps, pops and hash codes that anybody would write so.
    min_tokens: Annotated[int, "tokens of a definition, below which it is left out"] = 30
    min_tokens_renamed: Annotated[int, "the same, of one that is known with other names"] = 50
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"

    def identity(self) -> dict[str, Any]:
        """As an index records it."""
        same = {"format": _FORMAT, "permutations": _PERMUTATIONS, "shingle": _SHINGLE, "seed": _SEED}
        return {**same, **asdict(self), "grammars": resolved_for_published(self.grammars)}


@dataclass(kw_only=True)
class IndexCounts:
    """What an index holds, and what of its items it leaves out; the control is not counted."""

    items: int = 0
    prompts: int = 0
    short_prompts: int = 0  # left out: fewer words than `min_words`
    ngrams: int = 0  # distinct
    license_ngrams: int = 0  # left out: those of licence texts, each as often as it comes
    bare_ngrams: int = 0  # left out: with hardly a word, such as runs of digits
    responses: int = 0
    responses_without_language: int = 0  # they have a signature and no definitions
    unparsable_responses: int = 0  # the same: they bring the parser down
    definitions: int = 0  # distinct
    signatures: int = 0
    problem_keys: int = 0
    benchmarks: dict[str, int] = field(default_factory=dict)  # items of each


CONTROL_BENCHMARK, CONTROL_ITEM, CONTROL_KEY = "themis-control", "control", "themis-control/1"
CONTROL_PROMPT = (
    "Given a tray of numbered marbles, tilt it seven times toward the lighthouse and report, in the order of their "
    "arrival, which marbles crossed the painted equator before the third bell."
)
CONTROL_RESPONSE = '''
def tilt_marble_tray(tray, lighthouse, bells):
    """Marbles that cross before the third bell."""
    crossed = []
    for turn in range(7):
        slope = lighthouse.bearing - tray.bearing + turn * 11
        for marble in sorted(tray.marbles, key=lambda one: one.weight):
            marble.position += slope * marble.roundness
            if marble.position > tray.equator and bells.count(turn) < 3:
                crossed.append((marble.number, turn, marble.position))
    return [number for number, turn, position in sorted(crossed, key=lambda one: one[1])]
'''


def build_index(
    tables: Iterable[pa.Table],
    out: Path,
    *,
    settings: IndexSettings | None = None,
    revisions: Mapping[str, str] | None = None,
) -> IndexCounts:
    """Write the index of all items in some tables of the schema `benchmark_item` to one file.

    The order of items makes no difference to the file. `revisions` says which revision of a benchmark was read.
    Raises SourceError where there is no item, where one comes twice, or where nothing of any could be hashed.
    """
    settings = settings if settings is not None else IndexSettings()
    control = schema("benchmark_item").table(
        {
            "benchmark": [CONTROL_BENCHMARK],
            "item": [CONTROL_ITEM],
            "prompt": [CONTROL_PROMPT],
            "responses": [[CONTROL_RESPONSE]],
            "language": ["Python"],
            "problem_key": [CONTROL_KEY],
        }
    )
    parts, counts = [_hash_items(control, settings, IndexCounts())], IndexCounts()
    for table in tables:
        conformed = schema("benchmark_item").conform(table, "items of a benchmark")
        for start in range(0, len(conformed), 1_000):
            parts.append(_hash_items(conformed.slice(start, 1_000), settings, counts))
    if not counts.items:
        raise SourceError("no items to index: an empty index would protect nothing and say that all is clean")
    rows = _brought_together(parts)
    kinds = _counts(rows["kind"])
    counts.ngrams = kinds["ngram"] - sum(len(part.ngrams) for part in parts[:1])
    # Less the control's, of which there is one each.
    counts.definitions, counts.signatures = kinds["definition"] - 1, kinds["signature"] - 1
    counts.problem_keys, counts.benchmarks = kinds["problem"] - 1, _counts(rows["benchmark"].drop_null())
    del counts.benchmarks[CONTROL_BENCHMARK]
    if not counts.ngrams + counts.definitions + counts.signatures + counts.problem_keys:
        raise SourceError(
            f"{counts.items} items, and nothing of them could be hashed: they have no problem key, and their prompts "
            f"and responses are empty or below the limits ({settings.min_words} words, {settings.min_tokens} tokens)"
        )
    unknown = sorted(set(revisions or ()) - set(counts.benchmarks))
    if unknown:
        raise SourceError(f"revisions of {unknown}, which are no benchmarks of the items: {sorted(counts.benchmarks)}")
    about = {"settings": settings.identity(), "counts": asdict(counts), "revisions": dict(revisions or {})}
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(out)
    pq.write_table(
        rows.replace_schema_metadata({_METADATA: json.dumps(about, sort_keys=True).encode()}),
        temporary,
        compression="zstd",
        use_dictionary=["kind", "benchmark"],
    )
    commit_file(temporary, out)
    return counts


@dataclass(frozen=True, eq=False)
class _Part:
    """Hashes of some items, each with the number of its item among them."""

    items: list[tuple[str, str]]  # benchmark and item
    ngrams: list[tuple[int, int, int]]  # item, first, second
    definitions: list[tuple[int, str, bytes]]  # item, kind, hash
    signatures: list[tuple[int, bytes]]
    problems: list[tuple[int, str]]


def _hash_items(table: pa.Table, settings: IndexSettings, counts: IndexCounts) -> _Part:
    part = _Part(list(zip(table["benchmark"].to_pylist(), table["item"].to_pylist(), strict=True)), [], [], [], [])
    counts.items += len(table)
    _hash_prompts(table["prompt"], settings, counts, part)
    part.problems.extend((n, key) for n, key in enumerate(table["problem_key"].to_pylist()) if key is not None)
    numbers, codes, languages = [], [], []
    for n, (language, responses) in enumerate(
        zip(table["language"].to_pylist(), table["responses"].to_pylist(), strict=True)
    ):
        for response in responses:
            answer = read_answer(response)
            tagged = next((found for tag in answer.tags if (found := canonical_language(tag))), None)
            numbers.append(n)
            codes.append(answer.code)
            languages.append(language or tagged)
    counts.responses += len(codes)
    for n, hashed in zip(numbers, code_hashes(codes, languages, settings), strict=True):
        if hashed is None:
            counts.responses_without_language += 1
        elif isinstance(hashed, Crashed):
            counts.unparsable_responses += 1
        else:
            part.definitions.extend((n, "definition", one.exact) for one in hashed)
            wide = (one for one in hashed if one.num_tokens >= settings.min_tokens_renamed)
            part.definitions.extend((n, "renamed", one.renamed) for one in wide)
    signed, sizes = sign(codes)
    part.signatures.extend(
        (n, signature.tobytes())
        for n, signature, size in zip(numbers, signed, sizes, strict=True)
        if size >= _MIN_SHINGLES
    )
    return part


def _hash_prompts(prompts: pa.ChunkedArray, settings: IndexSettings, counts: IndexCounts, part: _Part) -> None:
    offsets, firsts, seconds = ngram_hashes(prompts, n=settings.ngram, min_words=settings.min_words)
    numbers = np.repeat(np.arange(len(prompts)), np.diff(offsets))
    is_license = _in_licenses(firsts, seconds, settings.ngram)
    is_bare = ~is_license & np.array(
        [
            bare
            for text, number in zip(prompts.to_pylist(), np.diff(offsets).tolist(), strict=True)
            if number
            for bare in _are_bare(words(text), settings.ngram)
        ],
        np.bool_,
    )
    counts.prompts += len(prompts) - prompts.null_count
    counts.short_prompts += int(np.sum(np.diff(offsets) == 0)) - prompts.null_count
    counts.license_ngrams += int(is_license.sum())
    counts.bare_ngrams += int(is_bare.sum())
    kept = (values[~is_license & ~is_bare].tolist() for values in (numbers, firsts, seconds))
    part.ngrams.extend(zip(*kept, strict=True))


def _are_bare(found: list[str], n: int) -> Iterator[bool]:
    """Of each n-gram of some words, whether it has hardly a word that is one."""
    real = [word if len(word) > 1 and not word.isdigit() else None for word in found]
    for start in range(max(1, len(found) - n + 1)):
        yield len(set(real[start : start + n]) - {None}) < _MIN_REAL_WORDS


def _in_licenses(firsts: npt.NDArray[np.uint64], seconds: npt.NDArray[np.uint64], n: int) -> npt.NDArray[np.bool_]:
    known = _license_ngrams(n)
    return np.array([pair in known for pair in zip(firsts.tolist(), seconds.tolist(), strict=True)], np.bool_)


@cache
def _license_ngrams(n: int) -> frozenset[tuple[int, int]]:
    _, firsts, seconds = ngram_hashes(pa.array(license_texts(), pa.large_string()), n=n, min_words=n)
    return frozenset(zip(firsts.tolist(), seconds.tolist(), strict=True))


def code_hashes(
    codes: list[str], languages: list[str | None], settings: IndexSettings
) -> list[list[DefinitionHash] | Crashed | None]:
    """The definitions of each piece of code, in another process; None where its language has no grammar here."""
    parsed = {name for name, spec in all_languages().items() if spec.definition_nodes}
    calls = [(code.encode(), name) for code, name in zip(codes, languages, strict=True) if name in parsed]
    look = partial(definition_hashes, min_tokens=settings.min_tokens, grammars=settings.grammars)
    found = iter(shared_guard().map(look, calls))
    return [next(found) if name in parsed else None for name in languages]


def sign(codes: list[str]) -> tuple[Signatures, Ints]:
    """Signatures [N, P], and the number of distinct shingles of each text."""
    signed, offsets, _ = sketch(
        pa.array(codes, pa.large_string()), permutations=_PERMUTATIONS, shingle=_SHINGLE, seed=_SEED
    )
    return signed, np.diff(offsets)


_COLUMNS = pa.schema(
    [
        ("kind", pa.string()),  # item, ngram, definition, renamed, signature or problem
        ("item", pa.int32()),  # number of the item, which is its place among the rows of that kind
        ("benchmark", pa.string()),  # of an item
        ("name", pa.string()),  # of an item, or the key of a problem
        ("first", pa.uint64()),  # of an n-gram
        ("second", pa.uint64()),
        ("hash", pa.binary()),  # of a definition; the signature as bytes
    ]
)


def _brought_together(parts: list[_Part]) -> pa.Table:
    """All rows, items in the order of their names; of equal hashes the one of the first item."""
    names = sorted(name for part in parts for name in part.items)
    twice = next((one for one, other in pairwise(names) if one == other), None)
    if twice is not None:
        raise SourceError(f"item {twice[1]!r} of benchmark {twice[0]!r} comes twice; items need ids of their own")
    number = {name: n for n, name in enumerate(names)}
    ngrams: dict[tuple[int, int], int] = {}
    definitions: dict[tuple[str, bytes], int] = {}
    signatures: set[tuple[int, bytes]] = set()
    problems: dict[str, int] = {}
    for part in parts:
        own = [number[name] for name in part.items]
        for n, first, second in part.ngrams:
            ngrams[first, second] = min(own[n], ngrams.get((first, second), own[n]))
        for n, kind, digest in part.definitions:
            definitions[kind, digest] = min(own[n], definitions.get((kind, digest), own[n]))
        signatures.update((own[n], signature) for n, signature in part.signatures)
        for n, key in part.problems:
            problems[key] = min(own[n], problems.get(key, own[n]))
    hashes = {
        kind: sorted((digest, n) for (own_kind, digest), n in definitions.items() if own_kind == kind)
        for kind in ("definition", "renamed")
    }
    pieces: list[dict[str, Any]] = [
        {"kind": ["item"] * len(names), "benchmark": [b for b, _ in names], "name": [i for _, i in names]},
        *(
            {"kind": [kind] * len(own), "item": [n for _, n in own], "hash": [digest for digest, _ in own]}
            for kind, own in hashes.items()
        ),
        {
            "kind": ["ngram"] * len(ngrams),
            "first": [first for first, _ in sorted(ngrams)],
            "second": [second for _, second in sorted(ngrams)],
            "item": [ngrams[pair] for pair in sorted(ngrams)],
        },
        {
            "kind": ["signature"] * len(signatures),
            "item": [n for n, _ in sorted(signatures)],
            "hash": [signature for _, signature in sorted(signatures)],
        },
        {
            "kind": ["problem"] * len(problems),
            "item": [problems[key] for key in sorted(problems)],
            "name": sorted(problems),
        },
    ]
    return pa.concat_tables([_table(piece) for piece in pieces])


def _table(columns: dict[str, list[Any]]) -> pa.Table:
    size = len(columns["kind"])
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(size, f.type) for f in _COLUMNS]
    return pa.Table.from_arrays(arrays, schema=_COLUMNS)


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    return {one["values"]: one["counts"] for one in pc.value_counts(values).to_pylist()}


@dataclass(frozen=True, eq=False, kw_only=True)
class BenchmarkIndex:
    """An opened index. Items are numbers; `items` has their names."""

    settings: IndexSettings
    about: Mapping[str, Any]
    items: list[str]  # benchmark and item
    ngrams: NgramSet
    ngram_items: Ints  # the item of each entry of `ngrams`
    definitions: Mapping[bytes, int]
    renamed: Mapping[bytes, int]
    signatures: Signatures
    signature_items: Ints
    problems: Mapping[str, int]

    def find_ngrams(self, texts: pa.Array | pa.ChunkedArray) -> Hits:
        return find_ngrams(texts, self.ngrams, n=self.settings.ngram, min_words=self.settings.min_words)

    def find_definition(self, found: list[DefinitionHash]) -> tuple[DefinitionHash, int, bool] | None:
        """The first definition that the index has, its item, and whether it has it with other names only."""
        for one in found:
            if one.exact in self.definitions:
                return one, self.definitions[one.exact], False
        for one in found:
            if one.num_tokens >= self.settings.min_tokens_renamed and one.renamed in self.renamed:
                return one, self.renamed[one.renamed], True
        return None

    def find_near(self, signed: Signatures, similarity: float) -> list[tuple[int, float] | None]:
        """The item whose code is most like each text, and how much by the estimate of their signatures; None where
        that is below `similarity`. The estimate's standard error at 0.7 is 0.03."""
        bands, rows = banding(similarity, _PERMUTATIONS)
        keys, places = self._bands(bands, rows)
        found: list[tuple[int, float] | None] = []
        own = band_keys(signed, bands, rows)
        begins, ends = np.searchsorted(keys, own, "left"), np.searchsorted(keys, own, "right")
        for signature, begin, end in zip(signed, begins, ends, strict=True):
            shared = [places[b:e] for b, e in zip(begin, end, strict=True) if e > b]
            candidates = np.unique(np.concatenate(shared)) if shared else np.empty(0, np.int64)
            alike = (self.signatures[candidates] == signature).mean(axis=1)
            best = int(np.argmax(alike)) if len(alike) else -1
            is_near = best >= 0 and alike[best] >= similarity
            found.append((int(self.signature_items[candidates[best]]), float(alike[best])) if is_near else None)
        return found

    def find_problem(self, key: str) -> int | None:
        """The item of a problem. Keys of commits are found by the digits that the index has of them."""
        if not key.startswith(_COMMIT):
            return self.problems.get(key)
        cut = (self.problems.get(key[:length]) for length in self._commit_lengths)
        return next((item for item in cut if item is not None), None)

    @cached_property
    def _commit_lengths(self) -> list[int]:
        return sorted({len(key) for key in self.problems if key.startswith(_COMMIT)}, reverse=True)

    def _bands(self, bands: int, rows: int) -> tuple[npt.NDArray[np.uint64], Ints]:
        """All band keys of the signatures in order, and the signature that each is of."""
        key = (bands, rows)
        if key not in self._known_bands:
            keys = band_keys(self.signatures, bands, rows).ravel()
            order = np.argsort(keys, kind="stable")
            self._known_bands[key] = keys[order], order // bands
        return self._known_bands[key]

    @cached_property
    def _known_bands(self) -> dict[tuple[int, int], tuple[npt.NDArray[np.uint64], Ints]]:
        return {}


_COMMIT = "commit/"


def open_index(path: Path, settings: IndexSettings | None = None) -> BenchmarkIndex:
    """The index in a file, opened once a process while the file stays the same.

    Raises CorruptData where the file is none, or the running code does not find its control; PipelineError where it was
    built with other settings or has no items.
    """
    if not path.is_file():
        raise PipelineError(f"no index at {path}; build it: {_REBUILD.format(path=path)}")
    return _opened(file_stamp(path), settings if settings is not None else IndexSettings())


_REBUILD = "themis build-index SOURCE... --out {path}"


@cache
def _opened(stamp: FileStamp, settings: IndexSettings) -> BenchmarkIndex:
    path = stamp.path
    about, rows = _read(path)
    expected, built = settings.identity(), about["settings"]
    if expected != built:
        differ = [name for name in sorted(expected | built) if expected.get(name) != built.get(name)]
        told = "; ".join(f"{name} {built.get(name)!r}, needed {expected.get(name)!r}" for name in differ)
        raise PipelineError(
            f"{path} was built with other settings: {told}. Build it anew: {_REBUILD.format(path=path)}"
        )
    if not about["counts"]["items"]:
        raise PipelineError(
            f"{path} has no items and would protect nothing. Build it anew: {_REBUILD.format(path=path)}"
        )
    of_kind = {kind: rows.filter(pc.equal(rows["kind"], kind)) for kind in _counts(rows["kind"])}
    none = rows.slice(0, 0)
    names, ngrams, signed, problems = (of_kind.get(k, none) for k in ("item", "ngram", "signature", "problem"))
    index = BenchmarkIndex(
        settings=settings,
        about=about,
        items=[f"{b} {i}" for b, i in zip(names["benchmark"].to_pylist(), names["name"].to_pylist(), strict=True)],
        ngrams=ngram_set(ngrams["first"].to_numpy(), ngrams["second"].to_numpy()),
        ngram_items=ngrams["item"].to_numpy().astype(np.int64),
        definitions=_by_hash(of_kind.get("definition", none)),
        renamed=_by_hash(of_kind.get("renamed", none)),
        signatures=np.frombuffer(b"".join(signed["hash"].to_pylist()), np.uint32).reshape(-1, _PERMUTATIONS),
        signature_items=signed["item"].to_numpy().astype(np.int64),
        problems=dict(zip(problems["name"].to_pylist(), problems["item"].to_pylist(), strict=True)),
    )
    missed = [how for how, item in _control(index) if item is None or not _is_control(index, item)]
    if missed:
        raise CorruptData(
            f"{path}: its planted control is not found by {', '.join(missed)}: the file is damaged or was built by "
            f"other code. Build it anew: {_REBUILD.format(path=path)}"
        )
    return index


def _read(path: Path) -> tuple[dict[str, Any], pa.Table]:
    try:
        rows = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise CorruptData(f"{path} is no index of benchmarks: {error}") from error
    metadata = (rows.schema.metadata or {}).get(_METADATA)
    if metadata is None or rows.schema.names != _COLUMNS.names:
        raise CorruptData(f"{path} is no index of benchmarks, but another Parquet file; {_REBUILD.format(path='FILE')}")
    about: dict[str, Any] = json.loads(metadata)
    return about, rows


def _by_hash(rows: pa.Table) -> dict[bytes, int]:
    return dict(zip(rows["hash"].to_pylist(), rows["item"].to_pylist(), strict=True))


def _is_control(index: BenchmarkIndex, item: int) -> bool:
    return index.items[item] == f"{CONTROL_BENCHMARK} {CONTROL_ITEM}"


def _control(index: BenchmarkIndex) -> Iterator[tuple[str, int | None]]:
    """Every way in which an item is found, and the item that it finds for the control."""
    hits = index.find_ngrams(pa.array([CONTROL_PROMPT.upper()]))
    yield "n-grams", int(index.ngram_items[hits.entry[0]]) if len(hits.entry) else None
    options: dict[str, Any] = {"min_tokens": index.settings.min_tokens, "grammars": index.settings.grammars}
    for how, response in (
        ("definition", CONTROL_RESPONSE),
        ("renamed definition", CONTROL_RESPONSE.replace("crossed", "gone").replace("slope", "tilt")),
    ):
        found = index.find_definition(definition_hashes(response.encode(), "Python", **options))
        yield how, found[1] if found is not None and found[2] == (how != "definition") else None
    near = index.find_near(sign([CONTROL_RESPONSE])[0], 0.9)[0]
    yield "MinHash", near[0] if near is not None else None
    yield "problem key", index.find_problem(CONTROL_KEY)
