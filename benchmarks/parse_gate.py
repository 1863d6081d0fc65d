"""How often the parse gate is wrong, on real files that the language's own compiler accepts.

    python benchmarks/parse_gate.py REPOSITORY...        bare repositories; files are those of HEAD

For each language, a seeded sample of files. Their own compiler front end says which are good. Of the good ones: the
share that the gate rejects at its default limits, with the grammars of the bundle and of the official wheels. Then one
random token (a leaf of the tree, no comment) is deleted from each: the share of these that the gate catches, by the
limit on one side alone and by comparing both sides, among those that the compiler rejects.

Java is parsed with javac's parser and C# with `mcs --parse`, where they are installed.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from themis_data.code.front_ends import rejected
from themis_data.code.grammars import parse
from themis_data.code.language import all_languages, by_name, language_of_path
from themis_data.code.syntax import SyntaxMeasure, measure
from themis_data.sources._git import open_git, open_repository
from themis_data.sources.git_history import read_objects
from themis_data.stages.parse_check import ParseCheck

SIZES = range(200, 128 * 1024)  # bytes
HEADERS = (".h", ".hh", ".hpp", ".hxx", ".inc", ".inl", ".ipp", ".tpp", ".def")
BATCH = 100  # files a run of a compiler
CHECK_JAVA = """
import com.sun.source.util.JavacTask;
import java.io.File;
import java.util.List;
import javax.tools.*;

