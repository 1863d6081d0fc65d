import shlex
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import Small

from themis_data.build import Built
from themis_data.report.tables import count, print_built, print_manifest, print_plan, setting, share, visible

BAD_NAME = "evil\x1b[31m[red]\u202e\x9b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 漢字 \U0001f600", "plain é 漢字 \U0001f600"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb\u2066c\u200bd\ufeff", "a\\u202eb\\u2066c\\u200bd\\ufeff"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        ("\x00\x07\x08\x7f\x85", "\\x00\\x07\\x08\\x7f\\x85"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800", "\\ud800"),
        ("[red]no markup[/red]", "[red]no markup[/red]"),
    ],
)
def test_invisible_characters_are_written_out(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_line_feeds_and_tabs_stay_where_lines_are_asked_for() -> None:
    assert visible("a\n\tb\r\x1b", lines=True) == "a\n\tb\\r\\x1b"


@given(st.text(alphabet=st.characters()))
def test_visible_text_has_no_control_or_format_characters(text: str) -> None:
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in visible(text))
    visible(text).encode("utf-8")


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(1, 2, "50.0 %"), (0, 5, "0.0 %"), (5, 5, "100.0 %"), (1, 9999, "<0.1 %"), (9998, 9999, ">99.9 %"), (0, 0, "-")],
)
def test_a_share_never_rounds_to_none_or_all(part: float, whole: float, expected: str) -> None:
    assert share(part, whole) == expected


def test_counts_say_one_or_many() -> None:
    assert count(1, "pair") == "1 pair"
    assert count(2_000, "pair") == "2,000 pairs"


def test_settings_read_as_in_a_pipeline() -> None:
    value = {"a": {"float": (0.7).hex()}, "b": None, "c": [True, "x\x1b"]}

    assert setting(value) == "{a: 0.7, b: null, c: [true, x\\x1b]}"


def funnel(step: str, rows_in: int, rows_out: int, dropped: dict[str, int]) -> dict[str, Any]:
    kept = rows_in - sum(dropped.values())
    return {"track": "commits", "segment": "commits.0.mine", "step": step, "rows_in": rows_in, "rows_out": rows_out,
            "dropped": dropped, "parents_kept": kept, "seconds": 1.25}  # fmt: skip


def manifest(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": "small", "version": "dev", "seed": 7, "pipeline": {"steps": {}},
        "tool": "0.1.0", "created_at": "2026-01-02T03:04:05+00:00",
        "fingerprint": "f" * 32, "rows": 3,
        "sources": [{"step": "git", "use": "git_history", "warnings": [], "unreadable": [],
                     "read": [{"name": "example.org/a/b", "tips": [], "commits": 1234}]}],
        "segments": [],
        "funnel": [funnel("git", 1234, 10, {"merge": 1000, "added": 224}), funnel("keep_dates", 10, 10, {}),
                   funnel("classify_commits", 10, 3, {"no_criterion": 7}), funnel("later", 0, 0, {})],
        "counts": {
            "criterion": {"readability_and_maintainability": 2, "runtime_efficiency": 1}, "language": {"Go": 2, "C": 1},
            "source": {"Commit-Preference": 3}, "license": {"MIT": 3}, "evidence": {"message": 3},
            "system_kind": {"one": 3}, "demo_only": {"false": 3},
            "criterion_language": {"readability_and_maintainability / Go": 2, "runtime_efficiency / C": 1},
        },
        "audit": [
            audited("all", "all", 3, 0.6667, 0.6667, {}),
            audited("all", "Go", 2, 0.123, 0.5, {"length": (0.5, 0.4, 0.6), "surface": (0.7, 0.61, 0.78)}),
            audited("all", "C", 1, 1.0, 1.0, {}),
        ],
        "configs": {"default": {"folder": "data", "schema": "published_default", "rows": 2, "left_out": 1,
                                "files": [{"path": "data/a.parquet", "rows": 2, "bytes": 1_500_000, "sha256": "0"}]}},
    }  # fmt: skip
    return made | changes


def audited(criterion: str, language: str, pairs: int, longer: float, right: float, found: dict) -> dict[str, Any]:
    names = ("length", "length_difference", "surface", "diff_tokens")
    figures = [dict(zip(("accuracy", "low", "high"), found.get(name, [None] * 3), strict=True)) for name in names]
    measures = [
        {"name": name, "pairs": pairs, "tells": [], "unmeasured": None if name in found else "too few", **own}
        for name, own in zip(names, figures, strict=True)
    ]
    return {
        "source": "all", "criterion": criterion, "language": language, "pairs": pairs, "groups": 1,
        "chosen_longer": longer, "length_accuracy": right, "measures": measures,
    }  # fmt: skip


