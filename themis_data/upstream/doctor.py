"""Whether upstream data sets are what their recipes say: the first batch of each part, read from where it is."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from themis_data.errors import MissingExtra, PipelineError, SourceError, UpstreamChanged, UpstreamGap
from themis_data.upstream.read import check_files, files_of
from themis_data.upstream.recipes import Recipe, known_recipes, recipe
from themis_data.upstream.settings import first_choice, prepare

Status = Literal["ok", "gap", "unreachable", "changed schema"]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found of one data set."""

    name: str
    status: Status
    detail: str  # one line


def check_sources(names: Iterable[str] = ()) -> Iterator[Checked]:
    """What is found of each data set, all of them by default, in order.

    Of a data set without a pinned revision the newest is read, and named: it is a gap all the same. Only the first of
    what `choose` names is read of each part.
    """
    for name in tuple(names) or known_recipes():
        status, detail = _checked(recipe(name))
        yield Checked(name=name, status=status, detail=" ".join(detail.split()))


def _checked(read: Recipe) -> tuple[Status, str]:
    gap = _gap(read)
    if read.hub is None:
        return "gap", gap or f"not on the Hub: its files are at {read.repository}"
    choose: Mapping[str, Any] = read.settings.get("choose", {})
    try:
        revision = read.revision or _newest(read.hub)
        parts = (*read.parts, *((read.statements,) if read.statements is not None else ()))
        first = replace(read, parts=tuple(first_choice(part, choose, read) for part in parts))
        check_files(first, files_of(first, revision=revision))
    except UpstreamChanged as error:
        return "changed schema", str(error)
    except PipelineError as error:  # nobody knows what to choose
        return "gap", gap or str(error)
    except (SourceError, OSError) as error:
        return "unreachable", str(error)
    if read.revision is None:
        return "gap", f"its columns are as expected at {revision}, the newest revision: pin it. {gap or ''}"
    return ("gap", gap) if gap else ("ok", f"{read.hub} at {revision}")


def _gap(read: Recipe) -> str | None:
    """The setting that has to be supplied before the recipe can be used, in the recipe's words."""
    if read.hub is None and "hub" in read.gaps:
        return read.gaps["hub"]
    if read.reads_as == "benchmark_item":
        return None
    try:
        prepare(read)
    except UpstreamGap as error:
        return str(error).partition(": ")[2]
    return None


def _newest(hub: str) -> str:
    """The commit that the data set's main branch is at. Raises OSError when it cannot be asked."""
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MissingExtra("asking the Hub needs `huggingface_hub`: pip install 'themis-data[hub]'") from error
    # The error of the HTTP library under it, which is httpx or httpx2 by its version, is the first base of its own.
    of_http: type[BaseException] = HfHubHTTPError.__bases__[0]
    try:
        newest: str | None = HfApi().dataset_info(hub).sha
    except of_http as error:
        raise SourceError(f"{hub} cannot be asked for its newest revision: {error}") from error
    if newest is None:
        raise SourceError(f"{hub} does not say its newest revision")
    return newest
