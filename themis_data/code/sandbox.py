"""Runs untrusted programs and says what became of them.

What a program finds: no network, no environment, no file but the interpreter, the system's libraries and its own
empty folder, and limits on time, memory, output, files and processes. Whatever it does, the call returns an `Outcome`;
all processes that it started are dead by then.

How: a warden process (`_sandbox_child.py`) forks the program, which gives up its rights before it runs:
no-new-privileges, a seccomp filter, Landlock, resource limits, a user of its own where we are root, and new PID,
network, mount and IPC namespaces where the kernel lets us; through bubblewrap where only that may make them. No layer
but the limits is relied on alone. Where neither seccomp nor namespaces are to be had, nothing is run: `SandboxError`.

Linux on x86_64 or aarch64. Same program, same outcome: CPU time, not the clock on the wall, stops a loop, hashes are
not randomised and `random` starts from seed 0.
"""

import base64
import contextlib
import json
import os
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from themis_data.errors import SandboxError

Status = Literal["ok", "crash", "timeout", "memory", "output", "killed"]
Layer = Literal["seccomp", "landlock", "namespaces"]

# Where a program and its partner find the two pipes that join them.
PARTNER_READ = 3
PARTNER_WRITE = 4

_WARDEN = Path(__file__).with_name("_sandbox_child.py")
_SLACK_S = 30.0  # how long the warden may be silent beyond a program's own limit before it is taken for dead


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one program may use. A program that starts no process meets them exactly."""

    cpu_s: float = 2.0  # CPU seconds of each process
    wall_s: float = 20.0  # seconds on the clock, for programs that wait; keep it well above cpu_s
    memory_bytes: int = 512 * 2**20  # address space of each process; an interpreter has about 40 MiB of its own
    output_bytes: int = 2**20  # of stdout, and again of stderr
    file_bytes: int = 16 * 2**20  # of each file, where the program has a folder
    folder_bytes: int = 64 * 2**20  # of all its files together; holds only where namespaces are available
    open_files: int = 64
    num_processes: int = 1  # processes and threads at once; 1 means that it cannot start any


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one program."""

    status: Status
    """ok: it ended with exit code 0. crash: another exit code, or a signal of its own making such as a segmentation
    fault. timeout, memory, output: it went over that limit (memory is seen for Python programs only: others crash).
    killed: from outside, for example by the kernel when the machine ran out of memory."""
    stdout: bytes  # at most `output_bytes`
    stderr: bytes
    exit_code: int | None  # minus the signal number for a signal; null where the sandbox stopped it
    error: str | None  # type of the exception that a Python program ended with; the program could have made it up
    seconds: float  # on the clock, for people: depends on the machine's load
    cpu_s: float
    partner: "Outcome | None" = None


