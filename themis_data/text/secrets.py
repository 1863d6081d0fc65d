"""Secrets and personal data in a text: found by their form, named by kind, and masked alike wherever they stand.

Every pattern begins with a character or two that are looked for first, and has bounded repeats: what stands before is
looked at afterwards. So ordinary code costs little, and a hostile text no more than its length.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import log2
from typing import Literal

Group = Literal["secret", "personal_data"]


@dataclass(frozen=True)
class Finding:
    """What was found, and where: characters from `start` to before `end`."""

    group: Group
    kind: str
    start: int
    end: int

    @property
    def placeholder(self) -> str:
        """What stands for it when it is masked: shaped like a name, so that code with it still parses."""
        return f"REDACTED_{self.kind.upper()}"


@dataclass(frozen=True)
class _Rule:
    group: Group
    kind: str
    needs: tuple[str, ...]  # one of these is in every text that has it
    pattern: re.Pattern[str]  # what is found is the group `found`, or the whole match
    is_real: Callable[[str, re.Match[str]], bool] = lambda found, match: True
    before: re.Pattern[str] | None = None  # must end where the match begins; its group `found` is part of the finding
    may_be: Callable[[str], bool] = lambda found: (
        True
    )  # asked of the match first: a look at what stands before costs more


def findings(text: str) -> list[Finding]:
    """All secrets and personal data in a text, in order and not overlapping; of two that overlap, the first rule's."""
    taken: list[Finding] = []
    for finding in _found(text):
        if all(finding.end <= other.start or other.end <= finding.start for other in taken):
            taken.append(finding)
    return sorted(taken, key=lambda finding: finding.start)


def masked(text: str, found: Iterable[Finding]) -> str:
    """The text with a placeholder for each finding."""
    parts, place = [], 0
    for finding in found:
        parts += [text[place : finding.start], finding.placeholder]
        place = finding.end
    return "".join([*parts, text[place:]])


def described(text: str, finding: Finding) -> str:
    """A finding in words that do not give it away: its kind, its line and its length."""
    line = text.count("\n", 0, finding.start) + 1
    return f"{finding.kind}, line {line}, {finding.end - finding.start} characters"


def _found(text: str) -> Iterator[Finding]:
    for rule in _RULES:
        if any(need in text for need in rule.needs):
            for match in rule.pattern.finditer(text):
                start, end = match.span("found" if "found" in rule.pattern.groupindex else 0)
                if not rule.may_be(text[start:end]):
                    continue
                if rule.before is not None:
                    begin = max(0, match.start() - _LOOK_BACK)
                    earlier = rule.before.search(text, begin, match.start())
                    if earlier is None:
                        continue
                    start = earlier.start("found") if "found" in rule.before.groupindex else start
                if rule.is_real(text[start:end], match):
                    yield Finding(rule.group, rule.kind, start, end)


