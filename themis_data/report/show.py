"""One row for a person to read: what was asked, the change as a coloured diff, and where it comes from."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from themis_data.errors import ThemisError
from themis_data.report.explain import Run, explain
from themis_data.report.tables import BAD, GOOD, HEAD, LOUD, SOFT, console, count, say, visible

_CONTEXT = 3  # unchanged lines around a changed one
_TEXT_LINES = 30  # of a prompt, unless all are asked for
_MOST_ROWS = 3  # that one commit or task led to
_LABEL = (
    "criterion",
    "also_matches",
    "language",
    "label_detail",
    "evidence",
    "strength",
    "changed_share",
    "system_kind",
    "prompt_by",
    "is_bot",
    "task",
    "entry_point",
    "demo_only",
)
_LINEAGE = (
    "source",
    "repository",
    "repos",
    "commit",
    "subject",
    "path",
    "committed_at",
    "license",
    "license_class",
    "old_blob",
    "new_blob",
    "parent_ids",
)


def print_row(folder: Path, id_: str, *, full: bool) -> None:
    """Print a pair, change or task of a run folder; for a commit, what came of it last.

    A row that was dropped is shown as it was when the step that dropped it saw it, with the reason. `full` shows whole
    files and texts. Raises ThemisError where nothing has the id, where several begin so, and for a commit that gave no
    row.
    """
    story = explain(folder, id_)
    if story["kind"] == "unknown":
        searched = story["searched"]
        raise ThemisError(
            f"no row and no commit begins with '{visible(id_)}', among {searched['commits']:,} commits "
            f"and {searched['rows']:,} rows; 'themis explain' says what was searched"
        )
    if story["ends"] == "not_emitted":
        step = next(step for step in story["steps"] if step["outcome"] == "not_emitted")
        why = f"{visible(step['reason'])}. {visible(step['explanation'])}"
        raise ThemisError(f"commit {story['id']} gave no change: {why}")
    run, out = Run(folder), console()
    wanted = [story["id"]] if story["kind"] != "commit" else list(_ends(story))
    for number, row_id in enumerate(wanted[:_MOST_ROWS]):
        if number:
            say(out, "")
        row = run.latest(row_id)
        if row is None:
            raise ThemisError(f"no shard of the build has the row {row_id}; run 'themis verify' on {folder}")
        subject = (story["commit"] or {}).get("subject")
        _print(out, {"subject": subject, **row}, [s for s in story["steps"] if s["row_id"] == row_id], full=full)
    for row_id in wanted[_MOST_ROWS:]:
        say(out, f"and {row_id}")


def _ends(story: dict[str, Any]) -> Iterator[str]:
    """Ids of the rows in which a story ends: published ones first, then those dropped."""
    for outcome in ("published", "dropped"):
        for step in story["steps"]:
            if step["outcome"] == outcome:
                yield step["row_id"]


def _print(out: Console, row: dict[str, Any], steps: list[dict[str, Any]], *, full: bool) -> None:
    kind = "task" if "solution" in row else "change" if "old_contents" in row else "pair"
    say(out, f"{kind} {row['row_id']}", HEAD)
    for step in steps:
        if step["outcome"] == "dropped":
            say(out, visible(step["explanation"]), LOUD, indent=2)
        elif step["outcome"] == "became":
            say(out, visible(step["explanation"]), indent=2)
        elif step["outcome"] == "published":
            say(out, f"published: {visible(step['detail'])}", GOOD, indent=2)
    _fields(out, row, _LABEL)
    for judgement in row.get("judgements") or ():
        say(out, f"{visible(judgement['kind']):<14} {visible(_said(judgement))}", indent=2)
    if kind == "change":
        _block(out, "message", row["message"], full=full)
        _diff(out, row["old_contents"], row["new_contents"], "before", "after", full=full)
    elif kind == "task":
        for name in ("prompt", "solution", "tests"):
            _block(out, name, row[name], full=full)
    else:
        if full:
            _block(out, "system", row.get("system"), full=full)
        _block(out, "prompt", row["prompt"], full=full)
        _diff(out, row["rejected"], row["chosen"], "rejected", "chosen", full=full)
    say(out, "lineage", HEAD)
    _fields(out, row, _LINEAGE)


def _fields(out: Console, row: dict[str, Any], names: Iterable[str]) -> None:
    """The columns of a row that it has and that say something, one a line."""
    for name in names:
        value = row.get(name)
        if value is None or value == [] or value is False or (name == "repository" and row["repos"] == value):
            continue
        if name == "committed_at":
            value = f"{value.isoformat()}Z"
        elif name == "strength":
            value = f"{value:g} {row['strength_unit']}"
        elif name == "changed_share":
            value = f"{value:.3f} of the lines"
        elif isinstance(value, list):
            value = ", ".join(value)
        say(out, f"{name:<14} {visible(value)}", indent=2)


def _said(judgement: dict[str, Any]) -> str:
    """What a model said, in words: its verdict or why there is none, and what it saw."""
    says = judgement["verdict"] or f"none ({judgement['failure']})"
    if judgement["rating"] is not None:
        says += f", {judgement['rating']} of 5"
    if judgement["probability"] is not None:
        says += f", {judgement['probability']:.2f} for chosen"
    if judgement["single_intent"] is False:
        says += ", several intents"
    shown = f", {judgement['shown_first']} shown first" if judgement["shown_first"] else ""
    return (
        f"{says}, by {judgement['criterion']} ({judgement['model']}{', blind' if judgement['is_blind'] else ''}{shown})"
    )


def _block(out: Console, title: str, text: str | None, *, full: bool) -> None:
    say(out, title, HEAD)
    if text is None:
        say(out, "none yet", SOFT, indent=2)
        return
    lines = visible(text, lines=True).rstrip("\n").split("\n")
    for line in lines if full else lines[:_TEXT_LINES]:
        say(out, line, indent=2)
    if len(lines) > _TEXT_LINES and not full:
        say(out, f"... and {count(len(lines) - _TEXT_LINES, 'more line')} (--full shows all)", SOFT, indent=2)


def _diff(out: Console, before: str, after: str, from_: str, to: str, *, full: bool) -> None:
    """A unified diff. Lines end at line feeds only; other line ends and invisible characters are written out, and where
    the sides differ in white space alone, that too."""
    say(out, f"{from_} -> {to}", HEAD)
    one, other = before.split("\n"), after.split("\n")
    context = max(len(one), len(other)) if full else _CONTEXT
    lines = list(difflib.unified_diff(one, other, from_, to, n=context, lineterm=""))
    is_blank = before.split() == after.split()
    for number, line in enumerate(lines):
        style = HEAD if number < 2 else {"+": GOOD, "-": BAD, "@": "cyan"}.get(line[:1], "")
        say(out, _blanks_shown(line) if is_blank else visible(line, lines=True), style)
    if not lines:
        say(out, "both sides are the same", LOUD)
    elif is_blank:
        say(out, "white space only: a tab is written as \\t, a blank at the end of a line as \u00b7", SOFT)


def _blanks_shown(line: str) -> str:
    stripped = line[:1] + line[1:].rstrip(" ")
    return visible(stripped) + "\u00b7" * (len(line) - len(stripped))
