"""One key for one problem, however a data set, a judge's address or a benchmark's id writes it.

A key is JUDGE/REST in lower case: `codeforces/1234/a`, `atcoder/abc123/a`, `leetcode/two-sum`, `leetcode/#1`,
`aizu/itp1_1_a`, `codenet/p00001`, `human_eval/12`, `mbpp/12`, and `commit/SHA` for benchmarks that are commits.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from themis_data.errors import SourceError

# Ids are short; what is longer is text, and is not searched.
_MAX_CHARS = 300
_SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_CONTEST = r"[1-9][0-9]{0,6}"  # Codeforces; six digits for gyms
_INDEX = r"[a-z][0-9]{0,2}"  # a, b1, c2
_ATCODER_TASK = re.compile(r"([a-z0-9-]+(?:_[a-z0-9-]+)*)_([a-z0-9]+)")

# An address names its judge by its host; the path is matched without query, fragment and last slash.
_ADDRESS = re.compile(r"(?:https?://)?(?:www\.|m[0-9]?\.)?([a-z0-9.-]+\.[a-z]{2,4})(/[^?#\s]*)?(?:[?#]\S*)?")
_ADDRESSES: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        "codeforces.com",
        re.compile(rf"/(?:contest|gym)/({_CONTEST})/problem/({_INDEX})"),
        lambda m: f"codeforces/{m[1]}/{m[2]}",
    ),
    (
        "codeforces.com",
        re.compile(rf"/problemset/(?:gym)?problem/({_CONTEST})/({_INDEX})"),
        lambda m: f"codeforces/{m[1]}/{m[2]}",
    ),
    (
        "atcoder.jp",
        re.compile(r"/contests/[a-z0-9_-]+/tasks/([a-z0-9_-]+)"),
        lambda m: _atcoder(m[1]) or f"atcoder/{m[1]}",
    ),
    ("leetcode.com", re.compile(rf"/(?:contest/[a-z0-9-]+/)?problems/({_SLUG})(?:/.*)?"), lambda m: f"leetcode/{m[1]}"),
    ("leetcode.cn", re.compile(rf"/(?:contest/[a-z0-9-]+/)?problems/({_SLUG})(?:/.*)?"), lambda m: f"leetcode/{m[1]}"),
    ("github.com", re.compile(r"/[^/]+/[^/]+/commit/([0-9a-f]{7,40})"), lambda m: f"commit/{m[1]}"),
)

# Ids that say by themselves whose they are.
_OWN_NAMES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"human[-_ ]?eval(?:[-_ ]?plus|\+)?[/_-]([0-9]{1,3})"), lambda m: f"human_eval/{int(m[1])}"),
    (re.compile(r"mbpp(?:[-_ ]?plus|\+)?[/_-]([0-9]{1,4})"), lambda m: f"mbpp/{int(m[1])}"),
    (re.compile(r"p([0-9]{5})"), lambda m: f"codenet/p{m[1]}"),
    (re.compile(r"((?:abc|arc|agc|ahc)[0-9]{3})_?([a-h]x?|ex|[1-8])"), lambda m: f"atcoder/{m[1]}/{m[2]}"),
)


def problem_key(name: str, judge: str | None = None) -> str | None:
    """The canonical key of a problem; null where the name is none that is known.

    `name` is an address, an id that says whose it is (`HumanEval/12`, `Mbpp/12`, `p00001`, `abc123_a`), or the judge's
    own id where `judge` says which judge that is, by any of its usual names. A bare number or `1234A` without a judge
    is no problem: too many things are called so.
    """
    plain = name.strip().lower()
    if not plain or len(plain) > _MAX_CHARS:
        return None
    address = _of_address(plain)
    if address is not None:
        return address
    if judge is not None:
        reader = _JUDGES.get(re.sub(r"[\s_.-]", "", judge.lower()))
        return reader(plain) if reader else None
    for pattern, key in _OWN_NAMES:
        found = pattern.fullmatch(plain)
        if found:
            return key(found)
    return None


def read_duplicates(path: str | Path) -> dict[str, str]:
    """Key to the key that stands for it, out of a file of clusters of one problem each.

    A line is one cluster, its ids separated by commas or spaces; CodeNet's own lists (`derived/duplicates`) are such
    files of `p00001` ids, and any key that this module writes may stand there. The first in the order of keys stands
    for all; clusters that share an id are one. Raises SourceError that names the line of an id that is none.
    """
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while parents.setdefault(key, key) != key:
            key = parents[key]
        return key

    with Path(path).open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            names = [name for cell in row for name in cell.split()]
            keys = [name if name in parents else _key_or_own(name) for name in names]
            for name, key in zip(names, keys, strict=True):
                if key is None:
                    raise SourceError(f"{path}, line {number}: {name!r} is no problem's id, such as p00001")
            roots = sorted({root(key) for key in keys if key is not None})
            for other in roots[1:]:
                parents[other] = roots[0]
    return {key: root(key) for key in sorted(parents)}


def merged(keys: Iterable[str | None], duplicates: Mapping[str, str]) -> list[str | None]:
    """The keys with each replaced by the one that stands for its cluster."""
    return [None if key is None else duplicates.get(key, key) for key in keys]


def _of_address(plain: str) -> str | None:
    found = _ADDRESS.fullmatch(plain)
    if found is None or found[2] is None:
        return None
    path = found[2].rstrip("/")
    for host, pattern, key in _ADDRESSES:
        match = pattern.fullmatch(path) if host == found[1] else None
        if match:
            return key(match)
    return None


def _key_or_own(name: str) -> str | None:
    """The key of an id, or the id itself where it is a key already."""
    judge, slash, rest = name.partition("/")
    return problem_key(name) or (name if slash and rest and judge in _KEY_JUDGES and name == name.lower() else None)


def _codeforces(plain: str) -> str | None:
    found = re.fullmatch(rf"(?:cf|codeforces)?[\s_/-]?({_CONTEST})[\s_/.-]?({_INDEX})(?:[.:]\s.*)?", plain)
    return f"codeforces/{found[1]}/{found[2]}" if found else None


def _atcoder(plain: str) -> str | None:
    """`abc123_a`, and `code_festival_2016_quala_a`, whose contest has underscores: the task follows the last."""
    own = _OWN_NAMES[-1][0].fullmatch(plain)
    if own:
        return f"atcoder/{own[1]}/{own[2]}"
    found = _ATCODER_TASK.fullmatch(plain)
    return f"atcoder/{found[1]}/{found[2]}" if found else None


def _leetcode(plain: str) -> str | None:
    """A number, a slug, a number before a title (`1. Two Sum`), or a title."""
    found = re.fullmatch(r"#?([1-9][0-9]{0,4})", plain)
    if found:
        return f"leetcode/#{found[1]}"
    title = re.sub(r"^[1-9][0-9]{0,4}\.\s", "", plain)
    slug = "-".join(re.findall(r"[a-z0-9]+", title.replace("'", "")))
    return f"leetcode/{slug}" if slug and slug.isascii() else None


def _codenet(plain: str) -> str | None:
    found = re.fullmatch(r"p?([0-9]{1,5})", plain)
    return f"codenet/p{int(found[1]):05d}" if found else None


def _aizu(plain: str) -> str | None:
    found = re.fullmatch(r"[a-z0-9]+(?:_[a-z0-9]+)*", plain)
    return f"aizu/{plain}" if found else None


def _numbered(judge: str) -> Callable[[str], str | None]:
    def read(plain: str) -> str | None:
        found = re.fullmatch(r"(?:[a-z+_]+/)?([0-9]{1,4})", plain)
        return f"{judge}/{int(found[1])}" if found else None

    return read


def _commit(plain: str) -> str | None:
    return f"commit/{plain}" if re.fullmatch(r"[0-9a-f]{7,64}", plain) else None


_JUDGES: dict[str, Callable[[str], str | None]] = {
    "codeforces": _codeforces,
    "cf": _codeforces,
    "atcoder": _atcoder,
    "leetcode": _leetcode,
    "codenet": _codenet,
    "projectcodenet": _codenet,
    "aizu": _aizu,
    "aoj": _aizu,
    "humaneval": _numbered("human_eval"),
    "humanevalpack": _numbered("human_eval"),
    "mbpp": _numbered("mbpp"),
    "commit": _commit,
}
_KEY_JUDGES = frozenset({"codeforces", "atcoder", "leetcode", "codenet", "aizu", "human_eval", "mbpp", "commit"})
