"""A prompt and an answer as exactly the tokens that are scored: one function for training and for evaluation.

With the template `chatml` a chat is

    <|im_start|>system
    SYSTEM<|im_end|>
    <|im_start|>user
    PROMPT<|im_end|>
    <|im_start|>assistant
    ANSWER<|im_end|>

and nothing else: no system message of the template's own where a row has none, no empty block of thinking, no line
break after the last mark, at which the reward is read. It is saved with the exported tokenizer, so that whoever renders
a chat with it gets the same tokens. The template `own` keeps, for training, what the tokenizer came with, if it adds
nothing that nobody said; a model of others is scored by its own, whatever that says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from themis_data.errors import TrainingError

CHATML: Final = (
    "{%- for message in messages -%}"
    "{%- if not loop.first -%}{{ '\\n' }}{%- endif -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '\\n<|im_start|>assistant\\n' }}{%- endif -%}"
)
_MARKS: Final = ("<|im_start|>", "<|im_end|>")
_ROLES: Final = {"model": "assistant"}  # as some templates call it
_Turns = list[dict[str, str]]


@dataclass(frozen=True)
class Chats:
    """Writes chats as token ids of one tokenizer, by its template."""

    tokenizer: Any

    def asked(self, system: str | None, prompt: str) -> str:
        """The text up to where an answer begins; the same for both sides of a pair."""
        return _rendered(self.tokenizer, _turns(system, prompt), add_generation_prompt=True)

    def scored(self, system: str | None, prompt: str, answer: str) -> str:
        """The whole text; the reward is read at its last token."""
        return _rendered(self.tokenizer, [*_turns(system, prompt), {"role": "assistant", "content": answer}])

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, marks of the template as their own tokens."""
        if not texts:
            return []
        found = self.tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)
        ids: list[list[int]] = found["input_ids"]
        return ids

    def marks_in(self, text: str) -> list[str]:
        """What of a text the tokenizer takes for marks, with which the text could end its own turn."""
        return [mark for mark in self.tokenizer.all_special_tokens if mark in text]


def chats_of(tokenizer: Any, template: str) -> Chats:
    """The writer of chats for a tokenizer, of which `template` (chatml or own) becomes the template.

    Raises TrainingError where the tokenizer lacks the marks of ChatML, or where its own template is missing or adds to
    a chat what nobody said.
    """
    if template == "chatml":
        lacking = [mark for mark in _MARKS if mark not in tokenizer.get_vocab()]
        if lacking:
            raise TrainingError(
                f"the tokenizer has no tokens {lacking}, which the template chatml needs; give the model "
                f"`template: own`, if its own template adds nothing to answers"
            )
        tokenizer.chat_template = CHATML
    if not tokenizer.chat_template:
        raise TrainingError("the tokenizer has no chat template of its own; give the model `template: chatml`")
    for system in (None, "Probe of a system prompt."):
        turns = _turns(system, "Probe of a question.")
        answer = {"role": "assistant", "content": "Probe of an answer."}
        before = _rendered(tokenizer, turns, add_generation_prompt=True)
        whole = _rendered(tokenizer, [*turns, answer])
        if not whole.startswith(before + answer["content"]) or _said_by_template(tokenizer, whole, [*turns, answer]):
            raise TrainingError(
                f"the tokenizer's own template says more than the chat: {whole!r}, where an answer is asked for by "
                f"{before!r}; give the model `template: chatml`"
            )
    return Chats(tokenizer)


def _said_by_template(tokenizer: Any, whole: str, turns: _Turns) -> bool:
    """Whether a rendered chat has words beside its turns, their roles and the tokenizer's marks."""
    left = whole
    for said in [*(turn["content"] for turn in turns), *tokenizer.all_special_tokens]:
        left = left.replace(said, " ")
    roles = [turn["role"] for turn in turns]
    return [_ROLES.get(word, word) for word in left.split()] not in (roles, [])


def _turns(system: str | None, prompt: str) -> _Turns:
    """The turns before the answer. An empty system prompt is none, so that no template writes an empty message."""
    return ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": prompt}]


def _rendered(tokenizer: Any, turns: _Turns, add_generation_prompt: bool = False) -> str:
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=add_generation_prompt)
    return text
