"""What each step of a pipeline is worth, for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import JustifyMethod

from themis_data.report.tables import HEAD, LOUD, SOFT, console, count, fill, grid, say, visible

_RIGHT: JustifyMethod = "right"


def print_ablation(found: Mapping[str, Any]) -> None:
    """The whole pipeline's figures, then a line for each step that was left out."""
    to, whole = console(), found["whole"]
    fitted = " and ".join(f"{size:,}" for size in sorted(set(found["fitted_on"])))
    say(to, f"{visible(found['pipeline'])}: {visible(found['features'])}, models of {fitted} pairs", HEAD)
    table = grid("the whole pipeline", *((name, _RIGHT) for name in ("pairs", "right, %", "95 %")))
    fill(table, ["all pairs", *_of_share(whole["accuracy"])])
    fill(table, ["as if lengths were alike", "", *_of_mean(whole["length_balanced"])])
    for name in ("length alone", "tokens alone"):
        if name in whole:
            fill(table, [name, *_of_share(whole[name])])
    for by in ("criterion", "language"):
        for name, share in whole[f"by_{by}"].items():
            fill(table, [f"{by} {visible(name)}", *_of_share(share)])
    for name, share in (("in conflict by criterion", whole["conflicts"]), ("gold", whole.get("gold"))):
        if share is not None:
            fill(table, [name, *_of_share(share)])
    for name in ("shuffled_prompts", "swapped_criteria"):
        words = name.replace("_", " ")
        fill(table, [f"{words}: right", *_of_share(whole[name]["accuracy"])])
        fill(table, [f"{words}: other verdict", *_of_share(whole[name]["turned"])])
    to.print(table)
    if found["without"]:
        say(to, "")
        columns = ["drops", "pairs", "right, %", "worth", "95 %", "lengths alike", "95 %"]
        has_gold = "gold" in whole
        columns += ["on gold", "95 %"] if has_gold else []
        table = grid("without", *((name, _RIGHT) for name in columns))
        for step, own in found["without"].items():
            cells = [visible(step), f"{found['dropped'][step]:,}", f"{own['pairs']:,}", _of_share(own["accuracy"])[1]]
            cells += [*_of_mean(own["worth"], "+"), *_of_mean(own["worth_length_balanced"], "+")]
            cells += _of_mean(own.get("worth_on_gold"), "+") if has_gold else []
            fill(table, cells)
        to.print(table)
        say(to, "worth: points that models lose when the step is left out, on the pairs of the whole pipeline", SOFT)
    for step, why in found["failed"].items():
        say(to, f"without {visible(step)} nothing was built: {visible(why)}", LOUD)
    if found["gold_left_out"]:
        say(to, f"{count(found['gold_left_out'], 'gold pair')} that no build has were left out", LOUD)
    if whole["not_usable"]:
        say(to, f"{count(whole['not_usable'], 'pair')} of the whole pipeline had too many tokens", SOFT)


def _of_share(share: Mapping[str, Any] | None) -> list[str]:
    if share is None:
        return ["0", "-", "-"]
    return [f"{share['pairs']:,}", f"{100 * share['share']:.1f}", _interval(share)]


def _of_mean(mean: Mapping[str, Any] | None, sign: str = "") -> list[str]:
    return ["-", "-"] if mean is None else [f"{100 * mean['mean']:{sign}.1f}", _interval(mean, sign)]


def _interval(found: Mapping[str, Any], sign: str = "") -> str:
    return f"{100 * found['low']:{sign}.1f} to {100 * found['high']:{sign}.1f}"
