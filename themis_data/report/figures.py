"""A score sheet as a picture: accuracy by criterion, and how the margin goes with length."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from themis_data.evaluate.metrics import interval
from themis_data.manifest import write_atomically

_BINS: Final = 8  # of as many pairs each
_INK, _PALE, _MARK = "#24292f", "#c9d1d9", "#1f6feb"
_LEFT, _WIDE, _ROW, _TOP = 210, 300, 24, 48  # pixels: where the axis begins, its length, a line, the heading


def draw_sheet(results: Mapping[str, Any], scores: pa.Table, folder: Path) -> None:
    """Write the picture of a sheet as `sheet.svg` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "sheet.svg", sheet_figure(results, scores).encode())


def sheet_figure(results: Mapping[str, Any], scores: pa.Table) -> str:
    """An SVG of a sheet: accuracy with its interval in all and by criterion (where criteria are known, else by subset),
    and, where lengths are known, the mean margin (chosen less rejected reward) of eight groups of as many pairs by how
    much longer the chosen side is, with bootstrap intervals."""
    by = results.get("by_aspect") or results.get("by_subset") or {}
    shares = [("all pairs", results["overall"]), *by.items()]
    accuracies = [
        (f"{name} ({one['count']:,})", *(one[f"accuracy{end}"] for end in ("", "_low", "_high")))
        for name, one in shares
    ]
    panels = [_panel("Accuracy, 95 % interval", accuracies, 0.0, 1.0, 0.5, lambda at: f"{100 * at:.0f} %")]
    groups = _margins(scores)
    if groups:
        ends = [end for group in groups for end in group[1:]]
        low, high = min(0.0, *ends), max(0.0, *ends)
        title = "Mean margin by characters that the chosen side is longer"
        panels.append(_panel(title, groups, low, high if high > low else low + 1, 0.0, lambda at: f"{at:.3g}"))
    height = 0
    placed = []
    for body, tall in panels:
        placed.append(f'<g transform="translate(0 {height})">{body}</g>')
        height += tall
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDE + 90}" height="{height}" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(placed)
        + "\n</svg>\n"
    )


def _margins(scores: pa.Table) -> list[tuple[str, float, float, float]]:
    """Of each group by length: what it is called, the mean margin and its interval; none where lengths are unknown."""
    if "length_difference" not in scores.column_names:
        return []
    differences = pc.subtract(scores["chosen_score"], scores["rejected_score"])
    is_known = pc.fill_null(pc.is_finite(differences), False)
    lengths: npt.NDArray[np.int64] = scores["length_difference"].filter(is_known).to_numpy()
    margins: npt.NDArray[np.float64] = differences.filter(is_known).to_numpy()
    order = np.argsort(lengths, kind="stable")
    return [
        (f"{lengths[group[0]]:+,} to {lengths[group[-1]]:+,} ({len(group):,})", *interval(margins[group], np.mean))
        for group in np.array_split(order, _BINS)
        if len(group)
    ]


def _panel(
    title: str,
    rows: Sequence[tuple[str, float, float, float]],
    low: float,
    high: float,
    line: float,
    label: Any,
) -> tuple[str, int]:
    """Points with intervals below a heading, and a line at a value; its SVG and its height."""

    def x(value: float) -> float:
        return round(_LEFT + _WIDE * (value - low) / (high - low), 1)

    bottom = _TOP + _ROW * len(rows)
    parts = [f'<text x="10" y="22" font-weight="bold">{escape(title)}</text>']
    for at in dict.fromkeys((low, line, high)):
        parts.append(f'<line x1="{x(at)}" x2="{x(at)}" y1="{_TOP - 8}" y2="{bottom}" stroke="{_PALE}"/>')
        parts.append(f'<text x="{x(at)}" y="{bottom + 16}" text-anchor="middle">{escape(label(at))}</text>')
    for place, (name, middle, start, end) in enumerate(rows):
        y = _TOP + _ROW * place + _ROW // 2
        parts.append(f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line x1="{x(start)}" x2="{x(end)}" y1="{y}" y2="{y}" stroke="{_MARK}" stroke-width="2"/>')
        parts.append(f'<circle cx="{x(middle)}" cy="{y}" r="4" fill="{_MARK}"/>')
        parts.append(f'<text x="{_LEFT + _WIDE + 12}" y="{y + 4}">{escape(label(middle))}</text>')
    return "".join(parts), bottom + 34
