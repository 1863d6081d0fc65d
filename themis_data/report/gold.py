"""What people say of pairs, to hold labels and judges to: a blind sample to label, and the labels read back.

The sheet has the sides as A and B in an order that is drawn for each pair, and nothing that tells which is which: on
reading, the texts themselves say it. It is for a spreadsheet (CSV) or for Argilla (JSON Lines).
"""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from rich.console import Console

from themis_data import criteria
from themis_data.dataset import write_tables
from themis_data.errors import ThemisError
from themis_data.fingerprint import uniform
from themis_data.llm.agreement import Coincidences, Share, fold_of
from themis_data.llm.audit import ALL, VERDICTS, majorities
from themis_data.manifest import write_atomically, write_record
from themis_data.report.explain import Run
from themis_data.report.finished import last_rows
from themis_data.report.tables import HEAD, SOFT, console, count, fill, grid, say, visible
from themis_data.schema import schema

PER_CELL = 20  # pairs of a criterion in a language
MAX_CELL_CHARS = 32_767  # Excel cuts the text of a cell there, without a word
_TEXTS = ("row_id", "criterion", "definition", "language", "prompt", "A", "B")
_ANSWERS = ("better", "criterion_right", "labeller", "note")
_BETTER = ("A", "B", "tie", "unsure")
_RIGHT = {"yes": True, "no": False}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet runs, or cuts, a cell that begins with one of these
_QUOTE = "'"
_MOST_FAULTS = 10  # told at once
_PAIR = ("row_id", "criterion", "language", "prompt", "chosen", "rejected")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What went into a sheet."""

    pairs: int
    cells: dict[tuple[str, str], tuple[int, int]]  # criterion, language -> pairs drawn, pairs there are
    too_long: int  # pairs that no cell of a spreadsheet holds


def export_gold(folder: Path, out: Path, *, per_cell: int = PER_CELL, seed: int = 0) -> Exported:
    """Write a sheet of pairs of a finished build to label: as many of each criterion in each language.

    `out` ends in .csv, or in .jsonl for Argilla: each line is what `rg.Record.from_dict` takes, for a data set with the
    text fields criterion, prompt, answer_a and answer_b, the term metadata language, and the label questions better (A,
    B, tie, unsure) and criterion_right (yes, no). Which pairs, in which order, and which side is A is drawn from the
    seed and the ids. Raises ThemisError for another ending, and where the
    build has no pairs; ManifestError where there is no finished build.
    """
    if out.suffix not in (".csv", ".jsonl"):
        raise ThemisError(f"{out}: a sheet is a .csv file for spreadsheets or a .jsonl file for Argilla")
    run = Run(folder)
    drawn: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    there: Counter[tuple[str, str]] = Counter()
    too_long = 0
    for rows in _pairs(run, _PAIR):
        for row in rows.iter_rows(named=True):
            cell = row["criterion"], row["language"]
            there[cell] += 1
            longest = max(len(_escaped(row[name] or "")) for name in ("prompt", "chosen", "rejected"))
            if longest > MAX_CELL_CHARS or _plain(row["chosen"]) == _plain(row["rejected"]):
                too_long += 1
                continue
            drawn[cell].append((uniform(seed, "gold", row["row_id"]), row["row_id"]))
    if not there:
        raise ThemisError(f"{folder}: the build has no pairs to label; 'themis inspect' says where its rows went")
    ids = {row_id for own in drawn.values() for _, row_id in sorted(own)[:per_cell]}
    picked = [
        row for rows in _pairs(run, _PAIR) for row in rows.filter(pl.col("row_id").is_in(ids)).iter_rows(named=True)
    ]
    picked.sort(key=lambda row: (uniform(seed, "gold order", row["row_id"]), row["row_id"]))
    lines = [_line(row, seed) for row in picked]
    text = _csv(lines) if out.suffix == ".csv" else "".join(_argilla(line) for line in lines)
    # Excel takes a file without this mark for one in the local code page.
    write_atomically(out, text.encode("utf-8-sig" if out.suffix == ".csv" else "utf-8"))
    cells = {cell: (min(per_cell, len(drawn[cell])), there[cell]) for cell in sorted(there)}
    return Exported(pairs=len(lines), cells=cells, too_long=too_long)


def _pairs(run: Run, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """These columns of the published rows; `judgements` is null where a build of an earlier version has none."""
    for rows in last_rows(run, columns):
        lacking = [name for name in columns if name not in rows.columns and name != "judgements"]
        if lacking:
            raise ThemisError(f"{run.folder.root}: the build ends in rows that are no pairs; they lack {lacking}")
        yield rows if "judgements" in rows.columns else rows.with_columns(judgements=pl.lit(None))


def _line(row: Mapping[str, Any], seed: int) -> dict[str, str]:
    criterion = criteria.by_name(row["criterion"])
    sides = [row["chosen"], row["rejected"]]
    if uniform(seed, "gold side", row["row_id"]) < 0.5:
        sides.reverse()
    texts = (row["row_id"], criterion.title, criterion.definition, row["language"], row["prompt"] or "", *sides)
    return dict(zip(_TEXTS, texts, strict=True))


def _csv(lines: Iterable[Mapping[str, str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow([*_TEXTS, *_ANSWERS])
    for line in lines:
        writer.writerow([*(_escaped(line[name]) for name in _TEXTS), *("" for _ in _ANSWERS)])
    return out.getvalue()


def _escaped(text: str) -> str:
    """A cell that no spreadsheet takes for a formula. A quote is added also to a text that begins with one."""
    return _QUOTE + text if text.startswith((*_FORMULA, _QUOTE)) else text


def _unescaped(text: str) -> str:
    return text.removeprefix(_QUOTE)


def _argilla(line: Mapping[str, str]) -> str:
    # Argilla takes lower-case names only, and no empty text.
    fields = {
        "criterion": f"{line['criterion']}: {line['definition']}",
        "prompt": line["prompt"] or "(none)",
        "answer_a": line["A"],
        "answer_b": line["B"],
    }
    content = {
        "id": line["row_id"],
        "fields": fields,
        "metadata": {"language": line["language"]},
        "suggestions": {},
        "responses": {},
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


@dataclass(frozen=True, kw_only=True)
class _Label:
    """What one person said of one pair, as the sheet has it."""

    where: str
    row_id: str
    labeller: str
    better: str  # A, B, tie or unsure
    is_criterion_right: bool | None
    prompt: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Gold:
    """What people said of pairs: a row a pair (schema `gold`), and what that says of labels and judges."""

    table: pa.Table
    report: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        """chosen, rejected or tie, by row id; pairs of which all were unsure are not there."""
        rows = zip(self.table["row_id"].to_pylist(), self.table["verdict"].to_pylist(), strict=True)
        return {row_id: verdict for row_id, verdict in rows if verdict is not None}


def read_gold_sheets(sheets: Sequence[Path], folder: Path) -> Gold:
    """The labels of one or several sheets, held to the build that they were exported from.

    A sheet is CSV, or what Argilla's `records.to_json` wrote. Several people may label the same pairs: in a sheet each
    with their name in `labeller`, or a row each; without a name the file's stands for it. Lines without an answer are
    passed over. Raises ThemisError with every fault of the sheets: a wrong value, an id that the build does not have, a
    text that is not what was exported, two answers of one person about one pair.
    """
    labels, faults, blank = [], list[str](), 0
    for sheet in sheets:
        for found in _read_json(sheet) if sheet.suffix in (".json", ".jsonl") else _read_csv(sheet):
            if isinstance(found, str):
                faults.append(found)
            elif found is None:
                blank += 1
            else:
                labels.append(found)
    wanted = {label.row_id for label in labels}
    frames = [rows.filter(pl.col("row_id").is_in(wanted)) for rows in _pairs(Run(folder), (*_PAIR, "judgements"))]
    pairs = {row["row_id"]: row for rows in frames for row in rows.iter_rows(named=True)}
    said: dict[str, dict[str, tuple[str, bool | None]]] = defaultdict(dict)
    for label in labels:
        fault, verdict = _verdict(label, pairs.get(label.row_id))
        if fault is None and label.labeller in said[label.row_id]:
            fault = f"{visible(label.labeller)} judged the pair {label.row_id} before; leave one of both answers"
        if fault is not None:
            faults.append(f"{label.where}: {fault}")
        else:
            said[label.row_id][label.labeller] = verdict, label.is_criterion_right
    if faults:
        more = f"\nand {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        raise ThemisError("\n".join(faults[:_MOST_FAULTS]) + more)
    if not said:
        raise ThemisError(f"{', '.join(map(str, sheets))}: no line has an answer in the column 'better'")
    table = _table(pairs, said)
    return Gold(table=table, report=_report(table, pairs, said, blank=blank))


def _read_csv(sheet: Path) -> Iterator[_Label | str | None]:
    """Labels; None for a line without an answer, a sentence for one that cannot be read."""
    try:
        text = sheet.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ThemisError(f"{sheet}: cannot be read as UTF-8 ({error}); save it as 'CSV UTF-8'") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)  # spreadsheets write the one of their country
    try:
        lines = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise ThemisError(f"{sheet}: is no CSV file ({error})") from error
    needed = ("row_id", "prompt", "A", "B", "better")
    lacking = [name for name in needed if name not in (lines[0] if lines else {})]
    if lacking:
        raise ThemisError(f"{sheet}: lacks the columns {', '.join(lacking)}; export a sheet and fill that in")
    for number, line in enumerate(lines, start=2):
        cells = {name: value or "" for name, value in line.items() if isinstance(name, str)}
        texts = {name: _unescaped(cells[name]) for name in ("prompt", "A", "B")}
        labeller = cells.get("labeller", "").strip() or sheet.stem
        yield _label(
            f"{sheet}, row {number}",
            cells["row_id"].strip(),
            labeller,
            (cells["better"], cells.get("criterion_right", "")),
            (texts["prompt"], texts["A"], texts["B"]),
        )


def _read_json(sheet: Path) -> Iterator[_Label | str | None]:
    """The same of Argilla's records: each answer of each person is a label of its own."""
    try:
        text = sheet.read_text(encoding="utf-8")
        records = json.loads(text) if text.lstrip().startswith("[") else list(map(json.loads, text.splitlines()))
    except (OSError, ValueError) as error:
        raise ThemisError(f"{sheet}: cannot be read ({error}); expected what Argilla's to_json writes") from error
    for number, record in enumerate(records, start=1):
        where = f"{sheet}, record {number}"
        try:
            fields, responses = record["fields"], record.get("responses") or {}
            prompt = "" if fields["prompt"] == "(none)" else fields["prompt"]
            texts = (prompt, fields["answer_a"], fields["answer_b"])
            right = {said["user_id"]: said["value"] for said in responses.get("criterion_right", ())}
            better = {said["user_id"]: said["value"] for said in responses.get("better", ())}
            row_id = str(record["id"])
        except (KeyError, TypeError, AttributeError) as error:
            yield f"{where}: lacks {error}; expected id, fields and responses as Argilla's to_json writes them"
            continue
        if not better:
            yield None
        for person, value in better.items():
            yield _label(where, row_id, str(person), (str(value), str(right.get(person) or "")), texts)


