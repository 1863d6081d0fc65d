"""How often the language of code is told right by its text alone, beside other detectors on the same text.

    python benchmarks/languages.py LIST...      lines of OWNER/NAME, a tab, and a bare repository, whose HEAD is read

For each of the eight languages the repositories that have it are halved, by a seeded shuffle of their names; limits
were chosen on the first half (`--tuning` looks at it) and are reported on the second. From each, about the same number
of files, whole and one random piece of 5, 15 and 40 lines each. Their extension says what is right, so `.h` and `.inl`,
which C and C++ share, are left out; headers have a table of their own, over repositories that are all C or all C++.

Files in other languages and formats show how often a detector takes such a file for one of the eight. Times are of the
process, so that other work on the machine does not count; start it with `taskset -c 0` to keep models to one core.
Needs enry-python 0.2.0 beside the development environment.
"""

import argparse
import hashlib
import json
import math
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import enry
from parse_gate import files_of

from themis_data.code.detection import (
    ask_guesslang,
    ask_magika,
    c_or_cpp,
    detect,
    guesslang_probabilities,
)
from themis_data.code.language import all_languages, language_of_path
from themis_data.code.syntax import measure
from themis_data.sources._git import open_git, open_repository

EIGHT = [name for name, known in all_languages().items() if known.published_as]
FORMATS = (".md", ".rst", ".txt", ".html", ".css", ".json", ".yml", ".xml", ".toml", ".sql", ".erb", ".lua", ".proto")
PIECES = (0, 40, 15, 5)  # lines; 0 is the whole file
A_REPOSITORY = 40  # files of a language, at most
OTHERS = 30  # files of a language or format that is none of the eight
# Repositories whose headers are in one language, but for some folders.
HEADERS = {
    "C": """GNOME/libxml2 Mbed-TLS/mbedtls jemalloc/jemalloc libarchive/libarchive libevent/libevent libexpat/libexpat
        micropython/micropython nginx/nginx redis/redis the-tcpdump-group/tcpdump h2o/h2o mruby/mruby facebook/zstd
        civetweb/civetweb libssh2/libssh2 libuv/libuv memcached/memcached jqlang/jq lz4/lz4 twitter/twemproxy
        ohler55/oj""",
    "C++": """abseil/abseil-cpp apache/trafficserver facebook/folly gabime/spdlog google/leveldb simdjson/simdjson
        Tencent/rapidjson yhirose/cpp-httplib google/re2 fmtlib/fmt nlohmann/json open-source-parsers/jsoncpp
        protocolbuffers/protobuf""",
}
FOREIGN = ("contrib/pzstd/", "upb", "php/", "ruby/", "objectivec/", "lua/", "python/")


@dataclass(frozen=True, kw_only=True)
class Text:
    truth: str
    repository: str
    path: str
    lines: int  # of the piece; 0 for a whole file
    text: bytes


def kind(path: str) -> str | None:
    """The language of a path, `.h`, or one of the formats; None for what is not looked at."""
    suffix = PurePosixPath(path).suffix
    if suffix == ".h":
        return suffix
    return language_of_path(path) or (suffix if suffix in FORMATS else None)


def sample(repositories: dict[str, Path]) -> dict[str, dict[str, list[tuple[str, bytes]]]]:
    """Files by kind and repository, a few of each, no text twice."""
    found: dict[str, dict[str, list[tuple[str, bytes]]]] = defaultdict(lambda: defaultdict(list))
    seen = set()
    for name, repository in repositories.items():
        opened = open_repository(repository)
        with open_git(opened.objects, timeout_s=600) as git:
            listed = git.output("ls-tree", "-r", "-z", "--name-only", opened.refs["HEAD"]).split(b"\0")
        by_kind = defaultdict(list)
        for path in sorted(raw.decode("utf-8", "replace") for raw in listed):
            by_kind[kind(path)].append(path)
        wanted = set()
        for paths in (paths for key, paths in by_kind.items() if key is not None):
            random.Random(f"7 {name}").shuffle(paths)
            wanted |= set(paths[:A_REPOSITORY])
        for path, text in sorted(files_of(repository, wanted.__contains__)):
            digest = hashlib.sha256(text).digest()
            if digest not in seen:
                seen.add(digest)
                key = kind(path)
                assert key is not None
                found[key][name].append((path, text))
    return found


def texts(by_repository: dict[str, list[tuple[str, bytes]]], truth: str, half: int, size: int) -> list[Text]:
    """Up to `size` files of half of the repositories, in turns, each whole and in pieces."""
    names = sorted(by_repository)
    random.Random(truth).shuffle(names)
    queues = []
    for name in names[half::2]:
        files = [(name, *file) for file in by_repository[name] if not file[0].endswith(".inl")]
        random.Random(name).shuffle(files)
        queues.append(files)
    taken: list[tuple[str, str, bytes]] = []
    while (queues := [queue for queue in queues if queue]) and len(taken) < size:
        taken += [queue.pop() for queue in queues][: size - len(taken)]
    cut = []
    for name, path, whole in taken:
        lines, draw = whole.splitlines(keepends=True), random.Random(f"{name} {path}")
        for length in PIECES:
            if length <= len(lines):
                start = draw.randrange(len(lines) - length + 1)
                piece = b"".join(lines[start : start + length]) if length else whole
                cut.append(Text(truth=truth, repository=name, path=path, lines=length, text=piece))
    return cut


def guesslang_of_eight(text: bytes) -> str | None:
    probabilities = guesslang_probabilities(text)
    return max(EIGHT, key=probabilities.__getitem__)


