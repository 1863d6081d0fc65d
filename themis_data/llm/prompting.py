"""Questions about text that nobody vouches for: it is shown as data, and only the asker knows what a reply must hold.

Mined code may speak to whoever reads it: close our tags, give a verdict, play a system message. So it stands between
tags with a nonce that no text of the prompt contains, the special tokens of chat formats in it are broken, and a
reply counts only with the ticket, a code that the instructions alone state: a verdict quoted out of the code has none.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import count

import pyarrow as pa

from themis_data.fingerprint import row_id

_NONCE_CHARS = 12
_TICKET_CHARS = 8
# Backends hand the filled chat template to a tokenizer that knows these wherever they stand, so that code could end the
# turn it is shown in. Shapes of ChatML, Llama 3, Phi, GLM, gpt-oss; DeepSeek; what sentence-piece models begin and end
# with, Gemma, StarCoder, Command, thinking and tools; Mistral, Llama 2, Kimi.
_NAMES = (
    r"(?:\|[^\s<>|]{1,48}\|>|｜[^\s<>｜]{1,48}｜>"
    r"|/?(?:s|bos|eos|pad|unk|mask|sop|eop|think|tools?|tool_call|tool_response|start_of_turn|end_of_turn"
    r"|start_of_image|end_of_image|fim_(?:prefix|middle|suffix|pad)|file_sep|repo_name|endoftext|extra_id_\d{1,3}"
    r"|BOS_TOKEN|EOS_TOKEN|EOP_TOKEN|SYS)>"
    r"|/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK|PREFIX|MIDDLE|SUFFIX"
    r"|IMG|IMG_BREAK|IMG_END|BOS|EOS|EOT|PAD|UNK|g?MASK)\])"
)
# Backslashes that stand there already count with it, so that exactly the one put in can be taken out again.
_SPECIAL = re.compile(rf"(?<=[<\[])(?=\\*{_NAMES})")
_BROKEN = re.compile(rf"(?<=[<\[])\\(?=\\*{_NAMES})")


@dataclass(frozen=True, kw_only=True)
class Fenced:
    """Texts as a prompt shows them. A template writes `{{ data.shown.version_1 }}` once, and tells of `data.nonce`."""

    nonce: str  # what the names of all tags end in, and no text holds
    has_broken: bool  # whether special tokens were broken in any
    shown: Mapping[str, str]  # each text between its tags, by name


def fence(**texts: str) -> Fenced:
    """Each text between `<NAME-NONCE>` and `</NAME-NONCE>` on lines of their own.

    The nonce follows from the texts. What is shown is the text itself, but for special tokens of chat formats, which
    get a backslash behind their first sign; `unbroken` takes it out again.
    """
    broken = {name: break_special_tokens(text) for name, text in texts.items()}
    nonce = _absent(broken.values(), "nonce", *broken.values(), size=_NONCE_CHARS).lower()
    shown = {name: f"<{name}-{nonce}>\n{text}\n</{name}-{nonce}>" for name, text in broken.items()}
    return Fenced(nonce=nonce, has_broken=any(broken[name] != texts[name] for name in texts), shown=shown)


def break_special_tokens(text: str) -> str:
    """The text with a backslash behind the first sign of all that a tokenizer may take for a special token.

    Visible, so that a model can say what stood there, and the same on all sides of a pair.
    """
    return _SPECIAL.sub(r"\\", text)


def unbroken(text: str) -> str:
    """The text that `break_special_tokens` was given."""
    return _BROKEN.sub("", text)


def ticket_for(seed: int, row: str, slot: str, shown: Iterable[str] = ()) -> str:
    """What only the answer to this question about this row can hold: eight capitals and digits in no text shown."""
    return _absent(tuple(shown), "ticket", str(seed), row, slot, size=_TICKET_CHARS)


def _absent(texts: Iterable[str], *drawn_from: str, size: int) -> str:
    """A code that follows from the fields and stands in none of the texts, in whatever case."""
    folded = [text.casefold() for text in texts]
    for attempt in count():
        code = base64.b32encode(bytes.fromhex(row_id(*drawn_from, str(attempt)))).decode()[:size]
        if not any(code.casefold() in text for text in folded):
            return code
    raise AssertionError("there are more codes than a text has places")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question of a step about a row: `Complete.ask` gives a table of them."""

    row_id: str
    slot: str  # what the question is to the stage: one a row and model
    system: str
    user: str
    model: int = 0  # place in the step's models
    samples: int = 1  # answers drawn
    schema: str | None = None  # of the answer, as JSON
    choices: tuple[str, ...] | None = None
    ticket: str | None = None


_QUESTIONS = pa.schema(
    [
        ("row_id", pa.string()),
        ("slot", pa.string()),
        ("system", pa.large_string()),
        ("user", pa.large_string()),
        ("model", pa.int32()),
        ("samples", pa.int32()),
        ("schema", pa.large_string()),
        ("choices", pa.list_(pa.string())),
        ("ticket", pa.string()),
    ]
)


def question_table(questions: Iterable[Question]) -> pa.Table:
    """The questions as `Complete.ask` gives them."""
    return pa.Table.from_pylist([asdict(question) for question in questions], schema=_QUESTIONS)
