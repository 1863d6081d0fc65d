"""The score sheet of a reward model, and what it says of single answers, for people."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import JustifyMethod

from themis_data.report.tables import HEAD, LOUD, console, fill, grid, say, visible

if TYPE_CHECKING:
    from themis_data.evaluate.reward_model import Ranking

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


def print_lists(title: str, results: Mapping[str, Any]) -> None:
    """Hits and rank correlation of candidate lists, with their intervals, in all and by language."""
    to = console()
    say(to, visible(title), HEAD)
    right: JustifyMethod = "right"
    table = grid("lists", ("count", right), "figure", *((name, right) for name in ("value", "95 %", "by chance")))
    figures = (
        ("Hits@5, %", "hits_at_5", 100),
        ("Hits@10, %", "hits_at_10", 100),
        ("Spearman, median", "spearman_median", 1),
        ("Spearman, mean", "spearman_mean", 1),
        ("variance, mean", "reward_variance_mean", 1),
    )
    by_language = results["by_language"].items()
    for group, found in [("all", results["overall"]), *((f"language {value}", one) for value, one in by_language)]:
        for text, name, times in figures:
            if found[name] is not None:
                value, low, high = (f"{times * found[key]:.2f}" for key in (name, f"{name}_low", f"{name}_high"))
                chance = f"{100 * found[f'{name}_by_chance']:.2f}" if name.startswith("hits") else ""
                fill(table, [visible(group), f"{found['n_questions']:,}", text, value, f"{low} to {high}", chance])
    to.print(table)
    if cut := results["record"]["candidates_cut"]:
        say(to, f"{cut:,} candidates were cut to the limit of tokens before they were scored", LOUD)


def print_edits(title: str, results: Mapping[str, Any]) -> None:
    """Accuracy with the rejected side edited, beside that of the same pairs clean and of both sides edited."""
    to = console()
    say(to, visible(title), HEAD)
    names = ("pairs", "clean", "edited", "both", "change", "95 %", "gain")
    right: JustifyMethod = "right"
    table = grid("rejected side edited", *((name, right) for name in names))
    for edit, found in results["edits"].items():
        if "clean" not in found:
            fill(table, [edit, "0", *[""] * (len(names) - 1)])
            continue
        change = found["change"]
        cells = [edit, f"{change['count']:,}"]
        cells += [f"{100 * found[side]['accuracy']:.1f}" for side in ("clean", "rejected", "both")]
        cells += [f"{100 * change['difference']:+.1f}", f"{100 * change['low']:+.1f} to {100 * change['high']:+.1f}"]
        fill(table, [*cells, f"{found['reward_gain']:+.3f}"])
    to.print(table)
    clean, all_edits = results["clean"]["overall"], results["all"]["overall"]
    say(to, f"all pairs clean {100 * clean['accuracy']:.2f}, all edits {100 * all_edits['accuracy']:.2f}", indent=2)
    if cut := results["record"]["sides_cut"]:
        say(to, f"{cut:,} sides were cut to the limit of tokens before they were scored", LOUD)


def print_ranking(found: "Ranking") -> None:
    """The reward of one answer alone; of several, a table with the best first, and how sure the model is of it."""
    if found.lead is None:
        print(f"{found.rewards[0]:.4f}")
        return
    to = console()
    table = grid(("reward", "right"), "answer")
    for place in found.order:
        fill(table, [f"{found.rewards[place]:+.4f}", visible(found.names[place])])
    to.print(table)
    if found.lead == 0:
        say(to, "a tie: the first two have the same reward", LOUD)
        return
    first, second = (visible(found.names[place]) for place in found.order[:2])
    say(to, f"{first} before {second} by {found.lead:.4f}: preferred with probability {found.probability:.3f}")


def print_comparison(found: Mapping[str, Any]) -> None:
    """How this model differs from the other on the same pairs."""
    points, low, high = (f"{100 * found[name]:+.2f}" for name in ("difference", "low", "high"))
    alone = f"{found['only_first_right']:,} against {found['only_second_right']:,}"
    text = (
        f"against the other: {points} points ({low} to {high}), right alone {alone}, McNemar p {found['mcnemar_p']:.3g}"
    )
    say(console(), text, indent=2)
