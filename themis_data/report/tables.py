"""Tables on stdout: a plan, what a build made, and what a manifest records.

Everything mined goes through `visible`, and nothing printed here is read as markup.
"""

import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from themis_data.publish.asked import asked
from themis_data.publish.audit import ALL, MEASURES, balanced
from themis_data.publish.layouts import layout
from themis_data.publish.quotas import quotas

if TYPE_CHECKING:
    from themis_data.benchmark_index import IndexCounts
    from themis_data.build import Built
    from themis_data.upstream.doctor import Checked

WIDTH = 100  # columns where nobody looks at a terminal
LOUD, GOOD, BAD, HEAD, SOFT = "bold red", "green", "red", "bold", "dim"
# Controls, format characters (which turn the direction of text, or are invisible), lone surrogates, line separators.
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_COUNTED = {"source": "Source", "license": "Licence", "evidence": "Evidence", "system_kind": "System prompt"}
_LINE_ITEMS = 8  # of counts on one line
_TOLD = 20  # inputs that could not be read, named one by one
_LIST_ROWS = 15  # of a list of counts; all of them with --json


class _Visible(dict[int, str]):
    """For `str.translate`: what stands for a character, found when it is first met."""

    def __init__(self, kept: str) -> None:
        super().__init__({ord(character): character for character in kept})

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character) in _INVISIBLE:
            character = _SHORT.get(character) or _code(code)
        self[code] = character
        return character


def _code(code: int) -> str:
    """As Python and JSON write it."""
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ONE_LINE, _LINES = _Visible(kept=""), _Visible(kept="\n\t")


def visible(text: object, *, lines: bool = False) -> str:
    """Text that cannot steer a terminal: control and invisible characters are written out, for example as `\\x1b`.

    With `lines`, line feeds and tabs stay.
    """
    return str(text).translate(_LINES if lines else _ONE_LINE)


def console() -> Console:
    """Stdout as plain text: no markup, no emoji codes, at least 100 columns where it is no terminal."""
    made = Console(markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = max(WIDTH, made.width)
    return made


def say(out: Console, text: str, style: str = "", *, indent: int = 0) -> None:
    """One paragraph of our own words and already visible data."""
    out.print(Text(" " * indent + text, style=style), soft_wrap=True)


def grid(*columns: str | tuple[str, JustifyMethod]) -> Table:
    """A table without lines; a column is its title, or (title, alignment)."""
    table = Table(box=None, header_style=HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        title, justify = column if isinstance(column, tuple) else (column, "left")
        table.add_column(Text(title), justify=justify, overflow="fold", no_wrap=justify == "right")
    return table


def fill(table: Table, cells: Sequence[str | Text], style: str = "") -> None:
    """Add a row; plain strings are shown as they are."""
    table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells), style=style)


def share(part: float, whole: float) -> str:
    """Per cent with one digit; `<0.1 %` and `>99.9 %` where rounding would say none or all."""
    if not whole:
        return "-"
    text = f"{100 * part / whole:.1f}"
    if text == "0.0" and part > 0:
        text = "<0.1"
    elif text == "100.0" and part < whole:
        text = ">99.9"
    return f"{text} %"


