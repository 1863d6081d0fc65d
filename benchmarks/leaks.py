"""How many planted leaks `drop_leaks` finds, how many clean prompts it drops, and what the stages on pairs cost.

    python benchmarks/leaks.py RUN_FOLDER [--each 25] [--seed 1] [--show]

RUN_FOLDER is that of a build of commit pairs; their prompts are the ones written by rule, which hold shared text only.
Leaks are planted into them, each into another pair's prompt: a changed line, a name that one side has, a phrase of the
commit message, and the defect named, in the words of another commit's subject that speaks of one. Clean prompts get an
unchanged line, a name that both sides have, or a requirement. `--show` prints what was missed or dropped wrongly.
"""

import argparse
import itertools
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.code.syntax import identifiers
from themis_data.fingerprint import uniform
from themis_data.schema import schema
from themis_data.stages.drop_leaks import DropLeaks
from themis_data.stages.drop_surface_pairs import DropSurfacePairs
from themis_data.stages.keep_same_wrapper import KeepSameWrapper
from themis_data.text.changes import line_changes

Row = dict[str, Any]
Draw = Callable[[Sequence[Any]], Any]
SPEAKS_OF_A_DEFECT = re.compile(
    r"\b(fix(es|ed)?|bugs?|leaks?|crash(es)?|wrong(ly)?|incorrect(ly)?|overflow|overrun|race|slow|vulnerab\w+|broken)\b",
    re.IGNORECASE,
)
REQUIREMENTS = (
    "It must handle empty input and give back an empty result.",
    "Large inputs are common, so it should be fast and use little memory.",
    "Write clean, readable code that is easy to maintain.",
    "Input may be hostile: treat it with care, and keep secrets safe.",
    "Return the number of items in the order in which they were given.",
    "It must not crash on malformed input; report an error to the caller.",
    "Release all resources on every path.",
    "Errors have to be raised with a message that says what was expected.",
)
RUNS = 5


# The pairs


def read_pairs(run: Path) -> list[Row]:
    """Pairs with a message, by row id; with a prompt where one could be written."""
    rows: dict[str, Row] = {}
    for path in sorted((run / "segments").glob("*/*.parquet")):
        if set(schema("pair").names) <= set(pq.read_schema(path).names):
            for row in pq.read_table(path, columns=schema("pair").names).to_pylist():
                if row["message"] is not None and (row["prompt"] is not None or row["row_id"] not in rows):
                    rows[row["row_id"]] = row
    return [rows[id_] for id_ in sorted(rows)]


def in_turn(rows: list[Row], seed: int) -> list[Row]:
    """The rows in an order drawn by the seed that takes one of each repository in turn."""
    by_group: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: uniform(seed, "order", row["row_id"])):
        by_group[row["group"]].append(row)
    turns = [(turn, group, row) for group, found in sorted(by_group.items()) for turn, row in enumerate(found)]
    return [row for _, _, row in sorted(turns, key=lambda turn: turn[:2])]


# What is planted


def copied_line(row: Row, rows: list[Row], draw: Draw) -> str | None:
    changes = line_changes(row["rejected"], row["chosen"])
    sides = (([t for _, t in changes.added], row["rejected"]), ([t for _, t in changes.removed], row["chosen"]))
    lines = [
        t for changed, other in sides for t in changed if len(t.split()) > 1 and squeezed(t) not in squeezed(other)
    ]
    if not lines:
        return None
    line = draw(lines).strip()
    ways = (
        f"```\n{line}\n```",
        f"It should contain `{line.rstrip(';,')}`.",
        re.sub(r"\s*([(=,])\s*", r" \1 ", line),
        line.upper(),
        f"Somewhere in it there is a line such as {line} or similar.",
    )
    return draw(ways)


def one_sided_name(row: Row, rows: list[Row], draw: Draw) -> str | None:
    old, new = (identifiers(row[side].encode(), row["language"]) for side in ("rejected", "chosen"))
    foreign = sorted(name for name in old ^ new if not (word(name, row["chosen"]) and word(name, row["rejected"])))
    if not foreign:
        return None
    name = draw(foreign)
    ways = (
        f"Use `{name}` for it.",
        f"It should have {name} where that is useful.",
        f"It calls {name}(...) where needed.",
        f"Remember {other_spelling(name)} as well.",
        f"Keep the {spoken(name)} in mind.",
    )
    return draw(ways)


def message_phrase(row: Row, rows: list[Row], draw: Draw) -> str | None:
    words = row["message"].split("\n\n")[0].split() if draw((0, 1)) else row["message"].split()
    if len(words) < 4:
        return None
    length = draw(range(4, min(8, len(words)) + 1))
    start = draw(range(len(words) - length + 1))
    phrase = " ".join(words[start : start + length])
    return draw((phrase, f"Please {phrase.lower()}.", phrase.upper(), re.sub(r"[^\w\s]", "", phrase)))


