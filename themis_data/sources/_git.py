"""Reading git repositories that may be hostile.

git never runs under a source's own configuration: a promisor remote there can make plain `git cat-file` run a command.
It runs in an empty repository of ours that borrows the source's objects, with names passed as object ids, with no
system, user or source configuration, no hooks, no replacement objects and no lazy fetching.
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from themis_data.errors import SourceError

_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCP = re.compile(r"(?:[^@/:]+@)?([^/:]+):(?!/)(.+)")
_URL_SCHEMES = ("https", "http", "ssh", "git", "file")
_MEMORY_LIMIT = 4 * 1024**3  # bytes of private memory for one git process; packs are mapped and do not count


@dataclass(frozen=True, kw_only=True)
class Repository:
    """What can be learnt of a repository on disk without running anything in it."""

    path: Path
    objects: Path
    object_format: str  # sha1 or sha256
    refs: dict[str, str]  # full ref name, or HEAD, to object id
    shallow: Path | None  # file that lists where the history was cut
    origin: str | None  # URL of the remote `origin`


def is_url(location: str) -> bool:
    """Whether a location names a remote repository rather than a folder."""
    return urlsplit(location).scheme in _URL_SCHEMES or (bool(_SCP.fullmatch(location)) and not Path(location).exists())


def public_name(url: str) -> str | None:
    """host/owner/name of a repository's URL, without credentials, port or `.git`; None for a local path."""
    scp = None if "://" in url else _SCP.fullmatch(url)
    if scp:
        host, path = scp.group(1), scp.group(2)
    else:
        parts = urlsplit(url)
        if parts.scheme not in _URL_SCHEMES or not parts.hostname:
            return None
        host, path = parts.hostname, parts.path
    path = path.strip("/").removesuffix(".git")
    return f"{host.lower()}/{path}" if path else None


def without_credentials(text: str) -> str:
    """Text in which every URL has lost its user and password."""
    return re.sub(r"(://)[^/@\s]+@", r"\1", text)


def open_repository(path: Path) -> Repository:
    """Look at a repository: bare, with a work tree, a linked work tree, or shallow.

    Raises SourceError when the folder is no git repository or uses a format that cannot be read from outside.
    """
    git_dir = _git_dir(path)
    common = git_dir
    if (git_dir / "commondir").is_file():
        common = (git_dir / (git_dir / "commondir").read_text(encoding="utf-8").strip()).resolve()
    config = _read_config(common / "config")
    if config.get("extensions.refstorage", "files") != "files":
        raise SourceError(f"{path}: its refs are stored as {config['extensions.refstorage']!r}; only 'files' can be read. "
                          f"Clone it with 'git clone --mirror --ref-format=files'")  # fmt: skip
    shallow = common / "shallow"
    return Repository(
        path=path,
        objects=common / "objects",
        object_format=config.get("extensions.objectformat", "sha1"),
        refs=_read_refs(git_dir, common),
        shallow=shallow if shallow.is_file() and shallow.stat().st_size else None,
        origin=config.get("remote.origin.url"),
    )


def _git_dir(path: Path) -> Path:
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder")
    dot_git = path / ".git"
    if dot_git.is_file():
        text = dot_git.read_text(encoding="utf-8", errors="replace").strip()
        if text.startswith("gitdir: "):
            return (path / text.removeprefix("gitdir: ")).resolve()
    for candidate in (dot_git, path):
        if (candidate / "objects").is_dir() and (candidate / "HEAD").is_file():
            return candidate.resolve()
    raise SourceError(f"{path}: no git repository (no .git there, and no bare repository either)")


