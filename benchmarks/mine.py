"""What mining costs against bare git, libgit2, PyDriller and one fetch a commit; whether it finds what libgit2 finds.

    python benchmarks/mine.py REPOSITORY...           speed; bare repositories, each with its whole history
    python benchmarks/mine.py --phase REPOSITORY...   the whole phase alone, over the first of them, half, and all
    python benchmarks/mine.py --check REPOSITORY...   whether libgit2 finds the same candidates

Everything runs on one core. A method runs in a forked process; its cost is the processor time (user and system) of
that process and of all it started, git too. Methods alternate, and the median over the runs counts: read ratios, not
seconds. Imports are done before the fork. PyDriller is only measured where it is installed, and once; so are fetches
of single commits, the way the script published with the Themis paper gets contents (`git init`, a remote,
`git fetch --depth 2`, two checkouts), here from the local disk: what a network adds is left out.
"""

import argparse
import contextlib
import importlib.util
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO
from unittest import mock

import pyarrow as pa
import pygit2

from themis_data import build
from themis_data.pipeline import Branch, Pipeline, Step, Write
from themis_data.report.progress import Lines
from themis_data.sources._git import open_git, open_repository
from themis_data.sources.git_history import (
    AFTER_SHAPE,
    Commit,
    GitHistory,
    RepositoryRef,
    read_commits,
    read_sides,
)
from themis_data.stages.drop_contradictions import DropContradictions
from themis_data.stages.drop_reverts import DropReverts
from themis_data.stages.keep_languages import KeepLanguages
from themis_data.stages.keep_licenses import KeepLicenses
from themis_data.stages.keep_messages import KeepMessages
from themis_data.stages.keep_sizes import KeepSizes

NO_LIMIT = 1 << 40
DEFAULT_LIMIT = GitHistory().max_file_bytes
NEWEST = 300  # commits for PyDriller
FETCHED = 20  # commits of a repository that are fetched one by one
ONCE = ("newest, PyDriller", "newest, fetched one by one")
TIMEOUT_S = 3600.0

Method = Callable[[], object]


# The methods


def bare_git(repository: Path, blobs: Path) -> None:
    """`git log` and the contents of the blobs named in a file, both through a pipe to `wc -c`, which only counts."""
    run = ["git", "--git-dir", str(repository)]
    with open(blobs, "rb") as names:
        counted([*run, "log", "--raw", "-z", "--no-renames", "--no-abbrev", "HEAD"], subprocess.DEVNULL)
        counted([*run, "cat-file", "--batch", "--buffer"], names)


def counted(command: list[str], stdin: int | IO[bytes]) -> None:
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE) as process:
        subprocess.run(["wc", "-c"], stdin=process.stdout, stdout=subprocess.DEVNULL, check=True)
    assert process.returncode == 0


def reader(repository: Path, max_bytes: int) -> None:
    """Our reader alone: raw bytes of both sides of every change, no tables."""
    source = GitHistory(repos=(str(repository),))
    with tempfile.TemporaryDirectory() as memory:
        for unit in source.list_units(Path(memory)).units:
            with open_git(unit.payload["objects"], timeout_s=TIMEOUT_S) as git:
                for _ in read_sides(git, read_commits(git, unit.payload["commits"]), max_bytes):
                    pass


def mine(repositories: list[Path]) -> None:
    """The phase as the quickstart has it: source and six steps, shards and side tables written."""
    # Two histories may begin with one commit, which is all the name that a folder without an origin has.
    repos = tuple(RepositoryRef(path=str(repository), name=name_of(repository)) for repository in repositories)
    source = Step(
        id="git", use="git_history", phase="source", config=GitHistory(repos=repos, known_languages_only=True)
    )
    stages = (DropReverts(), DropContradictions(), KeepLicenses(), KeepLanguages(), KeepMessages(), KeepSizes())
    steps = tuple(Step(id=f"step_{n}", use="", phase="mine", config=stage) for n, stage in enumerate(stages))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.yaml"
        path.write_text("name: mine\n", encoding="utf-8")
        branch = Branch(name="commits", source=source, steps=steps)
        pipeline = Pipeline(name="mine", path=path, seed=0, branches=(branch,), merge=(), write=Write())
        # A phase is no data set: nothing is published at its end.
        with mock.patch.object(build, "_release", lambda *_: {}), mock.patch.object(Lines, "note", lambda *_: None):
            built = build.build(pipeline, Path(folder) / "out", progress=Lines(), created_at="", engine="inline")
    assert not built.unreadable, built.unreadable


