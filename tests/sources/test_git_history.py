"""What becomes a change, what does not and why, and how histories are cut into units."""

import contextlib
import datetime
import hashlib
import itertools
import json
import os
from pathlib import Path

import pytest
from git_repositories import ADDRESS, START, run_git
from mined import KEY, mine

from themis_data.fingerprint import row_id
from themis_data.sources import git_history
from themis_data.sources.git_history import GitHistory, RepositoryRef

COLUMNS = ("commit", "new_file", "repos")  # of an export


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


def reason_of(make_repository, memory, before, after, **commit):
    """Why a commit that turns these files into those gives no change."""
    repository = make_repository()
    repository.commit(before)
    second = repository.commit(after, **commit)
    return mine(repository.path, memory=memory).reasons[second]


def test_a_commit_that_modifies_one_file_is_a_change(make_repository, memory):
    repository = make_repository()
    first = repository.commit({"src/a.py": "one\n", "b.py": "b\n"}, "Add both")
    second = repository.commit({"src/a.py": "two\n"}, "Change a\n\nBecause of b.\n")

    mined = mine(repository.path, memory=memory)

    assert mined.changes == [
        {
            "row_id": row_id(second, "src/a.py"),
            "repos": f"local/{first}",
            "repository": f"local/{first}",
            "commit": second,
            "path": "src/a.py",
            "committed_at": datetime.datetime.fromtimestamp(START + 60, datetime.UTC).replace(tzinfo=None),
            "authored_at": datetime.datetime.fromtimestamp(START + 60, datetime.UTC).replace(tzinfo=None),
            "author_hash": hashlib.blake2b(ADDRESS.encode(), key=KEY, digest_size=16).hexdigest(),
            "is_bot": False,
            "subject": "Change a",
            "message": "Change a\n\nBecause of b.",
            "language": "Python",
            "license": "NOASSERTION",
            "license_class": "unknown",
            "old_blob": repository.blob(first, "src/a.py"),
            "new_blob": repository.blob(second, "src/a.py"),
            "form": "file",
            "old_contents": "one\n",
            "new_contents": "two\n",
            "cluster_id": None,
            "cluster_size": None,
            "merged_by": "default_branch",
            "survived_days": None,
            "root": first,
        }
    ]


def test_forks_share_the_commit_that_head_leads_back_to_whatever_was_merged_into_one(make_repository, memory):
    repository, fork = make_repository("one"), make_repository("fork")
    first = repository.commit({"a.py": "1\n"})
    repository.commit({"a.py": "2\n"})
    assert fork.commit({"a.py": "1\n"}) == first
    other = fork.commit({"lib.py": "1\n"}, branch="library", parents=[])
    library = fork.commit({"lib.py": "2\n"}, branch="library")
    fork.commit({"a.py": "3\n", "lib.py": "2\n"}, "Merge a library", parents=[first, library])
    fork.commit({"a.py": "4\n"})

    mined = mine(
        RepositoryRef(path=str(repository.path), name="h/a/n"), RepositoryRef(path=str(fork.path), name="h/b/m"),
        memory=memory,
    )  # fmt: skip

    assert [(read["name"], read["root"]) for read in mined.listing.identity] == [("h/a/n", first), ("h/b/m", first)]
    assert {row["root"] for row in mined.changes} == {first} != {other}
    assert {row["repository"] for row in mined.changes} == {"h/a/n", "h/b/m"}


def test_every_commit_is_in_the_side_table(make_repository, memory):
    repository = make_repository()
    first = repository.commit({"a.py": "one\n", "b.py": "b\n"}, "Add both")
    second = repository.commit({"a.py": "two\n", "b.py": "c\n"}, f"Revert {first}")

    mined = mine(repository.path, memory=memory)

    assert [row["commit"] for row in mined.commits] == [first, second]
    assert mined.commits[1]["parents"] == [first]
    assert mined.commits[1]["reverts"] == [first]
    assert mined.commits[1]["num_paths"] == 2
    assert len(mined.commits[1]["edit_keys"]) == 2
    assert mined.commits[1]["not_emitted"] == "many_paths"
    assert mined.left_out == {"root": 1, "many_paths": 1}


