"""What a classifier sees of a commit: its message without the words that the rules look for, and maybe its diff."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from themis_data.criteria.classify import parse_message, without_terms
from themis_data.criteria.evidence import Changes, kinds_shown, read_diff

_MAX_BODY_CHARS = 600
_MAX_LINES = 60  # of code a side; what stands further down a long diff tells little more
_WORD = re.compile(r"[a-z]{2,}|\d+|[^\w\s]")
_CODE_TOKEN = re.compile(r"[A-Za-z_$][\w$]*|[^\s\w]{1,2}")


@dataclass(frozen=True, slots=True)
class Example:
    """A commit as a classifier sees it. The message is lower case, in the pieces that are left between terms; lines are
    stripped code without comments. Without diff features there are no lines and no kinds."""

    subject: tuple[str, ...]
    body: tuple[str, ...]
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # of evidence, sorted

    @property
    def text(self) -> str:
        """The message in one line, for encoders of text."""
        return ". ".join(part for part in (" ".join(self.subject), " ".join(self.body)) if part)

    @property
    def diff_text(self) -> str:
        """The changed lines in one text, those that went first."""
        return "\n".join([f"- {line}" for line in self.removed] + [f"+ {line}" for line in self.added])

    def message_tokens(self) -> Iterator[str]:
        """Words and pairs of neighbours, those of subject and body told apart; no pair spans a gap that a term left."""
        for mark, pieces in (("s", self.subject), ("b", self.body)):
            for piece in pieces:
                words = ["0" if word[0].isdigit() else word for word in _WORD.findall(piece)]
                yield from (f"{mark}:{word}" for word in words)
                yield from (f"{mark}:{one} {other}" for one, other in pairwise(words))

    def diff_tokens(self) -> Iterator[str]:
        """Tokens of the code that went and of the code that came, kinds of evidence, and the size as a power of two."""
        if not (self.removed or self.added or self.kinds):
            return
        removed, added = (set(_CODE_TOKEN.findall("\n".join(lines))) for lines in (self.removed, self.added))
        yield from (f"-{token}" for token in sorted(removed - added))
        yield from (f"+{token}" for token in sorted(added - removed))
        yield from (f"kind {kind}" for kind in self.kinds)
        for side, lines in (("-", self.removed), ("+", self.added)):
            yield f"size {side}{len(lines).bit_length()}"


def example(*, message: str, language: str, changes: Callable[[], Changes] | None) -> Example:
    """A commit as classifiers see it; with `changes`, its diff too."""
    parsed = parse_message(message)
    subject, body = without_terms(parsed.subject), without_terms(parsed.body[:_MAX_BODY_CHARS])
    if changes is None:
        return Example(subject, body)
    diff = read_diff(changes(), language=language)
    kinds = tuple(sorted(kinds_shown(diff, language=language)))
    return Example(subject, body, diff.removed[:_MAX_LINES], diff.added[:_MAX_LINES], kinds)