def reader_of(repository: Path, commits: list[str]) -> None:
    with open_git(open_repository(repository).objects, timeout_s=TIMEOUT_S) as git:
        for _ in read_sides(git, read_commits(git, commits), NO_LIMIT):
            pass


def pydriller_of(repository: Path, commits: list[str]) -> None:
    """Both sides of the only file of each commit."""
    from git.exc import GitCommandError
    from pydriller import Repository

    for commit in Repository(str(repository), only_commits=commits).traverse_commits():
        try:
            files = commit.modified_files
        except GitCommandError:  # a blob that the repository does not have
            continue
        if len(files) == 1:
            _ = files[0].source_code_before, files[0].source_code


def libgit2(repository: Path) -> None:
    """Both sides of each commit that changes the content of one regular file, by libgit2 at its quickest: objects are
    not hashed again, only folders that differ are read, and those only until a second path differs."""
    pygit2.option(pygit2.enums.Option.ENABLE_STRICT_HASH_VERIFICATION, False)
    opened = pygit2.Repository(str(repository))
    for commit in opened.walk(opened.head.target):
        if len(commit.parent_ids) != 1:
            continue
        changed = list(islice(differing(opened, opened[commit.parent_ids[0]].tree_id, commit.tree_id), 2))
        if len(changed) == 1:
            old, new = changed[0]
            if is_file(old) and is_file(new) and old[1] != new[1]:
                with contextlib.suppress(KeyError):  # a blob that the repository does not have
                    _ = opened.read(pygit2.Oid(raw=old[1])), opened.read(pygit2.Oid(raw=new[1]))


_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)
_ABSENT = (b"", b"")
_Side = tuple[bytes, bytes]  # mode and object


def is_file(side: _Side) -> bool:
    return side[0].startswith(b"100")


def differing(opened: pygit2.Repository, *folders: pygit2.Oid | None) -> Iterator[tuple[_Side, _Side]]:
    """What differs between two folders, folders themselves left out; None is a folder that is not there."""
    entries = [set(_ENTRY.findall(opened.read(tree)[1])) if tree is not None else set() for tree in folders]
    old, new = ({name: (mode, oid) for mode, name, oid in a - b} for a, b in (entries, entries[::-1]))
    for name in old.keys() | new.keys():
        pair = old.get(name, _ABSENT), new.get(name, _ABSENT)
        if all(mode in (b"", b"40000") for mode, _ in pair):
            yield from differing(opened, *(pygit2.Oid(raw=oid) if oid else None for _, oid in pair))
        else:
            yield pair


def fetched_one_by_one(repository: Path, files: list[tuple[str, str]]) -> None:
    """Both sides of the file that each commit changes, the commit fetched with its parent into a new repository."""
    for commit, path in files:
        with tempfile.TemporaryDirectory() as folder:
            commands = (
                ["init"],
                ["remote", "add", "origin", f"file://{repository}"],
                ["fetch", "--depth", "2", "origin", commit],
                ["checkout", "FETCH_HEAD", "--", path],
                ["checkout", "FETCH_HEAD^", "--", path],
            )
            for command in commands:
                subprocess.run(["git", *command], cwd=folder, capture_output=True, check=True)
                if command[0] == "checkout":
                    _ = (Path(folder) / path).read_bytes()


# Measuring


