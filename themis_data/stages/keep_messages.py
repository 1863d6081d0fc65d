"""Commits whose message says something."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import Rows, first_reason, reasons

# Whole messages, lower case and without punctuation, that say nothing of what the change is for.
LOW_SIGNAL = frozenset(
    """
    update|updates|updated|update file|update files|update code|updating|minor|minor update|minor updates|minor change|
    minor changes|minor fix|minor fixes|minor tweak|minor tweaks|small change|small changes|small fix|small fixes|
    tiny fix|
    quick fix|change|changes|changed|some changes|more changes|misc|misc changes|miscellaneous|various|various changes|
    wip|work in progress|in progress|temp|tmp|test|tests|testing|test commit|try|trying|initial|initial commit|
    first commit|init|commit|committing|checkpoint|save|saving|backup|sync|stuff|more|more stuff|more work|continue|
    continued|fix|fixes|fixed|fixing|fixup|bugfix|bug fix|bug fixes|oops|whoops|typo|typos|fix typo|cleanup|clean up|
    cleaning|edit|edits|edited|modify|modified|add|added|remove|removed|done|finished|final|asdf|foo|bar|no message|
    empty|none|n a|progress|improve|improvements|improved|refactor|refactoring|format|formatting|lint|linting|style|
    whitespace|comments|comment|docs|documentation|version|version bump|bump version|release|next|again|better|
    nits|nit
""".replace("\n", "")
    .replace("    ", "")
    .split("|")
)
# "Merge if statements with the same value" and "Merge two loops into one" are changes like any other; merges proper
# have two parents and never get here.
_MERGE = re.compile(
    r"""^\s*merged?\s+(?:
        (?:the\s+)?(?:remote[- ]tracking\s+)?(?:branch|pull\s+request|tag|commit|revision)|
        (?:pr|mr|master|main|trunk)\b|
        (?:upstream|origin|head|with|from|back)\b|conflicts?\b|\#\d|https?:|git@|r\d+|
        \S+\s+into\s+['"\w/.-]+$|.*\sinto\s+['"]?(?:master|main|trunk|dev(?:elop)?|stable|release[\w/.-]*)['"]?$)""",
    re.IGNORECASE | re.VERBOSE,
)
_GENERATED = re.compile(
    r"""^\s*\[?auto(?:mat(?:ic(?:ally)?|ed))?[- ]?(?:commit|update|generated?|sync|merge)\b|
        ^\s*mirror(?:ed)?\s+(?:of|from|to)\b|
        ^\s*sync(?:ed|ing)?\s+(?:from|with|to)\s+(?:internal|upstream|master|main|google|fb|svn)|
        ^\s*import(?:ed)?\s+(?:from|of)\s+(?:internal|svn|cvs|hg|perforce|google|fb)|^\s*snapshot\s+(?:of|from)\b""",
    re.IGNORECASE | re.VERBOSE,
)
# What is done at every release, by a script or as one would. "Release memory" and "Bump the limit to 10" are changes.
_RELEASE = re.compile(
    r"""^\W*(?:
        (?:bump|update|updating|set|change|increase|increment|raise)(?:s|d|ed|ing)?\s+(?:the\s+)?(?:\w+\s+)?version\b
            (?!\s+(?:of|check|req|range|constraint|number\s+(?:check|pars)|in\s+(?:err|mess)))|
        bump(?:s|ed|ing)?\s+(?:it\s+)?(?:to\s+)?v?\d+\.\d[\w.+-]*\W*$|bump(?:s|ed)?\s+to\s+(?:dev|next|v?\d)|
        version\s+(?:bump(?:ed)?|is\s+now|set\s+to|to|number|up)\b|(?:version\s+)?v?\d+(?:\.\w+)+(?:[-+]\w[\w.]*)?\W*$|
        (?:re)?releas(?:e|ed|ing)\s+(?:version\s+|of\s+|:\w+:\s+)?v?\d|
        (?:prepar|start)(?:e|es|ed|ing)?\s+(?:for\s+)?(?:the\s+)?(?:next\s+)?(?:release|development|v?\d+\.\d)|
        \[(?:maven-)?release|back\s+to\s+(?:dev|snapshot)|
        (?:\S+:\s+)?(?:(?:updat|chang|bump|adjust|fix|correct|refresh)(?:e|es|ed|ing)?\s+)?(?:the\s+|out\s+of\s+date\s+)?
            copyright\s+(?:year|date|range|notice\s+year)|happy\s+new\s+year)""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, kw_only=True)
class KeepMessages:
    """Drops commits with a message too short (`message_too_short`) or too long (`message_too_long`), one that says
    nothing (`low_signal`), the message of a merge that was squashed (`merge_message`), one that a program wrote
    (`generated_message`, `bot`), or one about a version's number or a copyright's year (`release_message`)."""

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    min_chars: Annotated[int, "characters; a message has more"] = 10
    max_chars: Annotated[int, "characters; a message has fewer"] = 15_000
    drop_bots: Annotated[bool, "whether commits of programs go"] = True

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        message = changes["message"]
        length = pc.utf8_length(message)
        plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(message), r"[^a-z0-9]+", " "))
        return first_reason(
            reasons(pc.less_equal(length, self.min_chars), "message_too_short"),
            reasons(pc.greater_equal(length, self.max_chars), "message_too_long"),
            reasons(pc.is_in(plain, value_set=pa.array(sorted(LOW_SIGNAL), plain.type)), "low_signal", plain),
            reasons(_matches(_MERGE, changes["subject"]), "merge_message"),
            reasons(_matches(_GENERATED, changes["subject"]), "generated_message"),
            reasons(_matches(_RELEASE, changes["subject"]), "release_message"),
            reasons(pc.and_(pc.fill_null(changes["is_bot"], False), self.drop_bots), "bot"),
        )


def _matches(pattern: re.Pattern[str], subjects: pa.ChunkedArray) -> pa.Array:
    return pa.array([bool(pattern.match(subject)) for subject in subjects.to_pylist()], pa.bool_())


STAGE = KeepMessages
