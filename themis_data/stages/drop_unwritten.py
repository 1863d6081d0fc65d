"""Changes of files that nobody writes where they are."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa

from themis_data.engine.rows import Rows
from themis_data.text.licenses import is_vendored
from themis_data.text.written import (
    copied_library,
    data_share,
    generated_mark,
    generated_path,
    is_minified,
    minified_path,
)


@dataclass(frozen=True, kw_only=True)
class DropUnwritten:
    """Drops changes of files that a program wrote, by their path or by what their head says (`generated`), that it
    packed (`minified`), that are other people's code (`vendored`), or that hold literals and little else (`data`).

    Such a change says nothing of what people prefer: a generator, another project or a table was changed. The rules are
    text/written.yaml, and the folders of other people's code manifests/licenses.yaml. Either side decides. It looks at
    whole files, so it comes before `cut_to_definitions`.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    max_data_share: Annotated[float, "share of a side's lines that may be literals and nothing else, 0 to 1"] = 0.6

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        columns = (changes[name].to_pylist() for name in ("path", "repository", "old_contents", "new_contents"))
        foreign = is_vendored(changes["path"]).to_pylist()
        return pa.array([self._reason(*row) for row in zip(*columns, foreign, strict=True)], pa.string())

    def _reason(self, path: str, repository: str, old: str, new: str, is_foreign: bool) -> str | None:
        if is_foreign:
            return "vendored: by its folder"
        if library := copied_library(path, repository):
            return f"vendored: {library}"
        if generated_path(path):
            return "generated: by its path"
        if mark := generated_mark(new) or generated_mark(old):
            return f"generated: {mark}"
        if minified_path(path) or is_minified(new) or is_minified(old):
            return "minified"
        share = max(data_share(old), data_share(new))
        return f"data: {share:.0%} of its lines" if share > self.max_data_share else None


STAGE = DropUnwritten
