"""Publishing a version of a data set: what goes out, what may not, and the record that stays."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from themis_data.dataset import RunFolder
from themis_data.errors import ManifestError, PublishError, UnknownName
from themis_data.fingerprint import digest
from themis_data.lookup import shipped_folder, unknown
from themis_data.manifest import FileRecord, read_record, record_bytes, write_record
from themis_data.publish import published
from themis_data.publish.consumers import Verdict, check, known_consumers
from themis_data.publish.hub import Hub
from themis_data.publish.storage import Storage
from themis_data.publish.targets import File, Patience, Target
from themis_data.publish.versions import check_next, rank

MANIFEST, CARD = "manifest.json", "README.md"
_HUB = "hf://datasets/"
_PLACE = "PATH_OR_ID"  # in the card, for what `load_dataset` is called with


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published, or with `--dry-run` what would be."""

    to: str
    version: str
    files: tuple[File, ...]
    steps: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    skipped_checks: tuple[str, ...]
    card_head: str
    record: Path  # where the record is, or would be
    address: str | None  # null where nothing was sent
    commit: str | None
    sent: int
    notes: tuple[str, ...] = field(default=())

    @property
    def as_json(self) -> dict[str, Any]:
        files = [{"path": file.path, "bytes": file.bytes, "sha256": file.sha256} for file in self.files]
        verdicts = [asdict(verdict) for verdict in self.verdicts]
        plain = {name: getattr(self, name) for name in ("to", "version", "card_head", "address", "commit", "sent")}
        lists = {name: list(getattr(self, name)) for name in ("steps", "skipped_checks", "notes")}
        return plain | lists | {"record": str(self.record), "files": files, "checks": verdicts}


def publish(
    root: Path,
    to: str,
    version: str,
    *,
    created_at: str,
    note: Callable[[str], None],
    dry_run: bool = False,
    public: bool = False,
    records: Path | None = None,
    skip_checks: Sequence[str] = (),
    tokenizer: str | None = None,
    patience: Patience | None = None,
) -> Published:
    """Publish the finished build of a run folder as a version at `hf://datasets/ORG/NAME` or an fsspec URL.

    The same call again after any interruption goes on where it stopped, and does nothing where all is there.
    `dry_run` checks everything that needs no network and sends nothing. Raises PublishError, one sentence a line, where
    the build may not be published or a consumer would lose rows.
    """
    unknown_checks = [name for name in skip_checks if name not in known_consumers()]
    if unknown_checks:
        raise UnknownName(unknown("consumer", unknown_checks[0], known_consumers()))
    target = open_target(to, public=public, patience=patience or Patience())
    check_next(version, (), to)
    folder = RunFolder(root)
    manifest: dict[str, Any] = folder.manifest()
    with folder.locked(manifest["name"]):  # no build may change what is being sent
        if reasons := list(refusals(root, folder, manifest)):
            raise PublishError("\n".join(reasons))
        record = _record_path(root, target.name, version, records)
        earlier = _earlier_record(record, manifest)
        names = [name for name in known_consumers() if name not in skip_checks]
        with TemporaryDirectory(prefix="checks-", dir=_scratch(folder)) as scratch:
            verdicts = check(folder.published, manifest, names, Path(scratch), tokenizer)
        if lost := [f"{v.consumer}, configuration {v.config}: {fault}" for v in verdicts for fault in v.faults]:
            raise PublishError(
                "consumers would not see all of it; --skip-check NAME leaves one out, and is recorded\n"
                + "\n".join(lost)
            )
        files = files_of(folder.published, manifest, version, target.load_as)
        made = Published(
            to=to,
            version=version,
            files=tuple(files),
            steps=tuple(target.steps(files, version)),
            verdicts=tuple(verdicts),
            skipped_checks=tuple(sorted(skip_checks)),
            card_head=_head(files),
            record=record,
            address=None,
            commit=None,
            sent=0,
        )
        if dry_run:
            return made
        arrived = target.send(files, version, note)
        made = replace(made, address=arrived.address, commit=arrived.commit, sent=arrived.sent)
        if earlier is None:
            write_record(record, _record(made, target.name, manifest, created_at))
    return made


def open_target(to: str, *, public: bool, patience: Patience) -> Target:
    """The place that an address names. Raises PublishError where it is none."""
    if to.startswith(_HUB):
        repo = to.removeprefix(_HUB).rstrip("/")
        organisation, _, name = repo.partition("/")
        if not organisation or not name or "/" in name or "@" in repo:
            raise PublishError(f"--to {to}: expected {_HUB}ORG/NAME")
        return Hub(repo=repo, public=public, patience=patience)
    if "://" not in to or to.startswith("hf://"):
        raise PublishError(
            f"--to {to}: expected {_HUB}ORG/NAME, or an address such as s3://BUCKET/NAME or file:///PATH"
        )
    if public:
        raise PublishError(f"--public says who may see a data set on the Hub; who may see {to} is said there")
    return Storage(url=to, patience=patience)