@pytest.mark.parametrize(
    ("reason", "before", "after"),
    [
        ("added", {"a": "a\n"}, {"b": "b\n"}),
        ("deleted", {"a": "a\n", "b": "b\n"}, {"a": None}),
        ("many_paths", {"a": "same\n", "b": "b\n"}, {"a": None, "c": "same\n"}),  # a rename
        ("many_paths", {"a": "a\n", "b": "b\n"}, {"a": "1\n", "b": "2\n"}),
        ("many_paths", {"a": "a\n", "b": "b\n"}, {"a": "1\n", "b": None}),
        ("type_changed", {"a": "target"}, {"a": ("120000", "target")}),
        ("symlink", {"a": ("120000", "one")}, {"a": ("120000", "two")}),
        ("submodule", {"a": ("160000", "1" * 40)}, {"a": ("160000", "2" * 40)}),
        ("mode_only", {"a": "a\n"}, {"a": ("100755", "a\n")}),
        ("empty", {"a": "a\n"}, {}),
        ("empty_side", {"a": ""}, {"a": "a\n"}),
        ("empty_side", {"a": "a\n"}, {"a": ""}),
        ("binary", {"a": "a\n"}, {"a": b"\0\1"}),
        ("binary", {"a": b"\0\1"}, {"a": "a\n"}),
        ("not_utf8", {"a": "a\n"}, {"a": "naïve\n".encode("latin-1")}),
        ("path_not_utf8", {b"\xff": "a\n"}, {b"\xff": "b\n"}),
        ("path_too_long", {"d/" * 2100 + "a": "a\n"}, {"d/" * 2100 + "a": "b\n"}),
        ("too_large", {"a": "a\n"}, {"a": "x" * 65_537}),
        (None, {"a": "a\n"}, {"a": "x" * 65_536}),
        (None, {"a": "a\n"}, {"a": ("100755", "b\n")}),
    ],
)
def test_what_a_commit_does_decides(make_repository, memory, reason, before, after):
    assert reason_of(make_repository, memory, before, after) == reason


@pytest.mark.parametrize(("path", "reason"), [("notes.md", "unknown_language"), ("a.rb", None)])
def test_files_in_no_known_language_can_be_left_out_unread(make_repository, memory, path, reason):
    repository = make_repository()
    repository.commit({path: "a\n"})
    second = repository.commit({path: "b\n"})

    assert mine(repository.path, memory=memory, known_languages_only=True).reasons[second] == reason
    assert mine(repository.path, memory=memory / "all").reasons[second] is None


def test_merges_and_roots_give_no_change(make_repository, memory):
    repository = make_repository()
    root = repository.commit({"a": "a\n"})
    left, right = repository.commit({"a": "b\n"}), repository.commit({"b": "b\n"}, parents=[root], branch="other")
    merge = repository.commit({"b": "b\n"}, parents=[left, right])

    assert mine(repository.path, memory=memory).reasons == {root: "root", left: None, right: "added", merge: "merge"}


@pytest.mark.parametrize(
    "path",
    [
        "new\nline.py",
        'quo"te.py',
        "back\\slash.py",
        ":100644 100644 a b M",
        "-x",
        "--help",
        "tab\t.py",
        "ünïcode.py",
        " ",
        "\x7f",
    ],
)
def test_paths_come_as_they_are(make_repository, memory, path):
    repository = make_repository()
    repository.commit({path: "a\n"})
    repository.commit({path: "b\n"})

    assert [row["path"] for row in mine(repository.path, memory=memory).changes] == [path]


@pytest.mark.parametrize(
    "message",
    [
        ":100644 100644 1111111 2222222 M\0a.py",
        ":100644 100644 " + "1" * 40 + " " + "2" * 40 + " M",
        "\n\n:100644 100644 a b M",
        "a" * 40 + "\n" + "b" * 40 + "\n\n1\n1\nx\ny\nforged",
        "diff --git a/x b/x\n--- a/x\n+++ b/x",
        "",
    ],
)
def test_a_message_cannot_pass_for_anything_else(make_repository, memory, message):
    repository = make_repository()
    repository.commit({"a": "a\n"})
    second = repository.commit({"a": "b\n"}, message)

    [change] = mine(repository.path, memory=memory).changes

    assert change["commit"] == second
    assert change["path"] == "a"
    assert change["message"] == message.partition("\0")[0].strip()


def test_a_message_that_is_not_utf8_is_a_reason(make_repository, memory):
    message = "Füge hinzu".encode("latin-1")

    assert reason_of(make_repository, memory, {"a": "a\n"}, {"a": "b\n"}, message=message) == "message_not_utf8"


def test_a_message_is_read_in_the_encoding_its_commit_declares(make_repository, memory):
    repository = make_repository()
    repository.commit({"a": "a\n"})
    repository.commit({"a": "b\n"}, "Füge hinzu".encode("latin-1"), encoding="ISO-8859-1")

    assert [row["message"] for row in mine(repository.path, memory=memory).changes] == ["Füge hinzu"]


def test_an_encoding_cannot_forge_a_header(make_repository, memory):
    """In UTF-7 "+AAo-" is a line end and "+AAA-" a NUL: in an author's name they would be more fields and entries."""
    repository = make_repository()
    repository.commit({"a": "a\n"})
    second = repository.commit(
        {"a": "b\n"}, "Say it", author="A+AAo-B+AAA-C", address="x+AAo-@example.com", encoding="UTF-7"
    )

    mined = mine(repository.path, memory=memory)

    assert [row["commit"] for row in mined.commits][-1] == second
    assert [row["path"] for row in mined.changes] == ["a"]


