"""Changes out of git history: every commit that modifies exactly one regular file and does nothing else."""

import fnmatch
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import Popen
from typing import IO, Annotated, Any, ClassVar, NamedTuple, overload

import pyarrow as pa

from themis_data.code.language import language_of_path
from themis_data.engine.segment import Listing, Piece, Unit
from themis_data.errors import SourceError
from themis_data.fingerprint import WHERE_IT_RUNS, digest, row_id, where_it_runs
from themis_data.manifest import write_atomically
from themis_data.schema import schema
from themis_data.sources._fetch import Failed, Fetcher, Fetching, Journal, Wanted, clone_name, with_lenders
from themis_data.sources._git import (
    BrokenObjects,
    Git,
    Objects,
    Repository,
    fetch_clone,
    fetched_clone,
    local_path,
    open_git,
    open_repository,
    public_name,
    without_credentials,
)
from themis_data.text.edits import edit_key
from themis_data.text.licenses import license_class, recognise_license
from themis_data.text.messages import is_bot, reverted_commits, says_correction, without_people
from themis_data.upstream.commit_export import CommitExport, choose_repositories, read_commit_export

_EDIT_KEYS = 64  # a commit
_CORRECTION_PATHS = 10  # of a commit; what changes more files is no correction of one of them
_MESSAGE_BYTES = 64 * 1024
_PATH_BYTES = 4096  # longer ones cannot be checked out
_LATEST = 253_402_300_799  # the last second of the year 9999, which is all that calendars take
_LICENSE_BYTES = 1024 * 1024
_CORRUPT = -1  # in place of a size
_REGULAR = ("100644", "100755")
_MODES = {"160000": "submodule", "120000": "symlink"}
_STATUS = {"A": "added", "D": "deleted", "T": "type_changed"}
# Reasons why a commit is no candidate although it modifies one regular file and does nothing else.
AFTER_SHAPE = ("path_not_utf8", "path_too_long", "bad_date", "message_too_large")
_BATCH_ROWS, _BATCH_BYTES = 512, 16 * 1024 * 1024
_HELD_BYTES = 16 * 1024 * 1024  # of blobs that are kept because the same one is needed again soon


@dataclass(frozen=True, kw_only=True)
class RepositoryRef:
    """A repository with the name it is to have, for example where its folder does not know its origin."""

    path: str  # a folder or a URL
    name: str | None = None  # host/owner/name

    def __post_init__(self) -> None:
        if self.name is not None and not re.fullmatch(r"[^\s,]+", self.name):
            raise ValueError(f"repository name {self.name!r}: expected host/owner/name, without spaces or commas")


