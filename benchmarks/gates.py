"""How often the gates on text are right, and what they cost.

    python benchmarks/gates.py english RUN MANPAGES LOCALES    RUN: a run folder of commit_preference
    python benchmarks/gates.py secrets REPOSITORY...           bare repositories
    python benchmarks/gates.py corpus FOLDER > TEXT            docstrings of Python files, to train a model on
    python benchmarks/gates.py fluent MODEL FOLDER             FOLDER: Python files that the model has not seen
    python benchmarks/gates.py tokens RUN FOLDER               FOLDER: tokenizer.json and tokenizer_config.json of Qwen3
    python benchmarks/gates.py speed RUN [MODEL]               pairs a second of each gate, on one core
    python benchmarks/gates.py phase RUN [CHECKOUT]            rows a second of the whole quality phase; with another
                                                               checkout of this project, both in turns

MANPAGES has translated manual pages as the packages manpages-* of Debian hold them (`dpkg-deb -x`), LOCALES the message
catalogues of Django. English and other texts are split in halves, by repository and by text: thresholds were chosen on
the half `tune`, and what counts is the half `test`.
"""

import argparse
import ast
import base64
import gzip
import json
import random
import re
import resource
import statistics
import string
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import jinja2
import polars as pl
import pyarrow as pa

from themis_data.code.guard import shared_guard
from themis_data.dataset import read_table
from themis_data.fingerprint import uniform
from themis_data.llm.rules import write_instruction
from themis_data.llm.templates import render
from themis_data.schema import schema
from themis_data.stages.drop_leaks import DropLeaks
from themis_data.stages.drop_secrets import DropSecrets
from themis_data.stages.drop_surface_pairs import DropSurfacePairs
from themis_data.stages.keep_english import KeepEnglish
from themis_data.stages.keep_fluent import KeepFluent
from themis_data.stages.keep_lengths import KeepLengths
from themis_data.stages.keep_same_wrapper import KeepSameWrapper
from themis_data.stages.parse_check import ParseCheck
from themis_data.text.changes import line_changes
from themis_data.text.english import BUNDLED, Detector, detector, detector_file
from themis_data.text.fluency import fluency_file, normalised, open_fluency
from themis_data.text.prose import prose_blocks
from themis_data.text.secrets import findings
from themis_data.text.tokens import QWEN, answer, open_tokens, question, tokenizer_file

MANUALS = "cs da de es fi fr hu id it ja nl pl pt_BR ro ru sv tr uk vi zh_CN"  # 40 texts each
CATALOGUES = "ar bg el fa he hi ko"  # 29 texts each
NOT_LATIN = ("ja", "ru", "uk", "zh_CN")
# Words that only an untranslated paragraph has; detectors, which are on trial here, are not asked.
ENGLISH_WORDS = re.compile(
    r"\b(?:the|of|and|with|this|that|from|which|when|than|your|not|other|them|into|if|should|same|only)\b",
    re.IGNORECASE,
)
BRACED = re.compile(r"\\f[A-Z]|\\f\(..|\\f\[\w*\]|\\[&/,|^%c:]|\\s[-+]?\d+|\\\(..|\\\[\w+\]")


def half(text: str) -> str:
    return "tune" if uniform(0, "half", text) < 0.5 else "test"


# English


def english_prompts(run: Path, size: int, which: str) -> tuple[list[str], list[str]]:
    """Prompts written for commits of half of the repositories, of any criterion, and the messages of such commits."""
    prompts, messages = [], []
    files = [file for file in sorted((run / "segments").glob("*parse_check/*.parquet")) if "drops" not in file.name]
    changes = pl.concat([pl.read_parquet(file) for file in files]).sort("row_id")
    for row in changes.sample(fraction=1.0, shuffle=True, seed=0).iter_rows(named=True):
        if half(row["repository"]) != which:
            continue
        lines = line_changes(row["old_contents"], row["new_contents"])
        written = write_instruction(
            chosen=row["new_contents"],
            rejected=row["old_contents"],
            path=row["path"],
            language=row["language"],
            needs_behaviour=False,
            changed_lines=(frozenset(n for n, _ in lines.removed), frozenset(n for n, _ in lines.added)),
            draw=(0, row["row_id"]),
        )
        messages.append(row["message"])
        if written.prompt is not None:
            prompts.append(written.prompt)
        if len(prompts) == size:
            break
    return prompts, messages[:size]


