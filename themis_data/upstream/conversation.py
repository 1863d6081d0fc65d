"""Prompt and answer out of a conversation, in the shapes that data sets store them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side of a conversation said."""

    role: str
    text: str


def turns(messages: Sequence[Any] | None) -> list[Turn]:
    """The turns of a list of {role, content}; content is text, or a list of blocks whose `text` is joined."""
    read = []
    for message in messages or ():
        if message is None:
            continue
        content = message["content"]
        if isinstance(content, list):
            content = "\n".join(block["text"] for block in content if block is not None and block["text"] is not None)
        read.append(Turn(role=(message["role"] or "").lower(), text=content or ""))
    return read


def answer_of(messages: Sequence[Any]) -> tuple[str, list[Turn]] | None:
    """The last turn of a conversation, and those before it; null where it does not end in an answer to something."""
    said = turns(messages)
    return None if len(said) < 2 or said[-1].role != "assistant" else (said[-1].text, said[:-1])


def prompt_of(asked: Sequence[Turn], *, multi_turn: bool) -> str | None:
    """The turns before an answer as one prompt; null where it is none, or several turns that are not wanted.

    One user turn is the prompt as it is. Several are written below one another, each behind its role.
    """
    if not asked or asked[-1].role != "user":
        return None
    if len(asked) == 1:
        return asked[0].text.strip() or None
    if not multi_turn:
        return None
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.text.strip()}" for turn in asked)