@dataclass(frozen=True, kw_only=True)
class GitHistory:
    """Reads the history of repositories; each commit that modifies exactly one regular file is a change.

    Every commit, emitted or not, is a row of the side table `commit`, with the reason why it gave no change: merge,
    root, empty, many_paths, added, deleted, type_changed, submodule, symlink, not_regular, mode_only, path_not_utf8,
    path_too_long, bad_date, message_too_large, unknown_language, not_listed, message_not_utf8, missing_blob, corrupt,
    too_large, empty_side, binary, not_utf8. With `corrections` files of commits of up to ten files are rows of
    `correction`. A repository that cannot be read is reported with its reason, and the others go on; of one with a
    corrupt folder or file, the commits that need it are `corrupt`, and its other commits go on. Those behind URLs are
    fetched into the run folder, each once, as `fetching` says; what was fetched is noted, so a build that was killed
    goes on.

    `merged_by` of a change is merge_commit where a merge brought it into the default branch (HEAD), default_branch
    where the branch itself went through it (its first parents), and null where HEAD does not lead to it.

    With `commits`, an export of commit metadata (`manifests/commit_export.sql`), only the commits and paths that it
    lists are changes; its other repositories of a commit are among the change's `repos`. Without `repos` and `lists`
    the repositories are those that it names, as few as have all its commits: of one that is gone, its forks.
    """

    writes: ClassVar[str] = "change"
    also_writes: ClassVar[tuple[str, ...]] = ("commit", "correction")
    version: ClassVar[int] = 1
    distributions: ClassVar[tuple[str, ...]] = ("identify",)

    repos: Annotated[tuple[str | RepositoryRef, ...], "folders (bare or not) or URLs"] = where_it_runs(())
    lists: Annotated[
        tuple[str, ...],
        "text files with a folder or URL a line, and behind a space a name for it; `#` begins a comment",
    ] = where_it_runs(())
    refs: Annotated[tuple[str, ...], "refs or patterns whose history is read, for example refs/heads/*"] = ("HEAD",)
    max_file_bytes: Annotated[int, "bytes a side; larger files are left out before they are read"] = 65_536
    known_languages_only: Annotated[bool, "leave out files in no known language before they are read"] = False
    corrections: Annotated[
        bool, "read the files of commits of several files that say they correct something, for drop_corrected"
    ] = False
    commits: Annotated[
        tuple[str, ...], "exports of commit metadata, files or folders: only what they list; none: all"
    ] = where_it_runs(())
    url: Annotated[str, "where a repository is that only an export names: {name} is host/owner/name"] = where_it_runs(
        "https://{name}.git"
    )
    fetching: Annotated[Fetching | None, "how repositories behind URLs are fetched; null: as by default"] = field(
        default=None, metadata={WHERE_IT_RUNS: True}
    )
    unit_commits: Annotated[int, "commits a unit of work"] = where_it_runs(10_000)
    timeout_s: Annotated[float, "seconds one git process may take"] = where_it_runs(3_600.0)

    @property
    def _fetching(self) -> Fetching:
        return self.fetching or Fetching()

    def list_units(self, memory: Path) -> Listing:
        """Units of at most `unit_commits` commits, oldest round first; a commit of several forks is read once."""
        given = [*(_reference(one) for one in self.repos), *_listed_in([Path(path) for path in self.lists])]
        if not given and not self.commits:
            return Listing(units=(), identity=[], warnings=("no repositories given: set repos to folders or URLs",))
        journal = Journal(memory, keep=not self._fetching.again)
        looked = self._looked_at(given, memory, journal) if given else self._named_by_export(memory, journal)
        journal.close()
        found = [one for _, one in looked if isinstance(one, _Found)]
        unreadable = [
            (without_credentials(reference.path), one.why) for reference, one in looked if isinstance(one, Failed)
        ]
        found, alike = _one_of_each_name(found)
        unreadable += alike
        identity: list[dict[str, Any]] = []
        histories: list[_History] = []
        warnings = list(_counted([one for _, one in looked]))
        for one in found:
            try:
                rounds = self._rounds(one, memory) if one.tips else ()
            except SourceError as error:
                unreadable.append((one.label, str(error)))
                continue
            histories.append(
                _History(
                    name=one.name,
                    objects=one.repository.objects,
                    roots=one.roots,
                    rounds=rounds,
                    root=one.root,
                )
            )
            identity.append(
                {"name": one.name, "tips": list(one.tips), "commits": sum(len(r.ids) for r in rounds), "root": one.root}
            )
            warnings += self._warnings(one)
        export = self._export(histories)
        warnings += _seen(export)
        units = [
            unit
            for history, reading in zip(histories, _assign(histories), strict=True)
            for unit in self._cut(history, reading, export)
        ]
        return Listing(units=tuple(units), identity=identity, unreadable=tuple(unreadable), warnings=tuple(warnings))

    def _looked_at(
        self, given: Sequence[RepositoryRef], memory: Path, journal: Journal
    ) -> "list[tuple[RepositoryRef, _Found | Failed]]":
        """What each repository has, or why it cannot be read, in order. Those behind URLs are fetched first."""
        limit = None if self._fetching.large_blobs else max(self.max_file_bytes, _LICENSE_BYTES)
        clones = {one.path: clone_name(one.path, limit) for one in given if local_path(one.path) is None}
        wanted = with_lenders([one.path for one in given if one.path in clones], clones.__getitem__)
        fetched = self._fetched(wanted, limit, memory, journal)
        looked: list[tuple[RepositoryRef, _Found | Failed]] = []
        for reference in given:
            if reference.path in clones:
                outcome = fetched[clones[reference.path]]
                if isinstance(outcome, _Found) and reference.name is not None:
                    outcome = replace(outcome, name=reference.name)
            else:
                try:
                    folder = local_path(reference.path)
                    assert folder is not None
                    outcome = self._look(reference.path, open_repository(folder), reference.name)
                except SourceError as error:
                    outcome = Failed(reason="unreadable", why=str(error))
            looked.append((reference, outcome))
        return looked

    def _fetched(
        self, wanted: Sequence[Wanted], limit: int | None, memory: Path, journal: Journal
    ) -> "dict[str, _Found | Failed]":
        """By the name of the clone."""
        keys = {one.clone: digest([one.clone, list(self.refs)]) for one in wanted}
        known = {clone: journal.settled(key) for clone, key in keys.items()}
        found: dict[str, _Found | Failed] = {
            clone: outcome for clone, outcome in known.items() if isinstance(outcome, Failed)
        }

        def fetch(one: Wanted, running: set[Popen[bytes]]) -> _Found:
            clone = memory / "clones" / one.clone
            if known[one.clone] and clone.is_dir():
                repository = fetched_clone(one.url, clone, blob_limit=limit)
            else:
                lender = memory / "clones" / one.lender if one.lender is not None else None
                repository = fetch_clone(
                    one.url,
                    clone,
                    self.refs,
                    timeout_s=self.timeout_s,
                    stall_s=self._fetching.stall_s,
                    blob_limit=limit,
                    lender=lender if lender is not None and (lender / "HEAD").is_file() else None,
                    running=running,
                )
            return self._look(one.url, repository)

        for one, outcome in Fetcher(self._fetching, fetch).all([one for one in wanted if one.clone not in found]):
            found[one.clone] = outcome
            journal.note(keys[one.clone], outcome if isinstance(outcome, Failed) else None)
        return found

    def _named_by_export(self, memory: Path, journal: Journal) -> "list[tuple[RepositoryRef, _Found | Failed]]":
        """The repositories that an export names; where one is gone, another one that has the commits."""
        paths = [Path(path).expanduser() for path in self.commits]
        looked: dict[str, tuple[RepositoryRef, _Found | Failed]] = {}
        while True:
            dead = {name for name, (_, outcome) in looked.items() if isinstance(outcome, Failed)}
            new = [name for name in choose_repositories(paths, dead=dead) if name not in looked]
            if not new:
                return list(looked.values())
            references = [RepositoryRef(path=self.url.format(name=name), name=name) for name in new]
            looked |= dict(zip(new, self._looked_at(references, memory, journal), strict=True))

    def _look(self, path: str, repository: Repository, name: str | None = None) -> "_Found":
        tips = sorted(set(_matching(repository.refs, self.refs)))
        head = repository.refs.get("HEAD")
        commits, roots, root = _history(repository.objects, tips, head, self.timeout_s)
        name = name or (public_name(repository.origin) if repository.origin else None)
        return _Found(
            label=without_credentials(path),
            name=name or f"local/{min(roots, default='empty')}",
            repository=repository,
            tips=tuple(tips),
            commits=commits,
            roots=frozenset(roots),
            root=None if repository.objects.shallow else root,
        )

    def _warnings(self, found: "_Found") -> Iterator[str]:
        if found.repository.objects.shallow:
            yield (
                f"{found.name}: a shallow clone, so its history is cut and its oldest commit gives no change; "
                f"'git fetch --unshallow' brings the rest"
            )
        if not found.tips:
            known = sorted(found.repository.refs)[:5]
            yield (
                f"{found.name}: no commits to read, as none of its refs is one of {list(self.refs)}; "
                f"it has {known or 'none'}"
            )

    def _rounds(self, found: "_Found", memory: Path) -> "tuple[_Line, ...]":
        """Commits of each round, the oldest first. A build that finds new tips adds a round and leaves the earlier ones
        as they are; where an earlier tip is no longer an ancestor, history was rewritten and the rounds start anew."""
        path, tips = memory / "rounds" / f"{digest([found.name, list(self.refs)])}.json", list(found.tips)
        ends: list[list[str]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        with open_git(found.repository.objects, timeout_s=self.timeout_s) as git:
            if not ends or ends[-1] != tips:
                earlier = set(_peeled(git, [tip for end in ends for tip in end]))
                is_rewritten = bool(earlier) and not earlier.issubset(found.commits.ids)
                ends = [tips] if is_rewritten else [*ends, tips]
                write_atomically(path, json.dumps(ends).encode())
            if len(ends) == 1:
                return (found.commits,)
            rounds = []
            flag_of = dict(zip(found.commits.ids, found.commits.merged_by, strict=True))
            for before, end in zip([[], *ends], ends, strict=False):
                lines = [*end, *(f"^{tip}" for tip in before)]
                ids = git.output("rev-list", "--topo-order", "--stdin", lines=lines).decode("ascii").split()
                rounds.append(_Line(ids=_Ids.of(ids), merged_by=bytes(flag_of[commit] for commit in ids)))
        return tuple(rounds)

    def _export(self, histories: Sequence["_History"]) -> CommitExport | None:
        if not self.commits:
            return None
        read = {commit for history in histories for commit in history.commits()}
        return read_commit_export([Path(path).expanduser() for path in self.commits], among=read)

    def _cut(self, history: "_History", reading: "_Reading", export: CommitExport | None) -> Iterator[Unit]:
        for number, whole in enumerate(history.rounds):
            own = whole.without(reading.left_to_others)
            for start in range(0, len(own.ids), self.unit_commits):
                part = own.part(start, start + self.unit_commits)
                named = {c: reading.repos[c] for c in part.ids if c in reading.repos} if reading.repos else {}
                listed = None if export is None else {c: export.listed[c] for c in part.ids if c in export.listed}
                paths = None if listed is None else {commit: one.path for commit, one in listed.items()}
                for commit, one in (listed or {}).items():
                    known = named.get(commit, history.name).split(",")
                    named[commit] = ",".join(sorted({*known, *one.repos}))
                yield Unit(
                    name=f"{history.name} round {number} from {start}",
                    fingerprint=digest([history.name, named, paths, history.root, part.digest()]),
                    size=len(part.ids),
                    payload={
                        "objects": history.objects,
                        "name": history.name,
                        "commits": part.ids,
                        "merged_by": part.merged_by,
                        "repos": named,
                        "paths": paths,
                        "root": history.root,
                    },
                )

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        """Changes of one unit in the order of its commits, with a `commit` row for each commit."""
        objects: Objects = unit.payload["objects"]
        name: str = unit.payload["name"]
        repos: dict[str, str] = unit.payload["repos"]
        paths: dict[str, str] | None = unit.payload["paths"]
        with open_git(objects, timeout_s=self.timeout_s) as git:
            commits = read_commits(git, unit.payload["commits"])
            if self.known_languages_only:
                commits = [_of_known_language(commit) for commit in commits]
            if paths is not None:
                commits = [_listed(commit, paths) for commit in commits]
            trees = [commit.tree for commit in commits if commit.reason is None]
            licenses = _Licenses(git, trees, objects.object_format)
            changes = _Changes(name, repos, key, licenses, unit.payload["root"])
            seen = _Columns("commit")
            left_out: Counter[str] = Counter()
            without = "missing_blob" if objects.blob_limit is None else "too_large"  # those were not fetched
            sides_of = read_sides(git, commits, self.max_file_bytes, without=without)
            for (commit, sides), merged_by in zip(sides_of, unit.payload["merged_by"], strict=True):
                reason = changes.add(commit, *sides, _MERGED_BY[merged_by]) if isinstance(sides, tuple) else sides
                _add_commit(seen, commit, reason, repos.get(commit.id, name))
                if reason is not None:
                    left_out[reason] += 1
                if len(seen) >= 4 * _BATCH_ROWS or changes.is_full:
                    yield _piece(changes, seen, left_out)
                    left_out = Counter()
            yield _piece(changes, seen, left_out)
            if self.corrections:
                for table in self._corrections(git, commits, name):
                    yield Piece(rows=changes.take(), side={"commit": seen.take(), "correction": table})

    def _corrections(self, git: Git, commits: "Sequence[Commit]", name: str) -> Iterator[pa.Table]:
        """Files that commits of a few files changed while they corrected something, in the order of the commits.

        What is asked of one is asked of its commit alone: it does not matter in which unit it is read.
        """
        files = [
            (commit, path, old, new)
            for commit in commits
            if commit.reason == "many_paths" and commit.num_paths <= _CORRECTION_PATHS and _is_correction(commit)
            for path, old, new in commit.modified
            if not self.known_languages_only or language_of_path(path) is not None
        ]
        sizes = _sizes(git, [blob for _, _, *pair in files for blob in pair])
        files = [
            (commit, path, old, new)
            for commit, path, old, new in files
            if _size_reason(sizes[old], sizes[new], self.max_file_bytes, without="missing_blob") is None
        ]
        blobs = _read_blobs(git, [(blob, sizes[blob] or 0) for _, _, *pair in files for blob in pair])
        found, held = _Columns("correction"), 0
        for commit, path, old, new in files:
            old_data, new_data = next(blobs), next(blobs)
            if old_data is None or new_data is None:
                continue
            texts = _utf8(old_data), _utf8(new_data)
            if None in texts or b"\0" in old_data or b"\0" in new_data:
                continue
            found.add(
                commit=commit.id,
                repository=name,
                path=path,
                committed_at=commit.committed_at,
                old_blob=old,
                new_blob=new,
                old_contents=texts[0],
                new_contents=texts[1],
            )
            held += len(old_data) + len(new_data)
            if held >= _BATCH_BYTES:
                yield found.take()
                held = 0
        yield found.take()


SOURCE = GitHistory


@dataclass(frozen=True)
class _Ids(Sequence[str]):
    """Object ids in one block of bytes: a fifth of the memory that their texts take, and one object for all."""

    packed: bytes
    width: int  # bytes an id

    @classmethod
    def of(cls, ids: Sequence[str]) -> "_Ids":
        return cls(bytes.fromhex("".join(ids)), len(ids[0]) // 2 if ids else 20)

    def __len__(self) -> int:
        return len(self.packed) // self.width

    def __iter__(self) -> Iterator[str]:
        text, size = self.packed.hex(), 2 * self.width
        return (text[at : at + size] for at in range(0, len(text), size))

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> "_Ids": ...
    def __getitem__(self, at: int | slice) -> "str | _Ids":
        if isinstance(at, slice):
            start, stop, _ = at.indices(len(self))
            return _Ids(self.packed[start * self.width : stop * self.width], self.width)
        return self.packed[at * self.width :][: self.width].hex()


_MERGED_BY = (None, "default_branch", "merge_commit")
_DEFAULT_BRANCH, _MERGE_COMMIT = 1, 2


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Commits, children first, and for each how it came into the default branch.

    git stores a file as what differs from a newer one, so it has the newer ones at hand for the older.
    """

    ids: _Ids
    merged_by: bytes  # for each commit a place in _MERGED_BY

    def part(self, start: int, stop: int) -> "_Line":
        return _Line(ids=self.ids[start:stop], merged_by=self.merged_by[start:stop])

    def without(self, commits: frozenset[str]) -> "_Line":
        if not commits:
            return self
        kept = [(commit, by) for commit, by in zip(self.ids, self.merged_by, strict=True) if commit not in commits]
        return _Line(ids=_Ids.of([commit for commit, _ in kept]), merged_by=bytes(by for _, by in kept))

    def digest(self) -> str:
        return hashlib.sha256(self.ids.packed + self.merged_by).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Found:
    label: str  # where it was given, fit to be shown
    name: str
    repository: Repository
    tips: tuple[str, ...]
    commits: _Line  # all that lead to the tips
    roots: frozenset[str]  # commits without a parent, also where a shallow clone was cut
    root: str | None  # the commit that HEAD's line of first parents begins with; None in a shallow clone


@dataclass(frozen=True, kw_only=True)
class _History:
    name: str
    objects: Objects
    roots: frozenset[str]
    rounds: tuple[_Line, ...]
    root: str | None

    def commits(self) -> Iterator[str]:
        for line in self.rounds:
            yield from line.ids


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What one history has to read."""

    left_to_others: frozenset[str]  # commits that another repository reads
    repos: dict[str, str]  # commit -> all names, for those that several repositories have


def _reference(given: str | RepositoryRef) -> RepositoryRef:
    return given if isinstance(given, RepositoryRef) else RepositoryRef(path=given)


def _listed_in(lists: Sequence[Path]) -> Iterator[RepositoryRef]:
    for path in lists:
        try:
            lines = path.expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path}: cannot be read as a list of repositories: {error}") from error
        for number, line in enumerate(lines, start=1):
            fields = [] if line.lstrip().startswith("#") else line.split()
            if len(fields) > 2:
                raise SourceError(
                    f"{path}, line {number}: {line!r}; expected a folder or URL, a space and a name for it"
                )
            if fields:
                yield RepositoryRef(path=fields[0], name=fields[1] if len(fields) == 2 else None)


def _counted(looked: "Sequence[_Found | Failed]") -> Iterator[str]:
    """How many of many repositories cannot be had, by reason."""
    reasons = Counter(one.reason for one in looked if isinstance(one, Failed))
    if reasons and len(looked) > 1:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
        yield f"{reasons.total():,} of {len(looked):,} repositories cannot be read: {counts}"


def _one_of_each_name(found: Iterable[_Found]) -> tuple[list[_Found], list[tuple[str, str]]]:
    """Repositories by name, and what cannot be read because another repository has its name: (what, why).

    The same repository given twice is read once, and whole if one of the two is.
    """
    by_name: dict[str, list[_Found]] = {}
    for one in sorted(found, key=lambda one: (one.name, one.repository.objects.shallow is not None, one.label)):
        by_name.setdefault(one.name, []).append(one)
    alike = [
        (
            one.label,
            f"it is called {name}, and so is another repository with other commits ("
            f"{', '.join(o.label for o in group if o is not one)}); give each a name: {{path: ..., name: ...}}",
        )
        for name, group in by_name.items()
        if len({o.tips for o in group}) > 1
        for one in group
    ]
    return [group[0] for group in by_name.values() if len({o.tips for o in group}) == 1], alike


def _assign(histories: Sequence[_History]) -> list[_Reading]:
    """What each history has to read, so that a commit that several have is read once.

    It is read where its parent is known (a shallow clone lacks that at its cut), then from the first by name. Histories
    that share commits have a root of one, or the place where it was cut, among the commits of the other: only those are
    compared.
    """
    if len(histories) == 1:
        return [_Reading(left_to_others=frozenset(), repos={})]
    with_root: dict[str, list[int]] = {}
    for number, history in enumerate(histories):
        for root in history.roots:
            with_root.setdefault(root, []).append(number)
    kin = set[int]()
    for number, history in enumerate(histories):
        others = {other for commit in history.commits() for other in with_root.get(commit, ()) if other != number}
        kin |= others | ({number} if others else set())
    holders: dict[str, list[int]] = {}
    for number in sorted(kin):
        for commit in histories[number].commits():
            holders.setdefault(commit, []).append(number)
    left: list[set[str]] = [set() for _ in histories]
    repos: list[dict[str, str]] = [{} for _ in histories]
    for commit, numbers in holders.items():
        if len(numbers) > 1:
            reader = min(numbers, key=lambda n: (commit in histories[n].roots, histories[n].name))
            repos[reader][commit] = ",".join(sorted(histories[n].name for n in numbers))
            for number in numbers:
                if number != reader:
                    left[number].add(commit)
    return [_Reading(left_to_others=frozenset(a), repos=b) for a, b in zip(left, repos, strict=True)]


def _history(
    objects: Objects, tips: Sequence[str], head: str | None, timeout_s: float
) -> tuple[_Line, list[str], str | None]:
    """All commits that lead to the tips, with how each of them came into HEAD (the branch went through it, or a merge
    brought it in); those among them that have no parent; and the one that the line of first parents of HEAD, or else of
    a tip, begins with, which forks share."""
    if not tips:
        return _Line(ids=_Ids.of([]), merged_by=b""), [], None
    with open_git(objects, timeout_s=timeout_s) as git:
        out = git.output("rev-list", "--topo-order", "--parents", "--stdin", lines=tips)
    lines = out.decode("ascii").splitlines()
    ids, flags, roots, root = [], bytearray(), [], None
    flag_of = {} if head is None else {head: _DEFAULT_BRANCH}  # of commits still to come: children come first
    for line in lines:
        commit, *parents = line.split(" ")
        ids.append(commit)
        flag = flag_of.pop(commit, 0)
        flags.append(flag)
        if not parents:
            roots.append(commit)
            root = commit if flag == _DEFAULT_BRANCH else root
        for place, parent in enumerate(parents if flag else ()):
            if place == 0 and flag == _DEFAULT_BRANCH:
                flag_of[parent] = _DEFAULT_BRANCH
            else:
                flag_of.setdefault(parent, _MERGE_COMMIT)
    return _Line(ids=_Ids.of(ids), merged_by=bytes(flags)), roots, root or _first(lines, set(tips))


def _first(lines: Sequence[str], at: set[str]) -> str | None:
    """Where the lines of first parents of some commits begin, of several the least. `lines` are commits with their
    parents, children first."""
    found = []
    for commit, *parents in (line.split(" ") for line in lines):
        if commit in at:
            at.remove(commit)
            if parents:
                at.add(parents[0])
            else:
                found.append(commit)
    return min(found, default=None)


def _matching(refs: Mapping[str, str], patterns: Sequence[str]) -> Iterator[str]:
    """Object ids of the refs that one of the patterns names."""
    is_named = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns) or "(?!)").match
    return (tip for ref, tip in refs.items() if is_named(ref))


