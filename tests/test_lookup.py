"""Names are files: known ones are found, unknown ones are errors that offer the near ones."""

import pytest

from themis_data.errors import PipelineError, UnknownName
from themis_data.lookup import find, find_pipeline, known_modules, shipped_folder, unknown


def test_a_stage_is_found_by_its_file_name():
    assert find("stages", "keep_licenses", "STAGE").__name__ == "KeepLicenses"


def test_private_modules_are_no_sources():
    assert "_git" not in known_modules("sources")


def test_an_unknown_stage_offers_the_near_name():
    with pytest.raises(UnknownName, match=r"no stage named 'keep_licences'\. Did you mean 'keep_licenses'\?"):
        find("stages", "keep_licences", "STAGE")


def test_an_unknown_name_lists_the_known_ones():
    assert unknown("criterion", "zzz", ["b", "a"]) == "no criterion named 'zzz'.\nKnown: a, b"


def test_an_unknown_name_among_none_says_so():
    assert unknown("criterion", "x", []) == "no criterion named 'x'.\nKnown: (none)"


def test_a_shipped_pipeline_is_found_by_its_bare_name():
    assert find_pipeline("quickstart").name == "quickstart.yaml"


def test_an_unknown_pipeline_offers_the_near_name():
    with pytest.raises(UnknownName, match="Did you mean 'quickstart'"):
        find_pipeline("quikstart")


def test_a_pipeline_path_that_is_not_there_is_said_to_be_a_path(tmp_path):
    with pytest.raises(UnknownName, match=r"no pipeline file at .*mine\.yaml"):
        find_pipeline(str(tmp_path / "mine.yaml"))


def test_a_pipeline_is_found_by_its_path(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text("name: mine\n", encoding="utf-8")

    assert path == find_pipeline(str(path))


def test_only_the_shipped_folders_are_looked_up():
    with pytest.raises(UnknownName, match="Did you mean 'schemas'"):
        shipped_folder("schema")


def test_an_unknown_name_is_a_pipeline_error_and_a_lookup_error():
    assert issubclass(UnknownName, PipelineError) and issubclass(UnknownName, LookupError)