def _label(
    where: str, row_id: str, labeller: str, answers: tuple[str, str], texts: tuple[str, str, str]
) -> _Label | str | None:
    better, right = (answer.strip().lower() for answer in answers)
    if not better:
        return None
    known = {value.lower(): value for value in _BETTER}
    if better not in known:
        return f"{where}: better is {visible(answers[0])!r}; expected A, B, tie or unsure"
    if right and right not in _RIGHT:
        return f"{where}: criterion_right is {visible(answers[1])!r}; expected yes, no or nothing"
    return _Label(
        where=where,
        row_id=row_id,
        labeller=labeller,
        better=known[better],
        is_criterion_right=_RIGHT.get(right),
        prompt=texts[0],
        a=texts[1],
        b=texts[2],
    )


def _verdict(label: _Label, pair: Mapping[str, Any] | None) -> tuple[str | None, str]:
    """What is wrong with a label, and what it says: chosen, rejected, tie or unsure."""
    if pair is None:
        return f"the build has no pair {visible(label.row_id)}; read the sheet with the folder it was made from", ""
    chosen, rejected = _plain(pair["chosen"]), _plain(pair["rejected"])
    sides = (_plain(label.a), _plain(label.b))
    if sides not in ((chosen, rejected), (rejected, chosen)):
        wrong = " and ".join(name for name, side in zip("AB", sides, strict=True) if side not in (chosen, rejected))
        return f"{wrong or 'A and B'} of the pair {label.row_id} is not the text that was exported; restore it", ""
    if _plain(label.prompt) != _plain(pair["prompt"] or ""):
        return f"the prompt of the pair {label.row_id} is not the text that was exported; restore it", ""
    if label.better not in ("A", "B"):
        return None, label.better
    return None, "chosen" if (label.better == "A") == (sides == (chosen, rejected)) else "rejected"


