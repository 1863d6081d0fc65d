"""Reading git repositories that may be hostile.

git never runs under a source's own configuration: a promisor remote there can make plain `git cat-file` run a command.
It runs in an empty repository of ours that borrows the source's objects, with names passed as object ids, with no
system, user or source configuration, no hooks, no replacement objects and no lazy fetching.
"""

import base64
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import SplitResult, quote, unquote, urlsplit

from themis_data.errors import SourceError

_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCP = re.compile(r"(?:[^@/:]+@)?([^/:]+):(?![:/])(.+)")
_SCHEMES = ("https", "http", "ssh", "git")
_HELPER = re.compile(r"[A-Za-z0-9]+::")  # git's way to name a transport program, such as ext::
_USER = re.compile(r"(://)[^/\s]*@")
_QUERY = re.compile(r"(://[^\s?#'\"]*)[?#][^\s'\"]*")
_MEMORY_LIMIT = 4 * 1024**3  # bytes of private memory for one git process; packs are mapped and do not count
_FETCHED = "refs/themis/"
_REMOTE = "themis"  # what git calls the server; named by settings of one process, in no file
_BORROWS = "borrows"  # file of a clone with the name of the one whose objects it needs
_LOCK = "fetching"  # file of a clone that is locked while git writes there, with that git's process group
_CLONE_LIMIT = 32 * 1024**3  # bytes of one file that a fetch may write
_TEXT_LIMIT = 64 * 1024**2  # bytes of a source's own text file (config, packed-refs ...) that are looked at


class BrokenObjects(SourceError):
    """git met an object that it cannot read, and can say so again: neither late nor killed."""


@dataclass(frozen=True, kw_only=True)
class Objects:
    """The objects of a repository on disk: all that git is given of it."""

    label: str  # what to call the repository in errors
    folder: Path
    object_format: str = "sha1"  # or sha256
    shallow: Path | None = None  # file that lists where the history was cut
    borrowed: Path | None = None  # folder of a fork's objects that these are read together with
    blob_limit: int | None = None  # bytes; larger blobs were left on the server; None where none was


@dataclass(frozen=True, kw_only=True)
class Repository:
    """What can be learnt of a repository without running anything in it."""

    objects: Objects
    refs: dict[str, str]  # full ref name, or HEAD, to object id
    origin: str | None  # URL of the remote `origin`, without credentials


def local_path(location: str) -> Path | None:
    """The folder that a location names, as a path or a file:// URL; None where it names a remote repository."""
    if location.startswith("file://"):
        return Path(unquote(location.removeprefix("file://")))
    looks_remote = "://" in location or _SCP.fullmatch(location) or _HELPER.match(location)
    return None if looks_remote and not Path(location).exists() else Path(location)


