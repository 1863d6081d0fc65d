"""Prompts over a model's limit are dropped; without a model nothing is."""

from pathlib import Path
from typing import Any

import pytest
from builds import pairs
from rows import dropped

from themis_data.fingerprint import step_fingerprint
from themis_data.stages.keep_fluent import KeepFluent

ARPA = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t0
-1.0\t</s>\t0
-3.0\t<unk>\t0
-1.0\tcount\t0

\\2-grams:
-1.0\t<s> count
-1.0\tcount </s>

\\end\\
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "small.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return str(path)


def rows() -> Any:
    prompts = ("count count", "zebra zebra zebra", "zebra", None)  # perplexity 10, 10 ** 2.5, too short, none
    return pairs(*({"prompt": prompt, "prompt_by": prompt and "rules"} for prompt in prompts))


def test_prompts_over_the_limit_go_with_the_numbers(tmp_path: Path, model: str) -> None:
    stage = KeepFluent(model=model, max_perplexity=12.5, min_words=2)

    assert {
        "1": ("not_fluent", "perplexity 316, the limit is 12.5"),
        "3": ("no_prompt", None),
    } == dropped(tmp_path, stage, rows())


def test_without_a_model_nothing_goes(tmp_path: Path) -> None:
    assert {} == dropped(tmp_path, KeepFluent(), rows())


@pytest.mark.parametrize("settings", [{"model": "a.arpa"}, {"max_perplexity": 1_200.0}])
def test_a_model_and_its_limit_are_given_together(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="given together"):
        KeepFluent(**settings)


def test_the_content_of_the_model_is_part_of_the_fingerprint(model: str) -> None:
    before = step_fingerprint(KeepFluent(model=model, max_perplexity=10.0))
    Path(model).write_text(ARPA.replace("-3.0", "-4.0"), encoding="utf-8")

    assert before != step_fingerprint(KeepFluent(model=model, max_perplexity=10.0))
