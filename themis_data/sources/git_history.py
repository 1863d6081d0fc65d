"""Changes out of git history: every commit that modifies exactly one regular file and does nothing else."""

import fnmatch
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import pyarrow as pa

from themis_data.code.language import language_of_path
from themis_data.engine.segment import Listing, Piece, Unit
from themis_data.errors import SourceError
from themis_data.fingerprint import digest, row_id, where_it_runs
from themis_data.manifest import write_atomically
from themis_data.schema import schema
from themis_data.sources._git import (
    Git,
    Repository,
    fetch_clone,
    is_url,
    open_git,
    open_repository,
    public_name,
    without_credentials,
)
from themis_data.text.edits import edit_key
from themis_data.text.licenses import license_class, recognise_license
from themis_data.text.messages import is_bot, reverted_commits, without_people

_EDIT_KEYS = 64  # a commit
_REGULAR = (b"100644", b"100755")
_MODES = {b"160000": "submodule", b"120000": "symlink"}
_STATUS = {b"A": "added", b"D": "deleted", b"T": "type_changed"}
_LICENSE_FILE = re.compile(
    rb"100(?:644|755) ((?:LICEN[CS]ES?|COPYING|COPYRIGHT|UNLICEN[CS]E|MIT-LICEN[CS]E)(?![-._]doc)(?:[-._][^\0/]*)?)\0(.{%d})",
    re.DOTALL | re.IGNORECASE,
)
_BATCH_ROWS, _BATCH_BYTES = 512, 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class RepositoryRef:
    """A repository with the name it is to have, for example where its folder does not know its origin."""

    path: str  # a folder or a URL
    name: str | None = None  # host/owner/name


class Entry(NamedTuple):
    """A candidate: one commit, one modified regular file. Raw, as git gave it."""

    commit: str
    tree: str
    parents: list[str]
    committed_at: int
    authored_at: int
    email: bytes
    author: bytes
    message: bytes
    path: bytes
    old_blob: str
    new_blob: str