def other_texts(manuals: Path, catalogues: Path, which: str) -> list[tuple[str, str]]:
    """(language, text) of translated manual pages and messages, none with an English word that translations lack."""
    draw = random.Random(0)
    found = []
    for language in MANUALS.split():
        texts = [text for text in manual_paragraphs(manuals, language) if half(text) == which]
        found += [(language, text) for text in draw.sample(texts, 40)]
    for language in CATALOGUES.split():
        texts = [text for text in catalogue_messages(catalogues, language) if half(text) == which]
        found += [(language, text) for text in draw.sample(texts, 29)]
    return found


def manual_paragraphs(folder: Path, language: str) -> list[str]:
    paragraphs: list[list[str]] = [[]]
    for page in sorted(folder.glob(f"**/man/{language}/**/*.gz")):
        try:
            text = gzip.decompress(page.read_bytes()).decode()
        except (OSError, UnicodeDecodeError):
            continue
        for line in text.splitlines():
            if line.startswith((".B ", ".I ", ".BR ", ".IR ")):
                paragraphs[-1].append(plain(line.split(" ", 1)[1]))
            elif line.startswith((".", "'")) or not line.strip():
                paragraphs.append([])
            else:
                paragraphs[-1].append(plain(line))
        paragraphs.append([])
    dense = language in ("ja", "zh_CN")
    low, high = (30, 300) if dense else (60, 600)
    texts = dict.fromkeys(" ".join(lines) for lines in paragraphs)
    return [text for text in texts if low <= len(text) <= high and is_translated(text, language)]


def plain(line: str) -> str:
    """A line of a manual page without its marks."""
    line = BRACED.sub("", line.replace("\\-", "-").replace("\\(aq", "'"))
    return line.replace("\\ ", " ").replace("\\e", "\\")


def is_translated(text: str, language: str) -> bool:
    letters = sum(map(str.isalpha, text))
    foreign = sum(character.isalpha() and not character.isascii() for character in text)
    return (
        letters > 0.6 * len(text)
        and not ENGLISH_WORDS.search(text)
        and (language not in NOT_LATIN or 2 * foreign > letters)
        and "Copyright" not in text
    )


def catalogue_messages(folder: Path, language: str) -> list[str]:
    found = []
    for file in sorted(folder.glob(f"**/locale/{language}/LC_MESSAGES/django.po")):
        for source, text in re.findall(
            r'^msgid "(.+)"\nmsgstr "(.+)"$', file.read_text(encoding="utf-8"), re.MULTILINE
        ):
            if text != source and "%" not in text and len(text.split()) >= 3:
                found.append(text.replace("\\n", " ").replace('\\"', '"'))
    return list(dict.fromkeys(found))


def with_code(text: str, code: str) -> str:
    return f"{text}\n\n```\n{code[:2_000]}\n```\n"


def framed(text: str, prompt: str, number: int) -> str:
    """The text as the purpose of a file, between the English words and the definitions of a prompt of ours."""
    items = [SimpleNamespace(header=header, doc=None) for header in re.findall(r"^- `(.*)`$", prompt, re.MULTILINE)]
    return render("write_file", language="Python", file="src/a.py", purpose=text, items=items, style=number % 3)


