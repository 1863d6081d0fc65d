"""The card: a header that machines read, figures out of the manifest, and no text that breaks out of its cell."""

import re
from typing import Any

import pytest
import yaml

from themis_data.publish.card import card

HOSTILE = "MIT | <script>alert(1)</script> `code` ![x](https://example.org/x)\n# Heading\r\\"


def manifest(**changes: Any) -> dict[str, Any]:
    """A manifest of twelve pairs, as far as the card reads it."""
    usual = {
        "name": "made",
        "tool": "0.1.0",
        "seed": 7,
        "rows": 12,
        "pipeline": {"file": "made.yaml", "steps": {}},
        "write": {"splits": {"validation": 0.1, "train": 0.9}},
        "splits": {
            "rows": {"train": 11, "validation": 1},
            "slices": {"runtime_efficiency / Python": {"train": 11, "validation": 1}},
            "components": 1_004,
            "largest_component": {"rows": 5, "groups": 2, "split": "train", "first_group": "a"},
            "in_one_split": {"group": 1_005, "repository": 1_006, "file_version": 20},
        },
        "configs": {
            "default": {"folder": "data", "schema": "published_default", "left_out": 2, "files": shards("data")},
            "lineage": {"folder": "lineage", "schema": "published_lineage", "left_out": 0, "files": shards("lineage")},
            "trl": {"folder": "trl", "schema": "published_trl", "left_out": 0, "files": shards("trl")},
        },
        "counts": {
            "criterion": {"runtime_efficiency": 12},
            "language": {"Python": 12},
            "source": {"Commit-Preference": 12},
            "license": {"MIT": 12},
            "evidence": {"message": 12},
            "demo_only": {"false": 12},
        },
        "audit": [
            audited("all", {"length": (0.75, 0.6, 0.86), "diff_tokens": (0.5, 0.4, 0.6)}),
            audited("Python", {}),
        ],
        "segments": [],
        "license_costs": [{"step": "keep", "reason": "license_not_allowed", "detail": "A: GPL-3.0", "rows": 1_234}],
        "funnel": [
            {
                "track": "commits",
                "step": "keep_sizes",
                "rows_in": 1_500,
                "rows_out": 12,
                "dropped": {"too_small": 1_480, "too_large": 8},
            }
        ],
    }
    return usual | changes


def shards(folder: str, **rows: int) -> list[dict[str, Any]]:
    rows = rows or {"train": 11, "validation": 1}
    return [{"path": f"{folder}/{split}-00000-of-00001.parquet", "rows": number} for split, number in rows.items()]


def audited(language: str, found: dict[str, tuple[float, float, float]]) -> dict[str, Any]:
    measures = [
        {
            "name": name,
            "pairs": 12,
            "tells": [],
            "unmeasured": None if name in found else "12 pairs, fewer than 200",
            **dict(zip(("accuracy", "low", "high"), found.get(name, (None,) * 3), strict=True)),
        }
        for name in ("length", "length_difference", "surface", "diff_tokens")
    ]
    cut = {"source": "all", "criterion": "all", "language": language}
    return {**cut, "pairs": 12, "groups": 3, "chosen_longer": 0.25, "length_accuracy": 0.75, "measures": measures}


