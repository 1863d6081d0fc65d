"""What the votes on a pair come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.engine.rows import Rows
from themis_data.errors import PipelineError
from themis_data.llm import judging

Ties = Literal["half", "against", "ignored"]
Flip = Literal["keep", "swap", "drop"]
Unjudged = Literal["keep", "drop"]
# What a rating of one side says of the other: nobody said how much better a side is that was rated worse.
_OF_OTHER_SIDE = {5: 1, 4: 1, 3: 1, 2: 2}


@dataclass(frozen=True, kw_only=True)
class TallyVotes:
    """Keeps pairs whose chosen side has the majority of the votes by the pair's criterion, and says how large it is.

    A vote in words counts for one side, a vote by label with its probability. Ties count half for either side
    (`half`), for the rejected one (`against`), or not at all (`ignored`). Label votes are two a model.

    Drops: `too_few_votes` (readable ones; no vote at all too, unless `unjudged` is keep), `order_decides` (the side
    that stands first, or second, has the majority whichever it is), `tie` (no side has `min_share`), `outvoted` (the
    rejected side has it). For a pair that is outvoted `flip` may be keep (it stays as it was labelled) or swap (the
    sides change places, and the judgements with them; the row keeps its id; where stronger evidence than judgements
    speaks for the label, it is dropped).
    What the votes confirm or swap has the evidence `judged`, where it was not stronger, with the share of the votes for
    its chosen side as strength.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    min_votes: Annotated[int, "readable votes a pair, at least"] = 4
    min_share: Annotated[float, "share of the votes that a side needs, above 0.5 and up to 1"] = 0.75
    ties: Annotated[Ties, "what a tie counts: half, against or ignored"] = "half"
    needs_both_orders: Annotated[bool, "whether the majority must not change with the order"] = True
    flip: Annotated[Flip, "what becomes of pairs that are outvoted: keep, swap or drop"] = "drop"
    unjudged: Annotated[Unjudged, "what becomes of pairs that nobody voted on: keep or drop"] = "drop"

    def __post_init__(self) -> None:
        if not 0.5 < self.min_share <= 1.0:
            raise PipelineError(f"tally_votes: min_share is {self.min_share}; expected above 0.5 and up to 1")
        if self.min_votes < 1:
            raise PipelineError(f"tally_votes: min_votes is {self.min_votes}; expected 1 or more")

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.count).drop(self.drop_reason)

    def count(self, pairs: pa.Table) -> pa.Table:
        """The pairs with what the votes make of them, and a working column with the reason of those that go."""
        names = ["evidence", "strength", "strength_unit", "label_detail", "judgements"]
        if self.flip == "swap":
            names += ["chosen", "rejected"]  # most of a pair's bytes, and nobody else changes them
        rows = pairs.select(["criterion", *names]).to_pylist()
        reasons = [self._counted(row) for row in rows]
        pairs = judging.replaced(pairs, **{name: [row[name] for row in rows] for name in names})
        return pairs.append_column("reason", pa.array(reasons, pa.string()))

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        return pairs["reason"].combine_chunks()

    def _counted(self, row: dict[str, Any]) -> str | None:
        """Change a row as its votes say, or give the reason why it goes."""
        asked = [
            entry
            for entry in row["judgements"] or ()
            if entry["kind"] == "vote" and entry["criterion"] == row["criterion"]
        ]
        if not asked and self.unjudged == "keep":
            return None
        read = [entry for entry in asked if entry["verdict"] is not None]
        if self.ties == "ignored":
            read = [entry for entry in read if entry["verdict"] != "tie"]
        if len(read) < self.min_votes:
            return f"too_few_votes: {len(read)} of {self.min_votes}"
        votes = sum(map(self._weight, read))
        share = votes / len(read)
        told = f"{votes:.3g} of {len(read)} for chosen"
        if self.needs_both_orders and self._depends_on_order(read):
            return f"order_decides: {told}"
        if share < self.min_share and 1.0 - share < self.min_share:
            return f"tie: {told}"
        if share < self.min_share:
            if self.flip == "keep":
                return None
            if self.flip == "drop" or not _may_decide(row):
                return f"outvoted: {told}"
            _swap(row, told)
            share = 1.0 - share
        if _may_decide(row):
            row.update(evidence="judged", strength=share, strength_unit=judging.SHARE_UNIT)
        return None

    def _weight(self, entry: Mapping[str, Any]) -> float:
        """What a vote counts for the chosen side, 0 to 1."""
        if entry["verdict"] == "tie":
            return 0.0 if self.ties == "against" else 0.5
        if entry["probability"] is not None:
            return float(entry["probability"])
        return 1.0 if entry["verdict"] == "chosen" else 0.0

    def _depends_on_order(self, read: Sequence[Mapping[str, Any]]) -> bool:
        means = []
        for first in judging.SIDES:
            weights = [self._weight(entry) for entry in read if entry["shown_first"] == first]
            means.append(sum(weights) / len(weights) - 0.5 if weights else 0.0)
        return means[0] * means[1] < 0.0


def _may_decide(row: Mapping[str, Any]) -> bool:
    """Whether nothing stronger than judgements speaks for the label."""
    return row["evidence"] == "judged" or judging.is_weaker(row["evidence"])


def _swap(row: dict[str, Any], told: str) -> None:
    row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
    row["label_detail"] = "; ".join(filter(None, (row["label_detail"], f"sides swapped, votes were {told}")))
    mirrored = {"chosen": "rejected", "rejected": "chosen"}
    row["judgements"] = [
        entry
        | {
            "shown_first": mirrored.get(entry["shown_first"], entry["shown_first"]),
            "verdict": mirrored.get(entry["verdict"], entry["verdict"]),
            "rating": _OF_OTHER_SIDE.get(entry["rating"]),
            "probability": None if entry["probability"] is None else 1.0 - entry["probability"],
        }
        for entry in row["judgements"]
    ]


STAGE = TallyVotes
