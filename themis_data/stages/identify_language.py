"""The language of every file: by its extension, else by its text."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code.detection import Detector, detect, resolved
from themis_data.code.language import languages_of_path
from themis_data.engine.rows import Rows


@dataclass(frozen=True, kw_only=True)
class IdentifyLanguage:
    """Gives changes their language, and drops none: `keep_languages` drops what stays unknown.

    What the source says by the extension stands. A `.h`, which C and C++ share, is C++ where either side has words that
    only C++ has. Files without a known extension, where the source lets them through, are looked at by a detector and
    stay unknown unless both sides get the same answer: `auto` and `strict` need the models of guesslang and magika,
    `extension` needs none and leaves such files unknown.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    detector: Annotated[Detector, "who looks at text without a known extension"] = "auto"

    def identity(self) -> dict[str, Any]:
        return {"models": resolved(self.detector)}

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.identify)

    def identify(self, changes: pa.Table) -> pa.Table:
        columns = (changes[name].to_pylist() for name in ("language", "path", "old_contents", "new_contents"))
        languages = [self._language(*row) for row in zip(*columns, strict=True)]
        place = changes.schema.get_field_index("language")
        return changes.set_column(place, changes.schema.field("language"), pa.array(languages, pa.string()))

    def _language(self, given: str | None, path: str, old: str, new: str) -> str | None:
        claimed = languages_of_path(path)
        if given is not None and (given not in claimed or len(claimed) == 1):
            return given
        return detect(old.encode(), new.encode(), path=path, detector=self.detector).language


STAGE = IdentifyLanguage