def header(text: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return content


def tables(text: str) -> dict[str, list[str]]:
    """Rows of each table, by the titles of its columns."""
    found: dict[str, list[str]] = {}
    for title, body in re.findall(r"^\| (.+) \|\n\|[-|]+\n((?:\|.*\n)*)", text, re.MULTILINE):
        found[title] = body.removesuffix("\n").split("\n")
    return found


def test_the_header_names_every_configuration_and_its_files() -> None:
    def files(folder: str) -> list[dict[str, str]]:
        return [{"split": s, "path": f"{folder}/{s}-*.parquet"} for s in ("train", "validation")]

    assert [
        {"config_name": "default", "data_files": files("data"), "default": True},
        {"config_name": "lineage", "data_files": files("lineage")},
        {"config_name": "trl", "data_files": files("trl")},
    ] == header(card(manifest()))["configs"]


def test_a_split_without_rows_is_not_named_for_nothing_would_load_with_it() -> None:
    lineage = manifest()["configs"]["lineage"] | {"files": shards("lineage", train=12, validation=0)}
    [found] = header(card(manifest(configs={"lineage": lineage})))["configs"]
    assert ["train"] == [own["split"] for own in found["data_files"]]

    empty = lineage | {"files": shards("lineage", train=0, validation=0)}
    [found] = header(card(manifest(configs={"lineage": empty})))["configs"]
    assert ["train", "validation"] == [own["split"] for own in found["data_files"]]


def test_the_header_names_the_labels_in_order() -> None:
    (info,) = header(card(manifest()))["dataset_info"]
    features = {feature["name"]: feature["dtype"] for feature in info["features"]}

    assert "default" == info["config_name"]
    assert ["system", "input", "chosen", "rejected", "language", "aspect", "source", "idx"] == list(features)
    languages = ["JavaScript", "Python", "Ruby", "C++", "C", "Go", "Java", "C#", "NL"]
    assert {str(n): name for n, name in enumerate(languages)} == features["language"]["class_label"]["names"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (999_999, "100K<n<1M"), (10_000_000, "n>10M")],
)
def test_the_size_category_is_the_hubs(rows: int, expected: str) -> None:
    assert [expected] == header(card(manifest(rows=rows)))["size_categories"]


def test_a_data_set_without_the_default_configuration_has_no_features_in_its_header() -> None:
    configs = {"lineage": manifest()["configs"]["lineage"]}

    found = header(card(manifest(configs=configs)))
    assert "dataset_info" not in found
    assert ["lineage"] == [config["config_name"] for config in found["configs"]]


@pytest.mark.parametrize("what", ["language", "source", "license", "evidence"])
def test_hostile_text_stays_in_its_cell(what: str) -> None:
    counts = manifest()["counts"] | {what: {HOSTILE: 3, "plain": 9}}
    text = card(manifest(counts=counts))

    row, plain = tables(text)[f"{what.replace('license', 'licence')} | pairs"]
    assert "| plain | 9 |" == plain
    assert row.endswith(" | 3 |")
    assert 3 == len(re.findall(r"(?<!\\)(?:\\\\)*\|", row))  # bars that a reader of Markdown takes for bars
    assert not re.search(r"<script|(?<!\\)`|(?<!\\)\[|\r", row)
    assert "\n# Heading" not in text


def test_hostile_text_does_not_reach_the_header() -> None:
    counts = manifest()["counts"] | {"license": {"MIT\n---\nlicense: mit": 12}}

    assert header(card(manifest())) == header(card(manifest(counts=counts)))


def test_figures_come_out_of_the_manifest() -> None:
    found = tables(card(manifest()))

    assert ["| Runtime Efficiency | 12 |"] == found["criterion | pairs"]
    assert ["| keep_sizes | 1,500 | 12 | too_large 8, too_small 1,480 |"] == found[
        "step | in | out | dropped, by reason"
    ]


def test_what_gives_the_chosen_side_away_is_said_with_intervals_and_gaps() -> None:
    text = card(manifest())
    slices = next(rows for titles, rows in tables(text).items() if titles.startswith("source | criterion | language"))

    few = "12 pairs, fewer than 200"
    assert [
        f"| all | all | all | 12 | 3 | 0.250 | 0.750 (0.600 to 0.860) | {few} | {few} | 0.500 (0.400 to 0.600) |"
    ] == slices
    assert "1 slices with too few pairs to measure are left out of the table" in text


def test_the_price_of_balance_is_said() -> None:
    lost = {"chosen_longer": 30, "rejected_longer": 2}
    funnel = [{"track": "merge", "step": "even", "rows_in": 100, "rows_out": 68, "dropped": lost}]
    pipeline = {"file": "made.yaml", "steps": {"even": {"use": "balance_lengths"}}}

    text = card(manifest(funnel=funnel, pipeline=pipeline))

    assert "`even` dropped 32 of 100 pairs so that length says less (chosen_longer 30, rejected_longer 2)." in text


def test_rows_that_a_configuration_cannot_hold_are_counted() -> None:
    text = card(manifest())

    assert "2 pairs are not in the configuration `default`" in text
    assert "in the configuration `lineage`, whose" not in text


