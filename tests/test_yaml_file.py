"""YAML as people mean it."""

import pytest

from themis_data.errors import PipelineError
from themis_data.yaml_file import parse_yaml, read_yaml


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "On", "YES", "y"])
def test_words_of_consent_are_words(word):
    assert {"key": word} == parse_yaml(f"key: {word}", "here")


@pytest.mark.parametrize("date", ["2019-03-01", "2019-03-01 12:00:00"])
def test_dates_stay_text(date):
    assert {"before": date} == parse_yaml(f"before: {date}", "here")


def test_on_can_be_a_key():
    assert {"on": "diff"} == parse_yaml("{on: diff}", "here")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("7", 7), ("0.5", 0.5), ("null", None)])
def test_plain_values_are_plain_values(text, value):
    assert value == parse_yaml(text, "here")


def test_a_key_written_twice_is_an_error_with_the_line_of_the_second():
    with pytest.raises(PipelineError, match=r"here, line 3: written twice: seed"):
        parse_yaml("seed: 1\nname: x\nseed: 2\n", "here")


def test_a_key_written_twice_deep_inside_is_an_error_with_its_line():
    with pytest.raises(PipelineError, match=r"here, line 4: written twice: use"):
        parse_yaml("a:\n  b:\n    - use: x\n      use: y\n", "here")


def test_a_key_written_twice_on_one_line_is_an_error():
    with pytest.raises(PipelineError, match=r"line 1: written twice: a"):
        parse_yaml("{a: 1, a: 2}", "here")


def test_what_is_no_yaml_says_where():
    with pytest.raises(PipelineError, match=r"(?s)here: not YAML: .*line 1"):
        parse_yaml("a: [1, 2", "here")


def test_objects_are_refused():
    with pytest.raises(PipelineError, match="not YAML"):
        parse_yaml("!!python/object/apply:os.getcwd []", "here")


def test_a_file_without_a_mapping_is_an_error(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n", encoding="utf-8")

    with pytest.raises(PipelineError, match="expected a mapping at the top, found list"):
        read_yaml(path)


def test_a_file_that_is_not_utf8_is_an_error(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: caf\xe9\n")

    with pytest.raises(PipelineError, match=r"latin\.yaml: not UTF-8"):
        read_yaml(path)