_LOOK_BACK = 96  # characters
# What people write where a secret would stand.
_PLACEHOLDER = re.compile(
    r"example|sample|dummy|placeholder|redacted|changeme|your[-_]?|xxxx|\*\*\*\*|\.\.\.|[<>{}$%]|1234567|abcdef|test|fake",
    re.IGNORECASE,
)
_RESERVED_HOST = re.compile(
    r"(?:^|\.)(?:example(?:\.[a-z]+)?|test|invalid|local|localhost|localdomain|internal)$", re.IGNORECASE
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")  # names things far more often
_WORDS = re.compile(r"[A-Za-z]+(?:[-_.][A-Za-z]+)*\d{0,2}")


def _is_random(value: str) -> bool:
    """Whether a value looks drawn at random: not of words, not a placeholder, many different characters.

    Bits a character: random hexadecimal has nearly 4, random base64 of 20 characters about 4; names have 3 and less.
    """
    if sum(map(str.isdigit, value)) < 2 or _PLACEHOLDER.search(value) or _WORDS.fullmatch(value):
        return False
    if not any(map(str.isalpha, value)) or _UUID.fullmatch(value):
        return False
    return _entropy(value) >= (3.0 if re.fullmatch(r"[0-9a-fA-F]+", value) else 3.5)


def _entropy(text: str) -> float:
    return -sum(n / len(text) * log2(n / len(text)) for n in Counter(text).values())


def _is_no_placeholder(found: str, _: re.Match[str]) -> bool:
    return not re.search(r"example|xxxx|0000000|1234567890123", found, re.IGNORECASE)


def _is_real_login(password: str, match: re.Match[str]) -> bool:
    """Whether a password in a URL is one: not a placeholder, and for a host that others could reach."""
    host = match["host"]
    if "." not in host or _RESERVED_HOST.search(host) or host.startswith(("127.", "0.", "10.", "192.168.")):
        return False
    return not _PLACEHOLDER.search(password) and not _LOGINS.fullmatch(password)


_LOGINS = re.compile(
    r"(?:my)?pass(?:w(?:or)?d|phrase)?\d*|(?:my)?pwd?\d*|(?:my)?secret\d*|user(?:name)?|admin|root|login|guest|token|key|"
    r"foo|bar|baz|abc|p4ssw0rd|hunter2|postgres|mysql|redis|\d{1,6}",
    re.IGNORECASE,
)
# Roles, lists and programs, not people; and the people of examples.
_ROLES = re.compile(
    r"(?:no-?reply|do-?not-?reply|info|support|security|admin(?:istrator)?|contact|help|webmaster|postmaster|hostmaster|"
    r"abuse|bugs?|dev(?:el)?|developers?|legal|licen[sc]ing|licen[sc]e|opensource|oss|hello|team|sales|press|root|git|svn|hg|"
    r"mailer-daemon|notifications?|bot|ci|build|jenkins|users?|members?|announce|"
    r"foo|bar|baz|test(?:er|ing)?|name|you|your\w*|me|someone|somebody|person|nobody|anonymous|email|mail|address|"
    r"(?:john|jane)[._]?(?:doe|smith)|[a-z]|abc|xyz|sender|recipient|from|to)"
    r"(?:\d{0,3}|\+.*)",
    re.IGNORECASE,
)
_LIST_HOST = re.compile(r"(?:^|\.)(?:lists?|googlegroups|noreply|groups)\.", re.IGNORECASE)
_LIST_NAME = re.compile(
    r".*[-_.](?:dev(?:el)?|users?|list|bugs?|discuss|announce|team|bot|maintainers|owner)", re.IGNORECASE
)
_STAND_IN_HOST = re.compile(
    r"(?:^|\.)(?:foo|bar|baz|qux|test|domain|mydomain|yourdomain|email|mail|company|mycompany|acme|site|mysite|host|"
    r"server|somewhere|address|abc|xyz|a|b|x|y|z)\.[a-z]{2,4}$",
    re.IGNORECASE,
)
_TOP_LEVEL = re.compile(
    r"com|org|net|edu|gov|mil|int|info|biz|name|dev|app|io|ai|me|cloud|online|site|tech|xyz|academy|email|blog|page|science|"
    r"studio|systems|software|technology|pro|live|[a-z]{2}"
)
# Two letters are countries, but these are ends of files and of attributes far more often.
_NO_COUNTRY = re.compile(r"py|rb|js|ts|go|hs|cs|so|cc|md|sh|rs|ml|mm|vb|to|id|is")
_SSH_NAMES = re.compile(r"(?:openssh|ssh)\.com|libssh\.org|lysator\.liu\.se")  # of algorithms, written like addresses


def _is_person(address: str, _: re.Match[str]) -> bool:
    local, _at, host = address.partition("@")
    end = host.rpartition(".")[2].lower()
    if not _TOP_LEVEL.fullmatch(end) or _NO_COUNTRY.fullmatch(end) or _SSH_NAMES.fullmatch(host):
        return False
    if _RESERVED_HOST.search(host) or _STAND_IN_HOST.search(host):
        return False
    return not (_ROLES.fullmatch(local) or _LIST_NAME.fullmatch(local) or _LIST_HOST.search(host))


def _is_no_fiction(number: str, _: re.Match[str]) -> bool:
    """Whether a telephone number is not one of those kept for fiction, and no row of equal digits."""
    digits = re.sub(r"\D", "", number)
    return "555" not in digits and len(set(digits)) > 3 and "1234567" not in digits


_NAME = (
    r"(?:(?:api|access|auth|secret|private|encryption|signing|account|master|client|shared|storage)[_-]?key|"
    r"secret|token|passw(?:or)?d|passphrase|pwd|credential)[A-Za-z0-9_-]{0,20}"
)
_NO_WORD_BEFORE = re.compile(r"(?<![\w+.)])\Z")
_RULES = (
    _Rule(
        "secret",
        "private_key",
        ("PRIVATE KEY",),
        # What follows the first line up to its last, or where that lacks, as far as it can be of the key. No character
        # is read for two of them: either part ends at the next five dashes.
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[^-]*+(?:-(?!----)[^-]*+)*-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"|[A-Za-z0-9+/=\s\"'\\+,#*>|]{64,}+)"
        ),
        lambda found, _: bool(re.search(r"[A-Za-z0-9+/=]{40}", found)),
    ),
    _Rule(
        "secret",
        "aws_access_key",
        ("AKIA", "ASIA"),
        re.compile(r"(?<![A-Za-z0-9/+])A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9/+=])"),
        _is_no_placeholder,
    ),
    _Rule(
        "secret",
        "google_key",
        ("AIza", "GOCSPX-"),
        re.compile(r"(?<![\w-])(?:AIza[\w-]{35}|GOCSPX-[\w-]{28})(?![\w-])"),
        _is_no_placeholder,
    ),
    _Rule(
        "secret",
        "github_token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        re.compile(r"(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})(?!\w)"),
        _is_no_placeholder,
    ),
    _Rule(
        "secret",
        "slack_token",
        ("xox", "hooks.slack.com"),
        re.compile(
            r"(?<!\w)xox[abeoprs]-[0-9A-Za-z-]{15,250}(?![\w-])"
            r"|hooks\.slack\.com/services/T[A-Z0-9]{7,12}/B[A-Z0-9]{7,12}/[A-Za-z0-9]{20,30}"
        ),
        _is_no_placeholder,
    ),
    _Rule(
        "secret",
        "stripe_key",
        ("sk_live_", "rk_live_", "sk_test_", "rk_test_"),
        re.compile(r"(?<!\w)[rs]k_(?:live|test)_[0-9A-Za-z]{16,247}(?!\w)"),
        _is_no_placeholder,
    ),
    _Rule(
        "secret",
        "jwt",
        ("eyJ",),
        re.compile(r"(?<![\w.-])eyJ[\w-]{10,4000}\.eyJ[\w-]{10,8000}\.[\w-]{20,1000}(?![\w-])"),
    ),
    _Rule(
        "secret",
        "service_token",
        ("sk-", "npm_", "pypi-AgEI", "SG.", "hf_", "glpat-", "dop_v1_", "shpat_", ":AA"),
        re.compile(
            r"(?<![\w-])(?:sk-(?:ant-|proj-)?[A-Za-z0-9_-]{40,200}|npm_[A-Za-z0-9]{36}|pypi-AgEI[\w-]{50,500}"
            r"|SG\.[\w-]{22}\.[\w-]{43}|hf_[A-Za-z]{34}|glpat-[\w-]{20}|dop_v1_[0-9a-f]{64}|shpat_[0-9a-f]{32}"
            r"|[0-9]{8,10}:AA[\w-]{33})(?![\w-])"
        ),
        _is_no_placeholder,
    ),
    _Rule(
        "secret",
        "login_in_url",
        ("://",),
        re.compile(
            r"://[^\s:/@\"'<>`\\]{0,64}:(?P<found>[^\s/@\"'<>`\\]{3,128})@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252})"
        ),
        _is_real_login,
    ),
    _Rule(
        "secret",
        "assigned_secret",
        ('"', "'", "`"),
        re.compile(r"[\"'`](?P<found>[A-Za-z0-9+/=_.~!@#^&-]{16,200})(?=[\"'`])"),
        may_be=_is_random,
        before=re.compile(
            rf"{_NAME}[\"'`\]]{{0,2}}\s{{0,8}}(?::=|=>|[=:,])\s{{0,8}}(?:[A-Za-z]{{1,8}}\()?\Z", re.IGNORECASE
        ),
    ),
    _Rule(
        "secret",
        "assigned_secret",
        ("=", ":"),
        re.compile(r"[=:][ \t]{0,4}(?P<found>[A-Za-z0-9+/]{32,200}={0,2})(?=\s|\Z)"),
        may_be=_is_random,
        before=re.compile(rf"{_NAME}[ \t]{{0,4}}\Z", re.IGNORECASE),
    ),
    _Rule(
        "personal_data",
        "email",
        ("@",),
        re.compile(r"@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}(?![\w@(/-]|\.\w)"),
        _is_person,
        re.compile(r"(?<![\w.+%:/@-])(?P<found>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63})\Z"),
    ),
    _Rule(
        "personal_data",
        "phone_number",
        ("+",),
        re.compile(r"\+[1-9]\d{0,2}[ .-]\(?\d{1,4}\)?(?:[ .-]\d{3,4}){2,3}(?![\w.-])"),
        _is_no_fiction,
        _NO_WORD_BEFORE,
    ),
    _Rule(
        "personal_data",
        "phone_number",
        (") ",),
        re.compile(r"\([2-9]\d{2}\) [2-9]\d{2}-\d{4}(?![\w.-])"),
        _is_no_fiction,
        _NO_WORD_BEFORE,
    ),
)
