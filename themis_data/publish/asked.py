"""What language models were asked for a data set, and how far their answers can be relied on: for card and terminal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure of a step's audit, over all criteria and languages; see `llm/audit.py` for what each means."""

    name: str
    model: str  # `all` for all of them together
    value: float
    low: float | None  # 95 % interval; null where it has none
    high: float | None
    count: int | None  # what it was measured on


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One step that asked."""

    step: str
    models: tuple[str, ...]  # each with its revision, where one is known
    questions: int
    failures: Mapping[str, int]  # reason -> questions without a readable answer
    measures: tuple[Measure, ...]  # empty where the step has no audit


def asked(manifest: Mapping[str, Any]) -> list[Asked]:
    """Every step that asked language models, in order."""
    return [
        Asked(
            step=entry["step"],
            models=tuple(_named(model) for model in entry["asked"]["models"]),
            questions=entry["asked"]["questions"],
            failures=entry["asked"]["failures"],
            measures=tuple(_measures(entry["audit"] or {}, is_alone=len(entry["asked"]["models"]) == 1)),
        )
        for segment in manifest["segments"]
        for entry in segment["marks"]
        if "asked" in entry
    ]


def _named(model: Mapping[str, Any]) -> str:
    return f"{model['model']} ({model['revision']})" if model["revision"] else str(model["model"])


def _measures(audit: Mapping[str, Any], *, is_alone: bool) -> Iterator[Measure]:
    """Of a model that was asked alone only what is measured over all, which is the same."""
    if "groups" not in audit:  # of a step that measures only a few figures of its own
        for name, value in audit.items():
            if value is not None:
                yield Measure(name=name, model=_ALL, value=value, low=None, high=None, count=None)
        return
    for group in audit["groups"]:
        if group["criterion"] != _ALL or group["language"] != _ALL or (is_alone and group["model"] != _ALL):
            continue
        for name, share in group["shares"].items():
            yield from _share(f"{group['kind']}: {name}", group["model"], share)
        if (preference := group["length_preference"]) is not None:
            yield Measure(name=f"{group['kind']}: length_preference", model=group["model"], count=None, **preference)
    for between in audit["between_models"]:
        if (between["criterion"], between["language"]) == (_ALL, _ALL) and between["alpha"] is not None:
            yield Measure(
                name=f"{between['kind']}: alpha between models",
                model=_ALL,
                value=between["alpha"],
                low=between["low"],
                high=between["high"],
                count=between["units"],
            )
    for canary in audit["canaries"]:
        if is_alone and canary["model"] != _ALL:
            continue
        yield from _share(
            f"{canary['kind']}: fooled by canaries ({canary['canary']})", canary["model"], canary["fooled"]
        )


def _share(name: str, model: str, share: Mapping[str, Any]) -> Iterator[Measure]:
    if share["share"] is not None:
        yield Measure(
            name=name, model=model, value=share["share"], low=share["low"], high=share["high"], count=share["total"]
        )