def count(number: int, one: str) -> str:
    """`1 pair`, `2,000 pairs`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def decoded(value: Any) -> Any:
    """A setting out of a manifest as plain values; a fraction is held there as {"float": HEX}, exact to the bit."""
    if isinstance(value, Mapping):
        if set(value) == {"float"}:
            return float.fromhex(str(value["float"]))
        return {key: decoded(item) for key, item in value.items()}
    return [decoded(item) for item in value] if isinstance(value, list | tuple) else value


def setting(value: Any) -> str:
    """A setting as a pipeline would have it, on one line."""
    value = decoded(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping) and "class" in value and "model" in value:
        return visible(value.get("called") or value["model"])  # a language model, whose settings the manifest has
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{visible(key)}: {setting(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(setting(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else visible(value)


def settings(values: Mapping[str, Any]) -> str:
    """Settings of a step on one line, without the name of the stage; empty where it has none."""
    return ", ".join(f"{visible(name)}={setting(value)}" for name, value in values.items() if name != "use")


def print_plan(plan: Mapping[str, Any]) -> None:
    """The steps of a pipeline with their settings, and of each segment whether it would run and why."""
    out = console()
    say(out, f"{visible(plan['pipeline'])} -> {visible(plan['out'])} (seed {plan['seed']})", HEAD)
    to_run = 0
    track = None
    for segment in plan["segments"]:
        if segment["track"] != track:
            track = segment["track"]
            say(out, "")
            say(out, visible(track), HEAD)
        runs = segment["state"] != "unchanged"
        to_run += runs
        why = f": {visible(segment['why'])}" if segment["why"] else ""
        style = "yellow" if runs else GOOD
        say(out, f"{visible(segment['segment'])}  {visible(segment['state'])}{why}", style, indent=2)
        table = grid("", "", "")
        table.show_header = False
        for step in segment["steps"]:
            keeps = step["reads"] in (None, "", step["writes"])
            chain = step["writes"] if keeps else f"{step['reads']} -> {step['writes']}"
            values = settings(plan["settings"].get(step["id"], {}))
            fill(table, [f"    {_who(step['id'], step['use']):<22}", f"{visible(chain):<18}", values])
        out.print(table)
    say(out, "")
    say(out, f"writes {settings(plan['write'])}")
    total = len(plan["segments"])
    if to_run:
        say(out, f"{to_run} of {count(total, 'segment')} would run")
    else:
        say(out, f"nothing would run: all {count(total, 'segment')} are done and unchanged")


def _who(step: str, use: str) -> str:
    """A step by its id, with the name of its stage where that is another one."""
    return visible(step) if step == use else f"{visible(step)} ({visible(use)})"


def print_rest(probe: Mapping[str, Any] | None) -> None:
    """What the open questions of a step would take, of each model that was asked a few; null where none is open."""
    out = console()
    if probe is None:
        say(out, "no step has open questions to language models")
        return
    say(out, f"step {visible(probe['step'])}: what the open questions would take (expected, and 9 cases in 10)", HEAD)
    table = grid("model", "asked", "failed", "open", "tokens in", "tokens out", "USD", "hours", "GPU-hours")
    for rest in probe["models"]:
        amounts = [
            *(_amount(rest[name], "{:,.0f}") for name in ("tokens_in", "tokens_out")),
            *(_amount(rest[name], "{:,.2f}") for name in ("usd", "hours", "gpu_hours")),
        ]
        fill(table, [visible(rest["model"]), *(f"{rest[name]:,}" for name in ("asked", "failed", "open")), *amounts])
    out.print(table)


def _amount(range_: Sequence[float] | None, form: str) -> str:
    if range_ is None:
        return "unknown"
    low, expected, high = (form.format(number) for number in range_)
    return f"{expected} ({low} to {high})"


def print_built(built: "Built", folder: Path) -> None:
    """What a build made and where, what it could not read, and what to type next."""
    out = console()
    manifest = built.manifest
    rows = manifest["rows"]
    name = f"{visible(manifest['name'])} {visible(manifest['version'])}"
    say(out, f"{name}: {count(rows, 'pair')} in {visible(folder / 'dataset')}", HEAD if rows else LOUD)
    for title in ("criterion", "language", "source"):
        counted = manifest["counts"].get(title, {})
        if counted:
            shown = [f"{visible(key)} {number:,}" for key, number in _largest_first(counted)[:_LINE_ITEMS]]
            more = f", and {len(counted) - _LINE_ITEMS} more" if len(counted) > _LINE_ITEMS else ""
            say(out, f"{title}: {', '.join(shown)}{more}", indent=2)
    if built.shards_done:
        say(out, f"{count(built.shards_done, 'shard')} done, {built.shards_skipped:,} skipped as unchanged", indent=2)
    else:
        say(out, f"nothing had changed: all {count(built.shards_skipped, 'shard')} skipped", indent=2)
    if not rows:
        _say_where_rows_went(out, manifest["funnel"])
    _say_sample(out, manifest)
    _say_benchmark(out, manifest)
    _say_gates(out, manifest)
    _say_unreadable(out, built.unreadable)
    _say_warnings(out, manifest["sources"])
    say(out, "next:")
    for command in _next_commands(manifest, folder):
        say(out, command, indent=2)


def _next_commands(manifest: Mapping[str, Any], folder: Path) -> list[str]:
    place = shlex.quote(str(folder))
    commands = [f"themis inspect {place}"]
    for config in manifest["configs"].values():
        file = next((file["path"] for file in config["files"] if file["rows"]), None)
        if file is None:
            continue
        id_ = _first_id(folder / "dataset" / file, config["schema"])
        path = str(folder / "dataset" / file)
        code = f"import polars; print(polars.read_parquet({path!r}))"
        quoted = f'"{code}"' if shlex.quote(path) == path else shlex.quote(code)
        commands += [f"themis show {id_} --from {place}", f"themis explain {id_} --from {place}", f"python -c {quoted}"]
        break
    return commands


def _first_id(path: Path, schema_name: str) -> str:
    from themis_data.dataset import read_batches
    from themis_data.schema import schema

    key = schema(schema_name).key[0]
    return str(next(read_batches(path, [key]))[key][0].as_py())


def _say_where_rows_went(out: Console, funnel: Sequence[Mapping[str, Any]]) -> None:
    """Where a build ends in nothing, the step that lost most says more than the table of all of them."""
    lost = max(funnel, key=lambda f: sum(f["dropped"].values()), default=None)
    if lost is None or not any(lost["dropped"].values()):
        say(out, "No rows came in: see the warnings, and the source's settings", LOUD, indent=2)
        return
    reason, number = _largest_first(lost["dropped"])[0]
    say(
        out,
        f"Nothing is left. Most was dropped by {visible(lost['step'])}: {visible(reason)} {number:,} "
        f"of {lost['rows_in']:,}",
        LOUD,
        indent=2,
    )


def print_manifest(manifest: Mapping[str, Any]) -> None:
    """The funnel, counts, the surface audit, what each configuration holds and left out, and what could not be read."""
    out = console()
    rows = manifest["rows"]
    name = f"{visible(manifest['name'])} {visible(manifest['version'])}"
    say(out, f"{name}: {count(rows, 'pair')}", HEAD if rows else LOUD)
    say(out, f"built {visible(manifest['created_at'])} by themis_data {visible(manifest['tool'])}")
    say(out, f"seed {manifest['seed']}, fingerprint {visible(manifest['fingerprint'])}")
    unreadable = _unreadable(manifest["sources"])
    if unreadable:
        say(out, f"INCOMPLETE: {count(len(unreadable), 'input')} could not be read, see the end", LOUD)
    _print_sources(out, manifest["sources"])
    _print_funnel(out, manifest["funnel"])
    _print_license_costs(out, manifest.get("license_costs", []))
    _print_quotas(out, manifest)
    _print_counts(out, manifest["counts"])
    _print_splits(out, manifest.get("splits", {}))
    _print_audit(out, manifest)
    _print_asked(out, manifest)
    _print_configs(out, manifest["configs"])
    if not rows:
        _say_where_rows_went(out, manifest["funnel"])
    _say_sample(out, manifest)
    _say_benchmark(out, manifest)
    _say_gates(out, manifest)
    _say_warnings(out, manifest["sources"])
    _say_unreadable(out, unreadable)


def _title(out: Console, text: str) -> None:
    say(out, "")
    say(out, text, HEAD)


def _print_sources(out: Console, sources: Sequence[Mapping[str, Any]]) -> None:
    _title(out, "Sources")
    table = grid("", "", ("", "right"))
    table.show_header = False
    for source in sources:
        read = source["read"] if isinstance(source["read"], list) else [source["read"]]
        who = _who(source["step"], source["use"])
        for item in read[:_LIST_ROWS]:
            fill(table, [f"  {who}", *_read(item)])
            who = ""
        if not read:
            fill(table, [f"  {who}", Text("nothing", LOUD), ""])
        if len(read) > _LIST_ROWS:
            fill(table, ["", f"and {len(read) - _LIST_ROWS} more", ""], SOFT)
    out.print(table)


def _read(item: Any) -> tuple[str, str]:
    """What a source read, in short: its name, and how much of what, where the record has that."""
    if not isinstance(item, Mapping) or "name" not in item:
        return setting(item), ""
    amounts = [f"{value:,} {visible(key)}" for key, value in item.items() if isinstance(value, int)]
    return visible(item["name"]), ", ".join(amounts)


def _print_funnel(out: Console, funnel: Sequence[Mapping[str, Any]]) -> None:
    _title(out, "Funnel")
    table = grid("step", ("in", "right"), ("out", "right"), ("kept", "right"), ("seconds", "right"), "dropped")
    track, seen = None, set()
    for entry in funnel:
        if entry["track"] != track:
            track = entry["track"]
            fill(table, [visible(track), "", "", "", "", ""], HEAD)
        name = visible(entry["step"]) + (" (goes on)" if entry["step"] in seen else "")
        seen.add(entry["step"])
        fill(
            table,
            [
                f"  {name}",
                f"{entry['rows_in']:,}",
                f"{entry['rows_out']:,}",
                share(entry["parents_kept"], entry["rows_in"]),
                f"{entry['seconds']:.1f}",
                _dropped(entry),
            ],
        )
    out.print(table)
    say(out, "kept: share of the rows in that went on or became others; for a source, of what it looked at", SOFT)


def _dropped(entry: Mapping[str, Any]) -> Text:
    if not entry["rows_in"]:
        return Text("Nothing came in", LOUD)
    dropped = _largest_first(entry["dropped"])
    if not dropped:
        return Text("Nothing was dropped", SOFT)
    width = len(f"{dropped[0][1]:,}")
    return Text("\n".join(f"{number:>{width},} {visible(reason)}" for reason, number in dropped))


def _largest_first(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    """A record holds its keys in alphabetical order; people look for the large ones."""
    return sorted(((name, number) for name, number in counted.items() if number), key=lambda item: (-item[1], item[0]))


def _print_license_costs(out: Console, costs: Sequence[Mapping[str, Any]]) -> None:
    if not costs:
        return
    _title(out, "Dropped for their licence")
    table = grid("step", "reason", "licence", ("rows", "right"))
    for cost in costs[:_LIST_ROWS]:
        fill(table, [visible(cost["step"]), cost["reason"], visible(cost["detail"]), f"{cost['rows']:,}"])
    rest = sum(cost["rows"] for cost in costs[_LIST_ROWS:])
    if rest:
        fill(table, [f"and {len(costs) - _LIST_ROWS} more", "", "", f"{rest:,}"], SOFT)
    out.print(table)


def _print_quotas(out: Console, manifest: Mapping[str, Any]) -> None:
    listed = quotas(manifest)
    if not listed:
        return
    _title(out, "Quotas")
    table = grid("slice", ("wanted", "right"), ("found", "right"), "taken instead", "where it falls short")
    for quota in listed:
        instead = ", ".join(f"{number:,} of {visible(source)}" for source, number in quota.refilled.items())
        found = Text(f"{quota.found:,}", LOUD if quota.found < quota.wanted else "")
        fill(table, [visible(quota.slice), f"{quota.wanted:,}", found, instead, quota.when_short])
    out.print(table)


def _print_splits(out: Console, splits: Mapping[str, Any]) -> None:
    """Where there is more than one split: the rows of each, and what can be in one of them only."""
    rows = splits.get("rows", {})
    if len(rows) < 2 or not splits["largest_component"]:
        return
    _title(out, "Splits")
    table = grid("slice", *((visible(name), "right") for name in rows))
    for name, of_slice in {**splits["slices"], "all": rows}.items():
        fill(table, [visible(name), *(f"{of_slice[split]:,}" for split in rows)])
    out.print(table)
    largest = splits["largest_component"]
    say(
        out,
        f"{count(splits['components'], 'component')} of what shares a repository, a problem or a version of a file, "
        f"each in one split; the largest has {count(largest['rows'], 'pair')} and is in {visible(largest['split'])}",
        SOFT,
    )


def _print_counts(out: Console, counts: Mapping[str, Mapping[str, int]]) -> None:
    _title(out, "Criterion by language")
    slices = {tuple(name.split(" / ", 1)): number for name, number in counts["criterion_language"].items()}
    if not slices:
        say(out, "nothing")
        return
    languages = [language for language, _ in _largest_first(counts["language"])]
    for chunk in _chunks(languages, out.width):
        is_last = chunk[-1] == languages[-1]
        titles: list[tuple[str, JustifyMethod]] = [(visible(language), "right") for language in chunk]
        if is_last:
            titles.append(("all", "right"))
        table = grid("", *titles)
        for criterion, total in _largest_first(counts["criterion"]):
            cells = [slices.get((criterion, language), 0) for language in chunk]
            fill(
                table,
                [
                    visible(criterion),
                    *(f"{number:,}" if number else "-" for number in cells),
                    *([f"{total:,}"] if is_last else []),
                ],
            )
        sums = [counts["language"][language] for language in chunk]
        fill(
            table,
            [
                "all",
                *(f"{number:,}" for number in sums),
                *([f"{sum(counts['criterion'].values()):,}"] if is_last else []),
            ],
            HEAD,
        )
        out.print(table)
        if not is_last:
            say(out, "")
    for name, title in _COUNTED.items():
        if name in counts:
            _title(out, title)
            _print_shares(out, counts[name])


def _chunks(names: Sequence[str], width: int) -> Iterable[list[str]]:
    """Columns cut so that each table fits: the criterion's name takes 33, a language its name or a number."""
    chunk: list[str] = []
    used = 33
    for name in names:
        need = max(len(visible(name)), 7) + 2
        if chunk and used + need > width - 9:  # the last column has the totals
            yield chunk
            chunk, used = [], 33
        chunk.append(name)
        used += need
    if chunk:
        yield chunk


