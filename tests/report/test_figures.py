"""The picture of a score sheet: what stands where."""

import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa

from themis_data.evaluate.sheet import score_table, summarised
from themis_data.report.figures import sheet_figure

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [one.text for one in ET.fromstring(svg).iter(f"{SVG}text")]


def sheet(count=80, **columns):
    lengths = np.arange(count) - count // 2
    described = {"id": [str(n) for n in range(count)], "aspect": ["A<B"] * (count - 4) + ["C"] * 4, **columns}
    scores = score_table(np.where(lengths > 0, 2.0, -1.0), np.zeros(count), described)
    return scores.append_column("length_difference", pa.array(lengths))


def test_points_stand_where_their_figures_are():
    scores = sheet()
    svg = sheet_figure(summarised(scores), scores)
    points = [float(one.get("cx")) for one in ET.fromstring(svg).iter(f"{SVG}circle")]
    said = texts(svg)

    # All pairs: 39 of 80 right; the last four are.
    assert ["all pairs (80)", "A<B (76)", "C (4)"] == [
        text for text in said if text.endswith((" pairs (80)", "6)", "(4)"))
    ]
    assert [356.2, 510.0] == [points[0], points[2]]  # 210 + 300 * 39 / 80, and the end
    # Eight groups by length: margins are -1 up to length 0 and 2 above.
    assert 3 + 8 == len(points)
    assert "-40 to -31 (10)" in said
    assert "+30 to +39 (10)" in said
    assert (210.0, 510.0) == (points[3], points[-1])


def test_lengths_and_scores_may_be_unknown():
    scores = sheet().drop_columns(["length_difference"])
    assert 3 == sheet_figure(summarised(scores), scores).count("<circle")

    nothing = score_table([np.nan, np.nan], [0.0, 0.0], {"id": ["a", "b"]})
    nothing = nothing.append_column("length_difference", pa.array([1, 2]))
    assert ["Accuracy, 95 % interval", "all pairs (2)"] == [
        text for text in texts(sheet_figure(summarised(nothing), nothing)) if not text.endswith("%")
    ]
