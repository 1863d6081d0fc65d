"""The one criterion that a commit improves, from what its message says and what its diff shows.

The message is asked first, because most commits name no criterion and need no diff. Words score: a word that names
the criterion counts more than a typical one, and that more than a bare "fix"; the subject counts double. The
strongest criterion wins by a margin, and then the changed lines have to show it. Whatever stays undecided gets no
criterion and the reason why.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from themis_data.criteria import Criterion, all_criteria, leading_letters
from themis_data.criteria.evidence import Changes, Diff, excluded_path, kinds_shown, read_diff
from themis_data.yaml_file import read_yaml

_MESSAGES = Path(__file__).parent / "evidence" / "messages.yaml"
_STRENGTHS: Mapping[str, float] = {"strong": 3.0, "terms": 2.0, "opening": 2.0, "weak": 1.0, "body": 3.0}
_SUBJECT_FACTOR = 2.0
_BODY_SUPPORT = 0.5  # what a body adds that has the words again: less than the margin
_MAX_SUBJECT_CHARS = 500
_MAX_BODY_CHARS = 3_000  # a longer body is a pasted log or a list of squashed commits
_MAX_BULLETS = 5  # a body with more separate points is about more than one thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The criterion of a commit, or why it has none.

    `criterion` is null exactly when `reason` is not: `no_criterion` (the message has no word for one), `excluded`
    (the message or the path is about something else, or the diff is only surface), `no_evidence` (the diff does not
    show what the message says), `multi_intent` (two criteria within the margin, or several unrelated changes).
    `detail` says which rule decided; null for `no_criterion` and for a label. `margin` is the distance in score to
    the next criterion, the whole score when there is none. Names are sorted, `terms` are as they stand in the message.
    """

    criterion: str | None
    reason: str | None
    detail: str | None
    score: float
    margin: float
    also_matches: tuple[str, ...]
    terms: tuple[str, ...]
    evidence: tuple[str, ...]

    @property
    def drop_reason(self) -> str | None:
        """`reason`, with `detail` behind a colon where there is one; null for a label."""
        return f"{self.reason}: {self.detail}" if self.reason and self.detail else self.reason


@dataclass(frozen=True, slots=True)
class Message:
    """A commit message in lower case, cut into what the rules look at."""

    kind: str | None  # the type a conventional-commit prefix states, null without one
    scope: str  # where the change is, before the subject as in "net/http: ", empty without one
    subject: str  # without prefix, scope, issue numbers, links and a trailing "and add tests"
    body: str  # without trailers, links and quoted code


@dataclass(frozen=True, slots=True)
class _Hit:
    criterion: str
    strength: str
    in_subject: bool
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """What a message says the commit is better at, before anyone looks at the diff."""

    message: Message
    hits: list[_Hit]
    terms: tuple[str, ...]
    scores: Mapping[str, float]
    best: str
    score: float
    lead: float


def classify(*, message: str, path: str, language: str, changes: Callable[[], Changes], margin: float = 1.0) -> Label:
    """The label of one commit. `changes` is called only when message and path leave a criterion possible."""
    stated = _stated(message, path, language, margin)
    if isinstance(stated, Label):
        return stated
    terms, scores, best, hits = stated.terms, stated.scores, stated.best, stated.hits
    diff = read_diff(changes(), language=language)
    if diff.surface is not None and not (diff.surface == "text" and _text_counts(best)):
        return _none("excluded", f"diff: only {diff.surface}", terms=terms, also=tuple(sorted(scores)))
    criterion = all_criteria()[best]
    claimed = _claimed(best, stated.message)
    shown, missing = _evidence(criterion, diff, claimed, language=language, strength=_strongest(best, hits))
    if missing is not None:
        return _none("no_evidence", f"{best}: {missing}", terms=terms, also=tuple(sorted(scores)))
    return Label(
        criterion=best,
        reason=None,
        detail=None,
        score=stated.score,
        margin=stated.lead,
        also_matches=tuple(sorted(scores.keys() - {best})),
        terms=terms,
        evidence=shown,
    )