def cost(method: Method) -> tuple[float, int]:
    """Processor seconds, and peak memory in MiB of its largest process, of one run in a forked process."""
    child = multiprocessing.get_context("fork").Process(target=method)
    child.start()
    assert child.pid is not None
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit("a method failed; see above")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def measure(repositories: list[Path], runs: int) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        methods: dict[tuple[str, str], Method] = {}
        num_candidates = 0
        for repository in repositories:
            commits = all_commits(repository)
            num_candidates += sum(commit.reason is None for commit in commits)
            for label, method in methods_of(repository, commits, Path(folder)):
                methods[name_of(repository), label] = method
        methods["all", "mine phase"] = lambda: mine(repositories)
        seen: dict[tuple[str, str], list[tuple[float, int]]] = {key: [] for key in methods}
        for number in range(runs):
            for key, method in methods.items():
                if number == 0 or key[1] not in ONCE:
                    seen[key].append(cost(method))
            print(f"run {number + 1} of {runs}", file=sys.stderr)
    medians = {key: statistics.median(seconds for seconds, _ in values) for key, values in seen.items()}
    report(medians, max(peak for _, peak in seen["all", "mine phase"]), num_candidates)


def measure_phase(repositories: list[Path], runs: int) -> None:
    """How the cost of the phase grows: with the fewest repositories that have a tenth of all commits, half, and all."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sizes = [len(all_commits(repository)) for repository in repositories]
    total = sum(sizes)
    counts = [next(n for n in range(len(sizes)) if 10 * sum(sizes[: n + 1]) >= share * total) + 1 for share in (1, 5)]
    points = sorted({*counts, len(repositories)})
    seen: dict[int, list[tuple[float, int]]] = {count: [] for count in points}
    for number in range(runs):
        for count in points:
            seen[count].append(cost(lambda count=count: mine(repositories[:count])))
        print(f"run {number + 1} of {runs}", file=sys.stderr)
    print("| repositories | commits | processor seconds | commits a second | peak MiB |\n|---|---|---|---|---|")
    for count, values in seen.items():
        commits, seconds = sum(sizes[:count]), statistics.median(used for used, _ in values)
        peak = max(peak for _, peak in values)
        print(f"| {count} | {commits:,} | {seconds:.1f} | {commits / seconds:,.0f} | {peak:,} |")


def methods_of(repository: Path, commits: list[Commit], folder: Path) -> Iterator[tuple[str, Method]]:
    name = name_of(repository).replace("/", "+")
    for label, limit in (("all", NO_LIMIT), ("default", DEFAULT_LIMIT)):
        blobs = folder / f"{name}.{label}"
        blobs.write_text("".join(f"{blob}\n" for blob in blobs_of(repository, commits, limit)), encoding="ascii")
        yield f"bare git, {label}", lambda blobs=blobs: bare_git(repository, blobs)
        yield f"reader, {label}", lambda limit=limit: reader(repository, limit)
    yield "libgit2, all", lambda: libgit2(repository)
    candidates = [commit for commit in commits if commit.reason is None]
    files = [(commit.id, commit.path.decode()) for commit in candidates[:FETCHED] if commit.path is not None]
    # Tried first: where a file of a folder is not there, git fetches nothing.
    with contextlib.suppress(subprocess.CalledProcessError):
        fetched_one_by_one(repository, files)
        yield "newest, fetched one by one", lambda: fetched_one_by_one(repository, files)
    if importlib.util.find_spec("pydriller") is not None:
        newest = [commit.id for commit in commits if len(commit.parents) == 1][:NEWEST]
        # PyDriller writes into the configuration of what it reads.
        clone = folder / f"{name}.git"
        borrow = ["git", "clone", "--quiet", "--bare", "--shared", "--no-tags", str(repository), str(clone)]
        subprocess.run(borrow, check=True)
        yield "newest, reader", lambda: reader_of(repository, newest)
        yield "newest, PyDriller", lambda: pydriller_of(clone, newest)


def all_commits(repository: Path) -> list[Commit]:
    source = GitHistory(repos=(str(repository),))
    with tempfile.TemporaryDirectory() as memory:
        listing = source.list_units(Path(memory))
    for what, why in listing.unreadable:
        raise SystemExit(f"{what}: {why}")
    found = []
    for unit in listing.units:
        with open_git(unit.payload["objects"], timeout_s=TIMEOUT_S) as git:
            found += read_commits(git, unit.payload["commits"])
    return found


def blobs_of(repository: Path, commits: list[Commit], limit: int) -> Iterator[str]:
    """The blobs that the reader reads at that limit."""
    with open_git(open_repository(repository).objects, timeout_s=TIMEOUT_S) as git:
        for commit, sides in read_sides(git, commits, limit):
            if isinstance(sides, tuple):
                yield from commit.edits[0]


def report(seconds: dict[tuple[str, str], float], peak: int, num_candidates: int) -> None:
    names = [name for name, method in seconds if method == "reader, all"]
    pairs = [
        ("reader, all", "bare git, all"),
        ("reader, default", "bare git, default"),
        ("libgit2, all", "reader, all"),
    ]
    if (names[0], "newest, PyDriller") in seconds:
        pairs.append(("newest, PyDriller", "newest, reader"))
    print("| | " + " | ".join(f"{a} / {b}" for a, b in pairs) + " |")
    print("|---" * (len(pairs) + 1) + "|")
    for name in names:
        print(f"| {name} | " + " | ".join(f"{seconds[name, a] / seconds[name, b]:.2f}" for a, b in pairs) + " |")
    everywhere = [method for name, method in seconds if name == names[0] and method != ONCE[1]]
    total = {method: sum(seconds[name, method] for name in names) for method in everywhere}
    print("| **all** | " + " | ".join(f"{total[a] / total[b]:.2f}" for a, b in pairs) + " |")
    phase = seconds["all", "mine phase"]
    for method in ("bare git, all", "bare git, default"):
        print(f"mine phase / {method}: {phase / total[method]:.2f}")
    if fetched := [used / FETCHED for (_, method), used in seconds.items() if method == ONCE[1]]:
        ratio = statistics.mean(fetched) / (phase / num_candidates)
        print(f"fetched one by one / mine phase, a candidate: {ratio:.0f}")
    print(f"peak memory of the mine phase: {peak} MiB")
    shown = {**total, "mine phase": phase}
    print("processor seconds: " + ", ".join(f"{method} {used:.2f}" for method, used in shown.items()))


def name_of(repository: Path) -> str:
    return (repository.parent if repository.name == "repo" else repository).name.replace("+", "/")


# Checking


def check(repositories: list[Path]) -> None:
    """Compare with libgit2, repository by repository. Ends with an error where one differs."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "sources"))
    import independent
    import pygit2

    # It hashes each object again by default, which is most of its time.
    pygit2.option(pygit2.enums.Option.ENABLE_STRICT_HASH_VERIFICATION, False)
    total: Counter[str] = Counter()
    for repository in repositories:
        commits = all_commits(repository)
        ours = {(c.id, c.path) for c in commits if c.reason is None or c.reason in AFTER_SHAPE}
        theirs = independent.candidates(repository, [open_repository(repository).refs["HEAD"]])
        numbers = {
            "commits": len(commits),
            "candidates": len(theirs),
            "only ours": len(ours - theirs),
            "only theirs": len(theirs - ours),
        }
        print(f"{name_of(repository)}: " + ", ".join(f"{count} {what}" for what, count in numbers.items()), flush=True)
        for commit, path in sorted(ours ^ theirs)[:5]:
            print(f"    {commit} {path!r}")
        total.update(numbers)
    print("all: " + ", ".join(f"{count} {what}" for what, count in total.items()))
    if total["only ours"] or total["only theirs"]:
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="compare with libgit2 in place of measuring")
    parser.add_argument("--phase", action="store_true", help="measure how the cost of the whole phase grows")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    pa.set_cpu_count(1)
    if given.check:
        check(given.repositories)
    elif given.phase:
        measure_phase(given.repositories, given.runs)
    else:
        measure(given.repositories, given.runs)


if __name__ == "__main__":
    main()