def _plain(text: str) -> str:
    """Text as it comes back from a spreadsheet: these write their own line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


_Said = Mapping[str, Mapping[str, tuple[str, bool | None]]]  # row id -> labeller -> verdict, whether the criterion fits


def _table(pairs: Mapping[str, Mapping[str, Any]], said: _Said) -> pa.Table:
    rows = []
    for row_id, answers in sorted(said.items()):
        counts = Counter(verdict for verdict, _ in answers.values())
        rights = Counter(is_right for _, is_right in answers.values())
        most = max(counts[verdict] for verdict in VERDICTS)
        leading = [verdict for verdict in VERDICTS if counts[verdict] == most]
        rows.append(
            {name: pairs[row_id][name] for name in _PAIR}
            | {f"num_{verdict}": counts[verdict] for verdict in (*VERDICTS, "unsure")}
            | {"num_criterion_right": rights[True], "num_criterion_wrong": rights[False]}
            | {"verdict": None if not most else leading[0] if len(leading) == 1 else "tie"}
        )
    return schema("gold").table({name: [row[name] for row in rows] for name in schema("gold").names})


def _report(table: pa.Table, pairs: Mapping[str, Mapping[str, Any]], said: _Said, *, blank: int) -> dict[str, Any]:
    """Agreement of people with the label, with one another and with each model, cut by criterion and language.

    People are numbered, not named.
    """
    rows = [row | {"said": said[row["row_id"]]} for row in table.to_pylist()]
    people = sorted({person for answers in said.values() for person in answers})
    models = _model_verdicts(pairs.values())
    groups = []
    for cut in ((), ("criterion",), ("language",), ("criterion", "language")):
        cells: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            cells[tuple(row[name] if name in cut else ALL for name in ("criterion", "language"))].append(row)
        for (criterion, language), own in sorted(cells.items()):
            groups.append({"criterion": criterion, "language": language, **_group(own, models)})
    labellers = [
        {
            "labeller": number,
            "pairs": sum(person in answers for answers in said.values()),
            "chosen": Share.of(
                _of([answers[person][0]] if person in answers else [], "chosen", VERDICTS) for answers in said.values()
            ).record(),
        }
        for number, person in enumerate(people, start=1)
    ]
    return {"pairs": len(rows), "lines_without_answer": blank, "labellers": labellers, "groups": groups}


def _group(rows: Sequence[Mapping[str, Any]], models: Mapping[tuple[str, str], Mapping[str, str]]) -> dict[str, Any]:
    answers = [[verdict for verdict, _ in row["said"].values()] for row in rows]
    rights = [[is_right for _, is_right in row["said"].values()] for row in rows]
    between = Coincidences(len(VERDICTS), "nominal")
    between.add(
        np.array([fold_of(row["row_id"]) for row in rows], np.int64),
        np.array([[own.count(verdict) for verdict in VERDICTS] for own in answers], np.int64),
    )
    verdicts = {row["row_id"]: row["verdict"] for row in rows if row["verdict"] is not None}
    return {
        "pairs": len(rows),
        "answers": {verdict: sum(own.count(verdict) for own in answers) for verdict in (*VERDICTS, "unsure")},
        "chosen": Share.of(_of(own, "chosen", VERDICTS) for own in answers).record(),
        "chosen_of_sides": Share.of(_of(own, "chosen", ("chosen", "rejected")) for own in answers).record(),
        "criterion_right": Share.of((own.count(True), own.count(True) + own.count(False)) for own in rights).record(),
        "between_people": between.record(),
        "models": [
            {
                "kind": kind,
                "model": model,
                "agrees": Share.simple(
                    sum(judged[row_id] == verdict for row_id, verdict in verdicts.items() if row_id in judged),
                    sum(row_id in judged for row_id in verdicts),
                ).record(),
            }
            for (kind, model), judged in sorted(models.items())
        ],
    }


def _of(answers: Sequence[str], hit: str, counted: Sequence[str]) -> tuple[int, int]:
    return answers.count(hit), sum(answer in counted for answer in answers)


def _model_verdicts(pairs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, str]]:
    """What most answers of each model say of each pair, by the pair's criterion: (kind, model) -> row id -> verdict."""
    names = ("kind", "model", "verdict")
    rows = [
        {"row_id": pair["row_id"], **{name: said[name] for name in names}}
        for pair in pairs
        for said in pair["judgements"] or ()
        if said["criterion"] == pair["criterion"]
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("row_id", *names), pl.String))
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in majorities(frame, "row_id", "kind", "model").iter_rows(named=True):
        found[row["kind"], row["model"]][row["row_id"]] = row["majority"]
    return found