def message_reason(*, message: str, path: str, language: str, margin: float = 1.0) -> str | None:
    """Why `classify` gives no label whatever the diff, as `reason: detail`; None where the diff decides."""
    stated = _stated(message, path, language, margin)
    return stated.drop_reason if isinstance(stated, Label) else None


def excluded(*, message: str, path: str) -> str | None:
    """The group of commits that get no criterion whatever words they have, as `message: GROUP` or `path: GROUP`."""
    return _excluded_message(parse_message(message), message) or _excluded_file(path)


def recalled(
    *,
    message: str,
    path: str,
    language: str,
    changes: Callable[[], Changes],
    probabilities: Mapping[str, float],
    sure: Mapping[str, float],
) -> Label | None:
    """The label of a commit without a term that a classifier is sure of; null where it is sure of none.

    `probabilities` are its, by criterion, and `sure` are those from which on it is believed; a criterion that is not
    there is never given. What excludes a message, a path or a diff excludes it here too, and the diff has to show what
    it has to show for a typical word. `score` is the probability and `margin` its distance to the next criterion's.
    """
    stated = _recalled(message=message, path=path, probabilities=probabilities, sure=sure)
    if stated is None or isinstance(stated, Label):
        return stated
    diff = read_diff(changes(), language=language)
    if diff.surface is not None and not (diff.surface == "text" and _text_counts(stated)):
        return _none("excluded", f"diff: only {diff.surface}", also=(stated,))
    parsed = parse_message(message)
    claimed = _claimed(stated, parsed)
    if claimed == ():  # it promises in other words than those that are looked for
        claimed = tuple(sorted({kind for _, shows in _claims(stated) for kind in shows}))
    shown, missing = _evidence(all_criteria()[stated], diff, claimed, language=language, strength="terms")
    if missing is not None:
        return _none("no_evidence", f"{stated}: {missing}", also=(stated,))
    others = [probability for name, probability in probabilities.items() if name != stated]
    return Label(
        criterion=stated,
        reason=None,
        detail=None,
        score=probabilities[stated],
        margin=probabilities[stated] - max(others, default=0.0),
        also_matches=(),
        terms=(),
        evidence=shown,
    )


def recalled_reason(
    *, message: str, path: str, probabilities: Mapping[str, float], sure: Mapping[str, float]
) -> str | None:
    """Why `recalled` gives no label whatever the diff, as `reason: detail`; None where the diff decides."""
    stated = _recalled(message=message, path=path, probabilities=probabilities, sure=sure)
    if stated is None:
        return "no_criterion"
    return stated.drop_reason if isinstance(stated, Label) else None


def _recalled(
    *, message: str, path: str, probabilities: Mapping[str, float], sure: Mapping[str, float]
) -> str | Label | None:
    """The criterion that a classifier is sure of, the label that says why it is not given, or None."""
    found = sorted(name for name, limit in sure.items() if probabilities[name] >= limit)
    if not found:
        return None
    group = excluded(message=message, path=path)
    if group is not None:
        return _none("excluded", group, also=tuple(found))
    if len(found) > 1:
        return _none("multi_intent", f"a classifier is sure of {' and '.join(found)}", also=tuple(found))
    parsed = parse_message(message)
    if second := _pattern("second_intent").search(parsed.subject, 3):
        return _none("multi_intent", f"second clause: {second[0].strip()}", also=tuple(found))
    if len(_BULLET.findall(parsed.body)) > _MAX_BULLETS:
        return _none("multi_intent", "a list of changes", also=tuple(found))
    return found[0]


