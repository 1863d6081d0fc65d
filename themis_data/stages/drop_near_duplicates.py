"""Near-duplicates by MinHash LSH, verified exactly, over the fields that a rule names."""

from dataclasses import asdict, dataclass
from functools import reduce
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from themis_data.criteria import EVIDENCE
from themis_data.engine.rows import Link, Places, Rows
from themis_data.fingerprint import model_digest, where_it_runs
from themis_data.schema import schema
from themis_data.text.changes import diffs
from themis_data.text.minhash import (
    Hashes,
    Offsets,
    Signatures,
    band_keys,
    banding,
    banding_of_datasketch,
    jaccard,
    num_words,
    shingle_hashes,
    signatures,
    sketch,
)
from themis_data.text.signatures import SignatureSettings, as_bytes, signature_files, values_of

Field = Literal["prompt", "chosen", "rejected", "old_contents", "new_contents", "edit", "diff"]
Keep = Literal["earliest", "best_license", "most_evidence", "source_priority"]

# The two sides that a diff is made of, in order of time.
_SIDES = {"change": ("old_contents", "new_contents"), "pair": ("rejected", "chosen")}
_FIELDS = {
    "change": ("old_contents", "new_contents", "edit", "diff"),
    "pair": ("prompt", "chosen", "rejected", "edit", "diff"),
}
_RULES: dict[str, tuple[tuple[Field, ...], ...]] = {
    "change": (("edit", "new_contents"), ("diff",)),
    "pair": (("chosen", "rejected", "prompt"), ("diff",)),
}
_LICENSES = ("permissive", "weak_copyleft", "network_copyleft", "copyleft", "non_commercial", "other", "unknown")
_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class DropNearDuplicates:
    """Drops all but one of rows that are nearly the same (`near_duplicate`, with the survivor's id), also those that an
    already published version has (`published`).

    Two rows are the same where one of the rule's lists of fields is alike in all its fields, and what stands in
    `within` is equal. Candidates share a band of MinHash values of the list's first field; what counts is then the
    exact Jaccard similarity of the shingle sets of every field. Duplicates of duplicates belong together; of each such
    cluster the first row by `keep` stays, ties by row id, and gets the cluster's id and size.
    """

    version: ClassVar[int] = 2
    distributions: ClassVar[tuple[str, ...]] = ("datasketch", "numba", "xxhash", "scipy")

    on: Annotated[Literal["change", "pair"], "which rows it reads and writes"] = "change"
    same: Annotated[
        tuple[tuple[Field, ...], ...] | None,
        "lists of fields, each a way to be the same; edit is the lines in which the sides differ, diff the same where "
        "a commit gave them and they are enough alone, and what is null is like nothing. Null: of changes edit and "
        "new_contents, or the diff; of pairs all three texts, or the diff",
    ] = None
    min_diff: Annotated[
        int, "words of a diff from which on it is enough by itself; a missing break is one everywhere"
    ] = 20
    within: Annotated[
        tuple[Literal["criterion", "language", "source"], ...] | None,
        "columns in which two rows that are the same are equal; null: the criterion of pairs",
    ] = None
    similarity: Annotated[float, "Jaccard similarity of the shingle sets from which on two are the same, 0 to 1"] = 0.7
    permutations: Annotated[int, "MinHash values a text"] = 256
    shingle: Annotated[int, "words a shingle"] = 5
    tokens: Annotated[
        Literal["words", "split"], "words; split also counts the empty tokens between two separators, as BigCode's does"
    ] = "words"
    hash_function: Annotated[Literal["xxh32", "sha1"], "under the MinHash values; sha1 is datasketch's default"] = (
        "xxh32"
    )
    hash_seed: Annotated[int, "of the permutations; the same for all corpora that are to be compared"] = 1
    backend: Annotated[
        Literal["compiled", "datasketch"], "who computes the MinHash values; the values are the same"
    ] = where_it_runs("compiled")
    banding: Annotated[
        Literal["recall", "datasketch"],
        "recall finds 98 % of the pairs right at the threshold; datasketch is its own choice, which finds about half",
    ] = "recall"
    verify: Annotated[bool, "whether candidates are compared exactly; without, every candidate is a duplicate"] = True
    keep: Annotated[tuple[Keep, ...], "what the survivor is chosen by, first things first"] = ("earliest",)
    sources: Annotated[tuple[str, ...], "sources of pairs in the order of source_priority; others come after them"] = ()
    max_bucket: Annotated[int, "rows with one key up to which all pairs of them are compared"] = 64
    against: Annotated[
        tuple[str, ...], "folders of published versions with the configuration `signatures`, whose rows win always"
    ] = where_it_runs(())

    def __post_init__(self) -> None:
        for field in set(self._fields) - set(_FIELDS[self.on]):
            raise ValueError(f"same names {field!r}; the fields of a {self.on} are {', '.join(_FIELDS[self.on])}")
        if not self._rule or not all(self._rule):
            raise ValueError("same is empty, or has an empty list of fields; then nothing, or everything, is the same")
        if not self.verify and (len(self._rule) > 1 or len(self._rule[0]) > 1 or self.against):
            raise ValueError(
                "verify: false goes with one list of one field and without `against`: of several, a shared band does "
                "not tell which are alike"
            )
        if self.on == "change" and (self._within or set(self.keep) - {"earliest", "best_license"}):
            raise ValueError("changes have no criterion, evidence or source to be told apart or ranked by")
        if self.against and (self.on != "pair" or self._settings != SignatureSettings()):
            raise ValueError(
                f"against compares pairs by {SignatureSettings()}, which published signatures are made with; this step "
                f"has on: {self.on} and {self._settings}"
            )

    reads = writes = property(attrgetter("on"))

    @property
    def _rule(self) -> tuple[tuple[Field, ...], ...]:
        return _RULES[self.on] if self.same is None else self.same

    @property
    def _fields(self) -> tuple[Field, ...]:
        return tuple(dict.fromkeys(field for fields in self._rule for field in fields))

    @property
    def _looked_up(self) -> tuple[Field, ...]:
        """The field of each list by which its candidates are found."""
        return tuple(fields[0] for fields in self._rule)

    @property
    def _within(self) -> tuple[str, ...]:
        return (("criterion",) if self.on == "pair" else ()) if self.within is None else self.within

    @property
    def _settings(self) -> SignatureSettings:
        return SignatureSettings(
            permutations=self.permutations,
            shingle=self.shingle,
            seed=self.hash_seed,
            hash_function=self.hash_function,
            tokens=self.tokens,
        )

    def identity(self) -> dict[str, Any]:
        """What the published versions it looks at hold."""
        return {"against": sorted(model_digest(Path(file)) for file in self._others)}

    @property
    def _others(self) -> tuple[str, ...]:
        return tuple(str(file) for folder in self.against for file in signature_files(Path(folder)))

    def apply(self, rows: Rows) -> Rows:
        bands, _ = self._banding
        ranks = {"earliest": "committed_at", "best_license": "license_class", "most_evidence": "evidence"}
        columns = {ranks.get(by, "source") for by in self.keep} | {"row_id", "cluster_size", *self._within}
        if {"edit", "diff"} & set(self._fields):
            columns |= {*_SIDES[self.on], "commit"}
        columns |= set(self._fields) - {"edit", "diff"}
        return rows.link(
            Link(
                columns=tuple(sorted(columns)),
                sketch=self.sketch,
                compare=self.similar,
                decide=self.choose,
                rank=("cluster_size", *self.keep),
                keys_per_row=bands * len(self._rule),
                others=self._others,
                sketch_others=self.sketch_published,
                max_bucket=self.max_bucket,
            )
        ).map(self.alone)

    @property
    def _banding(self) -> tuple[int, int]:
        find = banding if self.banding == "recall" else banding_of_datasketch
        return find(self.similarity, self.permutations)

    def sketch(self, rows: pa.Table) -> pa.Table:
        """Of each row: band keys, and of each field the hashes of its shingles and, where they are needed, its MinHash
        values; with what is equal in two rows that are the same, and the ranks by which a survivor is chosen."""
        columns: dict[str, Any] = {"row_id": rows["row_id"], "within": self._within_hash(rows)}
        looked_up = {}
        for field, texts in self._texts(rows).items():
            is_valid = pc.is_valid(texts)
            is_stored = bool(self.against) or not self.verify
            is_signed = is_stored or field in self._looked_up
            values, offsets, hashes = self._sketched(pc.fill_null(texts, ""), is_signed=is_signed)
            if self.verify:
                columns[field] = pa.ListArray.from_arrays(
                    pa.array(offsets, pa.int32()), pa.array(hashes, pa.uint64()), mask=pc.invert(is_valid)
                )
            if is_stored:
                columns[f"{field}.signature"] = as_bytes(values, is_valid)
            if field in self._looked_up:
                looked_up[field] = (values, is_valid)
        columns["keys"] = self._keys(looked_up, columns["within"])
        columns["cluster_size"] = pc.fill_null(rows["cluster_size"], 1)
        return pa.table(columns | {by: self._rank(rows, by) for by in self.keep})

    def sketch_published(self, published: pa.Table) -> pa.Table:
        """The same of rows of the configuration `signatures`, which has MinHash values in place of shingles."""
        columns: dict[str, Any] = {"row_id": published["id"], "within": self._within_hash(published)}
        looked_up = {}
        for field in self._fields:
            columns[field] = pa.nulls(len(published), pa.list_(pa.uint64()))
            own = published["edit" if field == "diff" else field].combine_chunks()
            if field == "diff":
                own = _where(own, self._is_diff(published["from_commit"], published["edit_words"]))
            columns[f"{field}.signature"] = own
            looked_up[field] = (values_of(own, self._settings), pc.is_valid(own))
        columns["keys"] = self._keys(looked_up, columns["within"])
        columns["cluster_size"] = pa.array(np.ones(len(published), np.int64))
        return pa.table(columns | {by: pa.array(np.zeros(len(published), np.int64)) for by in self.keep})

    def _texts(self, rows: pa.Table) -> dict[Field, pa.Array]:
        """What is compared, field by field."""
        texts = {field: rows[field].combine_chunks() for field in self._fields if field not in ("edit", "diff")}
        if {"edit", "diff"} & set(self._fields):
            old, new = _SIDES[self.on]
            edits = diffs(rows[old], rows[new])
            words = pa.array(map(num_words, edits.to_pylist()), pa.int64())
            both = {"edit": edits, "diff": _where(edits, self._is_diff(pc.is_valid(rows["commit"]), words))}
            texts |= {field: own for field, own in both.items() if field in self._fields}
        return texts

    def _is_diff(self, from_commit: pa.ChunkedArray, words: pa.Array | pa.ChunkedArray) -> pa.Array:
        # Of programs that no commit made of one another, the lines in which they differ do not tell by themselves.
        return pc.and_(from_commit, pc.greater_equal(words, self.min_diff)).combine_chunks()

    def _within_hash(self, rows: pa.Table) -> pa.Array:
        """One number for what is equal in two rows that are the same."""
        together = zip(*(rows[name].to_pylist() for name in self._within), strict=True) if self._within else None
        if together is None:
            return pa.array(np.zeros(len(rows), np.uint64))
        return pa.array([xxhash.xxh3_64_intdigest("\0".join(map(str, own)).encode()) for own in together], pa.uint64())

    def _sketched(self, texts: pa.Array, *, is_signed: bool) -> tuple[Signatures, Offsets, Hashes]:
        """MinHash values, of no permutations where none are asked for, and the hashes of the shingles."""
        settings = asdict(self._settings) | ({} if is_signed else {"permutations": 0})
        if self.backend == "compiled" or not is_signed:
            return sketch(texts, **settings)
        shingled = shingle_hashes(texts, shingle=self.shingle, tokens=self.tokens)
        return signatures(texts, **settings, backend=self.backend), *shingled

    def _keys(self, looked_up: dict[Field, tuple[Signatures, pa.Array]], within: pa.Array) -> pa.ListArray:
        """Band keys of the first field of each list of the rule; none where that field is null."""
        bands, rows_a_band = self._banding
        keys, is_key = [], []
        for place, field in enumerate(self._looked_up):
            values, is_valid = looked_up[field]
            own = band_keys(values, bands, rows_a_band) ^ within.to_numpy()[:, None]
            keys.append(own + np.uint64(place) * np.uint64(0x9E3779B97F4A7C15))
            is_key.append(np.repeat(_numpy(is_valid)[:, None], bands, axis=1))
        wanted = np.concatenate(is_key, axis=1)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(wanted.sum(axis=1))])
        flat = pa.array(np.concatenate(keys, axis=1)[wanted], pa.uint64())
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)

    def _rank(self, rows: pa.Table, by: Keep) -> pa.Array:
        """Smaller is better; what is null or unknown comes last."""
        if by == "earliest":
            return pc.fill_null(rows["committed_at"].cast(pa.timestamp("s")).cast(pa.int64()), _LAST)
        column, order = {
            "best_license": ("license_class", _LICENSES),
            "most_evidence": ("evidence", EVIDENCE),
            "source_priority": ("source", self.sources),
        }[by]
        return pc.fill_null(pc.index_in(rows[column], pa.array(order, pa.string())).cast(pa.int64()), _LAST)

    def similar(self, sketches: pa.Table, one: Places, other: Places) -> npt.NDArray[np.float64]:
        """Of each two rows the similarity of their least similar field, by the way of being the same that fits best;
        NaN where they are not the same."""
        # np.minimum hands on NaN, a field that is null; np.fmax passes over it, a way that does not fit.
        alike = {field: self._alike(sketches, field, one, other) for field in self._fields}
        best = reduce(np.fmax, (reduce(np.minimum, (alike[field] for field in fields)) for fields in self._rule))
        within = sketches["within"].to_numpy()
        is_same = (best >= self.similarity) if self.verify else ~np.isnan(best)
        return np.where(is_same & (within[one] == within[other]), best, np.nan)

    def _alike(self, sketches: pa.Table, field: str, one: Places, other: Places) -> npt.NDArray[np.float64]:
        """Exact where both rows have their shingles, else by the MinHash values; NaN where a field is null."""
        similarity = np.full(len(one), np.nan)
        if self.verify:
            hashed = sketches[field].combine_chunks()
            offsets, hashes = hashed.offsets.to_numpy().astype(np.int64), hashed.values.to_numpy()
            has = _numpy(pc.is_valid(hashed))
            both = np.flatnonzero(has[one] & has[other])
            similarity[both] = jaccard(offsets, hashes, one[both], offsets, hashes, other[both])
        if f"{field}.signature" in sketches.column_names:
            stored = sketches[f"{field}.signature"].combine_chunks()
            has, values = _numpy(pc.is_valid(stored)), values_of(stored, self._settings)
            rest = np.flatnonzero(np.isnan(similarity) & has[one] & has[other])
            similarity[rest] = (values[one[rest]] == values[other[rest]]).mean(axis=1)
        return similarity

    def choose(self, members: pa.Table) -> pa.Table:
        """Marks: all but the first of each cluster is dropped, and that one gets the cluster's id and size."""
        first_others = members.append_column("is_own", pc.invert(members["is_other"]))
        order = [(name, "ascending") for name in ("group", "is_own", *self.keep, "row_id")]
        members = first_others.sort_by(order)
        group = members["group"].to_numpy()
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        size_of = np.add.reduceat(np.where(members["is_own"].to_numpy(), members["cluster_size"].to_numpy(), 0), starts)
        which = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(group))))
        survivor, is_survivor = starts[which], np.zeros(len(group), bool)
        is_survivor[starts] = True
        ids, is_other = members["row_id"].to_pylist(), members["is_other"].to_pylist()
        rows = []
        for place, (nearest, at) in enumerate(
            zip(members["nearest"].to_pylist(), members["similarity"].to_pylist(), strict=True)
        ):
            first = survivor[place]
            if is_survivor[place]:
                size = int(size_of[which[place]])
                rows.append({"row_id": ids[place], "cluster_id": ids[place], "cluster_size": size})
            else:
                reason = "published" if is_other[first] else "near_duplicate"
                detail = f"of {ids[first]}; nearest {nearest} at {at:.3f}"
                rows.append({"row_id": ids[place], "reason": reason, "detail": detail})
        return pa.Table.from_pylist(rows, schema=schema("mark").arrow)

    def alone(self, rows: pa.Table) -> pa.Table:
        """The rows, where those that are like no other stand for themselves."""
        for name, value in (("cluster_id", rows["row_id"]), ("cluster_size", pa.scalar(1, pa.int64()))):
            rows = rows.set_column(rows.schema.get_field_index(name), name, pc.coalesce(rows[name], value))
        return rows


def _where(values: pa.Array, is_wanted: pa.Array) -> pa.Array:
    return pc.if_else(is_wanted, values, pa.scalar(None, values.type))


def _numpy(flags: pa.Array) -> npt.NDArray[np.bool_]:
    numbers: npt.NDArray[np.bool_] = flags.to_numpy(zero_copy_only=False)
    return numbers


STAGE = DropNearDuplicates
