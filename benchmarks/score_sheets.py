"""Whether stored scores give the summaries that were published with them.

    python benchmarks/score_sheets.py FOLDER

FOLDER has a folder for each model, with `scores.parquet` and the `results.json` that its authors made of it.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from themis_data.evaluate.sheet import read_scores, summarised

_ROUNDING = 0.5001e-4  # figures are published with four decimals; half of the last one, and a bit for binary fractions


def compare(published: dict[str, Any], ours: dict[str, Any], place: str = "") -> Iterator[tuple[str, bool | None]]:
    """Each published figure: its place and values, and whether ours is the same; null where we have none."""
    for name, value in published.items():
        if isinstance(value, dict):
            yield from compare(value, ours.get(name, {}), f"{place}{name} ")
        else:
            own = ours.get(name)
            is_same = None if own is None else abs(value - own) <= _ROUNDING
            yield f"{place}{name}: published {value}, ours {own}", is_same


def main(folder: Path) -> None:
    counts: Counter[bool | None] = Counter()
    files = sorted(folder.glob("*/scores.parquet"))
    for file in files:
        published = json.loads((file.parent / "results.json").read_text(encoding="utf-8"))
        for text, is_same in compare(published, summarised(read_scores(str(file)))):
            counts[is_same] += 1
            if not is_same:
                print(f"{file.parent.name}: {text}")
    print(
        f"{len(files)} models: {counts[True]} figures are the same, {counts[False]} differ, {counts[None]} have no peer"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
