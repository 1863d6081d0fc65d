"""What publishing did, or would do, on stdout."""

from themis_data.publish.push import Published
from themis_data.report.tables import BAD, GOOD, HEAD, SOFT, console, count, fill, grid, say, visible

_MAX_FILES = 40


def print_published(made: Published, *, dry_run: bool) -> None:
    """Consumers' verdicts, files, steps and the card's header, or where the version is."""
    out = console()
    size = sum(file.bytes for file in made.files)
    say(out, f"{visible(made.to)} {visible(made.version)}: {count(len(made.files), 'file')}, {size / 1e6:.1f} MB", HEAD)
    table = grid(("consumer", "left"), ("configuration", "left"), ("rows", "right"), ("prompts", "right"),
                 ("same when cut", "right"), ("verdict", "left"))  # fmt: skip
    for verdict in made.verdicts:
        same = "not counted" if verdict.same_when_cut is None else f"{verdict.same_when_cut:,} at {verdict.cut:,}"
        cells = [
            verdict.consumer,
            verdict.config,
            f"{verdict.rows:,}",
            "" if verdict.prompts is None else f"{verdict.prompts:,}",
            "" if verdict.cut is None else same,
            "sees all",
        ]
        fill(table, cells)
    out.print(table)
    for name in made.skipped_checks:
        say(out, f"not checked: {visible(name)} (--skip-check)", BAD)
    if dry_run:
        for file in made.files[:_MAX_FILES]:
            say(out, f"  {file.bytes:>13,}  {file.sha256[:12]}  {visible(file.path)}", SOFT)
        if len(made.files) > _MAX_FILES:
            say(out, f"  and {len(made.files) - _MAX_FILES} more; --json lists them", SOFT)
        for number, step in enumerate(made.steps, 1):
            say(out, f"{number}. {visible(step)}")
        say(out, f"{len(made.steps) + 1}. record it in {visible(made.record)}")
        say(out, "card:", HEAD)
        say(out, visible(made.card_head, lines=True), SOFT)
        say(out, "nothing was sent (--dry-run)")
        return
    what = f"{count(made.sent, 'file')} sent" if made.sent else "all of it was there already"
    say(out, f"published: {visible(made.address)} ({what}; every hash compared)", GOOD)
    say(out, f"record: {visible(made.record)}")
