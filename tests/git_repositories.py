"""Small git repositories for tests. People, dates and settings are fixed, so that object ids are the same on every run.

    def test_something(make_repository):
        repository = make_repository()
        first = repository.commit({"a.py": "one\\n"}, "Add a")
        second = repository.commit({"a.py": "two\\n"}, "Change a")   # its parent is `first`
        merge = repository.commit({}, "Merge", parents=[second, other])

`repository.path` is the folder (bare inside: there is no work tree to look at).
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

AUTHOR, ADDRESS = "A. Person", "person@example.com"
START = 1_600_000_000  # the first commit's date, in seconds since 1970; each next one is a minute later

# A file: its text; None, to remove it; or (mode, text), where the text of a submodule (160000) is a commit id.
File = str | bytes | tuple[str, str | bytes] | None


def run_git(*arguments: str, cwd: Path, stdin: bytes | None = None, **environment: str) -> bytes:
    """What git prints, run with no configuration but the repository's own. An error fails the test."""
    clean = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": AUTHOR,
        "GIT_AUTHOR_EMAIL": ADDRESS,
        "GIT_AUTHOR_DATE": f"{START} +0000",
        "GIT_COMMITTER_NAME": AUTHOR,
        "GIT_COMMITTER_EMAIL": ADDRESS,
        "GIT_COMMITTER_DATE": f"{START} +0000",
    }
    done = subprocess.run(["git", *arguments], cwd=cwd, input=stdin, capture_output=True, env={**clean, **environment})
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


class Repository:
    """A repository in the making. HEAD is `refs/heads/main`."""

    def __init__(self, path: Path, *init: str) -> None:
        self.path = path
        self._commits = 0
        self._tips: dict[str, str] = {}
        path.mkdir(parents=True)
        run_git("init", "--quiet", "--template=", "--bare", "--initial-branch=main", *init, ".", cwd=path)

    def git(self, *arguments: str, stdin: bytes | None = None, **environment: str) -> str:
        """What a git command in this repository prints, without the last line end."""
        return run_git(*arguments, cwd=self.path, stdin=stdin, **environment).decode("utf-8", "replace").rstrip("\n")

    def commit(
        self,
        files: Mapping[str | bytes, File],
        message: str | bytes = "Change it",
        *,
        branch: str = "main",
        parents: Sequence[str] | None = None,
        author: str = AUTHOR,
        address: str = ADDRESS,
        encoding: str | None = None,
    ) -> str:
        """Commit on top of the branch (or of `parents`; the files of the first are kept) and give the commit's id."""
        date, ref = START + 60 * self._commits, f"refs/heads/{branch}"
        self._commits += 1
        if parents is None:
            parents = [self._tips[branch]] if branch in self._tips else []
        said = message.encode() if isinstance(message, str) else message
        lines = [b"feature done\n", f"commit {ref}\nmark :1\n".encode()]
        lines += [f"{who} {author} <{address}> {date} +0000\n".encode() for who in ("author", "committer")]
        lines += [f"encoding {encoding}\n".encode()] if encoding else []
        lines += [b"data %d\n%b\n" % (len(said), said)]
        lines += [f"{'merge' if number else 'from'} {parent}\n".encode() for number, parent in enumerate(parents)]
        for path, file in files.items():
            lines.append(_file_command(path, file))
        lines.append(b"\nget-mark :1\ndone\n")
        if not parents and branch in self._tips:  # else it would go on from there
            self.git("update-ref", "-d", ref)
        self._tips[branch] = self.git("fast-import", "--quiet", "--force", "--done", stdin=b"".join(lines)).strip()
        return self._tips[branch]

    def raw_commit(self, header: str | bytes, *, branch: str = "main") -> str:
        """Commit an object with exactly this content, however wrong it is."""
        data = header.encode() if isinstance(header, str) else header
        commit = self.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=data)
        self._tips[branch] = commit
        (self.path / "refs" / "heads" / branch).write_text(f"{commit}\n")
        return commit

    def tree(self, commit: str) -> str:
        return self.git("rev-parse", f"{commit}^{{tree}}")

    def blob(self, commit: str, path: str) -> str:
        return self.git("rev-parse", f"{commit}:{path}")

    def remove_object(self, name: str) -> None:
        """Take a loose object away, as a partial clone does not have it. Pack nothing before."""
        (self.path / "objects" / name[:2] / name[2:]).unlink()

    def set(self, key: str, value: str) -> None:
        """Write into the repository's own configuration."""
        run_git("config", "--file", str(self.path / "config"), key, value, cwd=self.path)


def _file_command(path: str | bytes, file: File) -> bytes:
    name = path.encode() if isinstance(path, str) else path
    quoted = (
        b'"'
        + b"".join(b"\\%03o" % byte if byte < 32 or byte > 126 or byte in b'"\\' else bytes([byte]) for byte in name)
        + b'"'
    )
    if file is None:
        return b"D %b\n" % quoted
    mode, content = file if isinstance(file, tuple) else ("100644", file)
    data = content.encode() if isinstance(content, str) else content
    if mode == "160000":
        return b"M %b %b %b\n" % (mode.encode(), data, quoted)
    return b"M %b inline %b\ndata %d\n%b\n" % (mode.encode(), quoted, len(data), data)