def test_a_message_too_large_is_a_reason(make_repository, memory):
    repository = make_repository()
    repository.commit({"a": "a\n"})
    second = repository.commit({"a": "b\n"}, "x" * 3_000_000)
    third = repository.commit({"a": "c\n"}, "After it")

    mined = mine(repository.path, memory=memory)

    assert mined.reasons[second] == "message_too_large"
    assert mined.reasons[third] is None


@pytest.mark.parametrize("date", ["", "99999999999999999999 +0000", "253402300800 +0000", "-5 +0000", "soon"])
def test_a_date_that_is_none_is_a_reason(make_repository, memory, date):
    repository = make_repository()
    first = repository.commit({"a": "a\n"})
    tree = repository.tree(repository.commit({"a": "b\n"}))
    second = repository.raw_commit(
        f"tree {tree}\nparent {first}\nauthor A <a@b.c> {date}\ncommitter A <a@b.c> 5 +0000\n\nx\n"
    )

    assert mine(repository.path, memory=memory).reasons[second] == "bad_date"


def test_a_commit_without_people_is_read(make_repository, memory):
    repository = make_repository()
    first = repository.commit({"a": "a\n"})
    tree = repository.tree(repository.commit({"a": "b\n"}))
    second = repository.raw_commit(f"tree {tree}\nparent {first}\n\nNobody wrote this\n")

    assert mine(repository.path, memory=memory).reasons[second] == "bad_date"


def test_a_missing_blob_is_a_reason_and_the_rest_is_read(make_repository, memory):
    repository = make_repository()
    first = repository.commit({"a": "a\n"})
    second, third = repository.commit({"a": "b\n"}), repository.commit({"b": "b\n"})
    fourth = repository.commit({"b": "c\n"})
    repository.remove_object(repository.blob(first, "a"))

    assert mine(repository.path, memory=memory).reasons == {
        first: "root",
        second: "missing_blob",
        third: "added",
        fourth: None,
    }


def test_people_do_not_leave_the_source(make_repository, memory):
    repository = make_repository()
    repository.commit({"a": "a\n"})
    repository.commit(
        {"a": "b\n"},
        "Say b\n\nReviewed-by: B. Person <b.person@example.com>",
        author="C. Person",
        address="c@example.com",
    )

    mined = mine(repository.path, memory=memory)

    assert "Person" not in str(mined.changes) + str(mined.commits)
    assert "example.com" not in str(mined.changes) + str(mined.commits)


@pytest.mark.parametrize("held_bytes", [0, 4, 9, 1 << 20])
def test_a_file_that_comes_again_is_the_same_each_time(make_repository, memory, monkeypatch, held_bytes):
    monkeypatch.setattr(git_history, "_HELD_BYTES", held_bytes)
    repository = make_repository()
    versions = ["one\n", "two\n", "one\n", "three\n", "two\n", "one\n", "two\n"]
    for version in versions:  # each is another's old side, and some are in the other file too
        repository.commit({"a.py": version})
        repository.commit({"b.py": version})

    changes = mine(repository.path, memory=memory).changes

    told = [(change["path"], change["old_contents"], change["new_contents"]) for change in changes]
    edits = list(itertools.pairwise(versions))
    assert told == [(path, *edit) for edit in edits for path in ("a.py", "b.py")]


def test_a_blob_that_comes_again_soon_is_read_once(make_repository, memory, monkeypatch):
    asked = []
    read = git_history.read_objects
    monkeypatch.setattr(
        git_history, "read_objects", lambda git, objects, kind: asked.extend(objects) or read(git, objects, kind)
    )
    repository = make_repository()
    commits = [repository.commit({"a.py": text}) for text in ("one\n", "two\n", "three\n")]

    assert len(mine(repository.path, memory=memory).changes) == 2
    assert [asked.count(repository.blob(commit, "a.py")) for commit in commits] == [1, 1, 1]


def test_edit_keys_are_at_most_64(make_repository, memory):
    repository = make_repository()
    repository.commit({f"f{n}": f"{n}\n" for n in range(100)})
    repository.commit({f"f{n}": f"{n}{n}\n" for n in range(100)})

    [_, row] = mine(repository.path, memory=memory).commits

    assert row["num_paths"] == 100
    assert len(row["edit_keys"]) == 64


# Licences