def _peeled(git: Git, tips: Sequence[str]) -> list[str]:
    """The commits that tips stand for; a tip may be a tag. One that is gone stands for itself."""
    if not tips:
        return []
    out = git.output("cat-file", "--batch-check=%(objectname)", lines=[f"{tip}^{{commit}}" for tip in tips])
    return [line.partition("^")[0] for line in out.decode("ascii").splitlines()]


class Commit(NamedTuple):
    """A commit as git gave it, and what it changed against its parent."""

    id: str
    tree: str
    parents: list[str]
    committed_at: int  # seconds since 1970; 0 where it is no date
    authored_at: int
    email: bytes
    author: bytes
    message: bytes
    num_paths: int
    entries: list[bytes]  # of the first of its paths and the first modified ones, as git gives them
    paths: list[bytes]  # of each of the entries
    reason: str | None  # why it is no candidate; None for one modified regular file

    @property
    def path(self) -> bytes | None:
        """Of the only path, else None."""
        return self.paths[0] if self.num_paths == 1 else None

    @property
    def edits(self) -> list[tuple[str, str]]:
        """Blobs before and after of the first modified regular files; of a candidate its only one."""
        return [(old, new) for reason, old, new in map(_entry, self.entries) if reason is None]

    @property
    def modified(self) -> Iterator[tuple[str, str, str]]:
        """The first modified regular files, as far as their paths are text of a usual length: path, blobs."""
        for raw, path in zip(self.entries, self.paths, strict=True):
            reason, old, new = _entry(raw)
            if reason is None and _path_reason(path) is None:
                yield path.decode("utf-8"), old, new


