"""Publishing to any file system that fsspec knows: a folder a version, complete when its manifest is there."""

import hashlib
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from themis_data.errors import MissingExtra, PublishError
from themis_data.publish.targets import Arrived, File, Patience
from themis_data.publish.versions import check_next

_MANIFEST = "manifest.json"
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class Storage:
    """`URL/VERSION/...`. A `Target`."""

    url: str
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:
            raise PublishError(
                f"--to {urlsplit(self.url).scheme}://...: the address holds credentials; give them by the environment "
                f"or the store's own configuration, since addresses are recorded"
            )

    @property
    def name(self) -> str:
        return posixpath.basename(self.url.rstrip("/")) or urlsplit(self.url).netloc

    @property
    def load_as(self) -> None:
        return None

    @property
    def _place(self) -> str:
        return self.url.rstrip("/")

    def steps(self, files: Sequence[File], version: str) -> list[str]:
        return [
            f"write {len(files) - 1} files under {self._place}/{version}, without those that are there already",
            "read them back and compare their hashes",
            f"write {self._place}/{version}/{_MANIFEST}, which makes the version complete",
        ]

    def send(self, files: Sequence[File], version: str, note: Callable[[str], None]) -> Arrived:
        fs, root = self._open()
        place = f"{root.rstrip('/')}/{version}"
        manifest = files[-1]
        assert manifest.path == _MANIFEST
        released = self._patiently(lambda: self._released(fs, root), note)
        was_there = version in released and self._patiently(lambda: _is_there(fs, place, manifest), note)
        if not was_there:
            check_next(version, released, self.url)
            self._patiently(lambda: _remove_others(fs, place, {file.path for file in files}), note)
        sent = sum(self._patiently(lambda file=file: _put(fs, place, file), note) for file in files[:-1])  # type: ignore[misc]  # a lambda of one value
        lost = [f.path for f in files[:-1] if not self._patiently(lambda f=f: _is_there(fs, place, f), note)]  # type: ignore[misc]
        if lost:
            raise PublishError(f"{place}: {len(lost)} files differ from what was sent, first {lost[0]}; run it again")
        if not was_there:
            self._patiently(lambda: _commit(fs, place, manifest), note)
            sent += 1
        return Arrived(address=f"{self._place}/{version}", commit=None, sent=sent, was_there=was_there)

    def _open(self) -> tuple[Any, str]:
        try:
            import fsspec
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "publishing needs fsspec, which is not installed: pip install 'themis-data[hub]'"
            ) from error
        try:
            fs, root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:  # says which package has this kind of address
            raise MissingExtra(f"--to {self.url}: {error}") from error
        except ValueError as error:
            raise PublishError(f"--to {self.url}: {error}") from error
        return fs, str(root)

    def _released(self, fs: Any, root: str) -> list[str]:
        if not fs.exists(root):
            return []
        names = [posixpath.basename(str(path).rstrip("/")) for path in fs.ls(root, detail=False)]
        return [name for name in names if fs.exists(f"{root.rstrip('/')}/{name}/{_MANIFEST}")]

    def _patiently(self, call: Callable[[], Any], note: Callable[[str], None]) -> Any:
        failures = 0
        while True:
            try:
                return call()
            except (ConnectionError, TimeoutError) as error:
                failures += 1
                if failures >= self.patience.tries:
                    raise PublishError(f"{self.url}: {error}; the same command goes on where it stopped") from error
                note(f"{self.url}: {type(error).__name__}; trying again")
                self.patience.wait(failures)


def _is_there(fs: Any, place: str, file: File) -> bool:
    """Whether a file has arrived with its very bytes, read back."""
    path = f"{place}/{file.path}"
    if not fs.exists(path) or fs.info(path)["size"] != file.bytes:
        return False
    state = hashlib.sha256()
    with fs.open(path, "rb") as remote:
        while chunk := remote.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest() == file.sha256


def _put(fs: Any, place: str, file: File) -> int:
    """Write a file unless it is there; gives how many were written."""
    if _is_there(fs, place, file):
        return 0
    path = f"{place}/{file.path}"
    fs.makedirs(posixpath.dirname(path), exist_ok=True)
    with file.open() as source, fs.open(path, "wb") as remote:
        while chunk := source.read(_CHUNK):
            remote.write(chunk)
    return 1


def _commit(fs: Any, place: str, manifest: File) -> None:
    """The manifest is there whole or not at all, also on file systems whose writes are not atomic."""
    aside = f"{place}/.{_MANIFEST}.part"
    with manifest.open() as source:
        fs.pipe_file(aside, source.read())
    fs.mv(aside, f"{place}/{_MANIFEST}")


def _remove_others(fs: Any, place: str, wanted: set[str]) -> None:
    """What an earlier attempt with other content left: who loads the folder would read it."""
    if not fs.exists(place):
        return
    base = str(fs.info(place)["name"]).rstrip("/")
    for path in fs.find(place):
        if str(path).removeprefix(base).lstrip("/") not in wanted:
            fs.rm_file(path)