MIT = """MIT License

Copyright (c) 2020 A. Person

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
APACHE = """Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in
compliance with the License. You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an
"AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific
language governing permissions and limitations under the License.
"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "NOASSERTION"),
        ({"LICENSE": MIT}, "MIT"),
        ({"licence.md": MIT}, "MIT"),
        ({"COPYING": ("100755", MIT)}, "MIT"),
        ({"MIT-LICENSE": MIT}, "MIT"),
        ({"LICENSE-MIT": MIT, "LICENSE-APACHE": APACHE}, "Apache-2.0 AND MIT"),
        ({"LICENSE": MIT, "LICENSE.more": "Pay us first.\n"}, "NOASSERTION"),
        ({"LICENSE": MIT, "LICENSE-docs": "Other terms for the manual.\n"}, "MIT"),
        ({"LICENSE": MIT, "docs/LICENSE": "Other terms for the manual.\n"}, "MIT"),
        ({"LICENSE": ("120000", "COPYING")}, "NOASSERTION"),
        ({"LICENSES/MIT.txt": MIT}, "NOASSERTION"),
        ({"MY-LICENSE": MIT, "LICENSED": MIT}, "NOASSERTION"),
        ({"LICENSE": MIT + "x" * 1_100_000}, "NOASSERTION"),
        ({b"\xff": "x", b"100644 LICENSE": "x", "LICENSE": MIT, "zz": "x"}, "MIT"),
    ],
)
@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_the_licence_is_that_of_all_licence_files_in_the_root_folder(
    make_repository, memory, files, expected, object_format
):
    repository = make_repository("repository", f"--object-format={object_format}")
    repository.commit({"a.py": "a\n", **files})
    repository.commit({"a.py": "b\n"})

    [change] = mine(repository.path, memory=memory).changes

    assert change["license"] == expected


def test_modes_of_early_gits_are_those_of_today(make_repository, memory):
    """They wrote 100664, and 100744 for what is 100755 today; git reads them as such."""
    repository = make_repository()
    blobs = {text: repository.git("hash-object", "-w", "--stdin", stdin=text.encode()) for text in ("a", "b", MIT)}
    commits = []
    for modes, text in (("100664", "100744"), "a"), (("100644", "100755"), "b"), (("100664", "100744"), "b"):
        entries = zip(("LICENSE", "a.py"), modes, (MIT, text), strict=True)
        content = b"".join(f"{mode} {path}\0".encode() + bytes.fromhex(blobs[file]) for path, mode, file in entries)
        tree = repository.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=content)
        parent = f"parent {commits[-1]}\n" if commits else ""
        people = "author A <a@b.c> 1 +0000\ncommitter A <a@b.c> 1 +0000\n"
        commits.append(repository.raw_commit(f"tree {tree}\n{parent}{people}\nx\n"))

    mined = mine(repository.path, memory=memory)

    assert list(mined.reasons.values()) == ["root", None, "empty"]
    assert [row["license"] for row in mined.changes] == ["MIT"]


def test_the_licence_is_that_of_the_commit(make_repository, memory):
    repository = make_repository()
    repository.commit({"a.py": "a\n"})
    repository.commit({"a.py": "b\n"})
    repository.commit({"LICENSE": MIT})
    repository.commit({"a.py": "c\n"})
    repository.commit({"LICENSE": "No."})
    repository.commit({"a.py": "d\n"})

    changes = [row for row in mine(repository.path, memory=memory).changes if row["path"] == "a.py"]

    assert [row["license"] for row in changes] == ["NOASSERTION", "MIT", "NOASSERTION"]


def test_a_licence_file_that_is_missing_is_not_known(make_repository, memory):
    repository = make_repository()
    first = repository.commit({"a.py": "a\n", "LICENSE": MIT})
    repository.commit({"a.py": "b\n"})
    repository.remove_object(repository.blob(first, "LICENSE"))

    [change] = mine(repository.path, memory=memory).changes

    assert change["license"] == "NOASSERTION"


# Kinds of repositories


@pytest.fixture
def history(make_repository):
    """Three commits: a root and two changes."""
    repository = make_repository("history")
    for text in ("one\n", "two\n", "three\n"):
        repository.commit({"a.py": text}, f"Say {text}")
    return repository


def contents(mined):
    return [(row["old_contents"], row["new_contents"]) for row in mined.changes]


BOTH = [("one\n", "two\n"), ("two\n", "three\n")]


def test_the_newest_commits_of_a_unit_are_read_first(history, memory):
    source = GitHistory(repos=(str(history.path),))
    [unit] = source.list_units(memory).units
    [piece] = source.read(unit, KEY)

    assert piece.side["commit"]["commit"].to_pylist() == history.git("rev-list", "HEAD").split()
    assert piece.rows["new_contents"].to_pylist() == ["three\n", "two\n"]


def test_a_work_tree_is_read(history, tmp_path, memory):
    run_git("clone", "--quiet", str(history.path), str(tmp_path / "clone"), cwd=tmp_path)

    assert contents(mine(tmp_path / "clone", memory=memory)) == BOTH


def test_a_linked_work_tree_is_read_at_its_own_head(history, tmp_path, memory):
    run_git("clone", "--quiet", str(history.path), str(tmp_path / "clone"), cwd=tmp_path)
    run_git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), "HEAD~1", cwd=tmp_path / "clone")

    assert contents(mine(tmp_path / "linked", memory=memory)) == BOTH[:1]