@pytest.mark.parametrize(("counts", "expected"), [({"false": 12}, False), ({"true": 5, "false": 7}, True)])
def test_benchmark_material_is_announced(counts: dict[str, int], expected: bool) -> None:
    text = card(manifest(counts=manifest()["counts"] | {"demo_only": counts}))

    assert expected == ("**5 of these pairs are made of benchmark material" in text)


def test_the_usage_sample_reads_columns_that_exist() -> None:
    columns = {feature["name"] for feature in header(card(manifest()))["dataset_info"][0]["features"]}

    sample = re.search(r"```python\n(.*?)```", card(manifest()), re.DOTALL)
    assert sample is not None
    assert {"input", "aspect"} == set(re.findall(r'\["(\w+)"\]', sample[1])) <= columns


def test_gates_that_did_not_run_are_said_to_be_off() -> None:
    steps = {"fluency": {"use": "keep_fluent", "model": "a.arpa"}, "keep_english": {"use": "keep_english"}}
    funnel = [
        {"track": track, "step": step, "rows_in": 12, "rows_out": 12, "dropped": {}}
        for track, step in (("commits", "git"), ("tasks", "bugs"), ("tasks", "keep_english"), ("merge", "fluency"))
    ]
    text = card(manifest(pipeline={"file": "made.yaml", "steps": steps}, funnel=funnel))

    assert [
        "| drop_contaminated | overlap with benchmarks | **off** |",
        "| drop_secrets | secrets and personal data | **off** |",
        "| drop_shared_repositories | repositories of other data sets | **off** |",
        "| keep_english | English of prompts | **only for tasks** |",
        "| keep_fluent | perplexity of prompts | on |",
        "| keep_lengths | length in tokens | **off** |",
    ] == tables(text)["gate | checks | state"]


def test_the_rows_of_every_slice_in_every_split_are_told() -> None:
    text = card(manifest())

    assert ["| runtime_efficiency / Python | 11 | 1 |", "| all | 11 | 1 |"] == tables(text)[
        "slice | train | validation"
    ]
    assert "1,005 groups (a repository or a problem), 1,006 repositories with their forks, and 20 versions of" in text
    assert "1,004 components; the largest has 5 pairs and is in `train`." in text


@pytest.mark.parametrize("changes", [{"write": {"splits": {"train": 1.0}}}, {"rows": 0}])
def test_a_data_set_that_is_not_split_says_nothing_of_splits(changes: dict[str, Any]) -> None:
    assert "## Splits" not in card(manifest(**changes))


def test_what_was_compared_with_other_data_sets_is_told() -> None:
    own = {"repositories": 1200, "roots": 1100, "file_versions": 5000, "days": ["2019-06-02", "2021-01-31"]}
    theirs = {"repositories": 0, "roots": 0, "file_versions": 0, "days": None}
    text = card(manifest(disjoint={"own": own, "theirs": theirs, "data_sets": 2}))

    assert ["| here | 1,200 | 1,100 | 5,000 | 2019-06-02 to 2021-01-31 |", "| there | 0 | 0 | 0 |  |"] == tables(text)[
        "rows | repositories | first commits | versions of files | committed"
    ]
    assert "2 other data sets have nothing in common" in text
    assert "## Disjoint" not in card(manifest())


def test_what_was_asked_for_and_what_was_found_is_told() -> None:
    quota = {"slice": "source A|B", "wanted": 2_000, "available": 900, "found": 900, "when_short": "refill"}
    marks = [{"report": {"quotas": [quota | {"refilled": {"C": 1_000, "D": 100}}]}}, {}]

    assert ["| source A\\|B | 2,000 | 900 | 1,000 of C, 100 of D | refill |"] == tables(
        card(manifest(segments=[{"marks": marks}]))
    )["slice | pairs wanted | found | taken instead | where it falls short"]


def test_what_the_licences_cost_is_told() -> None:
    costs = tables(card(manifest()))["step | reason | licence | rows"]

    assert ["| keep | license_not_allowed | A: GPL-3.0 | 1,234 |"] == costs