def _print_shares(out: Console, counted: Mapping[str, int]) -> None:
    total = sum(counted.values())
    table = grid("", ("pairs", "right"), ("share", "right"))
    table.show_header = False
    listed = _largest_first(counted)
    for name, number in listed[:_LIST_ROWS]:
        fill(table, [f"  {visible(name)}", f"{number:,}", share(number, total)])
    rest = sum(number for _, number in listed[_LIST_ROWS:])
    if rest:
        fill(table, [f"  and {len(listed) - _LIST_ROWS} more", f"{rest:,}", share(rest, total)], SOFT)
    out.print(table)


def _print_audit(out: Console, manifest: Mapping[str, Any]) -> None:
    _title(out, "Surface: how often the chosen side is named without reading it")
    audit = manifest["audit"]
    slices = [a for a in audit if a["language"] == ALL == a["source"] or _accuracies(a)]
    if not slices:
        say(out, "nothing to measure")
        return
    columns = ("pairs", "longer", "length", "by size", "surface", "words")
    table = grid("slice", *((column, "right") for column in columns))
    for entry in slices:
        found = _accuracies(entry)
        name = " / ".join(visible(entry[cut]) for cut in ("source", "criterion", "language") if entry[cut] != ALL)
        figures = [_interval(found[measure]) if measure in found else Text("too few", SOFT) for measure in MEASURES]
        if not found:
            figures[0] = Text(share(entry["length_accuracy"], 1))
        fill(table, [name or ALL, f"{entry['pairs']:,}", share(entry["chosen_longer"], 1), *figures])
    out.print(table)
    say(out, "per cent (95 % interval); 50 is chance, red where the interval lies above. length: the better of", SOFT)
    say(out, "'longer wins' and 'shorter wins'; the others are measured on groups they were not chosen on", SOFT)
    thin = len(audit) - len(slices)
    if thin:
        say(out, f"{count(thin, 'slice')} with too few pairs left out; --json has all", SOFT)
    for step in balanced(manifest):
        say(
            out, f"{visible(step.step)} dropped {step.dropped:,} of {count(step.rows, 'pair')}: {visible(step.reasons)}"
        )