def test_a_repository_that_borrows_objects_is_read(history, tmp_path, memory):
    run_git("clone", "--quiet", "--bare", "--shared", str(history.path), str(tmp_path / "borrows"), cwd=tmp_path)
    run_git("clone", "--quiet", "--bare", "--shared", str(tmp_path / "borrows"), str(tmp_path / "again"), cwd=tmp_path)

    assert contents(mine(tmp_path / "again", memory=memory)) == BOTH


def test_a_shallow_clone_is_read_with_a_warning(history, tmp_path, memory):
    run_git("clone", "--quiet", "--bare", "--depth=2", f"file://{history.path}", str(tmp_path / "cut"), cwd=tmp_path)

    mined = mine(tmp_path / "cut", memory=memory)

    assert contents(mined) == BOTH[1:]
    assert list(mined.reasons.values()) == ["root", None]
    assert "shallow clone" in mined.listing.warnings[0]
    assert [read["root"] for read in mined.listing.identity] == [None]


def test_a_partial_clone_is_read_without_fetching(history, tmp_path, memory):
    history.set("uploadpack.allowFilter", "true")
    run_git(
        "clone",
        "--quiet",
        "--bare",
        "--filter=blob:none",
        f"file://{history.path}",
        str(tmp_path / "part"),
        cwd=tmp_path,
    )

    assert mine(tmp_path / "part", memory=memory).left_out == {"root": 1, "missing_blob": 2}


def test_a_sha256_repository_is_read(make_repository, memory):
    repository = make_repository("repository", "--object-format=sha256")
    repository.commit({"a.py": "a\n"})
    second = repository.commit({"a.py": "b\n"})

    [change] = mine(repository.path, memory=memory).changes

    assert len(second) == 64
    assert change["commit"] == second
    assert len(change["new_blob"]) == 64


@pytest.mark.parametrize("name", ["a:b", "a b", 'a"b', "a\\b", "a\nb", "#a", "-a", "ü", "a::b", "host:path", "a'b$(x)"])
def test_a_folder_may_have_any_name(make_repository, memory, name):
    repository = make_repository(name)
    repository.commit({"a.py": "a\n"})
    repository.commit({"a.py": "b\n"})

    mined = mine(repository.path, memory=memory)

    assert mined.listing.unreadable == ()
    assert contents(mined) == [("a\n", "b\n")]


def test_a_file_url_is_the_folder(history, memory):
    assert contents(mine(f"file://{history.path}", memory=memory)) == BOTH


def test_packed_refs_and_packs_are_read(history, memory):
    history.git("gc", "--quiet")

    assert contents(mine(history.path, memory=memory)) == BOTH


def test_other_refs_are_read_when_asked_for(history, memory):
    first = history.git("rev-list", "--max-parents=0", "HEAD")
    history.commit({"a.py": "other\n"}, parents=[first], branch="topic/x")
    history.git("tag", "-a", "-m", "x", "v1", "topic/x")

    assert len(mine(history.path, memory=memory).changes) == 2
    assert len(mine(history.path, memory=memory, refs=("refs/heads/*",)).changes) == 3
    assert len(mine(history.path, memory=memory, refs=("refs/tags/*",)).changes) == 1


def test_an_empty_repository_is_said_to_be_empty(make_repository, memory):
    mined = mine(make_repository().path, memory=memory)

    assert mined.listing.units == ()
    assert mined.listing.unreadable == ()
    assert "no commits to read" in mined.listing.warnings[0]


def test_no_repositories_is_said(memory):
    assert "no repositories given" in mine(memory=memory).listing.warnings[0]


def reftable(tmp_path):
    (tmp_path / "r" / "objects").mkdir(parents=True)
    (tmp_path / "r" / "HEAD").write_text("ref: refs/heads/.invalid\n")
    (tmp_path / "r" / "config").write_text("[extensions] refStorage = reftable ; new\n")
    return tmp_path / "r"


def unknown_hash(tmp_path):
    (tmp_path / "r" / "objects").mkdir(parents=True)
    (tmp_path / "r" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "r" / "config").write_text('[extensions]\n\tobjectFormat = "sha3"\n')
    return tmp_path / "r"


def dangling_link(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / ".git").write_text("gitdir: ../nowhere\n")
    return tmp_path / "r"


def lost_tip(tmp_path):
    (tmp_path / "r" / "objects").mkdir(parents=True)
    (tmp_path / "r" / "HEAD").write_text("1" * 40)
    return tmp_path / "r"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda tmp_path: tmp_path / "nothing", "no such folder"),
        (lambda tmp_path: tmp_path, "no git repository"),
        (reftable, "its refs are stored as 'reftable'; only 'files' can be read"),
        (unknown_hash, "'sha3'"),
        (dangling_link, "no git repository"),
        (lost_tip, "bad object"),
    ],
)
def test_what_cannot_be_read_is_reported_and_the_others_go_on(history, tmp_path, memory, make, why):
    bad = make(tmp_path)

    mined = mine(bad, history.path, memory=memory)

    [(what, said)] = mined.listing.unreadable
    assert what == str(bad)
    assert why in said
    assert contents(mined) == BOTH


