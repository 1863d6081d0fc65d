"""What the hygiene stages keep of 200 commits that were read, and what they drop of whole histories.

    python benchmarks/hygiene.py labels REPOSITORY... [--show]
    python benchmarks/hygiene.py history REPOSITORY... [--each 300] [--seed 8]
    python benchmarks/hygiene.py secrets REPOSITORY... [--files 500] [--seed 8] [--show]

REPOSITORY is a folder whose origin has the name that tests/stages/intent_labels.csv gives, or NAME=FOLDER. `labels`
gives precision and recall of the kept set for "single", with and without the stages; `--show` names what is wrong.
`history` draws commits of each repository that change one file in one of the eight languages and counts the reasons.
`secrets` draws files of HEAD, one of each repository in turn, and counts what the scanner finds; `--show` says where.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from themis_data.code.language import language_of_path
from themis_data.fingerprint import uniform
from themis_data.sources._git import open_git, open_repository, public_name
from themis_data.sources.git_history import read_commits, read_sides
from themis_data.stages.drop_unwritten import DropUnwritten
from themis_data.stages.keep_languages import KeepLanguages
from themis_data.stages.keep_messages import KeepMessages
from themis_data.stages.keep_single_intent import KeepSingleIntent
from themis_data.text.messages import is_bot, without_people
from themis_data.text.secrets import described, findings

LABELS = Path(__file__).parents[1] / "tests" / "stages" / "intent_labels.csv"
MAX_BYTES, TIMEOUT_S = 262_144, 3_600.0
NEW_IN_MESSAGES = "release_message"
Row = dict[str, Any]


def changes(folder: Path, name: str, commits: Sequence[str]) -> Iterator[Row]:
    """What the stages look at of each commit that changes one text file, and nothing of the others."""
    with open_git(open_repository(folder).objects, timeout_s=TIMEOUT_S) as git:
        found = read_commits(git, commits)
        known = [
            c if c.path and language_of_path(c.path.decode("utf-8", "replace")) else c._replace(reason="x")
            for c in found
        ]
        for commit, sides in read_sides(git, known, MAX_BYTES):
            if isinstance(sides, str) or commit.path is None or b"\0" in sides[0] + sides[1]:
                continue
            message = without_people(commit.message.decode("utf-8", "replace"))
            path = commit.path.decode("utf-8")
            yield {
                "repository": name,
                "commit": commit.id,
                "path": path,
                "language": language_of_path(path),
                "subject": message.partition("\n")[0],
                "message": message,
                "is_bot": is_bot(commit.author.decode("utf-8", "replace"), commit.email.decode("utf-8", "replace")),
                "old_contents": sides[0].decode("utf-8", "replace"),
                "new_contents": sides[1].decode("utf-8", "replace"),
            }


def reasons(rows: list[Row]) -> list[tuple[str | None, str | None]]:
    """Of each row why it goes without the hygiene stages, and why it goes with them; null where it is kept."""
    table = pa.Table.from_pylist(rows)
    messages = KeepMessages().drop_reason(table).to_pylist()
    hygiene = [stage.drop_reason(table).to_pylist() for stage in (DropUnwritten(), KeepSingleIntent())]
    return [
        (None if message == NEW_IN_MESSAGES else message, message or unwritten or intents)
        for message, unwritten, intents in zip(messages, *hygiene, strict=True)
    ]


def interval(right: int, of: int) -> str:
    """A share with Wilson's interval, 95 %."""
    z, share = 1.96, right / of
    middle, spread = share + z * z / (2 * of), z * ((share * (1 - share) + z * z / (4 * of)) / of) ** 0.5
    low, high = ((middle + sign * spread) / (1 + z * z / of) for sign in (-1, 1))
    return f"{right} of {of} ({share:.1%}, {low:.0%}-{high:.0%})"


