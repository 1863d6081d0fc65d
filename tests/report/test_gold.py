"""A blind sample for people, as spreadsheets and Argilla take it, and what their answers say."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builds import changes, pairs
from hypothesis import given
from hypothesis import strategies as st
from made_runs import Small, judged_run, judgement

from themis_data.errors import ThemisError
from themis_data.llm.audit import read_gold
from themis_data.report.gold import (
    _csv,
    _unescaped,
    export_gold,
    print_exported,
    print_gold,
    read_gold_sheets,
    write_gold,
)
from themis_data.schema import schema

Row = dict[str, Any]
ODD = "=1+1\r\n\tx = '\"a\", b'\n"


def run_of(folder: Path, *rows: Row) -> Path:
    return judged_run(folder, pairs(*rows))


def some(number: int, **more: Any) -> list[Row]:
    return [{"row_id": f"{n}", "chosen": f"good {n}\n", "rejected": f"bad {n}\n", "prompt": f"Do {n}."} | more
            for n in range(number)]  # fmt: skip


def lines(sheet: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sheet.read_bytes().decode("utf-8-sig"), newline="")))


Answer = Callable[[dict[str, str]], dict[str, str]]


def fill_in(sheet: Path, answer: Answer, to: Path | None = None, **how: Any) -> Path:
    """Fill a sheet in and save it, as a spreadsheet would."""
    found = [line | answer(line) for line in lines(sheet)]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(found[0]), **how)
    writer.writeheader()
    writer.writerows(found)
    (to or sheet).write_bytes(out.getvalue().encode("utf-8-sig"))
    return to or sheet


def better(line: dict[str, str], side: str = "good") -> str:
    """A or B: the side whose text begins so."""
    return "A" if line["A"].startswith(side) else "B"


def exported(tmp_path: Path, *rows: Row, **how: Any) -> tuple[Path, Path]:
    folder = run_of(tmp_path / "run", *rows)
    export_gold(folder, tmp_path / "sheet.csv", **how)
    return folder, tmp_path / "sheet.csv"


def group(report: dict[str, Any], criterion: str = "all", language: str = "all") -> dict[str, Any]:
    [found] = [g for g in report["groups"] if (g["criterion"], g["language"]) == (criterion, language)]
    return found


def counted(share: dict[str, Any]) -> tuple[int, int]:
    return share["hits"], share["total"]


def test_a_sheet_has_what_a_person_needs_and_room_for_answers(tmp_path: Path) -> None:
    _, sheet = exported(tmp_path, *some(1))
    [line] = lines(sheet)

    assert ["row_id", "criterion", "definition", "language", "prompt", "A", "B", "better", "criterion_right",
            "labeller", "note"] == list(line)  # fmt: skip
    assert ("0", "Runtime Efficiency", "Python", "Do 0.") == tuple(
        line[name] for name in ("row_id", "criterion", "language", "prompt")
    )
    assert {"good 0\n", "bad 0\n"} == {line["A"], line["B"]}
    assert {""} == {line[name] for name in ("better", "criterion_right", "labeller", "note")}


def test_either_side_may_be_a(tmp_path: Path) -> None:
    _, sheet = exported(tmp_path, *some(40), per_cell=40)

    first = [better(line) for line in lines(sheet)]
    assert 10 < first.count("A") < 30


def test_each_criterion_in_each_language_gets_as_many(tmp_path: Path) -> None:
    rows = [
        *some(9),
        *({**row, "row_id": f"g{row['row_id']}", "language": "Go"} for row in some(2)),
        *({**row, "row_id": f"s{row['row_id']}", "criterion": "security_hardness"} for row in some(5)),
    ]
    found = export_gold(run_of(tmp_path / "run", *rows), tmp_path / "a.csv", per_cell=3)

    assert {
        ("runtime_efficiency", "Go"): (2, 2),
        ("runtime_efficiency", "Python"): (3, 9),
        ("security_hardness", "Python"): (3, 5),
    } == found.cells
    assert 8 == found.pairs == len(lines(tmp_path / "a.csv"))


def test_a_sheet_is_made_of_what_a_build_publishes(tmp_path: Path, small: Small) -> None:
    found = export_gold(small.folder, tmp_path / "sheet.csv")

    published = [i for path in (small.folder / "dataset/lineage").glob("*.parquet") for i in pq.read_table(path)["id"]]
    assert sorted(map(str, published)) == sorted(line["row_id"] for line in lines(tmp_path / "sheet.csv"))
    assert found.pairs == small.built.manifest["rows"] > 0


def test_a_seed_gives_the_same_sheet_and_another_seed_another(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", *some(30))
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        export_gold(folder, tmp_path / f"{name}.csv", per_cell=5, seed=seed)

    one, same, other = ((tmp_path / f"{name}.csv").read_bytes() for name in "abc")
    assert one == same
    assert one != other


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "'"])
def test_no_cell_begins_like_a_formula_and_every_text_comes_back(tmp_path: Path, start: str) -> None:
    rows = [{"row_id": "0", "chosen": f"{start}cmd", "rejected": ODD, "prompt": f"{start}{start}"}]
    folder, sheet = exported(tmp_path, *rows)
    [line] = lines(sheet)

    assert all(line[name].startswith("'") for name in ("prompt", "A", "B"))
    fill_in(sheet, lambda line: {"better": "A" if "cmd" in line["A"] else "B"})
    assert {"0": "chosen"} == read_gold_sheets([sheet], folder).verdicts


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12))
def test_any_text_comes_back_from_a_cell(text: str) -> None:
    names = ("row_id", "criterion", "definition", "language", "prompt", "A", "B")
    [line] = csv.DictReader(io.StringIO(_csv([dict.fromkeys(names, text)]), newline=""))

    assert {text} == {_unescaped(line[name]) for name in names}
    assert not line["A"].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_pairs_that_a_cell_does_not_hold_are_left_aside_and_counted(tmp_path: Path, capsys: Any) -> None:
    folder = run_of(tmp_path / "run", *some(2), {"row_id": "long", "chosen": "x" * 32_768, "prompt": "p"})
    found = export_gold(folder, tmp_path / "a.csv")
    print_exported(found, tmp_path / "a.csv")

    assert (2, 1) == (found.pairs, found.too_long)
    assert "1 pair left aside" in capsys.readouterr().out


def test_answers_are_held_to_the_label(tmp_path: Path) -> None:
    folder, sheet = exported(tmp_path, *some(5))
    answers = {"0": "good", "1": "good", "2": "bad", "3": "tie", "4": "unsure"}

    def answer(line: dict[str, str]) -> dict[str, str]:
        said = answers[line["row_id"]]
        right = {"criterion_right": "yes" if line["row_id"] in "01" else "No " if line["row_id"] == "2" else ""}
        return {"better": better(line, said) if said in ("good", "bad") else said.upper(), "labeller": "ann"} | right

    gold = read_gold_sheets([fill_in(sheet, answer)], folder)

    assert {"0": "chosen", "1": "chosen", "2": "rejected", "3": "tie"} == gold.verdicts
    found = group(gold.report)
    assert (2, 4) == counted(found["chosen"])
    assert (2, 3) == counted(found["chosen_of_sides"])
    assert (2, 3) == counted(found["criterion_right"])
    assert {"chosen": 2, "rejected": 1, "tie": 1, "unsure": 1} == found["answers"]
    assert "ann" not in json.dumps(gold.report)


@pytest.mark.parametrize("how", [{}, {"delimiter": ";"}, {"delimiter": "\t"}, {"lineterminator": "\n"}])
def test_sheets_come_back_as_spreadsheets_of_any_country_write_them(tmp_path: Path, how: dict[str, str]) -> None:
    folder, sheet = exported(tmp_path, *some(2, prompt="a;b,c\nd"))

    def answer(line: dict[str, str]) -> dict[str, str]:
        return {"better": better(line).lower()} | {
            name: line[name].replace("\n", "\r\n") for name in ("A", "B", "prompt")
        }

    assert {"0": "chosen", "1": "chosen"} == read_gold_sheets([fill_in(sheet, answer, **how)], folder).verdicts


def test_lines_without_an_answer_are_passed_over_and_counted(tmp_path: Path) -> None:
    folder, sheet = exported(tmp_path, *some(3))
    gold = read_gold_sheets([fill_in(sheet, lambda line: {"better": "tie" if line["row_id"] == "1" else " "})], folder)

    assert {"1": "tie"} == gold.verdicts
    assert (1, 2) == (gold.report["pairs"], gold.report["lines_without_answer"])


def test_people_are_compared_with_one_another(tmp_path: Path) -> None:
    """Verdicts of two people: cc, cc, cr, rr, rr. By hand in test_agreement: alpha 0.64."""
    folder, sheet = exported(tmp_path, *some(5))

    def says_good(*good: str) -> Answer:
        return lambda line: {"better": better(line, "good" if line["row_id"] in good else "bad")}

    sheets = [
        fill_in(sheet, says_good("0", "1", "2"), tmp_path / "ann.csv"),
        fill_in(sheet, says_good("0", "1"), tmp_path / "bob.csv"),
    ]
    gold = read_gold_sheets(sheets, folder)

    between = group(gold.report)["between_people"]
    assert (0.64, 5) == (between["alpha"], between["units"])
    assert {"0": "chosen", "1": "chosen", "2": "tie", "3": "rejected", "4": "rejected"} == gold.verdicts
    assert [(3, 5), (2, 5)] == [counted(person["chosen"]) for person in gold.report["labellers"]]


def test_models_are_held_to_people_by_most_of_their_answers(tmp_path: Path) -> None:
    said = [judgement("chosen"), judgement("chosen", sample=1), judgement("rejected", sample=2),
            judgement("rejected", model="n"),
            judgement("rejected", sample=3, criterion="security_hardness")]  # fmt: skip
    folder, sheet = exported(tmp_path, *some(2, judgements=said), {**some(3)[2], "language": "Go"})
    gold = read_gold_sheets(
        [fill_in(sheet, lambda line: {"better": better(line, "bad" if line["row_id"] == "1" else "good")})], folder
    )

    expected = [("vote", "m", (1, 2)), ("vote", "n", (1, 2))]
    assert expected == [(m["kind"], m["model"], counted(m["agrees"])) for m in group(gold.report)["models"]]
    assert [(0, 0)] * 2 == [counted(m["agrees"]) for m in group(gold.report, language="Go")["models"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"better": "C"}, r"row 2: better is 'C'; expected A, B, tie or unsure"),
        ({"criterion_right": "maybe"}, r"row 2: criterion_right is 'maybe'; expected yes, no or nothing"),
        ({"row_id": "zz"}, r"row 2: the build has no pair zz"),
        ({"A": "good"}, r"row 2: A of the pair 0 is not the text that was exported; restore it"),
        ({"A": "x", "B": "y"}, r"row 2: A and B of the pair 0 is not the text"),
        ({"prompt": "Do it."}, r"row 2: the prompt of the pair 0 is not the text that was exported"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_told_by_row(tmp_path: Path, change: dict[str, str], message: str) -> None:
    folder, sheet = exported(tmp_path, *some(1))
    fill_in(sheet, lambda line: {"better": "A"} | change)

    with pytest.raises(ThemisError, match=message):
        read_gold_sheets([sheet], folder)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    folder, sheet = exported(tmp_path, *some(13))
    fill_in(sheet, lambda line: {"better": "neither"})

    with pytest.raises(ThemisError, match=r"(?s)row 2: .*row 11: .*and 3 more$"):
        read_gold_sheets([sheet], folder)


def test_one_person_says_one_thing_of_a_pair(tmp_path: Path) -> None:
    folder, sheet = exported(tmp_path, *some(1))
    fill_in(sheet, lambda line: {"better": "A", "labeller": "ann"})

    with pytest.raises(ThemisError, match="ann judged the pair 0 before"):
        read_gold_sheets([sheet, sheet], folder)


def test_a_sheet_without_answers_or_columns_is_refused(tmp_path: Path) -> None:
    folder, sheet = exported(tmp_path, *some(1))
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")

    with pytest.raises(ThemisError, match="no line has an answer"):
        read_gold_sheets([sheet], folder)
    with pytest.raises(ThemisError, match="lacks the columns row_id, prompt, A, B, better"):
        read_gold_sheets([tmp_path / "other.csv"], folder)
    (tmp_path / "latin.csv").write_bytes("ä".encode("latin-1"))
    with pytest.raises(ThemisError, match="save it as 'CSV UTF-8'"):
        read_gold_sheets([tmp_path / "latin.csv"], folder)


def test_argilla_gets_records_and_gives_the_answers_of_each_person(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", *some(2, prompt=None))
    export_gold(folder, tmp_path / "sheet.jsonl")
    records = [json.loads(line) for line in (tmp_path / "sheet.jsonl").read_text(encoding="utf-8").splitlines()]

    assert {"id", "fields", "metadata", "suggestions", "responses"} == set(records[0])
    assert {"criterion", "prompt", "answer_a", "answer_b"} == set(records[0]["fields"])
    assert all(isinstance(text, str) and text for text in records[0]["fields"].values())
    for record in records:
        a = "A" if record["fields"]["answer_a"].startswith("good") else "B"
        record["responses"] = {
            "better": [{"value": a, "user_id": "u1"}, {"value": "tie", "user_id": "u2"}],
            "criterion_right": [{"value": "yes", "user_id": "u1"}],
        }
    (tmp_path / "back.json").write_text(json.dumps(records), encoding="utf-8")
    gold = read_gold_sheets([tmp_path / "back.json"], folder)

    assert {"chosen": 2, "rejected": 0, "tie": 2, "unsure": 0} == group(gold.report)["answers"]
    assert (2, 2) == counted(group(gold.report)["criterion_right"])
    (tmp_path / "bad.json").write_text('[{"id": "0"}]', encoding="utf-8")
    with pytest.raises(ThemisError, match="record 1: lacks 'fields'"):
        read_gold_sheets([tmp_path / "bad.json"], folder)


def test_a_gold_set_is_written_for_judges_and_for_evaluation(tmp_path: Path) -> None:
    folder, sheet = exported(tmp_path, *some(2))
    gold = read_gold_sheets(
        [fill_in(sheet, lambda line: {"better": "unsure" if line["row_id"] == "1" else better(line)})], folder
    )
    write_gold(gold, tmp_path / "gold")

    assert {"0": "chosen"} == read_gold(tmp_path / "gold/gold.json")
    table = schema("gold").conform(pq.read_table(tmp_path / "gold/gold.parquet"), "gold")
    assert [("0", "good 0\n", "chosen", 1, 0), ("1", "good 1\n", None, 0, 1)] == [
        (row["row_id"], row["chosen"], row["verdict"], row["num_chosen"], row["num_unsure"])
        for row in table.to_pylist()
    ]


def test_the_report_is_printed(tmp_path: Path, capsys: Any) -> None:
    folder, sheet = exported(tmp_path, *some(2, judgements=[judgement("rejected", model="a\x1bb")]))
    print_gold(read_gold_sheets([fill_in(sheet, lambda line: {"better": better(line)})], folder).report)

    out = capsys.readouterr().out
    assert out.startswith("2 pairs judged by 1 labeller\n")
    assert "100.0 % (34.2 to 100.0)" in out
    assert "0.0 % (0.0 to 65.8)" in out
    assert "a\\x1bb" in out


def test_a_build_without_pairs_and_another_ending_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ThemisError, match="has no pairs to label"):
        export_gold(run_of(tmp_path / "none"), tmp_path / "a.csv")
    with pytest.raises(ThemisError, match="ends in rows that are no pairs; they lack"):
        export_gold(judged_run(tmp_path / "changes", changes({})), tmp_path / "a.csv")
    with pytest.raises(ThemisError, match=r"a sheet is a \.csv file"):
        export_gold(tmp_path, tmp_path / "a.xlsx")