def _read_config(path: Path) -> dict[str, str]:
    """Keys of a git configuration as `section.subsection.key`; includes are not followed."""
    if not path.is_file():
        return {}
    section, values = "", {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        line = line.strip()
        if header := re.fullmatch(r'\[\s*([^\s"\]]+)(?:\s+"(.*)")?\s*\]', line):
            section = header.group(1).lower() + (f".{header.group(2)}" if header.group(2) is not None else "")
        elif "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            values[f"{section}.{key.strip().lower()}"] = value.strip().strip('"')
    return values


def _read_refs(git_dir: Path, common: Path) -> dict[str, str]:
    refs: dict[str, str] = {}
    packed = common / "packed-refs"
    if packed.is_file():
        for line in packed.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, ref = line.partition(" ")
            if _HEX.fullmatch(name) and ref:
                refs[ref] = name
    for folder, _, files in os.walk(common / "refs", followlinks=False):
        for file in files:
            path = Path(folder) / file
            value = path.read_text(encoding="utf-8", errors="replace").strip() if not path.is_symlink() else ""
            if _HEX.fullmatch(value):
                refs[path.relative_to(common).as_posix()] = value
    head = (git_dir / "HEAD").read_text(encoding="utf-8", errors="replace").strip()
    resolved = refs.get(head.removeprefix("ref: ")) if head.startswith("ref: ") else head
    if resolved and _HEX.fullmatch(resolved):
        refs["HEAD"] = resolved
    return refs


@dataclass(frozen=True, kw_only=True)
class Git:
    """git over one repository's objects, run from an empty repository of ours."""

    repository: str  # what to call it in errors
    environment: dict[str, str]
    timeout_s: float

    def output(self, *arguments: str, lines: Iterable[str] = ()) -> bytes:
        """All that a command prints, given lines on its standard input. Raises SourceError when it fails."""
        with self.stream(*arguments, lines=lines) as stdout:
            return stdout.read()

    @contextmanager
    def stream(self, *arguments: str, lines: Iterable[str] = ()) -> Iterator[IO[bytes]]:
        """What a command prints, as a stream. Raises SourceError when it fails or takes too long.

        Its input goes through a file, so that it can never wait for us while we wait for it.
        """
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            stdin.write("".join(f"{line}\n" for line in lines).encode("ascii"))
            stdin.seek(0)
            process = subprocess.Popen(["git", *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=self.environment,
                                       cwd="/", start_new_session=True)  # fmt: skip
            assert process.stdout is not None
            watchdog = threading.Timer(self.timeout_s, process.kill)
            watchdog.daemon = True
            watchdog.start()
            try:
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (_MEMORY_LIMIT, _MEMORY_LIMIT))
                yield process.stdout
            except BaseException:
                process.kill()
                process.stdout.close()
                process.wait()
                watchdog.cancel()
                raise
            rest = process.stdout.read(1)
            if rest:  # the caller had enough
                process.kill()
            process.stdout.close()
            code = process.wait()
            watchdog.cancel()
            if code and not rest:
                stderr.seek(0)
                said = stderr.read(2000).decode("utf-8", "replace").strip()
                why = f"took longer than {self.timeout_s:.0f} s" if code == -signal.SIGKILL else said or f"exit {code}"
                raise SourceError(f"{self.repository}: git {arguments[0]} failed: {without_credentials(why)}")


_HARDENED = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never")


def _environment(**extra: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
    return {
        **kept,
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(_URL_SCHEMES),
        **extra,
    }


@contextmanager
def open_git(repository: Repository, *, timeout_s: float) -> Iterator[Git]:
    """git over a repository's objects. Raises SourceError when git is not installed."""
    _require_git()
    with tempfile.TemporaryDirectory(prefix="themis-git-") as folder:
        _make_git_dir(Path(folder), repository.object_format)
        extra = {"GIT_DIR": folder, "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(repository.objects)}
        if repository.shallow:
            extra["GIT_SHALLOW_FILE"] = str(repository.shallow)
        yield Git(repository=str(repository.path), environment=_environment(**extra), timeout_s=timeout_s)


def fetch_clone(url: str, git_dir: Path, refs: Sequence[str], *, timeout_s: float) -> Repository:
    """Bring a remote repository's history into a bare repository of ours, or bring it up to date.

    Raises SourceError when the remote cannot be read.
    """
    _require_git()
    if not (git_dir / "HEAD").exists():
        git_dir.mkdir(parents=True, exist_ok=True)
        _make_git_dir(git_dir, "sha1")
    git = Git(repository=without_credentials(url), environment=_environment(GIT_DIR=str(git_dir)), timeout_s=timeout_s)
    mapping = [f"+{ref}:refs/themis/{ref}" for ref in refs]
    git.output(*_HARDENED, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--prune",
               "--", url, *mapping)  # fmt: skip
    repository = open_repository(git_dir)
    fetched = {name.removeprefix("refs/themis/"): tip for name, tip in repository.refs.items() if "refs/themis/" in name}
    return Repository(path=Path(without_credentials(url)), objects=repository.objects, object_format="sha1", refs=fetched,
                      shallow=repository.shallow, origin=url)  # fmt: skip


def _make_git_dir(folder: Path, object_format: str) -> None:
    (folder / "objects").mkdir(exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8")
    config = "[core]\n\tbare = true\n\trepositoryformatversion = 0\n"
    if object_format != "sha1":
        config = f"[core]\n\tbare = true\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = {object_format}\n"
    (folder / "config").write_text(config, encoding="utf-8")


def _quoted(path: Path) -> str:
    """A path as GIT_ALTERNATE_OBJECT_DIRECTORIES takes it: C-quoted where it holds the separator or a quote."""
    text = str(path.resolve())
    if not re.search(r'[:"\n\\]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _require_git() -> None:
    if shutil.which("git") is None:
        raise SourceError("git is not installed; install it (apt-get install git) and build again")