def inspected(capsys: pytest.CaptureFixture[str], **changes: Any) -> list[str]:
    print_manifest(manifest(**changes))
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_the_funnel_has_in_out_share_and_every_reason(capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspected(capsys)

    start = lines.index("Funnel")
    assert [line.split() for line in lines[start + 1 : start + 8]] == [
        ["step", "in", "out", "kept", "seconds", "dropped"],
        ["commits"],
        ["git", "1,234", "10", "0.8", "%", "1.2", "1,000", "merge"],
        ["224", "added"],
        ["keep_dates", "10", "10", "100.0", "%", "1.2", "Nothing", "was", "dropped"],
        ["classify_commits", "10", "3", "30.0", "%", "1.2", "7", "no_criterion"],
        ["later", "0", "0", "-", "1.2", "Nothing", "came", "in"],
    ]


def test_counts_stand_by_criterion_and_language(capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspected(capsys)

    start = lines.index("Criterion by language")
    assert [line.split() for line in lines[start + 1 : start + 5]] == [
        ["Go", "C", "all"],
        ["readability_and_maintainability", "2", "-", "2"],
        ["runtime_efficiency", "-", "1", "1"],
        ["all", "2", "1", "3"],
    ]
    assert "  MIT  3  100.0 %" in lines


def test_many_languages_are_cut_into_tables_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    languages = {f"Language{number:02d}": 1 for number in range(24)}
    counts = manifest()["counts"] | {
        "criterion": {"readability_and_maintainability": 24}, "language": languages,
        "criterion_language": {f"readability_and_maintainability / {name}": 1 for name in languages},
    }  # fmt: skip
    lines = inspected(capsys, counts=counts)

    assert max(map(len, lines)) <= 100
    header = " ".join(line for line in lines if "Language" in line)
    assert [name for name in languages if name not in header] == []
    assert any(line.endswith("24") and line.startswith("all") for line in lines)


def test_the_audit_shows_margins_and_what_was_measured_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspected(capsys)

    start = next(number for number, line in enumerate(lines) if line.startswith("slice"))
    assert [
        ["all", "3", "66.7", "%", "66.7", "%", "too", "few", "too", "few", "too", "few"],
        ["Go", "2", "12.3", "%", "50", "(40-60)", "too", "few", "70", "(61-78)", "too", "few"],
    ] == [line.split() for line in lines[start + 1 : start + 3]]
    assert any(line.startswith("1 slice with too few pairs") for line in lines)


def test_left_out_rows_of_a_configuration_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found = inspected(capsys)

    assert ["default", "data", "1", "2", "1", "1.5"] in [line.split() for line in found]
    assert "left out of default: pairs whose language or criterion its labels lack; the others have them" in found


def test_unreadable_sources_and_warnings_are_the_last_words(capsys: pytest.CaptureFixture[str]) -> None:
    sources = [{"step": "git", "use": "git_history", "read": [], "warnings": [f"careful {BAD_NAME}"],
                "unreadable": [["a/b", "is gone"], ["a/b", "is gone"]]}]  # fmt: skip
    lines = inspected(capsys, sources=sources)

    assert lines[3] == "INCOMPLETE: 1 input could not be read, see the end"
    assert lines[-2:] == [
        "WARNING: git: careful evil\\x1b[31m[red]\\u202e\\x9b",
        "COULD NOT BE READ and is left out: a/b: is gone",
    ]
    assert ["git", "(git_history)", "nothing"] in [line.split() for line in lines]


def test_benchmark_material_is_said_to_be_no_training_data(capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspected(capsys, counts=manifest()["counts"] | {"demo_only": {"true": 2, "false": 1}})

    assert "  2 pairs of benchmark material (demo_only): for trying the tool, not for training" in lines


def test_a_sample_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "  a sample: 3 units of each source (--limit)" in inspected(capsys, limit=3)
    assert not any("sample" in line for line in inspected(capsys, limit=None))


def test_an_empty_build_says_where_rows_went(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {name: {} for name in manifest()["counts"]}
    lines = inspected(capsys, rows=0, counts=counts, audit=[])

    assert lines[0] == "small dev: 0 pairs"
    assert "  Nothing is left. Most was dropped by git: merge 1,000 of 1,234" in lines


def test_mined_names_in_a_manifest_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    counts = manifest()["counts"] | {"license": {BAD_NAME: 3}, "source": {BAD_NAME: 3}}
    sources = [{"step": "git", "use": "git_history", "read": [{"name": BAD_NAME, "commits": 1}], "warnings": [],
                "unreadable": [[BAD_NAME, BAD_NAME]]}]  # fmt: skip
    text = "\n".join(inspected(capsys, counts=counts, sources=sources))

    assert {"\n"} == {c for c in text if unicodedata.category(c) in ("Cc", "Cf")}
    assert "evil\\x1b[31m[red]\\u202e\\x9b" in text


def test_output_that_is_no_terminal_has_at_least_100_columns_and_no_colours(
    small: Small, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_manifest(small.built.manifest)

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) > 60


def test_a_build_names_place_counts_and_commands_that_work(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    print_built(small.built, small.folder)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"small dev: {small.built.manifest['rows']} pairs in {small.folder / 'dataset'}"
    commands = [shlex.split(line) for line in lines[lines.index("next:") + 1 :]]
    assert [command[:2] for command in commands] == [
        ["themis", "inspect"], ["themis", "show"], ["themis", "explain"], ["python", "-c"]]  # fmt: skip
    assert commands[0][2] == commands[1][4] == str(small.folder)
    file = Path(commands[3][2].split("'")[1])
    assert file.parent == small.folder / "dataset" / "data"
    compile(commands[3][2], "printed", "exec")


def test_the_shell_reads_printed_commands_as_they_are_meant(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    print_built(small.built, small.folder)
    command = next(line for line in capsys.readouterr().out.splitlines() if "themis inspect" in line).strip()

    echo = command.replace("themis inspect", "printf %s")
    echoed = subprocess.run(["sh", "-c", echo], capture_output=True, check=True)

    assert echoed.stdout.decode() == str(small.folder)


def test_a_build_is_loud_about_what_it_could_not_read(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    print_built(small.built, small.folder)

    assert f"COULD NOT BE READ and is left out: {small.folder.parent / 'gone'}: " in capsys.readouterr().out


def test_a_build_that_had_nothing_to_do_says_so(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    built = Built(manifest=small.built.manifest, unreadable=(), shards_done=0, shards_skipped=12)
    print_built(built, small.folder)

    assert "  nothing had changed: all 12 shards skipped" in capsys.readouterr().out.splitlines()


def test_a_plan_shows_steps_settings_and_why_a_segment_would_run(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [{"id": "git", "use": "git_history", "reads": "", "writes": "change", "fingerprint": "0"}]
    more = [{"id": "label", "use": "classify_commits", "reads": "change", "writes": "pair", "fingerprint": "1"}]
    print_plan({
        "pipeline": "small", "out": f"runs/{BAD_NAME}", "seed": 7,
        "settings": {"git": {"max_file_bytes": 65536}, "label": {"margin": {"float": "0x1.0p+0"}}},
        "segments": [
            {"track": "commits", "segment": "commits.source", "phase": "source", "steps": steps,
             "state": "unchanged", "why": ""},
            {"track": "commits", "segment": "commits.0.label", "phase": "label", "steps": more,
             "state": "changed", "why": "settings differ"},
        ],
        "write": {"shards": 1, "splits": {"train": 1.0}, "configs": ["default"]},
    })  # fmt: skip

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "small -> runs/evil\\x1b[31m[red]\\u202e\\x9b (seed 7)",
        "",
        "commits",
        "  commits.source  unchanged",
        "    git (git_history)       change              max_file_bytes=65536",
        "  commits.0.label  changed: settings differ",
        "    label (classify_commits)  change -> pair      margin=1",
        "",
        "writes shards=1, splits={train: 1}, configs=[default]",
        "1 of 2 segments would run",
    ]


def test_gates_that_are_off_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    steps = {"lengths": {"use": "keep_lengths"}, "fluency": {"use": "keep_fluent", "model": None}}
    lines = inspected(
        capsys,
        pipeline={"steps": steps},
        funnel=[funnel("git", 3, 3, {}), funnel("lengths", 3, 3, {}), funnel("fluency", 3, 3, {})],
    )

    assert [
        "  not checked: overlap with benchmarks (drop_contaminated: off)",
        "  not checked: secrets and personal data (drop_secrets: off)",
        "  not checked: repositories of other data sets (drop_shared_repositories: off)",
        "  not checked: English of prompts (keep_english: off)",
        "  not checked: perplexity of prompts (keep_fluent: off)",
    ] == [line for line in lines if "not checked" in line]


def test_quotas_and_splits_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    quota = {"slice": "source A", "wanted": 2_000, "available": 900, "found": 900, "when_short": "refill"}
    splits = {
        "rows": {"test": 1, "train": 2},
        "slices": {"runtime_efficiency / Go": {"test": 1, "train": 2}},
        "components": 3,
        "largest_component": {"rows": 1, "groups": 1, "split": "train", "first_group": "a"},
    }
    marks = [{"report": {"quotas": [quota | {"refilled": {"C": 1_000}}]}}]
    lines = inspected(capsys, segments=[{"marks": marks}], splits=splits)

    assert lines[lines.index("Quotas") + 2].split() == ["source", "A", "2,000", "900", "1,000", "of", "C", "refill"]
    start = lines.index("Splits")
    assert [line.split() for line in lines[start + 2 : start + 4]] == [
        ["runtime_efficiency", "/", "Go", "1", "2"],
        ["all", "1", "2"],
    ]