def _entry(raw: bytes) -> tuple[str | None, str, str]:
    """Of one path of a commit, as git gives it: why it is no modified regular file, or None; its two blobs."""
    old_mode, new_mode, old_blob, new_blob, status = raw.lstrip(b"\n:").decode("ascii").split(" ")
    if status != "M":
        reason: str | None = _STATUS.get(status, "not_regular")
    elif old_mode not in _REGULAR or new_mode not in _REGULAR:
        reason = _MODES.get(new_mode) or _MODES.get(old_mode) or "not_regular"
    else:
        reason = "mode_only" if old_blob == new_blob else None
    return reason, old_blob, new_blob


_FORMAT = "--format=tformat:%H%n%T%n%P%n%ct%n%at%n%ae%n%an%n%B"
_LOG = (
    "log",
    "--no-walk=unsorted",
    "--stdin",
    "-z",
    "--encoding=UTF-8",
    "--no-show-signature",
    "--no-notes",
    "--no-mailmap",
    _FORMAT,
)
_WITH_PATHS = ("--raw", "--no-renames", "--no-abbrev", "--root", "--no-ext-diff")


def read_commits(git: Git, commits: Sequence[str]) -> list[Commit]:
    """The commits of those ids, in order. One whose folders are corrupt has the reason `corrupt` and no paths.

    Raises SourceError where git does not have them.
    """
    try:
        return _read_log(git, commits, *_LOG, *_WITH_PATHS)
    except BrokenObjects:
        # The commits are halved until those are alone that need the broken object: seldom, and then few.
        if len(commits) > 1:
            half = len(commits) // 2
            return read_commits(git, commits[:half]) + read_commits(git, commits[half:])
        [commit] = _read_log(git, commits, *_LOG)
        return [commit._replace(reason="corrupt" if commit.reason == "empty" else commit.reason)]