def measure_english(run: Path, manuals: Path, catalogues: Path) -> None:
    opened = detector(detector_file(BUNDLED))
    codes = read_pairs(run, 1_000)["chosen"].to_pylist()
    default = KeepEnglish()
    for which in ("tune", "test"):
        prompts, messages = english_prompts(run, 1_000, which)
        others = other_texts(manuals, catalogues, which)
        sets = {
            "English: prompts": prompts,
            "English: commit messages": messages,
            "other: text, half of them with code": [
                with_code(text, codes[n % len(codes)]) if n % 2 else text for n, (_, text) in enumerate(others)
            ],
            "other: text in an English frame": [
                framed(text, prompts[n % len(prompts)], n) for n, (_, text) in enumerate(others)
            ],
        }
        print(
            f"\n{which}: {len(prompts)} English prompts, {len(others)} other texts "
            f"in {len({language for language, _ in others})} languages"
        )
        settings = (
            [(0.5, 10.0)] if which == "test" else [(0.5, 5.0), (0.5, 10.0), (0.5, 30.0), (0.3, 10.0), (0.7, 10.0)]
        )
        for min_confidence, min_odds in settings:
            kept = {name: kept_of(opened, texts, min_confidence, min_odds) for name, texts in sets.items()}
            shown = ", ".join(f"{name} {sum(own)} of {len(own)} kept" for name, own in kept.items())
            print(f"min_confidence {min_confidence}, min_odds {min_odds}: {shown}")
        assert (default.min_confidence, default.min_odds) == (0.5, 10.0)
        if which == "test":
            right = sum(kept["English: prompts"])
            wrong = kept["other: text, half of them with code"]
            print(f"precision {right / (right + sum(wrong)):.4f}, recall {right / len(prompts):.4f}")
            by_language = Counter(language for (language, _), stays in zip(others, wrong, strict=True) if stays)
            print(f"kept by language: {dict(by_language)}")
            by_length(opened, [*prompts, *messages], [text for _, text in others])


def kept_of(opened: Detector, texts: Sequence[str], min_confidence: float, min_odds: float) -> list[bool]:
    return [opened.other_language(text, min_confidence, min_odds) is None for text in texts]


def by_length(opened: Detector, english: Sequence[str], others: Sequence[str]) -> None:
    for low, high in ((0, 10), (10, 20), (20, 50), (50, 100), (100, 10**9)):
        shown = []
        for name, texts in (("English", english), ("other", others)):
            own = [text for text in texts if low <= sum(map(str.isalpha, " ".join(prose_blocks(text)))) < high]
            shown.append(f"{name} {sum(kept_of(opened, own, 0.5, 10.0))} of {len(own)} kept")
        print(f"{low} to {high} letters of prose: {', '.join(shown)}")


# Secrets

SOURCES = (".py", ".java", ".js", ".ts", ".c", ".h", ".cc", ".cpp", ".cs", ".go", ".rb")
LETTERS = string.ascii_letters + string.digits


