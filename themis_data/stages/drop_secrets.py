"""Secrets and people's addresses, in every text of a row."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.engine.rows import Rows
from themis_data.text.secrets import Finding, described, findings, masked

Action = Literal["drop", "mask", "keep"]
# Every text of a row, and the two that must not become one.
_TEXTS = {
    "change": ("subject", "message", "old_contents", "new_contents"),
    "pair": ("prompt", "chosen", "rejected", "label_detail"),
}
_SIDES = {"change": ("old_contents", "new_contents"), "pair": ("rejected", "chosen")}


@dataclass(frozen=True, kw_only=True)
class DropSecrets:
    """Drops rows with a secret in any of their texts (`secret`), and masks e-mail addresses and telephone numbers of
    people, or drops their rows (`personal_data`). Rows whose sides differ in nothing else go too (`same_when_masked`).

    A secret is a reason to drop: few rows have one, and a change about one teaches little else. Addresses stand in the
    headers of many good files, so they are masked. A placeholder is the same on both sides, and a row keeps its id.
    """

    version: ClassVar[int] = 1
    gate: ClassVar[str] = "secrets and personal data"

    on: Annotated[Literal["change", "pair"], "which rows it reads and writes"] = "change"
    secrets: Annotated[Action, "what happens to keys, tokens and passwords: drop the row, mask them, or keep them"] = (
        "drop"
    )
    personal_data: Annotated[Action, "what happens to people's addresses and telephone numbers"] = "mask"

    reads = writes = property(attrgetter("on"))

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.look).drop(self.drop_reason)

    def look(self, rows: pa.Table) -> pa.Table:
        """The rows with what is to be masked masked, and a working column with the reason to drop them."""
        reasons: list[str | None] = [None] * len(rows)
        for name in _TEXTS[self.on]:
            texts = rows[name].to_pylist()
            found = [findings(text) if text is not None else [] for text in texts]
            if not any(found):
                continue
            for row, (text, own) in enumerate(zip(texts, found, strict=True)):
                reasons[row] = reasons[row] or self._reason(name, text, own)
                texts[row] = masked(text, [f for f in own if self._action(f) == "mask"]) if own else text
            rows = rows.set_column(
                rows.schema.get_field_index(name),
                rows.schema.field(name),
                pa.array(texts, rows.schema.field(name).type),
            )
        before, after = (rows[name].to_pylist() for name in _SIDES[self.on])
        for row, (old, new) in enumerate(zip(before, after, strict=True)):
            reasons[row] = reasons[row] or ("same_when_masked" if old == new else None)
        return rows.append_column("reason", pa.array(reasons, pa.string()))

    def drop_reason(self, rows: pa.Table) -> pa.Array:
        return rows["reason"].combine_chunks()

    def _action(self, finding: Finding) -> Action:
        return self.secrets if finding.group == "secret" else self.personal_data

    def _reason(self, name: str, text: Any, found: list[Finding]) -> str | None:
        to_drop = next((finding for finding in found if self._action(finding) == "drop"), None)
        return None if to_drop is None else f"{to_drop.group}: {described(text, to_drop)} of {name}"


STAGE = DropSecrets
