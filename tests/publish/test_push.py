"""Publishing to a small Hub that fails in every way we know, and to folders; what may not go out; no token anywhere."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import yaml
from hub_server import TOKEN, HubServer, running
from made_versions import made_rows, run_folder

from themis_data.errors import PublishError, UnknownName
from themis_data.manifest import read_record
from themis_data.publish import hub as hub_module
from themis_data.publish.push import Published, publish
from themis_data.publish.targets import Patience

# The client's own upload uses an older word of the HTTP library under it.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")

TO, REPO = "hf://datasets/org/made", "org/made"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that anybody wanted to wait; nobody does."""
    waited: list[float] = []
    of_client = SimpleNamespace(**{**vars(time), "sleep": waited.append})
    monkeypatch.setattr("huggingface_hub.utils._http.time", of_client)
    return waited


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, slept: list[float], tmp_path: Path) -> Iterator[HubServer]:
    with running() as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # its storage is no part of the API
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        huggingface_hub.utils.disable_progress_bars()
        huggingface_hub.close_session()
        yield server
        huggingface_hub.close_session()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_folder(tmp_path_factory.mktemp("built") / "run")


def push(root: Path, to: str = TO, version: str = "1.2.0", **settings: Any) -> Published:
    notes: list[str] = settings.pop("notes", [])
    # Consumers have tests of their own.
    skipped = settings.pop("skip_checks", ("datasets", "openrlhf", "polars", "reward_bench", "trl"))
    return publish(
        root,
        to,
        version,
        created_at="2026-02-03T04:05:06+00:00",
        note=notes.append,
        records=settings.pop("records", root.parent / "records"),
        skip_checks=skipped,
        patience=settings.pop("patience", Patience(sleep=settings.pop("sleep", lambda seconds: None))),
        **settings,
    )


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def all_of(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def expected(made: Published) -> dict[str, str]:
    return {file.path: file.sha256 for file in made.files}


def assert_complete(server: HubServer, made: Published, version: str = "1.2.0") -> None:
    there = digests(server.at(REPO, version))
    assert expected(made) == {path: sha for path, sha in there.items() if path != ".gitattributes"}
    assert [version] == list(server.repos[REPO].tags)


def fresh(built: Path, folder: Path) -> Path:
    """The run folder under another name, so that its record is another."""
    import shutil

    shutil.copytree(built, folder / "run")
    return folder / "run"


def test_a_version_is_sent_in_one_commit_tagged_and_recorded(hub: HubServer, built: Path, tmp_path: Path) -> None:
    root = fresh(built, tmp_path)
    made = push(root)

    assert_complete(hub, made)
    assert 1 == sum("/commit/" in request for request in hub.requests)
    assert hub.repos[REPO].private
    assert {f"data/train-0000{n}-of-00002.parquet" for n in range(2)} < set(hub.at(REPO, "main"))
    assert {"README.md", "NOTICE.md", "attribution.parquet", "manifest.json"} < set(hub.at(REPO, "main"))
    record = read_record(tmp_path / "records" / "made" / "1.2.0.json")
    assert (hub.repos[REPO].main, "1.2.0", 12) == (record["commit"], record["version"], record["rows"])
    assert expected(made) == {file["path"]: file["sha256"] for file in record["files"]}


def test_what_is_sent_says_its_version_and_its_place(hub: HubServer, built: Path, tmp_path: Path) -> None:
    push(fresh(built, tmp_path))
    there = hub.at(REPO, "1.2.0")
    (tmp_path / "m.json").write_bytes(there["manifest.json"])
    manifest = read_record(tmp_path / "m.json")

    assert "1.2.0" == manifest["version"]
    assert {own["path"]: own["sha256"] for own in manifest["documents"]} == digests(
        {name: there[name] for name in ("README.md", "NOTICE.md", "attribution.parquet")}
    )
    card = there["README.md"].decode()
    assert 'load_dataset("org/made", "default"' in card and "PATH_OR_ID" not in card
    head = yaml.safe_load(card.split("---\n")[1])
    assert {"license", "size_categories", "task_categories", "language", "configs", "pretty_name"} <= set(head)
    assert ("other", "NOTICE.md") == (head["license"], head["license_link"])


def test_again_sends_nothing_and_changes_no_record(hub: HubServer, built: Path, tmp_path: Path) -> None:
    root = fresh(built, tmp_path)
    first = push(root)
    before, sent = (tmp_path / "records" / "made" / "1.2.0.json").read_bytes(), len(hub.puts)
    again = push(root)

    assert (0, len(first.files)) == (again.sent, first.sent)
    assert sent == len(hub.puts)
    assert before == (tmp_path / "records" / "made" / "1.2.0.json").read_bytes()
    assert_complete(hub, again)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/lfs/"),
        ("POST", "/objects/batch"),
        ("POST", "/preupload/"),
        ("POST", "/commit/"),
        ("POST", "/tag/"),
        ("GET", "/tree/"),
        ("GET", "/refs"),
        ("POST", "/repos/create"),
    ],
)
def test_a_network_that_is_cut_for_good_and_a_rerun_leave_one_version(
    hub: HubServer, built: Path, tmp_path: Path, method: str, path: str
) -> None:
    root = fresh(built, tmp_path)
    hub.fail(method, path, times=10_000, cut_after=100)
    with pytest.raises(PublishError, match="the same command goes on where it stopped"):
        push(root, patience=Patience(tries=2, sleep=lambda seconds: None))
    assert REPO not in hub.repos or [] == list(hub.repos[REPO].tags)
    assert not (tmp_path / "records").exists()

    hub.faults.clear()
    arrived = set(hub.puts)
    made = push(root)
    assert_complete(hub, made)
    assert sorted(set(hub.puts)) == sorted(hub.puts), "a file that had arrived was sent again"
    assert arrived <= set(hub.puts)