def source_files(repositories: Sequence[str], size: int) -> list[tuple[str, str]]:
    """(name, content) of files at the heads of repositories, about as many of each."""
    draw, found = random.Random(3), []
    for repository in repositories:
        git = ["git", "--git-dir", repository]
        listed = subprocess.run([*git, "ls-tree", "-r", "-z", "HEAD"], capture_output=True, check=True).stdout.decode()
        entries = [entry.split("\t", 1) for entry in listed.split("\0") if entry.endswith(SOURCES)]
        draw.shuffle(entries)
        for described, path in entries[: size // len(repositories) + 6]:
            blob = subprocess.run(
                [*git, "cat-file", "blob", described.split()[2]], capture_output=True, check=False
            ).stdout
            try:
                found.append((f"{Path(repository).parent.name}/{path}", blob[:200_000].decode()))
            except UnicodeDecodeError:
                continue
    draw.shuffle(found)
    return found[:size]


def drawn(draw: random.Random, length: int, alphabet: str = LETTERS) -> str:
    return "".join(draw.choice(alphabet) for _ in range(length))


def unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def a_jwt(draw: random.Random) -> str:
    head, body = ({"alg": "HS256", "typ": "JWT"}, {"sub": drawn(draw, 8), "iat": draw.randrange(10**9)})
    return ".".join(
        (unpadded(json.dumps(head).encode()), unpadded(json.dumps(body).encode()), unpadded(draw.randbytes(32)))
    )


def an_assignment(draw: random.Random) -> str:
    forms = (
        'api_key = "{}"',
        '"clientSecret": "{}"',
        "password: '{}'",
        "const ACCESS_TOKEN = `{}`;",
        'secret_key := "{}"',
    )
    return draw.choice(forms).format(drawn(draw, draw.choice((20, 32, 40)), draw.choice((LETTERS, "0123456789abcdef"))))


KEY_LINES = 12
PLANTED: dict[str, Callable[[random.Random], str]] = {
    "private key": lambda d: "\n".join(
        (
            "-----BEGIN RSA PRIVATE KEY-----",
            *(drawn(d, 64, LETTERS + "+/") for _ in range(KEY_LINES)),
            "-----END RSA PRIVATE KEY-----",
        )
    ),
    "AWS access key": lambda d: f'aws_id = "AKIA{drawn(d, 16, string.ascii_uppercase + "234567")}"',
    "AWS secret key": lambda d: f'aws_secret_access_key = "{drawn(d, 40, LETTERS + "+/")}"',
    "Google key": lambda d: f'key: "AIza{drawn(d, 35, LETTERS + "_-")}"',
    "GitHub token": lambda d: f"TOKEN=ghp_{drawn(d, 36)}",
    "Slack token": lambda d: (
        f'slack("xoxb-{drawn(d, 12, string.digits)}-{drawn(d, 12, string.digits)}-{drawn(d, 24)}")'
    ),
    "Stripe key": lambda d: f'stripe.api_key = "sk_live_{drawn(d, 24)}"',
    "JWT": lambda d: f'auth = "Bearer {a_jwt(d)}"',
    "password in a URL": lambda d: (
        f'DB = "postgres://{drawn(d, 6)}:{drawn(d, 14, LETTERS + "!_-")}@db.{drawn(d, 6)}.com/a"'
    ),
    "assigned literal": an_assignment,
}


def measure_secrets(repositories: Sequence[str]) -> None:
    files = source_files(repositories, 3_000)
    started = time.process_time()
    found = [(name, text, finding) for name, text in files for finding in findings(text)]
    seconds = time.process_time() - started
    size = sum(len(text.encode()) for _, text in files) / 1e6
    print(f"{len(files)} files, {size:.1f} MB: {len(files) / seconds:.0f} files/s, {size / seconds:.1f} MB/s")
    for group in ("secret", "personal_data"):
        own = [finding.kind for _, _, finding in found if finding.group == group]
        holders = {name for name, _, finding in found if finding.group == group}
        print(f"{group}: {len(holders)} files, {dict(Counter(own))}")
    draw, caught = random.Random(11), Counter[str]()
    for kind, make in PLANTED.items():
        for _ in range(10):
            lines = draw.choice(files)[1].split("\n")
            place, secret = draw.randrange(len(lines)), make(draw)
            before = "\n".join(lines[:place])
            text = "\n".join([before, secret, *lines[place:]])
            start, end = len(before), len(before) + len(secret) + 1
            caught[kind] += any(f.group == "secret" and f.start < end and f.end > start for f in findings(text))
    print(f"planted: {caught.total()} of {10 * len(PLANTED)} found, {dict(caught)}")
    for name, text, finding in random.Random(1).sample(found, min(30, len(found))):
        around = text[max(0, finding.start - 60) : finding.end + 20]
        print(f"  {finding.kind:16} {name}: {around.replace(chr(10), ' ')[:140]!r}")


# Perplexity


def docstring_prose(folder: Path) -> Iterator[str]:
    """Paragraphs of prose in the docstrings of the Python files in a folder."""
    for file in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from prose_blocks(ast.get_docstring(node) or "")


def measure_fluency(model: Path, folder: Path) -> None:
    opened = open_fluency(fluency_file(str(model)))
    held_out = [text for text in dict.fromkeys(docstring_prose(folder)) if len(text.split()) >= 8]
    draw = random.Random(0)
    held_out = draw.sample(held_out, min(2_000, len(held_out)))
    shuffled = [" ".join(draw.sample(words, len(words))) for words in (text.split() for text in held_out)]
    for name, texts in (("as written", held_out), ("words shuffled", shuffled)):
        started = time.process_time()
        measured = [found for text in texts if (found := opened.perplexity(text, 1)) is not None]
        seconds = time.process_time() - started
        cuts = statistics.quantiles(measured, n=100)
        print(f"{name}: {len(measured)} texts, {len(measured) / seconds:.0f}/s, "
              f"perplexity median {cuts[49]:.0f}, 5 % below {cuts[4]:.0f}, 5 % above {cuts[94]:.0f}")  # fmt: skip
        if name == "as written":
            limit = cuts[94]
        print(f"  over {limit:.0f}: {sum(found > limit for found in measured) / len(measured):.3f}")


# Tokens


def measure_tokens(run: Path, folder: Path) -> None:
    """Whether `qwen` gives the conversations and ids of Qwen3's own files, and how much faster than tokenizers."""
    ours, theirs = open_tokens(tokenizer_file(QWEN)), open_tokens(tokenizer_file(str(folder)))
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False).from_string(
        settings["chat_template"]
    )
    system = KeepLengths().system_prompt("runtime_efficiency")
    talks, different = [], 0
    for row in read_pairs(run, 1_000).to_pylist():
        for side in ("chosen", "rejected"):
            turns = (("system", system), ("user", row["prompt"]), ("assistant", row[side]))
            talks.append(question(system, row["prompt"]) + answer(row[side]))
            different += talks[-1] != template.render(messages=[{"role": r, "content": text} for r, text in turns])
    print(f"{len(talks)} conversations: {different} differ from the chat template")
    draw = random.Random(1)
    blocks = ((32, 127), (1, 0x300), (0x300, 0xD800), (0xE000, 0x1F000), (10, 11), (32, 33))
    noise = [
        "".join(chr(draw.randrange(*draw.choice(blocks))) for _ in range(draw.randrange(60))) for _ in range(20_000)
    ]
    for name, texts in (("conversations", talks), ("random texts", noise)):
        different = sum(ours.encode(text) != theirs.encode(text) for text in texts)
        print(f"{len(texts)} {name}: {different} differ in their ids")
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(3):
        for name, tokens in (("ours", ours), ("theirs", theirs)):
            started = time.process_time()
            for text in talks:
                tokens.encode(text)
            seconds[name].append(time.process_time() - started)
    medians = {name: statistics.median(own) for name, own in seconds.items()}
    print(
        f"{len(talks) / medians['ours']:.0f} conversations/s, {medians['theirs'] / medians['ours']:.1f} times as fast"
    )