def _parts(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:  # such as http://[
        return None


def public_name(url: str) -> str | None:
    """host/owner/name of a repository's URL, without credentials, port or `.git`; None for a local path.

    What is not usual in such a name (spaces, commas, control characters) is percent-encoded.
    """
    scp = None if "://" in url else _SCP.fullmatch(url)
    if scp:
        host, path = scp.group(1), scp.group(2)
    else:
        parts = _parts(url)
        if parts is None or parts.scheme not in _SCHEMES or not parts.hostname:
            return None
        host, path = parts.hostname, parts.path
    path = path.strip("/").removesuffix(".git")
    return quote(f"{host.lower()}/{path}", safe="/~%+@:") if path else None


def without_credentials(text: str) -> str:
    """Text in which every URL has lost its user, password and query."""
    return _QUERY.sub(r"\1", _USER.sub(r"\1", text))


def without_user(url: str) -> str:
    """A URL without its user and password, which may change while the repository stays the same."""
    return _USER.sub(r"\1", url)


def open_repository(path: Path) -> Repository:
    """Look at a repository: bare, with a work tree, a linked work tree, or shallow.

    Raises SourceError when the folder is no git repository or uses a format that cannot be read from outside.
    """
    try:
        git_dir = _git_dir(path)
        common = git_dir
        if link := _text(git_dir / "commondir"):
            common = (git_dir / link.strip()).resolve()
        config = _read_config(_text(common / "config"))
        ref_format = config.get("extensions.refstorage", "files")
        if ref_format != "files":
            raise SourceError(
                f"{path}: its refs are stored as {ref_format!r}; only 'files' can be read. "
                f"Clone it with 'git clone --mirror --ref-format=files'"
            )
        object_format = config.get("extensions.objectformat", "sha1")
        if object_format not in ("sha1", "sha256"):
            raise SourceError(f"{path}: its objects are named by {object_format!r}; expected sha1 or sha256")
        shallow = common / "shallow"
        objects = Objects(
            label=str(path),
            folder=common / "objects",
            object_format=object_format,
            shallow=shallow if _text(shallow) else None,
        )
        origin = config.get("remote.origin.url")
        return Repository(
            objects=objects, refs=_read_refs(git_dir, common), origin=without_credentials(origin) if origin else None
        )
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error


def _git_dir(path: Path) -> Path:
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder")
    dot_git = path / ".git"
    link = _text(dot_git).strip()
    linked = (path / link.removeprefix("gitdir: ")).resolve() if link.startswith("gitdir: ") else None
    for candidate in (linked, dot_git, path):
        if candidate and (candidate / "HEAD").is_file():
            if (candidate / "objects").is_dir() or (candidate / "commondir").is_file():
                return candidate.resolve()
    raise SourceError(f"{path}: no git repository (no .git there, and no bare repository either)")


def _text(path: Path) -> str:
    """Text of a regular file of the source, or "" where there is none: a pipe would keep us waiting for ever."""
    if not path.is_file():
        return ""
    if path.stat().st_size > _TEXT_LIMIT:
        raise SourceError(f"{path}: {path.stat().st_size} bytes; at most {_TEXT_LIMIT} are read")
    return path.read_text(encoding="utf-8", errors="replace")


def _read_config(text: str) -> dict[str, str]:
    """Keys of a git configuration as `section.subsection.key`; includes are not followed."""
    section, values = "", {}
    for line in text.splitlines():
        line = line.strip()
        if header := re.match(r'\[\s*([^\s"\]]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]', line):
            section = header.group(1).lower() + (f".{header.group(2)}" if header.group(2) is not None else "")
            line = line[header.end() :].strip()
        key, is_set, value = line.partition("=")
        if is_set and not key.startswith(("#", ";")):
            # Up to a comment, unless that stands in quotes; the quotes themselves are no part of the value.
            bare = re.match(r'(?:"(?:[^"\\]|\\.)*"|\\.|[^#;"\\])*', value)
            values[f"{section}.{key.strip().lower()}"] = re.sub(r'\\(.)|"', r"\1", bare.group() if bare else "").strip()
    return values


def _read_refs(git_dir: Path, common: Path) -> dict[str, str]:
    refs: dict[str, str] = {}
    for line in _text(common / "packed-refs").splitlines():
        name, _, ref = line.partition(" ")
        if _HEX.fullmatch(name) and ref:
            refs[ref] = name
    for folder, _, files in os.walk(common / "refs", followlinks=False):
        for file in files:
            path = Path(folder) / file
            value = "" if path.is_symlink() else _text(path).strip()
            if _HEX.fullmatch(value):
                refs[path.relative_to(common).as_posix()] = value
    head = _text(git_dir / "HEAD").strip()
    resolved = refs.get(head.removeprefix("ref: ")) if head.startswith("ref: ") else head
    if resolved and _HEX.fullmatch(resolved):
        refs["HEAD"] = resolved
    return refs


@dataclass(frozen=True, kw_only=True)
class Git:
    """git over one repository's objects, run from an empty repository of ours."""

    label: str  # what to call the repository in errors
    environment: dict[str, str]
    timeout_s: float
    file_limit: int | None = None  # bytes of one file that it may write
    running: set[subprocess.Popen[bytes]] | None = None  # what runs now is in here, for who has to end it all
    holds: int | None = None  # a file that its processes keep open

    def output(self, *arguments: str, lines: Iterable[str] = ()) -> bytes:
        """All that a command prints, given lines on its standard input. Raises SourceError when it fails."""
        with self.stream(*arguments, lines=lines) as stdout:
            return stdout.read()

    @contextmanager
    def stream(self, *arguments: str, lines: Iterable[str] = ()) -> Iterator[IO[bytes]]:
        """What a command prints, as a stream. Raises BrokenObjects when git says that it fails, and SourceError when it
        takes too long or is killed.

        Its input goes through a file, so that it can never wait for us while we wait for it. A caller that has enough
        may leave before the end.
        """
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            stdin.write("\n".join((*lines, "")).encode("ascii"))
            stdin.seek(0)
            process = subprocess.Popen(
                ["git", *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self.environment,
                cwd="/",
                start_new_session=True,
                pass_fds=() if self.holds is None else (self.holds,),
            )
            assert process.stdout is not None
            if self.holds is not None:
                os.pwrite(self.holds, b"%-20d" % process.pid, 0)
            with _watched(process, self.timeout_s, self.running) as is_late, process.stdout as stdout:
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (_MEMORY_LIMIT, _MEMORY_LIMIT))
                if self.file_limit is not None:
                    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (self.file_limit, self.file_limit))
                try:
                    yield stdout
                    if stdout.read(1):  # the caller has enough
                        return
                    told = None
                except SourceError as error:  # the caller did not get what it asked for; git may know why
                    told = error
                    stdout.close()
                code = process.wait()
            stderr.seek(0)
            said = stderr.read(2000)
            if is_late.is_set():
                said = f"took longer than {self.timeout_s:g} s".encode()
            elif code == -signal.SIGXFSZ:
                said = f"wanted to write more than {self.file_limit} bytes into one file".encode()
            if told is not None and not said:
                raise told
            # git goes on where an object is corrupt, as if it were missing.
            if told is not None or code or re.search(rb"^error: ", said, re.MULTILINE):
                why = _shown(said) or f"exit {code}"
                is_killed = code < 0 or is_late.is_set()
                failure = SourceError if is_killed else BrokenObjects
                raise failure(f"{self.label}: git {arguments[0]} failed: {why}") from told