public class Check {
    public static void main(String[] names) throws Exception {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        for (String name : names) {
            DiagnosticCollector<JavaFileObject> told = new DiagnosticCollector<>();
            try (StandardJavaFileManager files = compiler.getStandardFileManager(told, null, null)) {
                var units = files.getJavaFileObjects(new File(name));
                ((JavacTask) compiler.getTask(null, files, told, List.of("-proc:none"), null, units)).parse();
            }
            if (told.getDiagnostics().stream().anyMatch(d -> d.getKind() == Diagnostic.Kind.ERROR))
                System.out.println(name + ":0: error");
        }
    }
}
"""


@dataclass(frozen=True, kw_only=True)
class File:
    repository: str
    path: str
    text: bytes


def files_of(repository: Path, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """(path, contents) of the regular files at HEAD, of a size that is looked at, whose path is wanted."""
    opened = open_repository(repository)
    with open_git(opened.objects, timeout_s=600) as git:
        found = []
        for entry in git.output("ls-tree", "-r", "-z", "-l", opened.refs["HEAD"]).split(b"\0"):
            head, _, raw = entry.partition(b"\t")
            fields, path = head.split(), raw.decode("utf-8", "replace")
            is_regular = len(fields) == 4 and fields[0] in (b"100644", b"100755") and fields[3].isdigit()
            if is_regular and int(fields[3]) in SIZES and is_wanted(path):
                found.append((path, fields[2].decode()))
        yield from zip(
            (path for path, _ in found), read_objects(git, [blob for _, blob in found], b"blob"), strict=True
        )


def is_code(path: str) -> bool:
    """Whether a path is in one of the eight languages; a `.h` could be one of two."""
    language = None if path.endswith(".h") else language_of_path(path)
    return language is not None and by_name(language).published_as is not None


def sample(repositories: Sequence[Path], size: int) -> dict[str, list[File]]:
    """Of each language `size` files, no text twice, and from each repository about the same number."""
    by_repository: dict[str, dict[str, list[File]]] = defaultdict(lambda: defaultdict(list))
    seen = set()
    for repository in repositories:
        for path, text in files_of(repository, is_code):
            digest, language = hashlib.sha256(text).digest(), language_of_path(path)
            if digest not in seen and language is not None:
                seen.add(digest)
                by_repository[language][str(repository)].append(File(repository=str(repository), path=path, text=text))
    chosen = {}
    for language, groups in sorted(by_repository.items()):
        queues = []
        for group in groups.values():
            draw = random.Random(7)
            draw.shuffle(group)
            queues.append(group)
        taken: list[File] = []
        while queues and len(taken) < size:
            queues = [queue for queue in queues if queue]
            taken += [queue.pop() for queue in queues][: size - len(taken)]
        chosen[language] = taken
    return chosen


def without_a_token(text: bytes, language: str, draw: random.Random) -> bytes | None:
    """The text without one random leaf of its tree; None where there is none."""
    tree = parse(text, language)
    if tree is None:
        return None
    leaves, cursor = [], tree.walk()
    while True:
        node = cursor.node
        assert node is not None
        if node.type not in by_name(language).comment_nodes and cursor.goto_first_child():
            continue
        if node.type not in by_name(language).comment_nodes and text[node.start_byte : node.end_byte].strip():
            leaves.append((node.start_byte, node.end_byte))
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                if not leaves:
                    return None
                start, end = draw.choice(leaves)
                return text[:start] + text[end:]


def compiler_rejects(files: Sequence[File], language: str) -> list[bool]:
    if not by_name(language).front_end_alone:
        return ask_gcc(files, language)
    ask = {"Java": ask_javac, "C#": ask_mcs}.get(language, lambda texts: rejected(texts, language))
    batches = (files[start : start + BATCH] for start in range(0, len(files), BATCH))
    return [answer for batch in batches for answer in ask([file.text for file in batch])]


def ask_gcc(files: Sequence[File], language: str) -> list[bool]:
    """Each file among the others of its repository, with every folder that has headers on the path."""
    command = ["gcc", "-std=gnu17"] if language == "C" else ["g++", "-std=gnu++20"]
    answers: dict[int, bool] = {}
    for repository in sorted({file.repository for file in files}):
        with tempfile.TemporaryDirectory() as folder:
            headers = {Path(folder)}
            for path, text in files_of(Path(repository), lambda path: path.endswith(HEADERS)):
                (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / path).write_bytes(text)
                headers.add((Path(folder) / path).parent)
            include = [f"-idirafter{path}" for path in sorted(headers, key=lambda path: (len(path.parts), path))[:150]]
            for place, file in enumerate(files):
                if file.repository == repository:
                    source = (Path(folder) / file.path).with_name(f"themis_{place}{by_name(language).extensions[0]}")
                    source.parent.mkdir(parents=True, exist_ok=True)
                    source.write_bytes(file.text)
                    told = subprocess.run(
                        [*command, "-fsyntax-only", "-w", *include, str(source)],
                        capture_output=True,
                        check=False,
                    )
                    answers[place] = told.returncode != 0
    return [answers[place] for place in range(len(files))]


def ask_javac(texts: Sequence[bytes]) -> list[bool]:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"f{number}.java" for number in range(len(texts))]
        for name, text in zip(["Check.java", *names], [CHECK_JAVA.encode(), *texts], strict=True):
            (Path(folder) / name).write_bytes(text)
        told = subprocess.run(["java", "Check.java", *names], cwd=folder, capture_output=True, text=True, check=True)
    bad = {line.partition(":")[0] for line in told.stdout.splitlines()}
    return [name in bad for name in names]


def ask_mcs(texts: Sequence[bytes]) -> list[bool]:
    """One at a time: a bad file can keep the compiler from looking at the next."""
    with tempfile.TemporaryDirectory() as folder:
        answers = []
        for text in texts:
            path = Path(folder) / "f.cs"
            path.write_bytes(text)
            told = subprocess.run(["mcs", "--parse", "-warn:0", str(path)], capture_output=True, check=False)
            answers.append(told.returncode != 0 or b"error CS" in told.stdout + told.stderr)
        return answers


def is_passed(measured: SyntaxMeasure, language: str, gate: ParseCheck) -> bool:
    """Whether one side alone passes the gate."""
    limit = by_name(language).max_error_share
    assert limit is not None
    return measured.error_share <= limit and measured.depth_reached >= gate.min_depth


def judge(language: str, files: Sequence[File]) -> dict[str, object]:
    gate, draw = ParseCheck(), random.Random(7)
    compiler_fails = compiler_rejects(files, language)
    good = [file for file, fails in zip(files, compiler_fails, strict=True) if not fails]
    mutants = [(file, mutant) for file in good if (mutant := without_a_token(file.text, language, draw)) is not None]
    mutant_fails = compiler_rejects([replace(file, text=mutant) for file, mutant in mutants], language)
    result: dict[str, object] = {
        "files": len(files),
        "repositories": len({file.repository for file in files}),
        "accepted": len(good),
        "mutants": len(mutants),
        "mutants_rejected": sum(mutant_fails),
    }
    for grammars in ("auto", "wheels"):
        measured = {id(file): measure(file.text, language, grammars=grammars) for file in good}
        wrong = [file for file in good if not is_passed(measured[id(file)], language, gate)]
        has_error = sum(1 for file in good if measured[id(file)].num_errors)
        caught: Counter[str] = Counter()
        for (file, mutant), fails in zip(mutants, mutant_fails, strict=True):
            after = measure(mutant, language, grammars=grammars)
            alone = not is_passed(after, language, gate)
            pair = gate.reason(measured[id(file)], after, language) is not None
            caught["one side"] += fails and alone
            caught["both sides"] += fails and (alone or pair)
            caught["false alarm"] += not fails and (alone or pair)
        shallow = sum(1 for file in wrong if not measured[id(file)].num_errors)
        result[grammars] = {"wrong": len(wrong) - shallow, "shallow": shallow, "has_error": has_error, **caught}
        for file in wrong[:12]:
            found = measured[id(file)]
            where = f"{file.repository} {file.path}"
            print(f"    {grammars} rejects {where}: {found.error_share:.5f}, depth {found.depth_reached}")
    return result


def report(results: dict[str, dict[str, object]]) -> None:
    def share(part: object, whole: object) -> str:
        assert isinstance(part, int) and isinstance(whole, int)
        return f"{100 * part / whole:.2f} %" if whole else "-"

    heads = ("files", "repositories", "compiler accepts")
    kinds = [
        f"{kind}, {grammars}" for grammars in ("bundle", "wheel") for kind in ("any error", "unparsable", "shallow")
    ]
    print("| | " + " | ".join((*heads, *kinds)) + " |")
    print("|---" * 10 + "|")
    for language, r in results.items():
        cells = [share(r[g][k], r["accepted"]) for g in ("auto", "wheels") for k in ("has_error", "wrong", "shallow")]
        print(f"| {language} | {r['files']} | {r['repositories']} | {r['accepted']} | " + " | ".join(cells) + " |")
    heads = ("one side, bundle", "both sides, bundle", "one side, wheel", "both sides, wheel")
    print("| | " + " | ".join(("a token deleted, compiler rejects", *heads)) + " |")
    print("|---" * 6 + "|")
    for language, r in results.items():
        cells = [share(r[g][k], r["mutants_rejected"]) for g in ("auto", "wheels") for k in ("one side", "both sides")]
        print(f"| {language} | {r['mutants_rejected']} of {r['mutants']} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--files", type=int, default=3_000, help="files a language")
    parser.add_argument(
        "--languages", nargs="*", default=[n for n, known in all_languages().items() if known.published_as]
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = {}
    for language, files in sample(given.repositories, given.files).items():
        if language in given.languages:
            results[language] = judge(language, files)
            print(language, json.dumps(results[language]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(results), encoding="utf-8")
    report(results)


if __name__ == "__main__":
    sys.exit(main())