def write_gold(gold: Gold, place: Path) -> None:
    """Write `gold.json` (verdicts by row id, which a judge's limits can be held to, and the report) and `gold.parquet`
    (the pairs themselves, schema `gold`) into a folder."""
    place.mkdir(parents=True, exist_ok=True)
    write_tables(place / "gold.parquet", schema("gold").arrow, [gold.table], relative_to=place)
    write_record(place / "gold.json", {"verdicts": gold.verdicts, "report": gold.report})


def print_exported(exported: Exported, out: Path) -> None:
    """What went into a sheet, and how to fill it in."""
    to = console()
    say(to, f"{count(exported.pairs, 'pair')} in {visible(out)}", HEAD)
    table = grid("criterion", "language", ("drawn", "right"), ("there are", "right"))
    for (criterion, language), (drawn, there) in exported.cells.items():
        fill(table, [visible(criterion), visible(language), f"{drawn:,}", f"{there:,}"])
    to.print(table)
    if exported.too_long:
        say(to, f"{count(exported.too_long, 'pair')} left aside: a cell of a spreadsheet does not hold them", SOFT)
    say(
        to, "fill in better (A, B, tie or unsure), criterion_right (yes or no) and labeller, change nothing else, then:"
    )
    say(to, f"themis gold read {visible(out)} --from FOLDER", indent=2)


