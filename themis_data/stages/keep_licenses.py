"""Licences that may go into the corpus."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import Rows, reasons
from themis_data.text.licenses import paper_licenses


@dataclass(frozen=True, kw_only=True)
class KeepLicenses:
    """Drops changes whose licence is not allowed (`license_not_allowed`); an unknown licence is never allowed.

    permissive  the class permissive, by manifests/licenses.yaml
    paper       the twelve licences the paper mines, which include MPL, EPL, LGPL and AGPL
    listed      the licences named in `licenses`
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    policy: Annotated[Literal["permissive", "paper", "listed"], "which licences are allowed"] = "permissive"
    licenses: Annotated[tuple[str, ...], "SPDX identifiers, for the policy `listed`"] = ()

    def __post_init__(self) -> None:
        if (self.policy == "listed") != bool(self.licenses):
            raise ValueError("`licenses` goes with `policy: listed`, and that policy needs it")

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        if self.policy == "permissive":
            is_allowed = pc.equal(changes["license_class"], "permissive")
        else:
            allowed = set(paper_licenses() if self.policy == "paper" else self.licenses)
            found = changes["license"].to_pylist()
            verdict = {expression: set(expression.split(" AND ")) <= allowed for expression in set(found)}
            is_allowed = pa.array([verdict[expression] for expression in found], pa.bool_())
        return reasons(pc.invert(is_allowed), "license_not_allowed", changes["license"])


STAGE = KeepLicenses
