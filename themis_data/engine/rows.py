"""`Rows`: what a stage can do with rows. A stage says it in one line, and never sees a file, a worker or Ray."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.requests import Model, Sampling

Places = npt.NDArray[np.int64]
MapFunction = Callable[[pa.Table], pa.Table]
ReasonFunction = Callable[[pa.Table], pa.Array]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One verb with its functions, as a stage asked for it."""

    verb: Literal["map", "drop", "map_on_worker", "by_key", "link", "complete"]
    function: Callable[..., Any]
    splits: bool = False
    decision: "ByKey | Link | Complete | None" = None  # of verbs whose result is not there when a batch of rows comes


class Resolved(NamedTuple):
    """Marks, and what the manifest says of the decision (JSON types); sentences under `warnings` are warned of."""

    marks: pa.Table
    report: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ByKey:
    """A decision that needs all rows of a key.

    explode   rows -> table with `key`, `row_id` and whatever `decide` needs; a row may have several keys
    decide    all exploded rows of some keys, sorted by (key, row_id) -> marks, or candidates for `resolve`; every
              row of the result has the `row_id` of a row it saw
    resolve   all results of `decide`, sorted -> marks, or `Resolved`, in one process. None: a row's mark is the first
              of its marks by (reason, detail)
    columns   the columns of the rows that `explode` reads
    side      side tables that take part, with the function that explodes each: (schema, columns, explode)
    """

    columns: tuple[str, ...]
    explode: MapFunction
    decide: MapFunction
    resolve: Callable[[pa.Table], "pa.Table | Resolved"] | None = None
    side: tuple[tuple[str, tuple[str, ...], MapFunction], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Link:
    """A decision about groups of rows that are alike: candidates have a key in common, pairs of them are compared, and
    rows that are alike, near or far, make a group.

    sketch    rows -> table with one row for each, in order: `row_id`, `keys` (list<uint64>, none for a row that takes
              no part) and what `compare` and `decide` need
    compare   sketches of some rows, places in them of the one row and of the other of each pair -> similarity of each
              pair (float64), NaN where the two are not alike; the same whichever of them comes first
    decide    members of groups, sorted by (group, row_id) -> marks. Columns: `row_id`, `group` (int64), `is_other`,
              `nearest` (row_id of the most similar member, the first of them by row_id), `similarity` (to it), and
              those of `rank`
    columns   the columns of the rows that `sketch` reads
    rank      the columns of the sketches that `decide` reads
    keys_per_row  at most; bounds memory, never bears on the result
    others    Parquet files of rows outside the build that take part and cannot be marked, and what sketches them
    max_bucket    rows with one key up to which all pairs are compared; beyond it, each with the eight after it
    """

    columns: tuple[str, ...]
    sketch: MapFunction
    compare: Callable[[pa.Table, Places, Places], npt.NDArray[np.float64]]
    decide: MapFunction
    rank: tuple[str, ...] = ()
    keys_per_row: int
    others: tuple[str, ...] = ()
    sketch_others: MapFunction | None = None
    max_bucket: int = 64


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What a reply says: exactly one of `value` (JSON types) and `fault` (one word, or `word: detail`) is given."""

    value: Any = None
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class Complete:
    """Questions about rows to language models, and what is made of the answers.

    template  name of the prompt: replies are kept under it
    models    who answers, at least one
    ask       rows -> questions, in the order of the rows, any number a row. Columns: `row_id`; `slot` (what the
              question is to the stage: one a row and model); `user`; and where wanted `model` (int, place in `models`;
              0), `samples` (int, answers drawn; 1), `system`, `schema` (JSON Schema as JSON), `choices`
              (list<string>), `ticket` (what only the answer to this question can hold)
    parse     text of a reply, ticket -> what it says
    receive   rows, their answers (schema `answer`, in the order of the questions) -> the rows, one to one, with the
              working columns that the rest of the step uses
    columns   the columns of the rows that `ask` reads
    sampling  how answers are drawn
    wants_probabilities  the answer is one of `choices` with the probability of each, and no text
    max_failed  share of the questions that may go without an answer that can be read; beyond it the step fails
    audit     makes what looks at all answers of the step before any is used. None: nothing does
    """

    template: str
    models: tuple[Model, ...]
    ask: MapFunction
    parse: Callable[[str, str | None], Parsed]
    receive: Callable[[pa.Table, pa.Table], pa.Table]
    columns: tuple[str, ...]
    sampling: Sampling
    wants_probabilities: bool = False
    max_failed: float = 0.05
    audit: "Callable[[], Audit] | None" = None


class Audit(Protocol):
    """Looks at all answers of a step, batch after batch, and fails the step where a limit is broken."""

    def add(self, rows: pa.Table, answers: pa.Table) -> None:
        """The rows of a batch (the columns that the step's questions read) and their answers (schema `answer`)."""
        ...

    def record(self) -> dict[str, Any]:
        """What was measured, for the manifest: JSON types."""
        ...

    def breaches(self) -> list[str]:
        """A sentence for each limit that is broken."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a schema, and what is to be done with them. Immutable: each verb gives new Rows."""

    operations: tuple[Operation, ...] = ()

    def map(self, function: MapFunction, *, splits: bool = False) -> "Rows":
        """Row-wise and pure. One row out for each row in, in order, with the same `row_id`; extra columns are working
        columns that the rest of the step may use.

        With `splits`, a row may give several rows, or rows may change their id: every row out names its `parent_ids`,
        and every row in must be the parent of at least one (drop the others first, with a reason).
        """
        return self._then(Operation(verb="map", function=function, splits=splits))

    def drop(self, function: ReasonFunction) -> "Rows":
        """Drop rows with a reason: one string a row, null to keep it. `reason: detail` gives both."""
        return self._then(Operation(verb="drop", function=function))

    def map_on_worker(self, open_: Callable[[], MapFunction]) -> "Rows":
        """Like `map`, with a costly set-up that is done once in each worker."""
        return self._then(Operation(verb="map_on_worker", function=open_))

    def by_key(self, decision: ByKey) -> "Rows":
        """Drop the rows that a look at all rows of a key decides against."""
        return self._then(Operation(verb="by_key", function=decision.decide, decision=decision))

    def link(self, decision: Link) -> "Rows":
        """Drop rows, or write something into them, for what a look at all rows that are alike says."""
        return self._then(Operation(verb="link", function=decision.decide, decision=decision))

    def complete(self, decision: Complete) -> "Rows":
        """Ask language models about the rows. A row whose questions got no answer stays, and the stage drops it."""
        return self._then(Operation(verb="complete", function=decision.receive, decision=decision))

    def _then(self, operation: Operation) -> "Rows":
        return replace(self, operations=(*self.operations, operation))


class Stage(Protocol):
    """One step: a frozen dataclass of settings, the two schemas it stands between, and what it does.

    `version` is raised by hand when the same input would give other rows for a reason the code does not show.
    """

    reads: ClassVar[str]
    writes: ClassVar[str]
    version: ClassVar[int]

    def apply(self, rows: Rows) -> Rows: ...


def reasons(
    flags: pa.Array | pa.ChunkedArray, reason: str, details: pa.Array | pa.ChunkedArray | None = None
) -> pa.Array:
    """Reasons for `Rows.drop`: `reason` where the flag is true (with the detail behind a colon), null elsewhere."""
    text = (
        pa.scalar(reason)
        if details is None
        else pc.binary_join_element_wise(
            pa.scalar(reason + ": "),
            details.cast(pa.string()),
            "",
            null_handling="replace",
            null_replacement="",
        )
    )
    return _whole(pc.if_else(flags, text, pa.scalar(None, pa.string())))


def first_reason(*columns: pa.Array) -> pa.Array:
    """The first reason that applies to each row."""
    return _whole(pc.coalesce(*columns))


def _whole(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