def _read_log(git: Git, commits: Sequence[str], *arguments: str) -> list[Commit]:
    with git.stream(*arguments, lines=commits) as stdout:
        found = list(_parse_log(_tokens(stdout)))
        if [commit.id for commit in found] != list(commits):
            raise SourceError(f"{git.label}: git gave {len(found)} of {len(commits)} commits; check it with 'git fsck'")
    return found


def _of_known_language(commit: Commit) -> Commit:
    """The commit, no candidate any more where no language claims its path."""
    if commit.reason is None and commit.path is not None and language_of_path(commit.path.decode("utf-8")) is None:
        return commit._replace(reason="unknown_language")
    return commit


def _listed(commit: Commit, paths: Mapping[str, str]) -> Commit:
    """The commit, no candidate any more where an export does not list it with its path."""
    if commit.reason is None and commit.path is not None and paths.get(commit.id) != commit.path.decode("utf-8"):
        return commit._replace(reason="not_listed")
    return commit


def _seen(export: CommitExport | None) -> Iterator[str]:
    """What is to be said of an export: how much of it the repositories have, and what of that is of no use."""
    if export is None:
        return
    if not export.listed:
        yield f"commits: none of the {export.num_rows} rows is a commit of the repositories that are read"
    if export.left_out:
        reasons = ", ".join(f"{reason} {count}" for reason, count in export.left_out.items())
        yield f"commits: some that the repositories have are listed with no file that can be used: {reasons}"


