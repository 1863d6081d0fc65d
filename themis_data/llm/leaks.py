"""Whether a prompt gives away which side of a pair is the better one, whoever wrote it."""

from collections.abc import Mapping, Sequence
from typing import Any

from themis_data.code.answers import read_answer
from themis_data.code.grammars import Grammars
from themis_data.code.language import all_languages, by_name
from themis_data.code.syntax import identifiers
from themis_data.text.leaks import KINDS, Kind, Sides, find_leak


def leak_of(prompt: str, pair: Mapping[str, Any], *, grammars: Grammars, kinds: Sequence[Kind] = KINDS) -> str | None:
    """What of a prompt gives away which side of a pair is better, as a reason to drop it; None for nothing."""
    language = pair["language"]
    chosen, rejected = (read_answer(pair[side]).code for side in ("chosen", "rejected"))

    def names() -> tuple[frozenset[str], frozenset[str]]:
        one, other = (identifiers(code.encode(), language, grammars=grammars) for code in (chosen, rejected))
        return one, other

    sides = Sides(
        chosen=chosen,
        rejected=rejected,
        criterion=pair["criterion"],
        message=pair["message"],
        path=pair["path"],
        names=names if language in all_languages() and by_name(language).published_as is not None else None,
    )
    leak = find_leak(prompt, sides, kinds=kinds)
    return None if leak is None else leak.reason