DETECTORS: dict[str, Callable[[Text], str | None]] = {
    "ours, `auto`": lambda text: detect(text.text).language,
    "ours, `strict`": lambda text: detect(text.text, detector="strict").language,
    "guesslang, its own rule": lambda text: ask_guesslang(text.text).language,
    "guesslang, likeliest of the eight": lambda text: guesslang_of_eight(text.text),
    "magika, its likeliest": lambda text: ask_magika(text.text).language,
    "enry, text alone": lambda text: enry.get_language("", text.text) or None,
    "enry, with the file's name": lambda text: enry.get_language(text.path, text.text) or None,
}


def judge(all_texts: Sequence[Text]) -> None:
    """Print the table of all detectors, and what `auto` takes for what."""
    answers: dict[str, list[str | None]] = {name: [] for name in DETECTORS}
    seconds: Counter[tuple[str, int]] = Counter()
    for detector in DETECTORS.values():
        detector(all_texts[0])  # loads its model
    for text in all_texts:
        for name, detector in DETECTORS.items():
            started = time.process_time()
            answers[name].append(detector(text))
            seconds[name, text.lines] += time.process_time() - started
    print("\n| text | detector | answered | right of answered | right of all | unknown | others taken | texts/s |")
    print("|---" * 8 + "|")
    for lines in PIECES:
        for name, given in answers.items():
            pairs = [(t.truth, a) for t, a in zip(all_texts, given, strict=True) if t.lines == lines]
            ours = [(truth, answer) for truth, answer in pairs if truth in EIGHT]
            others = [answer for truth, answer in pairs if truth not in EIGHT]
            known = [truth == answer for truth, answer in ours if answer is not None]
            shares = (
                len(known) / len(ours),
                sum(known) / len(known) if known else math.nan,
                sum(known) / len(ours),
                1 - len(known) / len(ours),
                sum(answer in EIGHT for answer in others) / len(others),
            )
            cells = [name, *(f"{100 * share:.1f}" for share in shares)]
            cells.append(f"{len(pairs) / max(seconds[name, lines], 1e-9):,.0f}")
            print(f"| {f'{lines} lines' if lines else 'whole'} | " + " | ".join(cells) + " |")
    for lines in PIECES:
        print(f"\n`auto`, {f'{lines} lines' if lines else 'whole files'}: rows are what is right\n")
        print("| | " + " | ".join(EIGHT) + " | another | unknown | right of answered |")
        print("|---" * (len(EIGHT) + 4) + "|")
        for truth in EIGHT:
            given = Counter(
                answer if answer in EIGHT else "unknown" if answer is None else "another"
                for text, answer in zip(all_texts, answers["ours, `auto`"], strict=True)
                if (text.truth, text.lines) == (truth, lines)
            )
            right = given[truth] / max(given.total() - given["unknown"], 1)
            row = [str(given[name] or "") for name in (*EIGHT, "another", "unknown")]
            print(f"| {truth} | " + " | ".join(row) + f" | {100 * right:.1f} |")


def judge_headers(by_repository: dict[str, list[tuple[str, bytes]]]) -> None:
    def by_grammar(text: bytes) -> str:
        return min(("C", "C++"), key=lambda name: measure(text, name).error_share)

    def by_guesslang(text: bytes) -> str:
        return max(("C", "C++"), key=guesslang_probabilities(text).__getitem__)

    ask: dict[str, Callable[[bytes], str | None]] = {
        "words that only C++ has": c_or_cpp,
        "the grammar with fewer errors": by_grammar,
        "guesslang, likelier of the two": by_guesslang,
        "magika, its likeliest": lambda text: ask_magika(text).language,
        "enry, with the file's name": lambda text: enry.get_language("a.h", text),
    }
    right: Counter[tuple[str, str]] = Counter()
    total: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for truth, repositories in HEADERS.items():
        for name in repositories.split():
            for path, text in by_repository.get(name, []):
                if not path.startswith(FOREIGN):
                    total[truth] += 1
                    for how, detector in ask.items():
                        started = time.process_time()
                        answer = detector(text)
                        seconds[how] += time.process_time() - started
                        right[how, truth] += answer == truth
                        if answer != truth and how == "words that only C++ has":
                            print(f"    {answer}: {name} {path}")
    print(f"\n| | right of {total['C']} in C | right of {total['C++']} in C++ | texts/s |\n|---|---|---|---|")
    for how in ask:
        print(f"| {how} | {right[how, 'C']} | {right[how, 'C++']} | {total.total() / max(seconds[how], 1e-9):,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", nargs="+", type=Path)
    parser.add_argument("--files", type=int, default=300, help="files a language")
    parser.add_argument("--tuning", action="store_true", help="look at the half that limits were chosen on")
    given = parser.parse_args()
    lines = [line.split("\t") for path in given.lists for line in path.read_text(encoding="utf-8").splitlines()]
    found = sample({name: Path(repository) for name, repository in lines})
    half = 0 if given.tuning else 1
    all_texts = []
    for truth, by_repository in sorted(found.items()):
        if truth != ".h":
            all_texts += texts(by_repository, truth, half, given.files if truth in EIGHT else OTHERS)
    counted = {
        truth: (
            sum(text.truth == truth and not text.lines for text in all_texts),
            sorted({text.repository for text in all_texts if text.truth == truth}),
        )
        for truth in EIGHT
    }
    for truth, (number, names) in counted.items():
        print(f"{truth}: {number} files of {len(names)} repositories: {', '.join(names)}")
    print(
        f"others: {json.dumps(Counter(text.truth for text in all_texts if text.truth not in EIGHT and not text.lines))}"
    )
    judge_headers(found[".h"])
    judge(all_texts)


if __name__ == "__main__":
    sys.exit(main())