# Speed


def read_pairs(run: Path, size: int | None = None) -> pa.Table:
    """Pairs with prompts, as a build made them."""
    return read_rows(run, "generate", "pair").slice(0, size)


def read_rows(run: Path, segment: str, kind: str) -> pa.Table:
    """The rows that a segment of a build gave."""
    files = [file for file in sorted((run / "segments").glob(f"*{segment}/*.parquet")) if "drops" not in file.name]
    rows = pl.concat([pl.from_arrow(read_table(file)) for file in files], how="vertical_relaxed").to_arrow()
    return schema(kind).table({name: rows[name] for name in schema(kind).names if name in rows.column_names})


def measure_speed(run: Path, model: Path | None) -> None:
    pairs = read_pairs(run, 1_000)
    gates = {
        "keep_english": KeepEnglish().open(),
        "keep_lengths": KeepLengths().open(),
        "drop_secrets": DropSecrets(on="pair").look,
    }
    if model is not None:
        gates["keep_fluent"] = KeepFluent(model=str(model), max_perplexity=1e9).open()
    size = sum(len(text.encode()) for name in ("prompt", "chosen", "rejected") for text in pairs[name].to_pylist())
    print(f"{len(pairs)} pairs of {size / len(pairs) / 1e3:.1f} kB")
    seconds: dict[str, list[float]] = {name: [] for name in gates}
    for _ in range(5):
        for name, gate in gates.items():
            started = time.process_time()
            gate(pairs)
            seconds[name].append(time.process_time() - started)
    for name, own in seconds.items():
        print(f"{name}: {len(pairs) / statistics.median(own):.0f} pairs/s")
    print(f"all: {len(pairs) / sum(map(statistics.median, seconds.values())):.0f} pairs/s")