# Names


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://example.com/owner/name.git", "example.com/owner/name"),
        ("https://user:secret@Example.com:8443/owner/name", "example.com/owner/name"),
        ("ssh://git@example.com:22/owner/name.git/", "example.com/owner/name"),
        ("git@example.com:owner/name.git", "example.com/owner/name"),
        ("example.com:group/sub/name", "example.com/group/sub/name"),
        ("https://example.com/a,b/c d\u202e.git?token=secret", "example.com/a%2Cb/c%20d%E2%80%AE"),
    ],
)
def test_a_repository_is_named_after_its_origin(history, memory, origin, expected):
    history.set("remote.origin.url", origin)

    [change, _] = mine(history.path, memory=memory).changes

    assert (change["repository"], change["repos"]) == (expected, expected)


@pytest.mark.parametrize(
    "origin", [None, "/srv/git/name.git", "file:///srv/git/name.git", "../name", "https://[", "ext::sh -c x"]
)
def test_a_repository_without_a_public_origin_is_named_after_its_root(history, memory, origin):
    if origin is not None:
        history.set("remote.origin.url", origin)
    root = history.git("rev-list", "--max-parents=0", "HEAD")

    [change, _] = mine(history.path, memory=memory).changes

    assert change["repository"] == f"local/{root}"


def test_a_repository_is_called_as_asked(history, memory):
    [change, _] = mine(RepositoryRef(path=str(history.path), name="example.com/o/n"), memory=memory).changes

    assert change["repository"] == "example.com/o/n"


@pytest.mark.parametrize("name", ["", "a,b", "a b", "a\nb"])
def test_a_name_that_cannot_be_listed_is_refused(name):
    with pytest.raises(ValueError, match="expected host/owner/name"):
        RepositoryRef(path="x", name=name)


def test_a_repository_given_twice_is_read_once(history, memory):
    mined = mine(history.path, f"file://{history.path}", memory=memory)

    assert contents(mined) == BOTH
    assert mined.listing.unreadable == ()


def test_of_a_repository_given_whole_and_cut_the_whole_is_read(history, tmp_path, memory):
    run_git("clone", "--quiet", "--bare", "--depth=2", f"file://{history.path}", str(tmp_path / "a-cut"), cwd=tmp_path)
    for path in (history.path, tmp_path / "a-cut"):
        run_git("config", "remote.origin.url", "https://example.com/o/n", cwd=path)

    assert contents(mine(tmp_path / "a-cut", history.path, memory=memory)) == BOTH


def test_two_repositories_of_one_name_are_both_left_out(history, make_repository, memory):
    other = make_repository("other")
    other.commit({"x": "x\n"})
    for repository in (history, other):
        repository.set("remote.origin.url", "https://example.com/o/n")

    mined = mine(history.path, other.path, memory=memory)

    assert mined.listing.units == ()
    assert {what for what, _ in mined.listing.unreadable} == {str(history.path), str(other.path)}
    assert all("give each a name" in why for _, why in mined.listing.unreadable)


# Forks


@pytest.fixture
def forks(history, tmp_path):
    """Two repositories that share three commits and have one change of their own each."""
    made = []
    for name in ("b", "a"):
        run_git("clone", "--quiet", "--bare", str(history.path), str(tmp_path / name), cwd=tmp_path)
        tree = history.tree(
            history.commit({"a.py": f"{name}\n"}, branch=name, parents=[history.git("rev-parse", "main")])
        )
        parent = history.git("rev-parse", "main")
        run_git("fetch", "--quiet", str(history.path), f"{name}:main", "--update-head-ok", cwd=tmp_path / name)
        assert run_git("rev-parse", "main^", cwd=tmp_path / name).decode().strip() == parent
        assert tree
        made.append(RepositoryRef(path=str(tmp_path / name), name=f"example.com/{name}/n"))
    return made


def test_a_commit_of_two_forks_is_read_once_and_names_both(forks, memory):
    mined = mine(*forks, memory=memory)

    both = "example.com/a/n,example.com/b/n"
    rows = {row["new_contents"]: (row["repository"], row["repos"]) for row in mined.changes}
    assert rows == {
        "two\n": ("example.com/a/n", both),
        "three\n": ("example.com/a/n", both),
        "a\n": ("example.com/a/n", "example.com/a/n"),
        "b\n": ("example.com/b/n", "example.com/b/n"),
    }
    assert len(mined.commits) == len({row["commit"] for row in mined.commits}) == 5
    assert sorted(row["repos"] for row in mined.commits) == ["example.com/a/n", *[both] * 3, "example.com/b/n"]


