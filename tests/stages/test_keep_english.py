"""Prompts in other languages are dropped, with the language and how sure the model was."""

from pathlib import Path

import pytest
from builds import pairs
from rows import dropped

from themis_data.fingerprint import step_fingerprint
from themis_data.stages.keep_english import KeepEnglish
from themis_data.text.english import BUNDLED, detector_file

ENGLISH = "Count all the words in the file and print the most frequent ones together with how often they come."
TELEGRAPHIC = (
    "Parse header tokens, node index, flush buffer pool, merge sort keys, cache eviction policy, socket options, "
    "daemon restart, thread queue."
)
FRENCH = "Compter tous les mots du fichier et afficher les plus fréquents avec leur nombre."


def test_prompts_in_other_languages_go_with_the_language(tmp_path: Path) -> None:
    rows = pairs(*({"prompt": p, "prompt_by": "rules"} for p in (ENGLISH, FRENCH, "f(x)")), {"prompt": None})

    assert {"1": ("not_english", "fr 1.00"), "3": ("no_prompt", None)} == dropped(tmp_path, KeepEnglish(), rows)


@pytest.mark.parametrize(
    ("settings", "expected"), [({}, []), ({"min_confidence": 0.95}, ["0"]), ({"min_confidence": 0.0}, [])]
)
def test_how_sure_the_model_must_be_of_english_is_a_setting(
    tmp_path: Path, settings: dict[str, float], expected: list[str]
) -> None:
    rows = pairs({"prompt": TELEGRAPHIC, "prompt_by": "rules"})

    assert expected == list(dropped(tmp_path, KeepEnglish(**settings), rows))


@pytest.mark.parametrize(("min_odds", "expected"), [(10.0, ["0"]), (40.0, [])])
def test_how_much_likelier_another_language_must_be_is_a_setting(
    tmp_path: Path, min_odds: float, expected: list[str]
) -> None:
    rows = pairs({"prompt": "Format de sortie", "prompt_by": "rules"})

    assert expected == list(dropped(tmp_path, KeepEnglish(min_odds=min_odds), rows))


def test_the_content_of_the_model_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "model.ftz"
    path.write_bytes(detector_file(BUNDLED).read_bytes())
    before = step_fingerprint(KeepEnglish(model=str(path)))
    path.write_bytes(b"another")

    assert before != step_fingerprint(KeepEnglish(model=str(path)))
