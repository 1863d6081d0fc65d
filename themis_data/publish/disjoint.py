"""Whether a data set has nothing in common with others: the last check of one that asked to be disjoint from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from themis_data.errors import StageError
from themis_data.stages.drop_shared_repositories import Known, known_of, shared_with


def check_disjoint(
    shards: Sequence[Path], sources: Sequence[Mapping[str, Any]], steps: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """What was compared, as JSON types for the manifest: of both sides the numbers of repositories, roots and versions
    of files, and the days of the first and last commit. None where no step `drop_shared_repositories` names a data set.

    `shards` are the rows to be published (`preference`), `sources` and `steps` as the manifest has them. It looks at
    these rows and at the others' alone, whatever the steps did. Raises StageError where anything is shared, and where
    a step `keep_dates` sets the first day and the others have a commit that is not older than all of these.
    """
    others = [
        Path(path).expanduser()
        for settings in steps.values()
        if settings["use"] == "drop_shared_repositories"
        for path in settings.get("datasets") or ()
    ]
    if not others:
        return None
    own, theirs = known_of(shards, sources), shared_with(sorted(set(others)))
    for what, ours, other in (
        ("repositories", own.repositories, theirs.repositories),
        ("first commits", own.roots, theirs.roots),
        ("versions of files", own.files, theirs.files),
    ):
        if shared := sorted(ours & other):
            raise StageError(
                f"{len(shared)} {what} are in these rows and in those of {', '.join(map(str, others))}, for example "
                f"{shared[0]}; put drop_shared_repositories behind every source of commits, with all of these data sets"
            )
    begins = any(settings["use"] == "keep_dates" and settings.get("since") for settings in steps.values())
    if begins and own.times and theirs.times and own.times[0] <= theirs.times[1]:
        raise StageError(
            f"the first commit is of {own.times[0]:%Y-%m-%d}, and {', '.join(map(str, others))} has one of "
            f"{theirs.times[1]:%Y-%m-%d}; build that with keep_dates.before, or this with a later keep_dates.since"
        )
    return {"own": _said(own), "theirs": _said(theirs), "data_sets": len(set(others))}


def _said(known: Known) -> dict[str, Any]:
    return {
        "repositories": len(known.repositories),
        "roots": len(known.roots),
        "file_versions": len(known.files),
        "days": None if known.times is None else [f"{time:%Y-%m-%d}" for time in known.times],
    }