def read_sides(
    git: Git, commits: Sequence[Commit], max_bytes: int, *, without: str = "missing_blob"
) -> Iterator[tuple[Commit, str | tuple[bytes, bytes]]]:
    """Each commit, in order, with the file before and after it, or with the reason why there is no such pair; `without`
    is that of blobs that are not there."""
    sides = [commit.edits[0] if commit.reason is None else None for commit in commits]
    sizes = _sizes(git, [blob for pair in sides if pair is not None for blob in pair])
    reasons = [
        commit.reason or (pair and _size_reason(sizes[pair[0]], sizes[pair[1]], max_bytes, without=without))
        for commit, pair in zip(commits, sides, strict=True)
    ]
    readable = [pair for pair, reason in zip(sides, reasons, strict=True) if pair is not None and reason is None]
    blobs = _read_blobs(git, [(blob, sizes[blob] or 0) for pair in readable for blob in pair])
    for commit, reason in zip(commits, reasons, strict=True):
        if reason is not None:
            yield commit, reason
            continue
        old, new = next(blobs), next(blobs)
        yield commit, "corrupt" if old is None or new is None else (old, new)


def _read_blobs(git: Git, blobs: Sequence[tuple[str, int]]) -> Iterator[bytes | None]:
    """Contents of blobs of known sizes, in order; None for one that is corrupt.

    The file after one commit is often the file before a later one: a blob that comes again within `_HELD_BYTES` of
    contents is kept until then, so that git gives it once.
    """
    given_at: dict[str, tuple[int, int]] = {}  # blob -> (place in the list, bytes given before it)
    is_held, is_kept, before = [], bytearray(len(blobs)), 0
    for place, (blob, size) in enumerate(blobs):
        earlier, before_earlier = given_at.get(blob, (-1, 0))
        is_near = earlier >= 0 and before - before_earlier <= _HELD_BYTES
        is_held.append(is_near)
        if is_near:
            is_kept[earlier] = True
        given_at[blob] = (place, before)
        before += size
    from_git = _read_sound(git, [b for (b, _), held in zip(blobs, is_held, strict=True) if not held])
    kept: dict[str, bytes | None] = {}
    for (blob, _), held, keep in zip(blobs, is_held, is_kept, strict=True):
        data = kept.pop(blob) if held else next(from_git)
        if keep:
            kept[blob] = data
        yield data