def test_the_order_of_the_repositories_does_not_matter(forks, memory):
    one, other = mine(*forks, memory=memory), mine(*reversed(forks), memory=memory)

    assert one.changes == other.changes
    assert [unit.fingerprint for unit in one.listing.units] == [unit.fingerprint for unit in other.listing.units]
    assert one.listing.identity == other.listing.identity


def test_a_fork_with_nothing_of_its_own_is_named_and_gives_no_unit(forks, history, memory):
    same = RepositoryRef(path=str(history.path), name="example.com/c/n")

    mined = mine(*forks, same, memory=memory)

    assert len(mined.changes) == 4
    assert mined.commits[0]["repos"] == "example.com/a/n,example.com/b/n,example.com/c/n"


def test_a_shallow_clone_and_the_whole_share_commits_too(history, tmp_path, memory):
    run_git("clone", "--quiet", "--bare", "--depth=2", f"file://{history.path}", str(tmp_path / "cut"), cwd=tmp_path)
    cut = RepositoryRef(path=str(tmp_path / "cut"), name="a/cut")
    whole = RepositoryRef(path=str(history.path), name="b/whole")

    mined = mine(cut, whole, memory=memory)

    assert contents(mined) == [BOTH[1], BOTH[0]]  # where it was cut, the whole one is read
    assert [row["repository"] for row in mined.changes] == ["a/cut", "b/whole"]
    assert [row["repos"] for row in mined.changes] == ["a/cut,b/whole", "a/cut,b/whole"]
    assert len(mined.commits) == 3


def test_unrelated_repositories_are_not_mixed_up(history, make_repository, memory):
    other = make_repository("other")
    other.commit({"x": "x\n"})
    other.commit({"x": "y\n"})

    mined = mine(history.path, other.path, memory=memory)

    assert {row["repos"].count(",") for row in mined.commits} == {0}


# Units and rounds


def names(mined):
    return [unit.name.split(" ", 1)[1] for unit in mined.listing.units]


def fingerprints(mined):
    return [unit.fingerprint for unit in mined.listing.units]


def test_a_history_is_cut_into_units(history, memory):
    mined = mine(history.path, memory=memory, unit_commits=2)

    assert names(mined) == ["round 0 from 0", "round 0 from 2"]
    assert [unit.size for unit in mined.listing.units] == [2, 1]
    assert contents(mined) == BOTH


def test_the_same_history_has_the_same_units_wherever_it_lies(history, tmp_path, memory):
    run_git("clone", "--quiet", "--mirror", str(history.path), str(tmp_path / "clone"), cwd=tmp_path)
    run_git("config", "--unset", "remote.origin.url", cwd=tmp_path / "clone")

    here, there = mine(history.path, memory=memory), mine(tmp_path / "clone", memory=tmp_path / "other")

    assert fingerprints(here) == fingerprints(there)
    assert here.listing.identity == there.listing.identity
    assert here.changes == there.changes


def test_new_commits_add_a_round_and_leave_the_earlier_units(history, memory):
    before = mine(history.path, memory=memory, unit_commits=2)
    history.commit({"a.py": "four\n"})

    after = mine(history.path, memory=memory, unit_commits=2)

    assert names(after) == ["round 0 from 0", "round 0 from 2", "round 1 from 0"]
    assert fingerprints(after)[:2] == fingerprints(before)
    assert contents(after) == [*BOTH, ("three\n", "four\n")]


def test_nothing_new_changes_nothing(history, memory):
    history.commit({"a.py": "four\n"})
    first = mine(history.path, memory=memory)

    assert fingerprints(mine(history.path, memory=memory)) == fingerprints(first)


def test_history_mined_round_by_round_gives_the_same_rows(history, tmp_path, memory):
    for text in ("four\n", "five\n"):
        mine(history.path, memory=memory)
        history.commit({"a.py": text})
    rounds = mine(history.path, memory=memory)

    at_once = mine(history.path, memory=tmp_path / "fresh")

    assert names(rounds) == ["round 0 from 0", "round 1 from 0", "round 2 from 0"]
    assert names(at_once) == ["round 0 from 0"]
    assert rounds.changes == at_once.changes


@pytest.mark.parametrize("gone", [False, True])
def test_rewritten_history_starts_anew(history, memory, gone):
    mine(history.path, memory=memory)
    tip = history.git("rev-parse", "main")
    history.commit({"a.py": "otherwise\n"}, parents=[history.git("rev-parse", "main~1")])
    if gone:
        history.remove_object(tip)

    mined = mine(history.path, memory=memory)

    assert names(mined) == ["round 0 from 0"]
    assert contents(mined) == [BOTH[0], ("two\n", "otherwise\n")]


def test_other_refs_have_their_own_rounds(history, memory):
    mine(history.path, memory=memory)

    assert names(mine(history.path, memory=memory, refs=("refs/heads/*",))) == ["round 0 from 0"]