def labels(folders: dict[str, Path], show: bool) -> None:
    by_repository: dict[str, list[dict[str, str]]] = {}
    for label in csv.DictReader(LABELS.read_text(encoding="utf-8").splitlines()):
        by_repository.setdefault(label["repository"], []).append(label)
    said = {label["commit"]: label for group in by_repository.values() for label in group}
    rows = [
        row
        for name, group in by_repository.items()
        if name in folders
        for row in changes(folders[name], name, [label["commit"] for label in group])
    ]
    print(
        f"{len(rows)} of {len(said)} commits read, {sum(said[r['commit']]['label'] == 'single' for r in rows)} single"
    )
    found = reasons(rows)
    single = [said[row["commit"]]["label"] == "single" for row in rows]
    for title, why in (
        ("nothing", [None] * len(rows)),
        ("before", [b for b, _ in found]),
        ("with", [a for _, a in found]),
    ):
        kept = [good for good, reason in zip(single, why, strict=True) if reason is None]
        print(f"{title:8} precision {interval(sum(kept), len(kept))}  recall {interval(sum(kept), sum(single))}")
    for row, (_, reason), good in zip(rows, found, single, strict=True):
        if show and (reason is None) != good:
            print(f"  {reason or 'kept':40.40} {row['repository']} {row['commit'][:12]} {said[row['commit']]['note']}")


def history(folders: dict[str, Path], each: int, seed: int) -> None:
    counts: Counter[str] = Counter()
    languages = KeepLanguages().languages
    for name, folder in sorted(folders.items()):
        repository = open_repository(folder)
        with open_git(repository.objects, timeout_s=TIMEOUT_S) as git:
            every = git.output("rev-list", "--no-merges", "--stdin", lines=[repository.refs["HEAD"]]).decode().split()
        drawn = sorted(every, key=lambda commit: uniform(seed, "hygiene", commit))[: 6 * each]
        rows = [row for row in changes(folder, name, drawn) if row["language"] in languages][:each]
        if not rows:
            continue
        found = reasons(rows)
        counts["rows"] += len(rows)
        counts["kept before"] += sum(before is None for before, _ in found)
        counts["kept with"] += sum(after is None for _, after in found)
        counts.update(after.partition(":")[0] for before, after in found if before is None and after is not None)
        print(f"{name}: {len(rows)}, kept {sum(after is None for _, after in found)}", flush=True)
    for name, count in counts.most_common():
        print(f"{name:20} {count:7}")


def files(folder: Path, name: str, seed: int) -> Iterator[tuple[str, str]]:
    """Path and text of each file of HEAD of a usual size in a known language, in an order drawn by the seed."""
    repository = open_repository(folder)
    with open_git(repository.objects, timeout_s=TIMEOUT_S) as git:
        listed = git.output("ls-tree", "-r", "-l", "-z", repository.refs["HEAD"]).decode("utf-8", "replace").split("\0")
        entries = [(*head.split(), path) for head, _, path in (one.partition("\t") for one in listed if one)]
        usual = [
            (path, blob)
            for mode, _, blob, size, path in entries
            if mode.startswith("100") and size.isdigit() and 200 < int(size) < 65_536 and language_of_path(path)
        ]
        key = name.partition("/")[2].replace("/", "+")
        for path, blob in sorted(usual, key=lambda file: uniform(seed, "secrets", key, file[0])):
            yield path, git.output("cat-file", "blob", blob).decode("utf-8", "replace")


def secrets(folders: dict[str, Path], num_files: int, seed: int, show: bool) -> None:
    hits, flagged = Counter[str](), Counter[str]()
    turns = {name: files(folder, name, seed) for name, folder in sorted(folders.items())}
    num_read = 0
    while turns and num_read < num_files:
        for name in list(turns):
            file = next(turns[name], None)
            if file is None:
                del turns[name]
            elif num_read < num_files:
                num_read += 1
                found = findings(file[1])
                hits.update(finding.kind for finding in found)
                flagged.update({finding.group for finding in found})
                for finding in found if show else ():
                    print(f"  {described(file[1], finding)}: {name} {file[0]}")
    print(f"{num_read} files of {len(folders)} repositories; hits {dict(hits)}; files with one {dict(flagged)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("labels", "history", "secrets"))
    parser.add_argument("repositories", nargs="+")
    parser.add_argument("--each", type=int, default=300, help="commits of a repository")
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    folders = {}
    for one in given.repositories:
        name, _, folder = one.rpartition("=")
        path = Path(folder)
        folders[name or public_name(open_repository(path).origin or "") or folder] = path
    if given.what == "labels":
        labels(folders, given.show)
    elif given.what == "secrets":
        secrets(folders, given.files, given.seed, given.show)
    else:
        history(folders, given.each, given.seed)


if __name__ == "__main__":
    main()