def _read_sound(git: Git, blobs: Sequence[str]) -> Iterator[bytes | None]:
    """Contents of blobs, in order; None for one that is corrupt, at which git ends and is asked again for the rest."""
    done = 0
    while done < len(blobs):
        try:
            for data in read_objects(git, blobs[done:], b"blob"):
                done += 1
                yield data
        except BrokenObjects:
            if done < len(blobs):
                yield _alone(git, blobs[done])
            done += 1


def _alone(git: Git, blob: str) -> bytes | None:
    try:
        return git.output("cat-file", "blob", blob)
    except BrokenObjects:
        return None


def _size_reason(old: int | None, new: int | None, max_bytes: int, *, without: str) -> str | None:
    if old is None or new is None:
        return without
    if _CORRUPT in (old, new):
        return "corrupt"
    if not old or not new:
        return "empty_side"
    return "too_large" if max(old, new) > max_bytes else None


def _sizes(git: Git, blobs: Sequence[str]) -> dict[str, int | None]:
    """Size of each blob in bytes; None where the repository does not have it, or has something else of that name, and
    `_CORRUPT` where it has something that is no object."""
    if not blobs:
        return {}
    unique = list(dict.fromkeys(blobs))
    try:
        out = git.output("cat-file", "--batch-check=%(objecttype) %(objectsize)", "--buffer", lines=unique)
    except BrokenObjects:
        if len(unique) == 1:
            return {unique[0]: _CORRUPT}
        half = len(unique) // 2
        return _sizes(git, unique[:half]) | _sizes(git, unique[half:])
    answers = [answer.split() for answer in out.splitlines()]
    if len(answers) != len(unique):
        raise SourceError(f"{git.label}: git knows {len(answers)} of {len(unique)} objects; check it with 'git fsck'")
    return {blob: int(size) if kind == b"blob" else None for blob, (kind, size) in zip(unique, answers, strict=True)}


def read_objects(git: Git, objects: Sequence[str], kind: bytes) -> Iterator[bytes]:
    """Contents of objects of one kind, in order, streamed from one process.

    Raises SourceError where one is missing, corrupt or of another kind.
    """
    if not objects:
        return
    with git.stream("cat-file", "--batch", "--buffer", lines=objects) as stdout:
        for name in objects:
            head = stdout.readline().split()
            if len(head) != 3 or head[1] != kind:
                raise SourceError(f"{git.label}: object {name} cannot be read; check it with 'git fsck'")
            size = int(head[2])
            data = stdout.read(size)
            if stdout.read(1) != b"\n":
                raise SourceError(f"{git.label}: object {name} is cut short; check it with 'git fsck'")
            yield data


def _tokens(stdout: IO[bytes]) -> Iterator[bytes]:
    """What stands between the NUL bytes of a stream. Of one longer than a message may be, at least that much."""
    rest = b""
    while block := stdout.read(1 << 20):
        parts = (rest + block).split(b"\0")
        rest = parts.pop()[:_MESSAGE_BYTES]
        yield from parts
    if rest:
        yield rest


def _parse_log(tokens: Iterator[bytes]) -> Iterator[Commit]:
    """Commits out of what `git log --raw -z` says. A path is taken as it comes, whatever it looks like."""
    head, num_paths, entries, paths = b"", 0, list[bytes](), list[bytes]()
    for token in tokens:
        if token.startswith((b":", b"\n:")):
            path = next(tokens, b"")
            num_paths += 1
            if num_paths == 1 or (len(entries) < _EDIT_KEYS and token.endswith(b"M")):
                entries.append(token)
                paths.append(path)
        elif token:
            if head:
                yield _commit(head, num_paths, entries, paths)
            head, num_paths, entries, paths = token, 0, [], []
    if head:
        yield _commit(head, num_paths, entries, paths)


def _commit(head: bytes, num_paths: int, entries: list[bytes], paths: list[bytes]) -> Commit:
    """One commit. `entries` are its first path and the first modified ones, as git gives them, with their `paths`."""
    fields = head.split(b"\n", 7)
    if len(fields) != 8:
        raise SourceError(f"commit {head[:64].decode('ascii', 'replace')!r} cannot be read: its header is cut short")
    id_, tree, parents_, committed, authored, email, author, message = fields
    parents = parents_.decode("ascii").split()
    committed_at = _seconds(committed)
    authored_at = committed_at if authored == committed else _seconds(authored)
    if len(parents) != 1:
        reason: str | None = "merge" if parents else "root"
    elif num_paths != 1:
        reason = "many_paths" if num_paths else "empty"
    else:
        reason = _entry(entries[0])[0] or _path_reason(paths[0])
    if reason is None and (committed_at is None or authored_at is None):
        reason = "bad_date"
    if reason is None and len(head) >= _MESSAGE_BYTES:
        reason = "message_too_large"
    return Commit(  # by place, which takes half the time that names do
        id_.decode("ascii"),
        tree.decode("ascii"),
        parents,
        committed_at or 0,
        authored_at or 0,
        email,
        author,
        message,
        num_paths,
        entries,
        paths,
        reason,
    )


def _seconds(date: bytes) -> int | None:
    """Seconds since 1970, or None for what is no date: git keeps whatever it was given."""
    seconds = int(date) if date.isdigit() and len(date) <= 12 else -1
    return seconds if 0 <= seconds <= _LATEST else None


def _path_reason(path: bytes) -> str | None:
    if len(path) > _PATH_BYTES:
        return "path_too_long"
    return None if _utf8(path) is not None else "path_not_utf8"


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _add_commit(seen: "_Columns", commit: Commit, reason: str | None, repos: str) -> None:
    message = commit.message.decode("utf-8", "replace")
    seen.add(
        commit=commit.id,
        repos=repos,
        parents=commit.parents,
        committed_at=commit.committed_at,
        subject=without_people(message.partition("\n")[0]),
        reverts=reverted_commits(message),
        num_paths=commit.num_paths,
        edit_keys=[edit_key(old, new) for old, new in commit.edits],
        not_emitted=reason,
        path=_utf8(commit.path) if commit.path is not None and len(commit.path) <= _PATH_BYTES else None,
    )


