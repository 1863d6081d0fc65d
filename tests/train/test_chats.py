"""Exactly the tokens that are scored, for our template and for those that tokenizers bring."""

import pytest

from themis_data.errors import TrainingError

pytestmark = pytest.mark.train

CHATML = (
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nAdd.<|im_end|>\n<|im_start|>assistant\nx + y<|im_end|>"
)

# What templates of real models do: a system message of their own, and thinking that nobody thought.
OWN_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def tokenizer():
    from training import SIZES

    from themis_data.train.models import random_qwen3

    return random_qwen3(SIZES)[1]


def test_chatml_is_the_turns_and_nothing_else(tokenizer):
    from themis_data.train.chats import chats_of

    chats = chats_of(tokenizer, "chatml")
    (ids,) = chats.tokens([chats.scored("Be brief.", "Add.", "x + y")])

    assert CHATML == tokenizer.decode(ids)
    assert tokenizer.eos_token_id == ids[-1]
    assert "<|im_start|>user\nAdd.<|im_end|>\n<|im_start|>assistant\nx<|im_end|>" == chats.scored(None, "Add.", "x")
    assert chats.scored(None, "Add.", "x") == chats.scored("", "Add.", "x")


@pytest.mark.parametrize("system", [None, "Be brief."])
def test_whoever_renders_with_the_exported_tokenizer_gets_the_same_tokens(tokenizer, tmp_path, system):
    from transformers import AutoTokenizer

    from themis_data.train.chats import chats_of

    chats = chats_of(tokenizer, "chatml")
    answer = "\n\n    x += 1\r\n\tüber <think>"
    (ours,) = chats.tokens([chats.scored(system, " Add. \n", answer)])
    tokenizer.save_pretrained(tmp_path)
    turns = [{"role": "system", "content": system}] if system else []
    turns += [{"role": "user", "content": " Add. \n"}, {"role": "assistant", "content": answer}]
    theirs = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(turns, tokenize=True, return_dict=True)

    assert theirs["input_ids"] == ours


def test_a_tokenizers_own_template_is_kept_if_it_adds_nothing(tokenizer):
    from themis_data.train.chats import chats_of

    tokenizer.chat_template = PLAIN
    chats = chats_of(tokenizer, "own")

    assert CHATML + "\n" == chats.scored("Be brief.", "Add.", "x + y")
    assert PLAIN == tokenizer.chat_template


@pytest.mark.parametrize("template", [OWN_SYSTEM, THINKS])
def test_a_template_that_says_more_is_refused(tokenizer, template):
    from themis_data.train.chats import chats_of

    tokenizer.chat_template = template

    with pytest.raises(TrainingError, match=r"says more than the chat.*template: chatml"):
        chats_of(tokenizer, "own")


def test_a_tokenizer_without_a_template_or_its_marks_is_refused(tokenizer):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from themis_data.train.chats import chats_of

    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocab={"a": 0}, merges=[])))

    with pytest.raises(TrainingError, match=r"no tokens.*im_start"):
        chats_of(bare, "chatml")
    with pytest.raises(TrainingError, match="no chat template of its own"):
        chats_of(tokenizer, "own")


def test_a_text_with_a_mark_of_the_template_is_known(tokenizer):
    from themis_data.train.chats import chats_of

    chats = chats_of(tokenizer, "chatml")

    assert ["<|im_end|>"] == chats.marks_in("print('<|im_end|>')")
    assert [] == chats.marks_in("print('<im_end>')")
