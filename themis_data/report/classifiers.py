"""Classifiers of commits: the changes of a run that one is trained on, and what came of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import JustifyMethod

from themis_data.errors import SourceError
from themis_data.report.explain import Run
from themis_data.report.tables import HEAD, LOUD, console, fill, grid, say, visible


def source_shards(folder: Path) -> list[Path]:
    """The shards of changes as a finished build's sources gave them, before any step left something out.

    Raises SourceError where the build has no source of changes.
    """
    run = Run(folder)
    mined = {s["name"] for s in run.manifest["segments"] if not s["reads"]}
    files = [path for part in run.parts if part.segment in mined and part.commits for path in part.rows]
    if not files:
        raise SourceError(f"{folder}: its sources gave no changes; a classifier is trained on those of git_history")
    return files


def print_trained(report: Mapping[str, Any], out: Path) -> None:
    """Of each criterion how many seeds there were, the threshold for the stated precision, and what it keeps."""
    to = console()
    parts = ", ".join(f"{name} {len(found):,}" for name, found in report["repositories"].items())
    say(to, f"{visible(report['kind'])}: {visible(out)}", HEAD)
    say(to, f"repositories: {parts}", indent=2)
    right: JustifyMethod = "right"
    titles = ("seeds", "threshold", "best precision", "held-out seeds found", "kept of sure")
    table = grid("criterion", *((title, right) for title in titles))
    for name, about in report["criteria"].items():
        kept, found = about["kept"], about["held_out"]
        cells = [
            visible(name),
            f"{sum(about['seeds'].values()):,}",
            "never" if about["threshold"] is None else f"{about['threshold']:.3f}",
            "-" if about["best_precision"] is None else f"{about['best_precision']:.2f}",
            "-" if found is None else f"{found['recall']['right']:,} of {found['recall']['of']:,}",
            "-" if kept is None else f"{kept['shown']:,} of {kept['sure']:,}",
        ]
        fill(table, cells)
    to.print(table)
    unsure = [name for name, about in report["criteria"].items() if about["threshold"] is None]
    if unsure:
        say(to, f"never as precise as was asked for, so they recall nothing: {', '.join(map(visible, unsure))}", LOUD)
