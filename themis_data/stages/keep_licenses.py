"""Licences that may go into the corpus."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import Rows, first_reason, reasons
from themis_data.text.licenses import is_vendored, license_class, paper_licenses, policy_classes, spdx_header

_HEAD = 2_000  # characters in which a file says what its licence is
_AFTER = {"change": "new_contents", "pair": "chosen"}


@dataclass(frozen=True, kw_only=True)
class KeepLicenses:
    """Drops rows whose licence is not allowed (`license_not_allowed`).

    permissive  the class permissive, by manifests/licenses.yaml
    research    what may be used for research and passed on: with attribution, under the same terms, or for no commerce
    any         every licence, and rows whose licence is unknown
    paper       the twelve licences the paper mines, which include MPL, EPL, LGPL and AGPL
    listed      the licences named in `licenses`

    But for `any`, an unknown licence is never allowed. A file's own SPDX header says more than its repository's licence
    and is written into `license`; a file in a folder of other people's code (vendor/, node_modules/) that has none is
    dropped (`vendored_license_unknown`). `any` and `paper` ask the repository, or the data set, alone.

    The detail is the licence, for pairs behind their source.
    """

    version: ClassVar[int] = 2

    on: Annotated[Literal["change", "pair"], "which rows it reads and writes"] = "change"
    policy: Annotated[Literal["permissive", "research", "any", "paper", "listed"], "which licences are allowed"] = (
        "permissive"
    )
    licenses: Annotated[tuple[str, ...], "SPDX identifiers, for the policy `listed`"] = ()

    reads = writes = property(attrgetter("on"))

    def __post_init__(self) -> None:
        if (self.policy == "listed") != bool(self.licenses):
            raise ValueError("`licenses` goes with `policy: listed`, and that policy needs it")

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.look).drop(self.drop_reason)

    def look(self, rows: pa.Table) -> pa.Table:
        """The rows, where a file names its licence itself with that one, and a working column with it."""
        own = pa.nulls(len(rows), pa.string()) if self.policy in ("any", "paper") else self._own(rows)
        classes = pa.array([None if name is None else license_class(name) for name in own.to_pylist()], pa.string())
        for name, said in (("license", own), ("license_class", classes)):
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, rows.schema.field(name), pc.coalesce(said, rows[name]))
        return rows.append_column("own_license", own)

    def _own(self, rows: pa.Table) -> pa.Array:
        heads = pc.utf8_slice_codeunits(rows[_AFTER[self.on]], 0, _HEAD)
        has_header = pc.and_(pc.match_substring(heads, "SPDX-License-Identifier"), pc.is_valid(rows["path"]))
        texts = pc.if_else(has_header, heads, pa.scalar(None, heads.type)).to_pylist()
        return pa.array([None if text is None else spdx_header(text) for text in texts], pa.string())

    def drop_reason(self, rows: pa.Table) -> pa.Array:
        detail = rows["license"]
        if self.on == "pair":
            detail = pc.binary_join_element_wise(rows["source"], detail, ": ")
        is_foreign = pc.and_(is_vendored(rows["path"]), pc.is_null(rows["own_license"]))
        return first_reason(
            reasons(pc.and_(is_foreign, self.policy not in ("any", "paper")), "vendored_license_unknown", detail),
            reasons(pc.invert(self._is_allowed(rows)), "license_not_allowed", detail),
        )

    def _is_allowed(self, rows: pa.Table) -> pa.Array:
        if self.policy == "any":
            return pa.array([True] * len(rows), pa.bool_())
        if self.policy in ("permissive", "research"):
            return pc.is_in(rows["license_class"], value_set=pa.array(policy_classes(self.policy)))
        allowed = set(paper_licenses() if self.policy == "paper" else self.licenses)
        found = rows["license"].to_pylist()
        verdict = {expression: set(expression.split(" AND ")) <= allowed for expression in set(found)}
        return pa.array([verdict[expression] for expression in found], pa.bool_())


STAGE = KeepLicenses
