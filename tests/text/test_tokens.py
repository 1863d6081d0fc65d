"""Tokens of a conversation: Qwen3's own, and those of any tokenizer.json."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.errors import PipelineError
from themis_data.text.models import packaged_file
from themis_data.text.tokens import QWEN, Tokens, answer, open_tokens, question, tokenizer_file

ENOUGH = 1_000_000


@pytest.fixture(scope="module")
def qwen() -> Tokens:
    return open_tokens(tokenizer_file(QWEN))


def words_tokenizer(path: Path) -> Path:
    """A tokenizer.json of three words and one for all others."""
    vocab = {"[UNK]": 0, "Hello": 1, "world": 2, "user": 3}
    content = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_conversation_is_chatml_as_qwen3_has_it() -> None:
    expected = (
        "<|im_start|>system\nJudge it.<|im_end|>\n"
        "<|im_start|>user\nWrite it.<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\nx = 1\n<|im_end|>\n"
    )

    assert expected == question("Judge it.", "Write it.") + answer("\nx = 1\n")


def test_a_conversation_may_have_no_system_prompt() -> None:
    assert "<|im_start|>user\nWrite it.<|im_end|>\n" == question(None, "Write it.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello world", [9707, 1879]),
        ("<|im_start|>user\n<|im_end|>", [151644, 872, 198, 151645]),
        ("<think></think>", [151667, 151668]),
        ("e\u0301", [963]),  # composed before it is looked up
        ("12", [16, 17]),  # each digit for itself
        ("", []),
    ],
)
def test_qwen_has_the_ids_of_qwen3(qwen: Tokens, text: str, expected: list[int]) -> None:
    assert expected == qwen.ids(text, ENOUGH)


@given(st.text(alphabet=st.characters()))
def test_any_text_has_tokens(text: str) -> None:
    assert bool(text) == bool(open_tokens(tokenizer_file(QWEN)).ids(text, ENOUGH))


@pytest.mark.parametrize("unit", ["a", " ", "\n", "ab ", "語", "\x00", "\ud800", "<|im_start|>", "a'", "^"])
def test_a_line_of_five_megabytes_is_more_than_the_limit_and_not_counted_to_its_end(qwen: Tokens, unit: str) -> None:
    assert 100 < len(qwen.ids(unit * (5_000_000 // len(unit)), 100)) <= 101 * qwen.longest


@pytest.mark.parametrize("name", ["tokenizer.json", "."])
def test_a_tokenizer_may_be_a_file_or_its_folder(tmp_path: Path, name: str) -> None:
    words_tokenizer(tmp_path / "tokenizer.json")
    tokens = open_tokens(tokenizer_file(str(tmp_path / name)))

    assert [1, 2, 0, 1] == tokens.ids("Hello world and Hello", ENOUGH)  # its own truncation is off


@pytest.mark.parametrize("name", ["qwem", "no/such.json", "/no/such/folder"])
def test_a_tokenizer_that_is_nowhere_is_named(name: str) -> None:
    with pytest.raises(PipelineError, match=f"no tokenizer at '{name}'"):
        tokenizer_file(name)


@pytest.mark.parametrize("content", [b"no json", b"[]", b"{}", b'{"model": 3}', b"\xff"])
def test_a_file_that_is_no_tokenizer_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)

    with pytest.raises(PipelineError, match=r"tokenizer\.json is no tokenizer"):
        open_tokens(tmp_path / "tokenizer.json")


def test_a_file_is_found_in_a_package_that_is_never_imported() -> None:
    assert packaged_file("no_such_package", "x.txt") is None
    assert packaged_file("themis_data", "no_such_file") is None
    found = packaged_file("themis_data", "errors.py")
    assert found is not None
    assert "errors.py" == found.name
