"""The score sheet of a reward model, for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import JustifyMethod

from themis_data.report.tables import HEAD, LOUD, console, fill, grid, say, visible

_BY = ("by_aspect", "by_language", "by_subset")


def print_sheet(title: str, results: Mapping[str, Any]) -> None:
    """Accuracy with its interval, in all, where the chosen side is not longer, and by aspect, language and subset."""
    to = console()
    say(to, visible(title), HEAD)
    right: JustifyMethod = "right"
    table = grid("pairs", *((name, right) for name in ("count", "accuracy", "95 %", "ties", "mean difference")))
    rows = [("all", results["overall"])]
    if results.get("chosen_not_longer"):
        rows.append(("chosen side not longer", results["chosen_not_longer"]))
    rows += [(f"{by[3:]} {value}", found) for by in _BY for value, found in results.get(by, {}).items()]
    for name, found in rows:
        interval = f"{100 * found['accuracy_low']:.1f} to {100 * found['accuracy_high']:.1f}"
        cells = [visible(name), f"{found['count']:,}", f"{100 * found['accuracy']:.2f}", interval]
        mean = found["mean_score_difference"]
        fill(table, [*cells, f"{found['ties']:,}", "" if mean is None else f"{mean:+.3f}"])
    to.print(table)
    if unscored := results["overall"]["unscored"]:
        say(to, f"{unscored:,} pairs have a side without a score and count as wrong", LOUD)
    cut = results.get("record", {}).get("sides_cut")
    if cut:
        say(to, f"{cut:,} sides were cut to the limit of tokens before they were scored", LOUD)


def print_comparison(found: Mapping[str, Any]) -> None:
    """How this model differs from the other on the same pairs."""
    points, low, high = (f"{100 * found[name]:+.2f}" for name in ("difference", "low", "high"))
    alone = f"{found['only_first_right']:,} against {found['only_second_right']:,}"
    text = (
        f"against the other: {points} points ({low} to {high}), right alone {alone}, McNemar p {found['mcnemar_p']:.3g}"
    )
    say(console(), text, indent=2)