def test_large_units_come_in_pieces_that_add_up(make_repository, memory):
    repository = make_repository()
    for number in range(3):
        repository.commit({"a.py": str(number) * 60_000})
    source = GitHistory(repos=(str(repository.path),))
    [unit] = source.list_units(memory).units

    pieces = list(source.read(unit, KEY))

    assert sum(piece.num_seen for piece in pieces) == 3
    assert sum(len(piece.rows) for piece in pieces) == 2


def children() -> set[str]:
    """Ids of the processes that this one started and that have not been waited for."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            if stat.read_text().rpartition(") ")[2].split()[1] == str(os.getpid()):
                found.add(stat.parent.name)
    return found


def test_a_reader_that_stops_early_leaves_no_process(history, memory):
    source = GitHistory(repos=(str(history.path),))
    [unit] = source.list_units(memory).units
    before = children()
    pieces = source.read(unit, KEY)
    next(pieces)
    pieces.close()

    assert children() <= before


def export(path, *rows):
    path.write_text("".join(f"{json.dumps(dict(zip(COLUMNS, row, strict=True)))}\n" for row in rows))
    return (str(path),)


def test_with_an_export_only_listed_commits_are_changes_and_all_are_in_the_side_table(
    tmp_path, make_repository, memory
):
    repository = make_repository()
    repository.commit({"a.py": "one\n", "b.py": "b\n"})
    second, third = (repository.commit({"a.py": f"{n}\n"}) for n in (2, 3))
    both = repository.commit({"a.py": "4\n", "b.py": "c\n"})
    fifth = repository.commit({"a.py": "5\n"})
    listed = export(
        tmp_path / "x.jsonl", (second, "a.py", "acme/w"), (both, "a.py", "acme/w"), (fifth, "b.py", "acme/w")
    )

    mined = mine(RepositoryRef(path=str(repository.path), name="github.com/bob/w"), memory=memory, commits=listed)

    assert [(second, "github.com/acme/w,github.com/bob/w")] == [(r["commit"], r["repos"]) for r in mined.changes]
    assert {third: "not_listed", both: "many_paths", fifth: "not_listed"} == {
        commit: mined.reasons[commit] for commit in (third, both, fifth)
    }
    assert 5 == len(mined.commits)


def test_an_export_of_other_repositories_is_said_to_have_none_of_the_commits(tmp_path, make_repository, memory):
    repository = make_repository()
    repository.commit({"a.py": "one\n"})
    listed = export(tmp_path / "x.jsonl", ("f" * 40, "a.py", "acme/w"))

    assert ("commits: none of the 1 rows is a commit of the repositories that are read",) == mine(
        repository.path, memory=memory, commits=listed
    ).listing.warnings


def test_units_change_with_what_an_export_lists_of_them_and_not_with_where_it_lies(tmp_path, make_repository, memory):
    repository = make_repository()
    repository.commit({"a.py": "one\n"})
    second, third = (repository.commit({"a.py": f"{n}\n"}) for n in (2, 3))
    exports = [
        export(tmp_path / name, *((commit, "a.py", "acme/w") for commit in listed))
        for name, listed in (("1.jsonl", [second]), ("2.jsonl", [second, "f" * 40]), ("3.jsonl", [second, third]))
    ]
    first, same, more = (
        GitHistory(repos=(str(repository.path),), commits=given).list_units(memory).units[0].fingerprint
        for given in exports
    )

    assert first == same != more


def test_a_change_says_whether_the_default_branch_went_through_it_or_a_merge_brought_it_in(make_repository, memory):
    repository = make_repository()
    first = repository.commit({"a.py": "one\n", "b.py": "b\n"})
    main = repository.commit({"a.py": "two\n"})
    side = repository.commit({"b.py": "c\n"}, branch="side", parents=[first])
    again = repository.commit({"b.py": "d\n"}, branch="side")
    repository.commit({"b.py": "d\n"}, "Merge side", parents=[main, again])
    last = repository.commit({"a.py": "three\n"})
    open_ = repository.commit({"b.py": "e\n"}, branch="open", parents=[last])

    mined = mine(repository.path, memory=memory, refs=("refs/heads/*",))

    assert {
        main: "default_branch",
        side: "merge_commit",
        again: "merge_commit",
        last: "default_branch",
        open_: None,
    } == {row["commit"]: row["merged_by"] for row in mined.changes}


def test_a_commit_that_is_merged_later_is_read_again(make_repository, memory):
    repository = make_repository()
    first = repository.commit({"a.py": "one\n", "b.py": "b\n"})
    side = repository.commit({"b.py": "c\n"}, branch="side", parents=[first])
    before = mine(repository.path, memory=memory, refs=("refs/heads/*",))
    repository.commit({"b.py": "c\n"}, "Merge side", parents=[first, side])

    after = mine(repository.path, memory=memory, refs=("refs/heads/*",))

    assert [None] == [row["merged_by"] for row in before.changes]
    assert ["merge_commit"] == [row["merged_by"] for row in after.changes]
    assert before.listing.units[0].fingerprint != after.listing.units[0].fingerprint