def _stated(message: str, path: str, language: str, margin: float) -> _Stated | Label:
    """The criterion that the message states, or the label that says why it states none."""
    parsed = parse_message(message)
    hits = _hits(parsed)
    if not hits:
        return _none("no_criterion", None)
    terms = tuple(sorted({hit.text for hit in hits}))
    group = _excluded_message(parsed, message) or _excluded_file(path)
    if group is not None:
        return _none("excluded", group, terms=terms)
    stated = _scores(parsed, hits)
    scores = {name: score for name, score in stated.items() if not _never(name, language).search(parsed.subject)}
    if not stated:
        return _none("no_criterion", None, terms=terms)
    likeliest = _ranked(stated)[0]
    if not scores:
        return _none("excluded", f"message: never for {likeliest}", terms=terms)
    best, score, lead = _ranked(_not_outranked(scores, hits))
    is_weak = _is_weak(best, hits)
    if is_weak and stated[likeliest] - score >= margin:
        # What a `never` phrase takes from one criterion a bare "fix" does not get: "fix leak detector" mends no leak.
        return _none("excluded", f"message: never for {likeliest}", terms=terms)
    if is_weak and not _says_what(best, parsed):
        return _none("excluded", f"message: {best} without saying what was wrong", terms=terms)
    if _is_mere_topic(best, hits):
        return _none("excluded", f"message: only a topic of {best}", terms=terms)
    several = _several_intents(parsed, hits, best, _not_outranked(scores, hits), margin=margin)
    if several is not None:
        return _none("multi_intent", several, terms=terms, also=tuple(sorted(scores)))
    return _Stated(message=parsed, hits=hits, terms=terms, scores=scores, best=best, score=score, lead=lead)