def print_gold(report: Mapping[str, Any]) -> None:
    """Agreement of people with labels, with one another and with the models."""
    out = console()
    people = count(len(report["labellers"]), "labeller")
    say(out, f"{count(report['pairs'], 'pair')} judged by {people}", HEAD)
    if report["lines_without_answer"]:
        say(out, f"{count(report['lines_without_answer'], 'line')} without an answer passed over", SOFT)
    table = grid("criterion", "language", ("pairs", "right"), "agrees with label", "criterion fits", "alpha of people")
    for group in report["groups"]:
        alpha = group["between_people"]["alpha"]
        cells = [visible(group["criterion"]), visible(group["language"]), f"{group['pairs']:,}"]
        shares = [shown_share(group[name]) for name in ("chosen", "criterion_right")]
        fill(table, [*cells, *shares, "-" if alpha is None else f"{alpha:.2f}"])
    out.print(table)
    _print_models(out, report["groups"][0]["models"])


def _print_models(out: Console, models: Sequence[Mapping[str, Any]]) -> None:
    if not models:
        say(out, "no model judged these pairs", SOFT)
        return
    table = grid("model", "by", ("pairs", "right"), "agrees with people")
    for entry in models:
        agrees = entry["agrees"]
        fill(table, [visible(entry["model"]), visible(entry["kind"]), f"{agrees['total']:,}", shown_share(agrees)])
    out.print(table)


def shown_share(share: Mapping[str, Any]) -> str:
    """`83.3 % (60.0 to 95.0)`; a dash where nothing was counted."""
    if share["share"] is None:
        return "-"
    value, low, high = (100 * share[name] for name in ("share", "low", "high"))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"