@pytest.mark.parametrize("path", ["/commit/", "/tag/", "/repos/create"])
def test_an_answer_that_is_lost_is_no_second_commit(hub: HubServer, built: Path, tmp_path: Path, path: str) -> None:
    hub.fail("POST", path, answer_lost=True)
    made = push(fresh(built, tmp_path))

    assert_complete(hub, made)
    assert 1 == sum(request.startswith("POST") and "/commit/" in request for request in hub.requests)


def test_a_concurrent_commit_is_kept_and_ours_follows_it(hub: HubServer, built: Path, tmp_path: Path) -> None:
    hub.make(REPO)
    hub.fail("POST", "/commit/", before=lambda: hub.commit(REPO, {"notes.txt": ("regular", b"theirs")}))
    made = push(fresh(built, tmp_path))

    assert b"theirs" == hub.at(REPO, "1.2.0")["notes.txt"]
    assert expected(made).items() <= digests(hub.at(REPO, "1.2.0")).items()


def test_a_stale_commit_is_tried_again_from_the_new_head(hub: HubServer, built: Path, tmp_path: Path) -> None:
    hub.fail("POST", "/commit/", times=3, status=412)
    waited: list[float] = []
    made = push(fresh(built, tmp_path), sleep=waited.append)

    assert_complete(hub, made)
    assert [1.0, 2.0, 4.0] == waited


def test_a_commit_that_is_always_stale_is_given_up(hub: HubServer, built: Path, tmp_path: Path) -> None:
    hub.fail("POST", "/commit/", times=10_000, status=412)

    with pytest.raises(PublishError, match=r"as planned \(412\)"):
        push(fresh(built, tmp_path))


def test_another_version_that_was_tagged_meanwhile_stops_ours(hub: HubServer, built: Path, tmp_path: Path) -> None:
    own = hub.make(REPO)

    def theirs() -> None:
        own.tags["1.3.0"] = hub.commit(REPO, {"data/train-00000-of-00001.parquet": ("lfs", b"theirs")})

    hub.fail("POST", "/commit/", before=theirs)
    with pytest.raises(PublishError, match=r"1\.2\.0 is not above '1\.3\.0'"):
        push(fresh(built, tmp_path))
    assert ["1.3.0"] == list(own.tags)