def refusals(root: Path, folder: RunFolder, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Why a build may not be published, one sentence a reason."""
    wrong, _ = published.faults(folder.published, manifest)
    beside = [own.path for own in published.documents(manifest)]
    if wrong:
        yield f"{root}: the data set is not as it was built; build it again ({len(wrong)} faults, first: {wrong[0]})"
    if CARD not in beside:
        yield f"{root}: the manifest does not list the card; build it again with this version of themis_data"
    code = manifest.get("code", {"commit": None, "is_dirty": True})
    if code["is_dirty"]:
        yield f"{root}: built from code that is not committed; commit it and build again"
    own = rank(manifest["tool"])
    if own is None or not own[3]:
        yield f"{root}: built with the development version {manifest['tool']} of themis_data; build with a released one"
    for source in manifest["sources"]:
        if source["use"] == "built_dataset":
            parents = [read.get("version", "dev") for read in source["read"] or [{}]]
            if not all(rank(str(parent)) for parent in parents):
                yield f"{root}: its source {source['step']} is a build that is not published; publish that first"
    if demo := manifest["counts"]["demo_only"].get("true", 0):
        yield f"{root}: {demo} rows are demo_only: benchmark material, which nobody may train on; leave them out"
    if not manifest["rows"]:
        yield f"{root}: the data set has no rows"


def files_of(place: Path, manifest: Mapping[str, Any], version: str, load_as: str | None) -> list[File]:
    """What is sent: shards of all configurations, what stands beside them, and last the manifest, with the version.

    The card names where it will be, so that its code runs as printed; its hash in the manifest is that of this text.
    """
    shards = [FileRecord(**file) for config in manifest["configs"].values() for file in config["files"]]
    files = [File(path=s.path, content=place / s.path, bytes=s.bytes, sha256=s.sha256) for s in shards]
    card = (place / CARD).read_text(encoding="utf-8").replace(_PLACE, load_as or _PLACE).encode("utf-8")
    others = [own for own in published.documents(manifest) if own.path != CARD]
    files += [File(path=own.path, content=place / own.path, bytes=own.bytes, sha256=own.sha256) for own in others]
    beside = [published.document(CARD, card), *others]
    files.append(_of_bytes(CARD, card))
    content = {**manifest, "version": version, "documents": [asdict(own) for own in beside]}
    files.append(_of_bytes(MANIFEST, record_bytes(content)))
    return files


def _of_bytes(path: str, content: bytes) -> File:
    return File(
        path=path,
        content=content,
        **{k: v for k, v in asdict(published.document(path, content)).items() if k != "path"},
    )


def _head(files: Sequence[File]) -> str:
    """The card's header."""
    (card,) = (file.content for file in files if file.path == CARD)
    assert isinstance(card, bytes)
    return card.decode("utf-8").split("---\n")[1]


def _scratch(folder: RunFolder) -> Path:
    folder.scratch.mkdir(exist_ok=True)
    return folder.scratch


def _record_path(root: Path, name: str, version: str, records: Path | None) -> Path:
    """In the folder that is named, or the checkout's, or beside the run folder where there is none to write into."""
    if records is None:
        shipped = shipped_folder("manifests")
        is_checkout = (shipped.parent / ".git").exists() and os.access(shipped, os.W_OK)
        records = shipped / "datasets" if is_checkout else root.absolute().parent / "published"
    return records / name / f"{version}.json"


def _earlier_record(path: Path, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of this version where there is one. Raises PublishError where it is of another build."""
    try:
        found = read_record(path)
    except ManifestError:
        if path.exists():
            raise
        return None
    if found["built"] != digest(dict(manifest)):
        raise PublishError(f"{path} says that this version is another build; records are never edited: raise --version")
    return found


def _record(made: Published, name: str, manifest: Mapping[str, Any], created_at: str) -> dict[str, Any]:
    said = made.as_json
    return {
        "name": name,
        "version": made.version,
        "published_at": created_at,
        "built": digest(dict(manifest)),
        "fingerprint": manifest["fingerprint"],
        "tool": manifest["tool"],
        "code": manifest["code"],
        "rows": manifest["rows"],
        **{key: said[key] for key in ("to", "address", "commit", "files", "checks", "skipped_checks")},
    }