@dataclass(frozen=True, kw_only=True)
class GitHistory:
    """Reads the history of repositories; each commit that modifies exactly one regular file is a change.

    Every commit, emitted or not, is a row of the side table `commit`, with the reason why it gave no change: merge,
    root, empty, many_paths, added, deleted, type_changed, submodule, symlink, not_regular, mode_only, path_not_utf8,
    message_not_utf8, missing_blob, too_large, empty_side, binary, not_utf8.
    A repository that cannot be read is reported, and the others go on.
    """

    writes: ClassVar[str] = "change"
    also_writes: ClassVar[tuple[str, ...]] = ("commit",)
    version: ClassVar[int] = 1
    distributions: ClassVar[tuple[str, ...]] = ("identify",)

    repos: Annotated[tuple[str | RepositoryRef, ...], "folders (bare or not) or URLs"] = where_it_runs(())
    refs: Annotated[tuple[str, ...], "refs or patterns whose history is read, for example refs/heads/*"] = ("HEAD",)
    max_file_bytes: Annotated[int, "bytes a side; larger files are left out before they are read"] = 65_536
    unit_commits: Annotated[int, "commits a unit of work"] = where_it_runs(5_000)
    timeout_s: Annotated[float, "seconds one git process may take"] = where_it_runs(3_600.0)

    def list_units(self, memory: Path) -> Listing:
        """Units of at most `unit_commits` commits, oldest round first; a commit of several forks is read once."""
        if not self.repos:
            return Listing(units=(), identity=[], warnings=("no repositories given: set repos to folders or URLs",))
        histories: list[_History] = []
        unreadable, warnings = [], []
        for given in self.repos:
            reference = given if isinstance(given, RepositoryRef) else RepositoryRef(path=given)
            try:
                history = self._history(reference, memory)
            except SourceError as error:
                unreadable.append((without_credentials(reference.path), str(error)))
                continue
            if history.repository.shallow:
                warnings.append(f"{history.name}: a shallow clone, so its history is cut and its oldest commit gives no "
                                f"change; 'git fetch --unshallow' brings the rest")  # fmt: skip
            if not any(history.rounds):
                warnings.append(f"{history.name}: no commits to read")
            histories.append(history)
        histories.sort(key=lambda history: history.name)
        units = [unit for history, repos in _assign(histories) for unit in self._cut(history, repos)]
        identity = [{"name": h.name, "tips": list(h.tips), "commits": sum(map(len, h.rounds))} for h in histories]
        return Listing(units=tuple(units), identity=identity, unreadable=tuple(unreadable), warnings=tuple(warnings))

    def _history(self, reference: RepositoryRef, memory: Path) -> "_History":
        if is_url(reference.path):
            clone = memory / "clones" / f"{digest(without_credentials(reference.path))}.git"
            repository = fetch_clone(reference.path, clone, self.refs, timeout_s=self.timeout_s)
        else:
            repository = open_repository(Path(reference.path))
        tips = sorted({tip for ref, tip in repository.refs.items() if any(fnmatch.fnmatchcase(ref, p) for p in self.refs)})
        with open_git(repository, timeout_s=self.timeout_s) as git:
            roots = sorted(_ids(git, "rev-list", "--max-parents=0", "--stdin", lines=tips)) if tips else []
            name = reference.name or (public_name(repository.origin) if repository.origin else None)
            name = name or f"local/{roots[0] if roots else 'empty'}"
            rounds = self._rounds(git, name, tips, memory) if tips else ()
        return _History(name=name, repository=repository, tips=tuple(tips), roots=frozenset(roots), rounds=rounds)

    def _rounds(self, git: Git, name: str, tips: list[str], memory: Path) -> tuple[tuple[str, ...], ...]:
        """Commits of each round, oldest first. A build that finds new tips adds a round and leaves the earlier ones as
        they are; where an earlier tip is no longer an ancestor, history was rewritten and the rounds start anew."""
        path = memory / "rounds" / f"{digest([name, list(self.refs)])}.json"
        earlier: list[list[str]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        if earlier and earlier[-1] != tips:
            known = [f"^{tip}" for tip in tips]
            try:
                is_rewritten = any(_ids(git, "rev-list", "--max-count=1", "--stdin", lines=[*old, *known]) for old in earlier)
            except SourceError:  # an earlier tip is gone altogether
                is_rewritten = True
            earlier = [] if is_rewritten else earlier
        ends = earlier if earlier and earlier[-1] == tips else [*earlier, tips]
        write_atomically(path, json.dumps(ends).encode())
        rounds, before = [], list[str]()
        for end in ends:
            commits = _ids(git, "rev-list", "--topo-order", "--reverse", "--stdin", lines=[*end, *(f"^{c}" for c in before)])
            rounds.append(tuple(commits))
            before = end
        return tuple(rounds)

    def _cut(self, history: "_History", repos: "dict[str, str]") -> Iterator[Unit]:
        for number, commits in enumerate(history.rounds):
            own = [commit for commit in commits if commit in repos] if repos else list(commits)
            for start in range(0, len(own), self.unit_commits):
                part = own[start : start + self.unit_commits]
                named = {commit: repos[commit] for commit in part if repos.get(commit, history.name) != history.name}
                yield Unit(
                    name=f"{history.name} round {number} from {start}",
                    fingerprint=digest([history.name, named, hashlib.sha256("".join(part).encode()).hexdigest()]),
                    size=len(part),
                    payload={"repository": history.repository, "name": history.name, "commits": part, "repos": named},
                )

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        """Changes of one unit in the order of its commits, with a `commit` row for each commit."""
        repository, name = unit.payload["repository"], unit.payload["name"]
        repos: dict[str, str] = unit.payload["repos"]
        with open_git(repository, timeout_s=self.timeout_s) as git:
            walk = _Walk(git, unit.payload["commits"])
            licenses = _Licenses(git, [entry.tree for entry in walk.entries], repository.object_format)
            change, seen = _Columns("change"), _Columns("commit")
            left_out: Counter[str] = Counter()
            contents = walk.contents(self.max_file_bytes)
            num_seen = 0
            for commit in walk.commits:
                reason = commit.reason
                if commit.entry is not None:
                    reason, old, new = next(contents)
                    if reason is None:
                        reason = self._emit(change, commit.entry, old, new, name, repos, key, licenses)
                _add_commit(seen, commit, reason, repos.get(commit.id, name))
                num_seen += 1
                if reason is not None:
                    left_out[reason] += 1
                if len(seen) >= 4 * _BATCH_ROWS or len(change) >= _BATCH_ROWS or change.size >= _BATCH_BYTES:
                    yield Piece(rows=change.take(), side={"commit": seen.take()}, num_seen=num_seen, left_out=dict(left_out))
                    num_seen, left_out = 0, Counter()
            yield Piece(rows=change.take(), side={"commit": seen.take()}, num_seen=num_seen, left_out=dict(left_out))

    def _emit(self, change: "_Columns", entry: Entry, old: bytes, new: bytes, name: str, repos: dict[str, str],
              key: bytes, licenses: "_Licenses") -> str | None:  # fmt: skip
        """Add the change, or give the reason why it is none."""
        if not old or not new:
            return "empty_side"
        if b"\0" in old or b"\0" in new:
            return "binary"
        try:
            old_text, new_text = old.decode("utf-8"), new.decode("utf-8")
        except UnicodeDecodeError:
            return "not_utf8"
        try:
            message = without_people(entry.message.decode("utf-8"))
        except UnicodeDecodeError:
            return "message_not_utf8"
        path = entry.path.decode("utf-8")
        license_ = licenses.of_tree(entry.tree)
        change.add(
            row_id=row_id(entry.commit, path), repos=repos.get(entry.commit, name), repository=name, commit=entry.commit,
            path=path, committed_at=entry.committed_at, authored_at=entry.authored_at,
            author_hash=hashlib.blake2b(entry.email.lower(), key=key, digest_size=16).hexdigest(),
            is_bot=is_bot(entry.author.decode("utf-8", "replace"), entry.email.decode("utf-8", "replace")),
            subject=message.partition("\n")[0], message=message, language=language_of_path(path), license=license_,
            license_class=license_class(license_), old_blob=entry.old_blob, new_blob=entry.new_blob, old_contents=old_text,
            new_contents=new_text,
        )  # fmt: skip
        change.size += len(old) + len(new)
        return None


SOURCE = GitHistory


@dataclass(frozen=True, kw_only=True)
class _History:
    name: str
    repository: Repository
    tips: tuple[str, ...]
    roots: frozenset[str]
    rounds: tuple[tuple[str, ...], ...]


def _assign(histories: Sequence[_History]) -> Iterator[tuple[_History, dict[str, str]]]:
    """Each history with the commits it is to read, where it shares commits with others: commit -> names of all of them.

    Only repositories that have a root commit in common are compared.
    """
    for number, history in enumerate(histories):
        kin = [other for other in histories if other is not history and other.roots & history.roots]
        if not kin:
            yield history, {}
            continue
        owners: dict[str, list[str]] = {commit: [history.name] for commits in history.rounds for commit in commits}
        earlier = {id(other) for other in histories[:number]}
        for other in kin:
            for commits in other.rounds:
                for commit in commits:
                    if commit in owners:
                        if id(other) in earlier:
                            del owners[commit]
                        else:
                            owners[commit].append(other.name)
        yield history, {commit: ",".join(sorted(set(names))) for commit, names in owners.items()} or {"": ""}


def _ids(git: Git, *arguments: str, lines: Sequence[str]) -> list[str]:
    return git.output(*arguments, lines=lines).decode("ascii").split()


class _Commit(NamedTuple):
    id: str
    parents: list[str]
    committed_at: int
    message: bytes
    num_paths: int
    path: bytes | None
    edit_keys: list[int]
    reason: str | None
    entry: Entry | None


_FORMAT = "--format=tformat:%H%n%T%n%P%n%ct%n%at%n%ae%n%an%n%B"
_LOG = ("log", "--no-walk=unsorted", "--stdin", "--raw", "-z", "--no-renames", "--no-abbrev", "--encoding=UTF-8",
        "--no-show-signature", "--no-notes", "--no-mailmap", "--root", "--no-ext-diff", _FORMAT)  # fmt: skip


class _Walk:
    """The commits of a unit, in order, and the contents of those that are candidates."""

    def __init__(self, git: Git, commits: Sequence[str]) -> None:
        self._git = git
        with git.stream(*_LOG, lines=commits) as stdout:
            self.commits = [_commit(head, entries) for head, entries in _records(_tokens(stdout))]
        if len(self.commits) != len(commits):
            raise SourceError(f"{git.repository}: git gave {len(self.commits)} of {len(commits)} commits; "
                              f"check it with 'git fsck'")  # fmt: skip
        self.entries = [commit.entry for commit in self.commits if commit.entry is not None]

    def contents(self, max_bytes: int) -> Iterator[tuple[str | None, bytes, bytes]]:
        """For each candidate, in order: why it cannot be read (or None), and the file before and after."""
        sizes = _sizes(self._git, [blob for entry in self.entries for blob in (entry.old_blob, entry.new_blob)])
        reasons = [_size_reason(sizes[e.old_blob], sizes[e.new_blob], max_bytes) for e in self.entries]
        wanted = [blob for entry, reason in zip(self.entries, reasons, strict=True) if reason is None
                  for blob in (entry.old_blob, entry.new_blob)]  # fmt: skip
        blobs = read_objects(self._git, wanted)
        for reason in reasons:
            yield (reason, b"", b"") if reason else (None, next(blobs), next(blobs))


def _size_reason(old: int | None, new: int | None, max_bytes: int) -> str | None:
    if old is None or new is None:
        return "missing_blob"
    return "too_large" if max(old, new) > max_bytes else None


def _sizes(git: Git, blobs: Sequence[str]) -> dict[str, int | None]:
    """Size of each blob in bytes; None where the repository does not have it."""
    if not blobs:
        return {}
    unique = list(dict.fromkeys(blobs))
    out = git.output("cat-file", "--batch-check=%(objectsize)", "--buffer", lines=unique)
    answers = out.decode("ascii", "replace").splitlines()
    if len(answers) != len(unique):
        raise SourceError(f"{git.repository}: git knows {len(answers)} of {len(unique)} objects; check it with 'git fsck'")
    return {blob: int(answer) if answer.isdigit() else None for blob, answer in zip(unique, answers, strict=True)}


def read_objects(git: Git, objects: Sequence[str]) -> Iterator[bytes]:
    """Contents of objects, in order, streamed from one process. Raises SourceError where one is missing or corrupt."""
    if not objects:
        return
    with git.stream("cat-file", "--batch", "--buffer", lines=objects) as stdout:
        for name in objects:
            head = stdout.readline().split()
            if len(head) != 3 or not head[2].isdigit():
                raise SourceError(f"{git.repository}: object {name} cannot be read; check it with 'git fsck'")
            data = stdout.read(int(head[2]) + 1)
            if len(data) != int(head[2]) + 1:
                raise SourceError(f"{git.repository}: object {name} is cut short; check it with 'git fsck'")
            yield data[:-1]


def _tokens(stdout: Any) -> Iterator[bytes]:
    """What stands between the NUL bytes of a stream."""
    rest = b""
    while block := stdout.read(1 << 20):
        parts = (rest + block).split(b"\0")
        rest = parts.pop()
        yield from parts
    if rest:
        yield rest


def _records(tokens: Iterator[bytes]) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
    """(header and message, [(raw entry, path)]) of each commit. A path is taken as it comes, whatever it looks like."""
    head: bytes | None = None
    entries: list[tuple[bytes, bytes]] = []
    for token in tokens:
        if token.startswith((b":", b"\n:")):
            entries.append((token.lstrip(b"\n"), next(tokens, b"")))
        elif token:
            if head is not None:
                yield head, entries
            head, entries = token, []
    if head is not None:
        yield head, entries


def _commit(head: bytes, entries: list[tuple[bytes, bytes]]) -> _Commit:
    commit, tree, parents_, committed_at, authored_at, email, author, message = head.split(b"\n", 7)
    parents = parents_.decode("ascii").split()
    keys, one = [], None
    for raw, _ in entries[:_EDIT_KEYS]:
        _, _, old, new, status = raw.split(b" ")
        if status == b"M" and old != new:
            keys.append(edit_key(old.decode("ascii"), new.decode("ascii")))
    reason, path = _shape_reason(parents, entries), entries[0][1] if len(entries) == 1 else None
    if reason is None:
        _, _, old, new, _ = entries[0][0].split(b" ")
        one = Entry(commit.decode("ascii"), tree.decode("ascii"), parents, int(committed_at), int(authored_at), email, author,
                    message, entries[0][1], old.decode("ascii"), new.decode("ascii"))  # fmt: skip
    return _Commit(commit.decode("ascii"), parents, int(committed_at), message, len(entries), path, keys, reason, one)


def _shape_reason(parents: list[str], entries: list[tuple[bytes, bytes]]) -> str | None:
    """Why a commit is no candidate, from its shape alone; None for exactly one modified regular file."""
    if len(parents) != 1:
        return "merge" if parents else "root"
    if len(entries) != 1:
        return "many_paths" if entries else "empty"
    old_mode, new_mode, old, new, status = entries[0][0].removeprefix(b":").split(b" ")
    if status != b"M":
        return _STATUS.get(status, "not_regular")
    if old_mode not in _REGULAR or new_mode not in _REGULAR:
        return _MODES.get(new_mode) or _MODES.get(old_mode) or "not_regular"
    if old == new:
        return "mode_only"
    try:
        entries[0][1].decode("utf-8")
    except UnicodeDecodeError:
        return "path_not_utf8"
    return None


def _add_commit(seen: "_Columns", commit: _Commit, reason: str | None, repos: str) -> None:
    message = commit.message.decode("utf-8", "replace")
    path = None
    if commit.path is not None and reason != "path_not_utf8":
        path = commit.path.decode("utf-8", "replace")
    seen.add(
        commit=commit.id, repos=repos, parents=commit.parents, committed_at=commit.committed_at,
        subject=without_people(message.partition("\n")[0]), reverts=reverted_commits(message), num_paths=commit.num_paths,
        path=path, edit_keys=commit.edit_keys, not_emitted=reason,
    )  # fmt: skip


class _Licenses:
    """The licence of the repository at a commit, from the licence files in its root folder; each text is read once."""

    def __init__(self, git: Git, trees: Sequence[str], object_format: str) -> None:
        width = 20 if object_format == "sha1" else 32
        pattern = re.compile(_LICENSE_FILE.pattern % width, _LICENSE_FILE.flags)
        unique = list(dict.fromkeys(trees))
        self._blobs: dict[str, tuple[str, ...]] = {}
        for tree, content in zip(unique, read_objects(git, unique), strict=True):
            self._blobs[tree] = tuple(sorted({found.group(2).hex() for found in pattern.finditer(content)}))
        texts = sorted({blob for blobs in self._blobs.values() for blob in blobs})
        readable = [blob for blob, size in _sizes(git, texts).items() if size is not None and size <= 1 << 20]
        named = zip(readable, read_objects(git, readable), strict=True)
        self._spdx = {blob: recognise_license(text.decode("utf-8", "replace")) for blob, text in named}
        self._expressions: dict[tuple[str, ...], str] = {}

    def of_tree(self, tree: str) -> str:
        """SPDX expression: the licences of all licence files joined with AND (the reading that asks most of a user).

        NOASSERTION where there is none, or where one of them is not recognised.
        """
        blobs = self._blobs[tree]
        if blobs not in self._expressions:
            found = [self._spdx.get(blob) for blob in blobs]
            names = sorted({name for name in found if name is not None})
            self._expressions[blobs] = " AND ".join(names) if names and None not in found else "NOASSERTION"
        return self._expressions[blobs]


class _Columns:
    """Rows in the making, column by column."""

    def __init__(self, name: str) -> None:
        self._schema = schema(name)
        self._values: dict[str, list[Any]] = {column: [] for column in self._schema.names}
        self.size = 0  # bytes of contents held

    def __len__(self) -> int:
        return len(next(iter(self._values.values())))

    def add(self, **row: Any) -> None:
        for name, values in self._values.items():
            values.append(row[name])

    def take(self) -> pa.Table:
        """The rows so far as a table; the next ones start a new one."""
        table = self._schema.table(self._values)
        self._values = {name: [] for name in self._values}
        self.size = 0
        return table