def _shown(said: bytes) -> str:
    """What git said, fit to be shown: a remote can have it say anything."""
    return "".join(c if c.isprintable() else " " for c in without_credentials(said.decode("utf-8", "replace"))).strip()


@contextmanager
def _watched(
    process: subprocess.Popen[bytes], timeout_s: float, running: set[subprocess.Popen[bytes]] | None
) -> Iterator[threading.Event]:
    """Ends a process and its children: when it takes too long (then the event is set), or is no longer wanted."""
    is_late = threading.Event()
    if running is not None:
        running.add(process)

    def stop() -> None:
        is_late.set()
        end(process)

    watchdog = threading.Timer(timeout_s, stop)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield is_late
    finally:
        end(process)
        process.wait()
        watchdog.cancel()
        if running is not None:
            running.discard(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that was started here, with all that it started."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


_KEPT = (
    "PATH",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
)


def _environment(**extra: str) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_FLUSH": "0",  # else what is written commit by commit is sent commit by commit
        "GIT_ALLOW_PROTOCOL": ":".join(_SCHEMES),
        **extra,
    }


@contextmanager
def open_git(objects: Objects, *, timeout_s: float) -> Iterator[Git]:
    """git over a repository's objects. Raises SourceError when git is not installed."""
    _require_git()
    with tempfile.TemporaryDirectory(prefix="themis-git-") as folder:
        _make_git_dir(Path(folder), objects.object_format)
        folders = [objects.folder, *([objects.borrowed] if objects.borrowed else [])]
        extra = {"GIT_DIR": folder, "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(map(_quoted, folders))}
        if objects.shallow:
            extra["GIT_SHALLOW_FILE"] = str(objects.shallow)
        yield Git(label=objects.label, environment=_environment(**extra), timeout_s=timeout_s)


def fetch_clone(
    url: str,
    git_dir: Path,
    refs: Sequence[str],
    *,
    timeout_s: float,
    stall_s: float = 60.0,
    blob_limit: int | None = None,
    lender: Path | None = None,
    running: set[subprocess.Popen[bytes]] | None = None,
) -> Repository:
    """Bring a remote repository's history into a bare repository of ours, or bring it up to date.

    One process at a time does so: a git that another left running is ended, and what it left behind is taken away.
    An http server that sends less than 1,000 bytes a second for `stall_s` is given up.
    `blob_limit` leaves larger blobs (bytes) on the server, where that server can do so. `lender` is the clone of a
    fork: what it has is not fetched again, and the clone, which notes its name, is only whole together with it.

    Raises SourceError when the remote cannot be read.
    """
    _require_git()
    label = without_credentials(url)
    parts = _parts(url)
    if _HELPER.match(url) or parts is None or ("://" in url and parts.scheme not in _SCHEMES):
        raise SourceError(f"{label}: cannot be read; give a folder or a URL of {', '.join(_SCHEMES)}")
    git_dir.mkdir(parents=True, exist_ok=True)
    with _alone(git_dir) as lock:
        if not (git_dir / "HEAD").exists():
            if lender is not None:
                (git_dir / _BORROWS).write_text(lender.name, encoding="utf-8")
            _make_git_dir(git_dir, "sha1")
        borrowed = _borrowed(git_dir)
        # Of a fetch that was killed.
        for leftover in (*git_dir.rglob("*.lock"), *git_dir.glob("objects/pack/tmp_*")):
            leftover.unlink()
        url, settings = _authorization(url, parts)
        settings |= {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": f"{max(1, round(stall_s))}"}
        settings |= {f"remote.{_REMOTE}.url": url}
        if blob_limit is not None:  # a filter leaves out what is as large as it says
            settings |= {
                f"remote.{_REMOTE}.promisor": "true",
                f"remote.{_REMOTE}.partialCloneFilter": f"blob:limit={blob_limit + 1}",
            }
        environment = _environment(GIT_DIR=str(git_dir), **_configured(settings))
        if borrowed is not None:
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = _quoted(borrowed)
        git = Git(
            label=label,
            environment=environment,
            timeout_s=timeout_s,
            file_limit=_CLONE_LIMIT,
            running=running,
            holds=lock,
        )
        git.output(
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--prune",
            "--",
            _REMOTE,
            *(f"+{ref}:{_FETCHED}{ref}" for ref in refs),
        )
    return fetched_clone(url, git_dir, blob_limit=blob_limit)


def fetched_clone(url: str, git_dir: Path, *, blob_limit: int | None = None) -> Repository:
    """What `fetch_clone` brought, as it is. Raises SourceError where there is none."""
    label = without_credentials(url)
    clone = open_repository(git_dir)
    fetched = {ref.removeprefix(_FETCHED): tip for ref, tip in clone.refs.items() if ref.startswith(_FETCHED)}
    objects = Objects(
        label=label,
        folder=clone.objects.folder,
        shallow=clone.objects.shallow,
        borrowed=_borrowed(git_dir),
        blob_limit=blob_limit,
    )
    return Repository(objects=objects, refs=fetched, origin=label)


def _borrowed(git_dir: Path) -> Path | None:
    """Objects of the clone that this one borrows from. Raises SourceError where that one is gone."""
    name = _text(git_dir / _BORROWS).strip()
    if not name:
        return None
    objects = git_dir.parent / name / "objects"
    if not objects.is_dir():
        raise SourceError(f"{git_dir}: it needs the objects of {objects.parent}, which is gone; remove {git_dir} too")
    return objects


@contextmanager
def _alone(git_dir: Path) -> Iterator[int]:
    """A lock on a clone. git holds it as well, and so does one whose process was killed: that one is ended."""
    lock = os.open(git_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if (group := os.pread(lock, 20, 0).strip()).isdigit():  # of who holds it: no other has this number
                with suppress(ProcessLookupError):
                    os.killpg(int(group), signal.SIGKILL)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _authorization(url: str, parts: SplitResult) -> tuple[str, dict[str, str]]:
    """The URL without the password it may have, and the settings that give the password to git.

    Arguments of a process can be read by everyone on the machine, its environment by its owner only. With a password no
    redirect is followed: it would go along.
    """
    if parts.scheme not in ("http", "https") or parts.username is None:
        return url, {}
    secret = base64.b64encode(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()).decode("ascii")
    settings = {"http.extraHeader": f"Authorization: Basic {secret}", "http.followRedirects": "false"}
    return without_user(url), settings


def _configured(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment that gives settings to git."""
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


# A commit-graph may be stale, or lie; commits are read as they are. Packs are kept as they come, and nothing is tidied
# up behind our back.
_CONFIG = """[core]
\tbare = true
\trepositoryformatversion = {version}
\tcommitGraph = false
\thooksPath = /dev/null
\tfsmonitor = false
[fetch]
\tunpackLimit = 1
[gc]
\tauto = 0
"""


def _make_git_dir(folder: Path, object_format: str) -> None:
    (folder / "objects").mkdir(exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    config = _CONFIG.format(version=0)
    if object_format != "sha1":
        config = _CONFIG.format(version=1) + f"[extensions]\n\tobjectFormat = {object_format}\n"
    (folder / "config").write_text(config, encoding="utf-8")
    (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8")  # last: it makes the folder a repository


def _quoted(path: Path) -> str:
    """A path as GIT_ALTERNATE_OBJECT_DIRECTORIES takes it: C-quoted where it holds the separator or a quote."""
    text = str(path.resolve())
    if not re.search(r'[:"\n\\]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _require_git() -> None:
    if shutil.which("git") is None:
        raise SourceError("git is not installed; install it (apt-get install git) and build again")