def measure_phase(run: Path, checkout: Path | None) -> None:
    """Each gate on all rows that come to it, five times, and the phase as one after the other."""
    places = [Path(__file__).parents[1], *([checkout] if checkout is not None else [])]
    per_s: dict[Path, list[dict[str, float]]] = {place: [] for place in places}
    for _ in range(5):
        for place in places:  # in a process of its own, by the code of the place
            command = [sys.executable, "-c", _PHASE_ONCE, str(Path(__file__).parent.resolve()), str(run.resolve())]
            done = subprocess.run(command, cwd=place, check=True, capture_output=True)
            per_s[place].append(json.loads(done.stdout))
    for place, found in per_s.items():
        medians = {gate: statistics.median(once[gate] for once in found) for gate in found[0]}
        whole = [1 / sum(1 / once[gate] for gate in once) for once in found]
        print(place)
        print("  " + ", ".join(f"{gate} {speed:,.0f}" for gate, speed in medians.items()))
        print(f"  all, one after the other: {statistics.median(whole):.0f} ({min(whole):.0f} to {max(whole):.0f})")


_PHASE_ONCE = "import sys; sys.path.append(sys.argv[1]); import gates; gates.print_phase(sys.argv[2])"


def print_phase(run: str) -> None:
    """Rows a second of each gate, as JSON, by processor time with the process that parses."""
    changes, pairs = read_rows(Path(run), "dedupe", "change"), read_pairs(Path(run))
    gates = {
        "drop_secrets": (DropSecrets().look, changes),
        "parse_check": (ParseCheck().drop_reason, changes),
        "drop_surface_pairs": (DropSurfacePairs().drop_reason, pairs),
        "keep_same_wrapper": (KeepSameWrapper().drop_reason, pairs),
        "drop_leaks": (DropLeaks().drop_reason, pairs),
        "keep_english": (KeepEnglish().open(), pairs),
        "keep_lengths": (KeepLengths().open(), pairs),
    }
    for gate, rows in gates.values():
        gate(rows.slice(0, 50))  # what is loaded once
    per_s = {}
    for name, (gate, rows) in gates.items():
        shared_guard().map(len, [("",)])  # a child that has begun already
        started = processor_time()
        gate(rows)
        shared_guard().close()  # only what has ended is counted
        per_s[name] = len(rows) / (processor_time() - started)
    print(json.dumps(per_s))


def processor_time() -> float:
    """Seconds of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["english", "secrets", "corpus", "fluent", "tokens", "speed", "phase"])
    parser.add_argument("places", nargs="+", type=Path)
    arguments = parser.parse_args()
    places = arguments.places
    if arguments.what == "english":
        measure_english(*places)
    elif arguments.what == "secrets":
        measure_secrets([str(place) for place in places])
    elif arguments.what == "corpus":
        sentences = map(normalised, docstring_prose(places[0]))
        sys.stdout.writelines(f"{sentence}\n" for sentence in sentences if sentence)
    elif arguments.what == "fluent":
        measure_fluency(*places)
    elif arguments.what == "tokens":
        measure_tokens(*places)
    elif arguments.what == "speed":
        measure_speed(places[0], places[1] if len(places) > 1 else None)
    else:
        measure_phase(places[0], places[1] if len(places) > 1 else None)


if __name__ == "__main__":
    main()