def _none(reason: str, detail: str | None, *, terms: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> Label:
    return Label(
        criterion=None,
        reason=reason,
        detail=detail,
        score=0.0,
        margin=0.0,
        also_matches=also,
        terms=terms,
        evidence=(),
    )


# The message --------------------------------------------------------------------------------------------------

_URL = re.compile(r"https?://\S+")
_TRAILER = re.compile(
    r"^(?:signed-off-by|co-authored-by|reviewed-by|acked-by|tested-by|reported-by|change-id|git-svn-id|cc|"
    r"reviewed-on|bug|issue|see|refs?|closes|fixes|resolves|pr|pull request)\s*:?\s*(?:#|\S+[@/]|[\w./-]*#|:).*$",
    re.MULTILINE,
)
_ISSUE = re.compile(
    r"\(?(?:\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?|refs?|see|issue|bug|pr|part of|related to)\b:?\s*)?"
    r"(?:\b[\w.-]+/[\w.-]+)?(?:#|\bgh-)\d+\b\)?:?"
)
_ISSUE_KEY = re.compile(r"^\W*(?:resolved issue:?\s*|fixed issue:?\s*|issue:?\s*)?\[?(?:[a-z]+-\d+|#\d+)\]?[\s:,-]*")
_PREFIX = re.compile(r"^\[?([a-z][a-z-]*)\]?(?:\([^)]*\))?!?\s*:\s*|^\[([a-z]+)\]\s*")
_SCOPE = re.compile(r"^(?:[\w./*@+-]{1,60}(?:, ?[\w./*@+-]{1,60}){0,4}:\s+){1,2}(?=\S)")  # "net/http, url: "
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_WORD = re.compile(r"(?<![\w.#$@])[a-z0-9]{2,4}")  # not inside a name such as java.security or #release
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+\S", re.MULTILINE)


def parse_message(message: str) -> Message:
    """What a message says, apart from what it is stamped with."""
    subject, _, body = message.strip().lower().partition("\n")
    subject = subject[:_MAX_SUBJECT_CHARS].rstrip()
    if subject.endswith(("…", "...")) and body.lstrip().startswith(("…", "...")):
        head, _, body = body.lstrip().partition("\n")  # a title that the hosting site cut in two
        subject = subject.rstrip("….") + head.lstrip("….")
    subject = _URL.sub(" ", subject)
    subject = _ISSUE_KEY.sub("", subject)
    kind = None
    if found := _PREFIX.match(subject):
        kind = _types().get(found[1] or found[2])
        if kind is not None:
            subject = subject[found.end() :]
    scope = ""
    if kind is None and (found := _SCOPE.match(subject)):
        scope, subject = found[0], subject[found.end() :]
    subject = _ISSUE.sub(_kept_verb, subject)
    subject = _pattern("dropped_clause").sub("", subject)
    subject = " ".join(subject.split()).strip(" .:;,-*")
    body = _CODE.sub(" ", body[:_MAX_BODY_CHARS])
    body = _URL.sub(" ", _TRAILER.sub("", body))
    return Message(kind, scope, subject, _ISSUE.sub(" ", body).strip())


def _kept_verb(found: re.Match[str]) -> str:
    """An issue number goes; the verb stays where the subject begins with it ("Fix #12: ...")."""
    verb = re.match(r"fix(?:e[sd])?", found[0])
    return f"{verb[0]} " if verb and found.start() == 0 else " "


@cache
def _types() -> Mapping[str, str]:
    return {written: kind for kind, forms in read_yaml(_MESSAGES)["types"].items() for written in forms}


@cache
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(read_yaml(_MESSAGES)[key])


@cache
def _excluded_types() -> frozenset[str]:
    return frozenset(read_yaml(_MESSAGES)["excluded_types"])


@cache
def _excluded_subjects() -> tuple[tuple[str, re.Pattern[str]], ...]:
    groups = read_yaml(_MESSAGES)["excluded_subjects"]
    return tuple((group, re.compile("|".join(f"(?:{p})" for p in patterns))) for group, patterns in groups.items())


def _excluded_message(message: Message, written: str) -> str | None:
    if message.kind in _excluded_types():
        return f"message: {message.kind}"
    if "This reverts commit" in written:
        return "message: revert"
    for group, pattern in _excluded_subjects():
        if pattern.search(message.subject) or pattern.search(message.scope):
            return f"message: {group}"
    return None


def _excluded_file(path: str) -> str | None:
    group = excluded_path(path)
    return None if group is None else f"path: {group}"


# Terms --------------------------------------------------------------------------------------------------------


@cache
def _terms() -> Mapping[str, tuple[tuple[str, str, re.Pattern[str]], ...]]:
    """Terms by the first two to four characters of their matches, so that a word is compared with few of them."""
    index: dict[str, list[tuple[str, str, re.Pattern[str]]]] = {}
    for criterion in all_criteria().values():
        if criterion.message is None:
            continue
        for strength in _STRENGTHS:
            for pattern in getattr(criterion.message, strength):
                key = leading_letters(pattern)
                assert key is not None, pattern
                # A word that goes on as a call or a path is a name in the code ("cleanup()", "security.md").
                compiled = re.compile(rf"(?:{pattern})(?!\w|\(|\.\w)")
                index.setdefault(key, []).append((criterion.name, strength, compiled))
    return {key: tuple(terms) for key, terms in index.items()}


def _hits(message: Message) -> list[_Hit]:
    """Terms in the subject and in the body, the longest of those that overlap; denied ones are left out."""
    hits = _found_in(message.subject, in_subject=True)
    for criterion in all_criteria().values():
        if criterion.message and message.kind is not None and message.kind in criterion.message.prefixes:
            strength = criterion.message.prefixes[message.kind]
            hits.append(_Hit(criterion.name, strength, True, -1, -1, f"{message.kind}:"))
    hits.extend(_found_in(message.body, in_subject=False))
    return [hit for hit in hits if hit.strength != "terms" or _has_need(hit.criterion, message.subject)]


def _has_need(name: str, subject: str) -> bool:
    pattern = _needs(name)
    return pattern is None or pattern.search(subject) is not None


@cache
def _needs(name: str) -> re.Pattern[str] | None:
    rules = all_criteria()[name].message
    if rules is None or not rules.needs:
        return None
    return re.compile("|".join(f"(?:{pattern})" for pattern in rules.needs))


def without_terms(text: str) -> tuple[str, ...]:
    """What is left of a lower-case text when the words that speak for any criterion go, of whatever strength and
    wherever they stand: the pieces between them, white space stripped, empty ones left out."""
    spans = sorted(
        found.span()
        for word in _WORD.finditer(text)
        for size in range(2, len(word[0]) + 1)
        for _, _, pattern in _terms().get(word[0][:size], ())
        if (found := pattern.match(text, word.start()))
    )
    pieces, end = [], 0
    for start, stop in spans:
        if start >= end:
            pieces.append(text[end:start])
        end = max(end, stop)
    pieces.append(text[end:])
    return tuple(stripped for piece in pieces if (stripped := piece.strip()))


def _found_in(text: str, *, in_subject: bool) -> list[_Hit]:
    index = _terms()
    hits: list[_Hit] = []
    for word in _WORD.finditer(text):
        letters = word[0]
        for size in range(2, len(letters) + 1):
            for criterion, strength, pattern in index.get(letters[:size], ()):
                if strength in ("opening", "weak") and not (in_subject and word.start() == 0):
                    continue
                if strength == "body" and in_subject:
                    continue
                if found := pattern.match(text, word.start()):
                    hits.append(_Hit(criterion, strength, in_subject, found.start(), found.end(), found[0]))
    return [hit for hit in hits if not _is_inside_longer(hit, hits) and not _is_denied(hit, text)]


def _is_inside_longer(hit: _Hit, hits: list[_Hit]) -> bool:
    return any(
        other.start <= hit.start and hit.end <= other.end and other.end - other.start > hit.end - hit.start
        for other in hits
        if _STRENGTHS[other.strength] >= _STRENGTHS[hit.strength]
    )


def _is_denied(hit: _Hit, text: str) -> bool:
    """Whether words shortly before a term, in the same clause, deny it ("no performance change")."""
    clause = re.split(r"[.;:,\n]", text[max(0, hit.start - 60) : hit.start])[-1]
    return _denials(hit.criterion).search(clause) is not None


@cache
def _denials(name: str) -> re.Pattern[str]:
    rules = all_criteria()[name].message
    words = "|".join(rules.denied_by) if rules is not None else ""
    return re.compile(rf"\b(?:{words})(?:\W+[\w-]+){{0,3}}\W*$" if words else r"(?!)")


# The decision -------------------------------------------------------------------------------------------------


def _scores(message: Message, hits: list[_Hit]) -> dict[str, float]:
    """Score of every criterion that the message has words for, `never` phrases aside."""
    scores: dict[str, float] = {}
    is_new = _pattern("new_things").search(message.subject) is not None
    for name in all_criteria():
        own = [hit for hit in hits if hit.criterion == name]
        in_subject = max((_STRENGTHS[hit.strength] for hit in own if hit.in_subject), default=0.0)
        in_body = [hit for hit in own if not hit.in_subject]
        if in_subject > 0.0:
            scores[name] = _SUBJECT_FACTOR * in_subject + (_BODY_SUPPORT if in_body else 0.0)
        elif not is_new and any(hit.strength == "body" for hit in in_body):
            scores[name] = _STRENGTHS["body"]
    return scores


@cache
def _never(name: str, language: str) -> re.Pattern[str]:
    rules = all_criteria()[name].message
    patterns = () if rules is None else (*rules.never, *rules.never_in.get(language, ()))
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")


def _says_what(name: str, message: Message) -> bool:
    """Whether a message of weak words says in other words what was wrong."""
    pattern = _weak_needs(name)
    return pattern is None or pattern.search(f"{message.subject}\n{message.body}") is not None


@cache
def _weak_needs(name: str) -> re.Pattern[str] | None:
    rules = all_criteria()[name].message
    if rules is None or not rules.weak_needs:
        return None
    return re.compile("|".join(f"(?:{pattern})" for pattern in rules.weak_needs))


def _ranked(scores: Mapping[str, float]) -> tuple[str, float, float]:
    """The best criterion, its score, its lead over the next one."""
    order = sorted(scores, key=lambda name: (-scores[name], name))
    best = order[0]
    lead = scores[best] - (scores[order[1]] if len(order) > 1 else 0.0)
    return best, scores[best], lead


def _not_outranked(scores: Mapping[str, float], hits: list[_Hit]) -> Mapping[str, float]:
    """Scores without those of criteria that only tell how another one shows: an overflow that crashes is one fault."""
    gone: set[str] = set()
    for name in scores:
        rules = all_criteria()[name].message
        if rules is not None and any(h.in_subject and h.strength == "strong" for h in hits if h.criterion == name):
            gone.update(rules.outranks)
    return {name: score for name, score in scores.items() if name not in gone}


def _several_intents(
    message: Message, hits: list[_Hit], best: str, scores: Mapping[str, float], *, margin: float
) -> str | None:
    """What makes a message speak of several changes; null for one intent."""
    near = sorted(name for name in scores if name != best and scores[best] - scores[name] < margin)
    if near:
        return f"{best} and {', '.join(near)} within the margin"
    rules = all_criteria()[best].message
    is_body_only = scores[best] == _STRENGTHS["body"]
    others = {hit.criterion for hit in hits if hit.in_subject or is_body_only or hit.criterion in scores} - {best}
    if rules is not None and rules.unmixed and others:
        return f"{best} mixed with {', '.join(sorted(others))}"
    if message.kind == "refactor" and rules is not None and "refactor" not in rules.prefixes:
        return f"prefix refactor, words of {best}"
    named = {hit.criterion for hit in hits if _is_named_in_body(hit)} - {best}
    if named and _strongest(best, hits) != "strong" and best not in {h.criterion for h in hits if _is_named_in_body(h)}:
        return f"{best} in the subject, {', '.join(sorted(named))} in the body"
    if found := _pattern("second_intent").search(message.subject, 3):
        return f"second clause: {found[0].strip()}"
    if len(_BULLET.findall(message.body)) > _MAX_BULLETS:
        return "a list of changes"
    return None


def _is_named_in_body(hit: _Hit) -> bool:
    return not hit.in_subject and hit.strength in ("strong", "body")


def _text_counts(name: str) -> bool:
    rules = all_criteria()[name].diff
    return rules is not None and rules.text_counts


def _is_mere_topic(name: str, hits: list[_Hit]) -> bool:
    """Whether typical words stand alone that this criterion takes for the place of a change only."""
    rules = all_criteria()[name].message
    is_typical = _strongest(name, hits) in ("terms", "opening")
    in_body = any(hit.criterion == name and not hit.in_subject for hit in hits)
    return rules is not None and rules.typical_needs_body and is_typical and not in_body


def _is_weak(name: str, hits: list[_Hit]) -> bool:
    return _strongest(name, hits) == "weak"


def _strongest(name: str, hits: list[_Hit]) -> str:
    return max((hit.strength for hit in hits if hit.criterion == name), key=_STRENGTHS.__getitem__)


def _claimed(name: str, message: Message) -> tuple[str, ...] | None:
    """The kinds of evidence that keep what a message promises; null for a criterion without claims.

    The subject is asked first, and the body only when the subject promises nothing.
    """
    claims = _claims(name)
    if not claims:
        return None
    for text in (f"{message.kind or ''}: {message.subject}", message.body):
        if found := {kind for says, shows in claims if says.search(text) for kind in shows}:
            return tuple(sorted(found))
    return ()


@cache
def _claims(name: str) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    rules = all_criteria()[name].diff
    claims = () if rules is None else rules.claims.values()
    return tuple((re.compile("|".join(f"(?:{p})" for p in claim.says)), claim.shows) for claim in claims)


def _evidence(
    criterion: Criterion, diff: Diff, claimed: tuple[str, ...] | None, *, language: str, strength: str
) -> tuple[tuple[str, ...], str | None]:
    """The kinds of evidence that speak for the criterion, sorted, and what is missing; null when nothing is."""
    assert criterion.diff is not None, criterion.name
    rules = criterion.diff
    limit, wanted = rules.max_code_lines, rules.requires_any
    if strength == "weak":
        limit, wanted = rules.max_weak_code_lines or limit, rules.weak_requires_any
    elif strength in ("terms", "opening") and rules.typical_requires_any:
        wanted = rules.typical_requires_any
    if claimed is not None:
        wanted = claimed
        if not wanted:
            return (), "the message promises nothing concrete"
    if diff.num_lines > limit:
        return (), f"more than {limit} changed lines"
    kinds = kinds_shown(diff, language=language)
    if forbidden := kinds & set(rules.forbids_any):
        return (), f"shows {', '.join(sorted(forbidden))}"
    if strength != "strong":
        kinds -= set(rules.clear_only)
    shown = tuple(sorted(kinds & set(wanted)))
    return shown, None if shown else f"none of {', '.join(wanted)}"