# A root folder entry that is a licence file, behind any number that are none; the end is the object id, in bytes.
_NAME = rb"(?:LICEN[CS]ES?|COPYING|COPYRIGHT|UNLICEN[CS]E|MIT-LICEN[CS]E)(?![-._]doc)(?:[-._][^\0]*)?"
_IS_LICENSE = rb"100[0-7]{3} " + _NAME + rb"\0"
_LICENSE_ENTRY = {
    size: re.compile(
        rb"(?:(?!%b)[0-7]+ [^\0]+\0.{%d})*%b(.{%d})" % (_IS_LICENSE, size, _IS_LICENSE, size),
        re.DOTALL | re.IGNORECASE,
    )
    for size in (20, 32)
}


class _Licenses:
    """The licence of the repository at a commit, from the licence files in its root folder; each text is read once."""

    def __init__(self, git: Git, trees: Sequence[str], object_format: str) -> None:
        entry = _LICENSE_ENTRY[20 if object_format == "sha1" else 32]
        unique = list(dict.fromkeys(trees))
        self._blobs: dict[str, tuple[str, ...]] = {}
        for tree, content in zip(unique, read_objects(git, unique, b"tree"), strict=True):
            self._blobs[tree] = tuple(_license_blobs(entry, content))
        texts = sorted({blob for blobs in self._blobs.values() for blob in blobs})
        readable = [b for b, size in _sizes(git, texts).items() if size is not None and 0 <= size <= _LICENSE_BYTES]
        named = zip(readable, _read_sound(git, readable), strict=True)
        self._spdx = {
            blob: None if text is None else recognise_license(text.decode("utf-8", "replace")) for blob, text in named
        }
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


def _license_blobs(entry: re.Pattern[bytes], tree: bytes) -> Iterator[str]:
    place = 0
    while found := entry.match(tree, place):
        yield found.group(1).hex()
        place = found.end()


def _is_correction(commit: Commit) -> bool:
    return says_correction(without_people(commit.message.decode("utf-8", "replace").partition("\n")[0]))


def _piece(changes: "_Changes", seen: "_Columns", left_out: Counter[str]) -> Piece:
    commits = seen.take()
    side = {"commit": commits, "correction": schema("correction").empty()}
    return Piece(rows=changes.take(), side=side, num_seen=len(commits), left_out=dict(left_out))


class _Columns:
    """Rows of a schema in the making, column by column."""

    def __init__(self, name: str) -> None:
        self._schema = schema(name)
        self._required = frozenset(column.name for column in self._schema.columns if not column.null)
        self._start()

    def __len__(self) -> int:
        return self._num_rows

    def add(self, **row: Any) -> None:
        if not self._required <= row.keys():
            raise KeyError(*(self._required - row.keys()))
        for name, append in self._appends:
            append(row.get(name))
        self._num_rows += 1

    def take(self) -> pa.Table:
        """The rows so far as a table; the next ones start a new one."""
        table = self._schema.table(self._values)
        self._start()
        return table

    def _start(self) -> None:
        self._values: dict[str, list[Any]] = {name: [] for name in self._schema.names}
        self._appends = [(name, values.append) for name, values in self._values.items()]
        self._num_rows = 0


class _Changes:
    """Changes of one unit in the making."""

    def __init__(
        self,
        name: str,
        repos: dict[str, str],
        key: bytes,
        licenses: _Licenses,
        root: str | None,
    ) -> None:
        self._name, self._repos, self._key, self._licenses, self._root = name, repos, key, licenses, root
        self._columns, self._bytes = _Columns("change"), 0

    @property
    def is_full(self) -> bool:
        return len(self._columns) >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES

    def take(self) -> pa.Table:
        self._bytes = 0
        return self._columns.take()

    def add(self, commit: Commit, old: bytes, new: bytes, merged_by: str | None) -> str | None:
        """Add the change that a commit made, or give the reason why it is none."""
        if b"\0" in old or b"\0" in new:
            return "binary"
        old_text, new_text, said = _utf8(old), _utf8(new), _utf8(commit.message)
        if old_text is None or new_text is None:
            return "not_utf8"
        if said is None:
            return "message_not_utf8"
        assert commit.path is not None
        ((old_blob, new_blob),) = commit.edits
        path, message, license_ = commit.path.decode("utf-8"), without_people(said), self._licenses.of_tree(commit.tree)
        self._columns.add(
            row_id=row_id(commit.id, path),
            repos=self._repos.get(commit.id, self._name),
            repository=self._name,
            commit=commit.id,
            path=path,
            committed_at=commit.committed_at,
            authored_at=commit.authored_at,
            author_hash=hashlib.blake2b(commit.email.lower(), key=self._key, digest_size=16).hexdigest(),
            is_bot=is_bot(commit.author.decode("utf-8", "replace"), commit.email.decode("utf-8", "replace")),
            subject=message.partition("\n")[0],
            message=message,
            language=language_of_path(path),
            license=license_,
            license_class=license_class(license_),
            old_blob=old_blob,
            new_blob=new_blob,
            form="file",
            old_contents=old_text,
            new_contents=new_text,
            merged_by=merged_by,
            root=self._root,
        )
        self._bytes += len(old) + len(new)
        return None