def test_a_server_that_asks_to_wait_is_waited_for(
    hub: HubServer, built: Path, tmp_path: Path, slept: list[float]
) -> None:
    hub.fail("POST", "/commit/", status=429, headers={"Retry-After": "37"})
    hub.fail("PUT", "/lfs/", status=429, headers={"Retry-After": "11"})
    waited: list[float] = []
    made = push(fresh(built, tmp_path), sleep=waited.append)

    assert_complete(hub, made)
    assert [37.0] == waited
    assert [12.0] == slept  # the client's own, for uploads


@pytest.mark.parametrize("status", [500, 503, 408])
def test_a_server_that_fails_is_asked_again(hub: HubServer, built: Path, tmp_path: Path, status: int) -> None:
    for path in ("/refs", "/tree/", "/whoami-v2"):
        hub.fail("GET", path, status=status)
    for path in ("/commit/", "/tag/", "/repos/create", "/preupload/", "/validate-yaml"):
        hub.fail("POST", path, status=status)

    assert_complete(hub, push(fresh(built, tmp_path)))


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_bad_token_is_one_clear_line_without_it(
    hub: HubServer, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_WrongSecret")
    caplog.set_level(logging.DEBUG)
    notes: list[str] = []
    with pytest.raises(PublishError) as caught:
        push(fresh(built, tmp_path), notes=notes)

    assert "org/made: the Hub does not take the token (401); give a valid one that may write" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {} == hub.repos
    assert "hf_WrongSecret" not in "".join([str(caught.value), repr(caught.value.__cause__), caplog.text, *notes])
    assert b"hf_WrongSecret" not in everything_under(tmp_path)


def test_a_token_without_the_right_to_write_is_one_clear_line(hub: HubServer, built: Path, tmp_path: Path) -> None:
    hub.make(REPO)
    hub.fail("POST", "/commit/", status=403)

    with pytest.raises(PublishError, match=r"no right to write there \(403\)"):
        push(fresh(built, tmp_path))


def test_the_token_is_nowhere(
    hub: HubServer, built: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub.fail("POST", "/commit/", status=503)
    hub.fail("PUT", "/lfs/", cut_after=50)
    notes: list[str] = []
    made = push(fresh(built, tmp_path), notes=notes)

    said = "".join([*capfd.readouterr(), caplog.text, json.dumps(made.as_json), *notes])
    assert notes and TOKEN not in said
    assert TOKEN.encode() not in everything_under(tmp_path)
    assert TOKEN.encode() not in b"".join(hub.at(REPO, "1.2.0").values())


def test_without_a_token_nothing_is_asked(
    hub: HubServer, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")

    with pytest.raises(PublishError, match="no token for the Hub: set HF_TOKEN"):
        push(fresh(built, tmp_path))
    assert [] == hub.requests


def test_the_next_version_replaces_the_shards_and_the_old_tag_keeps_them(hub: HubServer, tmp_path: Path) -> None:
    first = push(run_folder(tmp_path / "one", shards=3))
    hub.commit(REPO, {"figures/a.parquet": ("lfs", b"somebody's own")})
    second = push(run_folder(tmp_path / "two", made_rows(5), shards=1), version="1.3.0")

    assert {*expected(second), "figures/a.parquet", ".gitattributes"} == set(hub.at(REPO, "1.3.0"))
    assert expected(first).items() <= digests(hub.at(REPO, "1.2.0")).items()


def test_many_files_go_in_few_commits_with_the_card_in_the_last(
    hub: HubServer, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MAX_OPERATIONS", 4)
    made = push(fresh(built, tmp_path))

    assert_complete(hub, made)
    assert -(-len(made.files) // 4) == sum("/commit/" in request for request in hub.requests)
    trees = list(hub.repos[REPO].commits.values())
    assert ["manifest.json" in tree for tree in trees] == [False] * (len(trees) - 1) + [True]


@pytest.mark.parametrize(
    ("tag", "why"), [("1.2.0", "already, with other content"), ("1.10.0", "is not above '1.10.0'")]
)
def test_a_used_or_lower_version_is_refused(hub: HubServer, built: Path, tmp_path: Path, tag: str, why: str) -> None:
    own = hub.make(REPO)
    own.tags[tag] = own.main

    with pytest.raises(PublishError, match=why):
        push(fresh(built, tmp_path))
    assert [] == hub.puts


def test_a_public_data_set_is_not_published_to_by_accident(hub: HubServer, built: Path, tmp_path: Path) -> None:
    hub.make(REPO, private=False)
    root = fresh(built, tmp_path)
    with pytest.raises(PublishError, match="org/made is public; say --public"):
        push(root)
    assert [] == hub.puts

    push(root, public=True)
    assert ["1.2.0"] == list(hub.repos[REPO].tags)


def test_public_is_asked_for(hub: HubServer, built: Path, tmp_path: Path) -> None:
    push(fresh(built, tmp_path), public=True)

    assert not hub.repos[REPO].private


def test_a_dry_run_says_all_and_asks_nobody(hub: HubServer, built: Path, tmp_path: Path) -> None:
    made = push(fresh(built, tmp_path), dry_run=True)

    assert [] == hub.requests
    assert not (tmp_path / "records").exists()
    assert (None, 0, 10) == (made.address, made.sent, len(made.files))
    assert "manifest.json" == made.files[-1].path
    assert "license: other" in made.card_head
    assert any("tag 1.2.0" in step for step in made.steps) and any("in 1 commit on main" in s for s in made.steps)


@pytest.mark.parametrize("version", ["1.2", "v1.2.0", "01.2.0", "1.2.0+build", "latest", "1.2.0-", "1.2.0\n"])
def test_what_is_no_version_is_refused(built: Path, version: str) -> None:
    with pytest.raises(PublishError, match="is no semantic version"):
        push(built, version=version)


@pytest.mark.parametrize(
    "to", ["org/made", "hf://datasets/made", "hf://models/org/made", "hf://datasets/a/b/c", "/tmp/x"]
)
def test_what_is_no_place_is_refused(built: Path, to: str) -> None:
    with pytest.raises(PublishError, match="expected hf://datasets/ORG/NAME"):
        push(built, to)


def test_credentials_in_an_address_are_refused_and_not_said(built: Path) -> None:
    with pytest.raises(PublishError, match="holds credentials") as caught:
        push(built, "s3://key:secret@bucket/name")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ({"code": {"commit": "c", "is_dirty": True}}, "built from code that is not committed"),
        ({"tool": "1.1.0.dev3"}, "development version 1.1.0.dev3"),
        ({"tool": "1.1.0-rc.1"}, "development version"),
        (
            {"sources": [{"step": "up", "use": "built_dataset", "read": [{"name": "x", "version": "dev"}]}]},
            "source up is",
        ),
        (
            {"sources": [{"step": "up", "use": "built_dataset", "read": []}]},
            "source up is a build that is not published",
        ),
    ],
)
def test_builds_that_are_not_releases_are_refused(tmp_path: Path, recipe: dict[str, Any], why: str) -> None:
    with pytest.raises(PublishError, match=why):
        push(run_folder(tmp_path / "run", **recipe))


def test_a_published_parent_is_fine(tmp_path: Path) -> None:
    sources = [{"step": "up", "use": "built_dataset", "read": [{"name": "x", "version": "1.0.0"}]}]

    assert push(run_folder(tmp_path / "run", sources=sources), "memory://parents/made", dry_run=True).files


def test_rows_of_benchmark_material_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="12 rows are demo_only"):
        push(run_folder(tmp_path / "run", made_rows(demo_only=True)))


def test_a_data_set_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="has no rows"):
        push(run_folder(tmp_path / "run", made_rows(0)))


@pytest.mark.parametrize("path", ["data/train-00000-of-00002.parquet", "README.md", "NOTICE.md", "attribution.parquet"])
def test_an_altered_file_is_refused(built: Path, tmp_path: Path, path: str) -> None:
    root = fresh(built, tmp_path)
    content = bytearray((root / "dataset" / path).read_bytes())
    content[len(content) // 2] ^= 1
    (root / "dataset" / path).write_bytes(content)

    with pytest.raises(PublishError, match=r"not as it was built.*its content changed"):
        push(root)


def test_a_shard_that_the_manifest_does_not_know_is_refused(built: Path, tmp_path: Path) -> None:
    root = fresh(built, tmp_path)
    (root / "dataset" / "data" / "more.parquet").write_bytes(b"")

    with pytest.raises(PublishError, match="the manifest does not know it"):
        push(root)


def test_an_unknown_check_is_an_error_with_the_near_one(built: Path) -> None:
    with pytest.raises(UnknownName, match="'trl'"):
        push(built, skip_checks=("tlr",))


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_a_version_in_a_folder_is_complete_when_its_manifest_is_there(built: Path, tmp_path: Path, scheme: str) -> None:
    to = f"file://{tmp_path}/store/made" if scheme == "file" else f"memory://{tmp_path.name}/made"
    root = fresh(built, tmp_path)
    first, again = push(root, to), push(root, to)
    second = push(root, to, "1.2.1")

    assert (len(first.files), 0, len(second.files)) == (first.sent, again.sent, second.sent)
    if scheme == "file":
        place = tmp_path / "store" / "made" / "1.2.0"
        assert expected(first) == digests(
            {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}
        )
    with pytest.raises(PublishError, match=r"1\.1\.0 is not above '1\.2\.1'"):
        push(root, to, "1.1.0")


def test_half_a_version_in_a_folder_is_made_whole(built: Path, tmp_path: Path) -> None:
    root, place = fresh(built, tmp_path), tmp_path / "store" / "made" / "1.2.0"
    (place / "data").mkdir(parents=True)
    shard = "data/train-00000-of-00002.parquet"
    (place / shard).write_bytes((root / "dataset" / shard).read_bytes())
    (place / "data" / "train-00001-of-00002.parquet").write_bytes(b"half of")
    (place / "data" / "of-an-earlier-attempt.parquet").write_bytes(b"x")
    made = push(root, f"file://{tmp_path}/store/made")

    assert len(made.files) - 1 == made.sent
    assert expected(made) == digests(
        {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    )


def test_another_build_under_a_used_version_is_refused(built: Path, tmp_path: Path) -> None:
    to = f"file://{tmp_path}/store/made"
    push(fresh(built, tmp_path), to)
    other = run_folder(tmp_path / "other", made_rows(5))

    with pytest.raises(PublishError, match="records are never edited"):
        push(other, to)
    with pytest.raises(PublishError, match="already, with other content"):
        push(other, to, records=tmp_path / "elsewhere")


def test_a_file_system_that_breaks_off_is_tried_again(built: Path, tmp_path: Path) -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    fails = [ConnectionResetError("reset"), TimeoutError("slow")]
    usual = fs.pipe_file

    def pipe_file(*arguments: Any, **more: Any) -> None:
        if fails:
            raise fails.pop()
        usual(*arguments, **more)

    waited: list[float] = []
    fs.pipe_file = pipe_file
    try:
        push(fresh(built, tmp_path), f"memory://{tmp_path.name}/breaks", sleep=waited.append)
    finally:
        del fs.pipe_file
    assert [1.0, 2.0] == waited


def test_a_record_of_a_wheel_is_beside_the_run_folder(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed" / "manifests").mkdir(parents=True)
    monkeypatch.setattr("themis_data.publish.push.shipped_folder", lambda name: tmp_path / "installed" / name)
    made = push(fresh(built, tmp_path), f"memory://{tmp_path.name}/wheel", records=None)

    assert tmp_path / "published" / "wheel" / "1.2.0.json" == made.record
    assert made.record.is_file() and os.stat(made.record).st_size