def _accuracies(entry: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {measure["name"]: measure for measure in entry["measures"] if measure["accuracy"] is not None}


def _interval(measure: Mapping[str, Any]) -> Text:
    accuracy, low, high = (100 * measure[name] for name in ("accuracy", "low", "high"))
    return Text(f"{accuracy:.0f} ({low:.0f}-{high:.0f})", LOUD if low > 50 else "")


def _print_asked(out: Console, manifest: Mapping[str, Any]) -> None:
    for step in asked(manifest):
        _title(out, f"Asked by {visible(step.step)}: {', '.join(map(visible, step.models))}")
        lost = ", ".join(f"{number:,} {visible(reason)}" for reason, number in step.failures.items())
        say(out, f"{count(step.questions, 'question')}, without a readable answer: {lost or 'none'}", indent=2)
        table = grid("", "", ("", "right"), "", ("", "right"))
        table.show_header = False
        for measure in step.measures:
            between = "" if measure.low is None else f"{measure.low:.3f} to {measure.high:.3f}"
            of = "" if measure.count is None else f"of {measure.count:,}"
            fill(table, [f"  {visible(measure.name)}", visible(measure.model), f"{measure.value:.3f}", between, of])
        out.print(table)


def _print_configs(out: Console, configs: Mapping[str, Mapping[str, Any]]) -> None:
    _title(out, "Configurations")
    table = grid("name", "folder", ("files", "right"), ("rows", "right"), ("left out", "right"), ("MB", "right"))
    for name, config in configs.items():
        left_out = Text(f"{config['left_out']:,}", LOUD if config["left_out"] else "")
        size = f"{sum(file['bytes'] for file in config['files']) / 1e6:.1f}"
        files = f"{len(config['files']):,}"
        fill(table, [visible(name), visible(config["folder"]), files, f"{config['rows']:,}", left_out, size])
    out.print(table)
    for name, config in configs.items():
        if config["left_out"]:
            say(out, f"left out of {visible(name)}: {layout(name).lacks}; the others have them")


def _say_sample(out: Console, manifest: Mapping[str, Any]) -> None:
    if manifest.get("limit") is not None:
        say(out, f"a sample: {count(manifest['limit'], 'unit')} of each source (--limit)", "yellow", indent=2)


def _say_benchmark(out: Console, manifest: Mapping[str, Any]) -> None:
    number = manifest["counts"].get("demo_only", {}).get("true", 0)
    if number:
        say(
            out,
            f"{count(number, 'pair')} of benchmark material (demo_only): for trying the tool, not for training",
            "yellow",
            indent=2,
        )


def _say_gates(out: Console, manifest: Mapping[str, Any]) -> None:
    from themis_data.publish.gates import gates

    for gate in gates(manifest):
        if not gate.is_on:
            say(out, f"not checked: {gate.checks} ({gate.stage}: {visible(gate.state)})", "yellow", indent=2)


def _unreadable(sources: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((str(what), str(why)) for source in sources for what, why in source["unreadable"]))


def _say_unreadable(out: Console, unreadable: Iterable[tuple[str, str]]) -> None:
    named = list(dict.fromkeys(unreadable))
    for what, why in named[:_TOLD]:
        say(out, f"COULD NOT BE READ and is left out: {visible(what)}: {visible(why)}", LOUD)
    if len(named) > _TOLD:
        say(out, f"and {count(len(named) - _TOLD, 'input')} more, which the manifest names", LOUD)


def _say_warnings(out: Console, sources: Sequence[Mapping[str, Any]]) -> None:
    for source in sources:
        for warning in source["warnings"]:
            say(out, f"WARNING: {visible(source['step'])}: {visible(warning)}", "bold yellow")


def print_checked(checked: "Iterable[Checked]") -> int:
    """A line for each upstream data set, as it is found; gives how the process should end: 1 where one has changed."""
    out = console()
    counts: Counter[str] = Counter()
    for one in checked:
        counts[one.status] += 1
        style = {"ok": GOOD, "changed schema": LOUD}.get(one.status, SOFT)
        say(out, f"{one.status:<14} {visible(one.name)}: {visible(one.detail)}", style)
    say(out, ", ".join(f"{number} {status}" for status, number in sorted(counts.items())))
    return 1 if counts["changed schema"] else 0


def print_index(counts: "IndexCounts", path: Path) -> None:
    """What an index of benchmarks holds and what it leaves out."""
    out = console()
    table = grid("benchmark", ("items", "right"))
    for name, number in sorted(counts.benchmarks.items()):
        fill(table, [visible(name), f"{number:,}"])
    out.print(table)
    say(out, f"{visible(path)}: {count(counts.items, 'item')}, {count(counts.problem_keys, 'problem key')}")
    say(
        out,
        f"{count(counts.prompts, 'prompt')}: {count(counts.ngrams, 'n-gram')}; left out as licence text "
        f"{counts.license_ngrams:,}, as bare digits and letters {counts.bare_ngrams:,}, "
        f"too short {count(counts.short_prompts, 'prompt')}",
        indent=2,
    )
    say(
        out,
        f"{count(counts.responses, 'response')}: {count(counts.definitions, 'definition')}, "
        f"{count(counts.signatures, 'signature')}; of no known language {counts.responses_without_language:,}, "
        f"that the parser cannot read {counts.unparsable_responses:,}",
        indent=2,
    )