def named_defect(row: Row, rows: list[Row], draw: Draw) -> str | None:
    others = [other for other in rows if other["criterion"] == row["criterion"] and other["group"] != row["group"]]
    subjects = sorted({other["message"].partition("\n")[0] for other in others})
    subjects = [subject for subject in subjects if SPEAKS_OF_A_DEFECT.search(subject)]
    return f"Background: {draw(subjects)}." if subjects else None


def shared_line(row: Row, rows: list[Row], draw: Draw) -> str | None:
    lines = sorted(set(row["chosen"].split("\n")) & set(row["rejected"].split("\n")))
    lines = [line for line in lines if len(line.split()) > 2]
    return f"One of its lines is `{draw(lines).strip()}`." if lines else None


def shared_name(row: Row, rows: list[Row], draw: Draw) -> str | None:
    old, new = (identifiers(row[side].encode(), row["language"]) for side in ("rejected", "chosen"))
    return f"It uses `{draw(sorted(old & new))}`." if old & new else None


def requirement(row: Row, rows: list[Row], draw: Draw) -> str | None:
    return f"{draw(REQUIREMENTS)}"


def nothing(row: Row, rows: list[Row], draw: Draw) -> str | None:
    return ""


def squeezed(text: str) -> str:
    return "".join(text.split())


def word(name: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def parts(name: str) -> list[str]:
    return [part for part in re.split(r"_+|(?<=[a-z0-9])(?=[A-Z])", name) if part]


def other_spelling(name: str) -> str:
    found = parts(name)
    return "".join(part.capitalize() for part in found) if "_" in name else "_".join(part.lower() for part in found)


def spoken(name: str) -> str:
    return " ".join(part.lower() for part in parts(name))


LEAKS = (copied_line, one_sided_name, message_phrase, named_defect)
CLEAN = (nothing, shared_line, shared_name, requirement)


# The measurement


def planted(rows: list[Row], each: int, seed: int) -> list[tuple[str, bool, Row, str]]:
    """(kind, whether it leaks, row with the new prompt, what was planted); every row is used once."""
    made = []
    ordered = iter(in_turn([row for row in rows if row["prompt"] is not None], seed))
    for plant in (*LEAKS, *CLEAN):
        count = 0
        for row in ordered:
            text = plant(row, rows, drawer(seed, f"{plant.__name__} {row['row_id']}"))
            if text is None:
                continue
            made.append((plant.__name__, plant in LEAKS, row | {"prompt": f"{row['prompt']}\n{text}\n"}, text))
            count += 1
            if count == each:
                break
    return made


def drawer(seed: int, what: str) -> Draw:
    """Draws one of some options, another one each time it is called."""
    numbers = itertools.count()
    return lambda options: options[int(uniform(seed, what, str(next(numbers))) * len(options))]


def recall_and_precision(rows: list[Row], each: int, seed: int, *, show: bool) -> None:
    made = planted(rows, each, seed)
    table = pa.Table.from_pylist([row for _, _, row, _ in made], schema=schema("pair").arrow)
    found = DropLeaks().drop_reason(table).to_pylist()
    sizes, dropped = Counter(kind for kind, *_ in made), Counter[str]()
    by_reason: dict[str, Counter[str]] = defaultdict(Counter)
    for (kind, leaks, row, text), reason in zip(made, found, strict=True):
        dropped[kind] += reason is not None
        by_reason[kind][str(reason).partition(":")[0]] += 1
        if show and leaks != (reason is not None):
            print(
                f"  {'missed' if leaks else 'wrong'} {kind} [{row['language']}, {row['criterion']}]: {text!r} {reason}"
            )
    for kind, size in sizes.items():
        print(f"{kind}: {dropped[kind]} of {size} dropped; {dict(by_reason[kind])}")
    right = sum(dropped[plant.__name__] for plant in LEAKS)
    wrong = sum(dropped[plant.__name__] for plant in CLEAN)
    leaks = sum(sizes[plant.__name__] for plant in LEAKS)
    print(f"recall {right / leaks:.3f}, precision {right / (right + wrong):.3f}")


def speeds(rows: list[Row]) -> None:
    table = pa.Table.from_pylist(rows, schema=schema("pair").arrow)
    stages = (DropLeaks(), DropSurfacePairs(), KeepSameWrapper())
    times: dict[str, list[float]] = defaultdict(list)
    for run in range(RUNS + 1):
        for stage in stages:
            start = time.process_time()
            stage.drop_reason(table)
            if run:  # the first loads grammars
                times[type(stage).__name__].append(time.process_time() - start)
    for name, seconds in times.items():
        print(f"{name}: {len(rows) / statistics.median(seconds):.0f} pairs/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--each", type=int, default=25, help="prompts of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    all_pairs = read_pairs(given.run)
    rows = [row for row in all_pairs if row["prompt"] is not None]
    repositories = len({row["group"] for row in rows})
    reasons = DropLeaks().drop_reason(pa.Table.from_pylist(rows, schema=schema("pair").arrow)).to_pylist()
    print(
        f"{len(rows)} pairs of {repositories} repositories; as they are {len(rows) - reasons.count(None)} are dropped"
    )
    recall_and_precision(all_pairs, given.each, given.seed, show=given.show)
    speeds(rows)


if __name__ == "__main__":
    main()