@dataclass(frozen=True, kw_only=True)
class Program:
    """A Python program, run as `__main__` by this interpreter without site-packages."""

    source: str
    stdin: bytes = b""
    partner: str | None = None
    """Source of a second program, confined the same way in a process of its own. Each reads what the other writes:
    descriptors PARTNER_READ and PARTNER_WRITE. It is killed when the first one ends, which counts as ok."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """What confines programs on this machine."""

    seccomp: bool
    landlock: int  # version of the kernel's interface; 0 where it has none
    namespaces: bool
    own_user: bool  # programs run as a user that owns nothing; only where we are root
    bubblewrap: bool  # the namespaces come from it


def run_python_batch(
    programs: Sequence[Program], *, limits: Limits = Limits(), without: Collection[Layer] = ()
) -> list[Outcome]:
    """One outcome per program, in order. They share an interpreter's start (50 ms) and nothing else.

    Each runs in a fresh fork, one after the other, with no folder: it can change no file. It cannot see or reach the
    programs before and after it. `limits.num_processes` is taken as 1. `without` leaves layers out, for tests and
    diagnosis. Raises SandboxError where programs cannot be confined, or if the sandbox itself fails.
    """
    if not programs:
        return []
    limits = replace(limits, num_processes=1)
    jobs = [_Job(source=p.source.encode("utf-8", "surrogatepass"), stdin=p.stdin, partner=p.partner) for p in programs]
    return _run(jobs, limits=limits, folder=None, readable=(), without=without)[1]


def run_command(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    files: Mapping[str, bytes] | None = None,
    limits: Limits = Limits(num_processes=32),
    readable: Sequence[Path] = (),
    without: Collection[Layer] = (),
) -> Outcome:
    """What became of one command, run in a temporary folder that holds `files` and is gone afterwards.

    `argv[0]` is an absolute path or a name looked up in /usr/bin and /bin; `files` maps relative paths to contents. The
    command may read and execute what lies in /usr, in this interpreter, in its folder and in `readable`. It finds only
    HOME, TMPDIR, PATH and LANG in its environment. `without` leaves layers out, for tests and diagnosis. Raises
    SandboxError as `run_python_batch` does, ValueError for a file path that leaves the folder.
    """
    program = shutil.which(argv[0], path="/usr/bin:/bin")
    if program is None:
        raise SandboxError(f"no program {argv[0]!r} to run; give its absolute path, or install it in /usr/bin")
    with tempfile.TemporaryDirectory(prefix="themis-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        contents: dict[str, bytes] = {}
        for path, content in (files or {}).items():
            relative = PurePosixPath(path)
            if relative.is_absolute() or ".." in relative.parts or not relative.parts:
                raise ValueError(f"files: {path!r} does not lie inside the command's folder; give a relative path")
            contents[str(relative)] = content
        job = _Job(source=b"", stdin=stdin, argv=[program, *argv[1:]], files=contents)
        paths = [Path("/usr"), Path("/bin"), Path(os.path.realpath(program)), *readable]
        (outcome,) = _run([job], limits=limits, folder=folder, readable=paths, without=without)[1]
    return outcome


def layers(*, without: Collection[Layer] = ()) -> Layers:
    """What would confine a program here, tried out. Raises SandboxError where that is not enough."""
    return _run([], limits=Limits(), folder=None, readable=(), without=without)[0]


@dataclass(frozen=True, kw_only=True)
class _Job:
    source: bytes
    stdin: bytes
    partner: str | None = None
    argv: list[str] | None = None
    files: dict[str, bytes] = field(default_factory=dict)


def _run(
    jobs: Sequence[_Job],
    *,
    limits: Limits,
    folder: Path | None,
    readable: Sequence[Path],
    without: Collection[Layer],
) -> tuple[Layers, list[Outcome]]:
    if sys.platform != "linux":
        raise SandboxError(f"untrusted programs run on Linux only, not on {sys.platform}; use a Linux container")
    prefix = () if "namespaces" in without else _bubblewrap()
    if prefix and folder is not None:
        prefix = (*prefix, "--bind", str(folder), str(folder))
    return _talk(jobs, limits=limits, folder=folder, readable=readable, without=without, prefix=prefix)


@cache
def _bubblewrap() -> tuple[str, ...]:
    """How to start the warden inside bubblewrap: empty where it is not needed, not installed, or fails."""
    program = shutil.which("bwrap")
    if program is None:
        return ()
    with contextlib.suppress(SandboxError):  # refused without bubblewrap: all the more reason to try it
        if _talk([], limits=Limits(), folder=None, readable=(), without=(), prefix=())[0].namespaces:
            return ()
    namespaces = ("--unshare-user-try", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent")
    prefix = (program, *namespaces, "--ro-bind", "/", "/", "--proc", "/proc", "--dev-bind", "/dev", "/dev")
    tried = subprocess.run([*prefix, "--", "/bin/true"], capture_output=True, check=False, timeout=30)
    return prefix if tried.returncode == 0 else ()


def _talk(
    jobs: Sequence[_Job],
    *,
    limits: Limits,
    folder: Path | None,
    readable: Sequence[Path],
    without: Collection[Layer],
    prefix: tuple[str, ...],
) -> tuple[Layers, list[Outcome]]:
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as complaints:
        _write_request(request.fileno(), jobs, limits, folder, readable, without, in_namespaces=bool(prefix))
        warden = subprocess.Popen(
            # Not -I, which would ignore PYTHONHASHSEED.
            [*prefix, *(("--",) if prefix else ()), sys.executable, "-sSPB", "-X", "utf8", str(_WARDEN)],
            stdin=request,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
            start_new_session=True,
            cwd="/",
        )
        try:
            answers = _answers(warden, patience_s=limits.wall_s + _SLACK_S)
            about = next(answers, None)
            if about is not None and "refused" in about:
                raise SandboxError(f"untrusted programs cannot be confined here: {about['refused']}")
            outcomes = [_outcome(answer["children"]) for answer in answers]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(warden.pid, signal.SIGKILL)
            warden.wait()
        if about is None or len(outcomes) != len(jobs):
            complaints.seek(0)
            tail = complaints.read()[-2000:].decode("utf-8", "replace").strip()
            raise SandboxError(
                f"the sandbox stopped after {len(outcomes)} of {len(jobs)} programs, exit code {warden.returncode}: "
                f"{tail or 'it was killed, perhaps for want of memory, or fell silent'}"
            )
    return Layers(**about), outcomes


def _write_request(
    descriptor: int,
    jobs: Sequence[_Job],
    limits: Limits,
    folder: Path | None,
    readable: Sequence[Path],
    without: Collection[Layer],
    *,
    in_namespaces: bool,
) -> None:
    """Place and length of the JSON header; the bytes that its [offset, length] pairs mean; the header."""
    blobs: list[bytes] = []
    offset = 16

    def span(content: bytes) -> list[int]:
        nonlocal offset
        blobs.append(content)
        offset += len(content)
        return [offset - len(content), len(content)]

    listed = [
        {
            "argv": job.argv,
            "source": span(job.source),
            "stdin": span(job.stdin),
            "partner": None if job.partner is None else span(job.partner.encode("utf-8", "surrogatepass")),
            "files": {path: span(content) for path, content in job.files.items()},
        }
        for job in jobs
    ]
    header = json.dumps(
        {
            "limits": asdict(limits),
            "folder": None if folder is None else str(folder),
            "readable": [str(path) for path in readable],
            "without": sorted(without),
            "in_namespaces": in_namespaces,
            "jobs": listed,
        }
    ).encode()
    with open(descriptor, "wb", closefd=False) as file:
        file.write(struct.pack("<QQ", offset, len(header)))
        file.writelines(blobs)
        file.write(header)


def _answers(warden: subprocess.Popen[bytes], *, patience_s: float) -> Iterator[dict[str, Any]]:
    """The warden's lines as they come; ends early when it dies or is silent for too long."""
    assert warden.stdout is not None, "opened as a pipe"
    pending = b""
    with warden.stdout, selectors.DefaultSelector() as selector:
        selector.register(warden.stdout, selectors.EVENT_READ)
        while selector.select(patience_s):
            data = os.read(warden.stdout.fileno(), 2**20)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _outcome(children: list[dict[str, Any]]) -> Outcome:
    first, *rest = children
    told = {**first, "stdout": base64.b64decode(first["stdout"]), "stderr": base64.b64decode(first["stderr"])}
    return Outcome(**told, partner=_outcome(rest) if rest else None)
