"""Pairs that say the opposite of one another, by themselves or in a circle."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from themis_data.code.answers import read_answer
from themis_data.criteria import EVIDENCE
from themis_data.engine.rows import ByKey, Rows
from themis_data.fingerprint import row_id
from themis_data.schema import schema

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DropConflictingPairs:
    """Drops pairs that contradict others of their criterion: the same two codes the other way round, or a circle of
    three or more (`contradicted`, with one it contradicts).

    Two codes are the same where their answers' code is, but for white space. The same two codes the other way round by
    another criterion are no contradiction (faster but less readable): both pairs stay, with `criterion_conflict`.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1
    distributions: ClassVar[tuple[str, ...]] = ("scipy",)

    resolve: Annotated[
        Literal["drop", "evidence"],
        "what becomes of a contradiction: all of its pairs are dropped, or those with the best evidence stay unless "
        "they contradict one another",
    ] = "drop"

    def apply(self, rows: Rows) -> Rows:
        return rows.by_key(
            ByKey(
                columns=("row_id", "criterion", "chosen", "rejected", "evidence"),
                explode=self.by_codes,
                decide=lambda table: table.drop_columns(["key"]),
                resolve=self.find_circles,
            )
        ).map(self.without_conflict)

    def by_codes(self, pairs: pa.Table) -> pa.Table:
        """Each pair as an edge from the worse code to the better one. The key only spreads the work."""
        better, worse = ([_same_code(text) for text in pairs[name].to_pylist()] for name in ("chosen", "rejected"))
        rank = pc.fill_null(pc.index_in(pairs["evidence"], pa.array(EVIDENCE)), len(EVIDENCE))
        return pa.table(
            {
                "key": pa.array(better, pa.string()),
                "row_id": pairs["row_id"],
                "criterion": pairs["criterion"],
                "worse": pa.array(worse, pa.string()),
                "better": pa.array(better, pa.string()),
                "rank": rank,
            }
        )

    def find_circles(self, pairs: pa.Table) -> pa.Table:
        """Marks, from all pairs: 200 bytes for each in one process."""
        if not len(pairs):
            return schema("mark").empty()
        codes = pa.chunked_array([*pairs["worse"].chunks, *pairs["better"].chunks]).combine_chunks().dictionary_encode()
        numbers = codes.indices.to_numpy().astype(np.int64)
        criterion = pairs["criterion"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
        # A code is a node of its own for each criterion: then no circle crosses criteria.
        worse, better = (half + criterion * len(codes.dictionary) for half in np.split(numbers, 2))
        circle = _circles(worse, better)
        is_dropped = circle >= 0
        if self.resolve == "evidence":
            rank = pairs["rank"].to_numpy().astype(np.int64)
            best = np.full(circle.max(initial=0) + 1, len(EVIDENCE) + 1, np.int64)
            np.minimum.at(best, circle[is_dropped], rank[is_dropped])
            stays = is_dropped & (rank == best[circle])
            is_dropped[stays] = _circles(worse[stays], better[stays]) >= 0
        table = pl.DataFrame(
            {
                "row_id": pl.from_arrow(pairs["row_id"]),
                "criterion": criterion,
                "worse": numbers[: len(pairs)],
                "better": numbers[len(pairs) :],
                "circle": circle,
                "is_dropped": is_dropped,
            }
        )
        marks = pl.concat([_contradicted(table), _in_conflict(table.filter(~pl.col("is_dropped")))], how="diagonal")
        return marks.select("row_id", "reason", "detail", "criterion_conflict").to_arrow()

    def without_conflict(self, pairs: pa.Table) -> pa.Table:
        """The pairs, where those that are in no conflict say so."""
        place = pairs.schema.get_field_index("criterion_conflict")
        return pairs.set_column(place, "criterion_conflict", pc.fill_null(pairs["criterion_conflict"], False))


def _contradicted(table: pl.DataFrame) -> pl.DataFrame:
    """Marks of the dropped pairs, each with a pair that says the opposite, or else one of its circle."""
    around = table.filter(pl.col("circle") >= 0)
    edge = ["circle", "worse", "better"]
    first = around.group_by(edge).agg(opposite=pl.min("row_id"))
    # The two first edges of a circle: one of them is not the pair's own.
    two = first.sort("opposite").group_by("circle", maintain_order=True).agg(pl.col("opposite").head(2).alias("two"))
    size = around.group_by("circle").agg(size=pl.len())
    found = (
        table.filter("is_dropped")
        .join(first, left_on=edge, right_on=["circle", "better", "worse"], how="left")
        .join(first.rename({"opposite": "own"}), on=edge)
        .join(two, on="circle")
        .join(size, on="circle")
    )
    other = pl.when(pl.col("two").list.first() == pl.col("own")).then(pl.col("two").list.last())
    return found.select(
        "row_id",
        reason=pl.lit("contradicted"),
        detail=pl.when(pl.col("opposite").is_not_null())
        .then(pl.format("the opposite of {}", "opposite"))
        .otherwise(pl.format("in a circle of {} pairs with {}", "size", other.otherwise(pl.col("two").list.first()))),
    )


def _in_conflict(table: pl.DataFrame) -> pl.DataFrame:
    """Marks of the pairs whose two codes another criterion puts the other way round."""
    opposite = table.select("worse", "better", other="criterion").unique()
    found = table.join(opposite, left_on=["worse", "better"], right_on=["better", "worse"])
    found = found.filter(pl.col("other") != pl.col("criterion")).select("row_id").unique()
    return found.with_columns(criterion_conflict=pl.lit(True))


def _same_code(answer: str) -> str:
    """What two answers with the same code have in common: its digest, whatever its white space and wrapper."""
    return row_id(" ".join(read_answer(answer).code.split()))


def _circles(worse: Numbers, better: Numbers) -> Numbers:
    """For each edge the number of the circle it is in (its strongly connected component), -1 for none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes, ends = np.unique(np.concatenate([worse, better]), return_inverse=True)
    one, other = ends[: len(worse)], ends[len(worse) :]
    graph = coo_array((np.ones(len(worse), np.int8), (one, other)), shape=(len(nodes), len(nodes)))
    component = np.asarray(connected_components(graph, directed=True, connection="strong")[1], np.int64)
    return np.where(component[one] == component[other], component[one], -1)


STAGE = DropConflictingPairs
