"""What hostile programs can do in the sandbox: nothing that outlives or leaves it."""

import errno
import os
import socket
import struct
import sys
import time
from pathlib import Path

import pytest

from themis_data.code import sandbox
from themis_data.code._sandbox_child import seccomp_program
from themis_data.code.sandbox import Layer, Limits, Outcome, Program, run_command, run_python_batch
from themis_data.errors import SandboxError

QUICK = Limits(cpu_s=0.3, wall_s=5.0)
COMMAND = Limits(cpu_s=1.0, wall_s=5.0, num_processes=16)
PYTHON = os.path.realpath(sys.executable)


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    try:
        sandbox.layers()
    except SandboxError as error:
        pytest.skip(str(error))


def run(source: str, *, stdin: bytes = b"", without: tuple[Layer, ...] = (), limits: Limits = QUICK) -> Outcome:
    return run_python_batch([Program(source=source, stdin=stdin)], limits=limits, without=without)[0]


def run_file(source: str, *, limits: Limits = COMMAND, without: tuple[Layer, ...] = ()) -> Outcome:
    return run_command([PYTHON, "main.py"], files={"main.py": source.encode()}, limits=limits, without=without)


def processes_with(marker: str) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and process.name != str(os.getpid()):
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in command:
                found.append(process.name)
    return found


def test_a_program_is_run_and_its_output_kept() -> None:
    seen = run("import sys\nprint(sys.stdin.read() * 2)\nprint('no', file=sys.stderr)", stdin=b"ab")
    assert (seen.status, seen.exit_code, seen.stdout, seen.stderr) == ("ok", 0, b"abab\n", b"no\n")


@pytest.mark.parametrize(
    ("source", "status", "exit_code", "error"),
    [
        ("1 / 0", "crash", 1, "ZeroDivisionError"),
        ("def f(:", "crash", 1, "SyntaxError"),
        ("import sys; sys.exit(3)", "crash", 3, None),
        ("import sys; sys.exit(0)", "ok", 0, None),
        ("import os; os._exit(5)", "crash", 5, None),
        ("import os; os.abort()", "crash", -6, None),
        ("while True: pass", "timeout", None, None),
        ("x = bytearray(10 ** 10)", "memory", 1, "MemoryError"),
        ("while True: print('x' * 1000)", "output", None, None),
        ("import sys\nwhile True: sys.stderr.write('x' * 1000)", "output", None, None),
        ("import os; os.fork()", "crash", 1, "PermissionError"),
        ("import threading; threading.Thread(target=print).start()", "crash", 1, "RuntimeError"),
    ],
)
def test_how_a_program_ends_is_told(source: str, status: str, exit_code: int | None, error: str | None) -> None:
    seen = run(source)
    assert (status, exit_code, error) == (seen.status, seen.exit_code, seen.error)


def test_a_program_that_waits_is_stopped_by_the_clock() -> None:
    seen = run("import time; time.sleep(60)", limits=Limits(cpu_s=0.3, wall_s=0.3))
    assert seen.status == "timeout"
    assert seen.seconds < 5


def test_output_is_cut_at_its_limit() -> None:
    seen = run("while True: print('x' * 1000)", limits=Limits(output_bytes=5000))
    assert len(seen.stdout) == 5000


def test_a_closed_stdout_does_not_let_a_loop_escape() -> None:
    assert run("import os\nfor n in range(3): os.close(n)\nos.close(5)\nwhile True: pass").status == "timeout"


@pytest.mark.parametrize("without", [(), ("namespaces",), ("seccomp",)])
def test_the_network_is_out_of_reach_loopback_too(without: tuple[Layer, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(0.0)
        seen = run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)", without=without)
        assert seen.status == "crash"
        assert seen.error in ("PermissionError", "OSError")
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("call", ["socket.socket()", "socket.socketpair()", "socket.socket(socket.AF_UNIX)"])
def test_no_kind_of_socket_can_be_made(call: str) -> None:
    assert run(f"import socket; {call}").error == "PermissionError"


def test_without_seccomp_and_namespaces_nothing_is_run() -> None:
    with pytest.raises(SandboxError, match="neither seccomp filters"):
        run("print(1)", without=("seccomp", "namespaces"))


@pytest.mark.parametrize("without", [(), ("namespaces",)])
def test_nothing_can_be_written_outside(tmp_path: Path, without: tuple[Layer, ...]) -> None:
    tmp_path.chmod(0o777)
    target = tmp_path / "mine"
    target.write_text("before")
    target.chmod(0o666)
    attempt = (
        "import os\nmade = []\n"
        f"for act in (lambda: open({str(target)!r}, 'w').write('after'), lambda: os.unlink({str(target)!r}),\n"
        f"            lambda: os.mkdir({str(tmp_path)!r} + '/new'), lambda: os.chmod({str(target)!r}, 0)):\n"
        "    try:\n        act()\n        made.append('done')\n    except OSError:\n        made.append('no')\n"
        "print(made)"
    )
    assert run(attempt, without=without).stdout == b"['no', 'no', 'no', 'no']\n"
    assert run_file(attempt, without=without).stdout == b"['no', 'no', 'no', 'no']\n"
    assert target.read_text() == "before"
    assert [target] == list(tmp_path.iterdir())


def test_a_command_may_write_in_its_own_folder_which_is_gone_afterwards() -> None:
    seen = run_file("import os; open('new', 'w').write('x'); print(os.getcwd(), sorted(os.listdir()))")
    folder, listed = seen.stdout.decode().split(" ", 1)
    assert listed == "['main.py', 'new']\n"
    assert not Path(folder).exists()


def test_a_file_stays_within_its_limit() -> None:
    seen = run_file(
        "f = open('big', 'wb', buffering=0)\nwhile True: f.write(b'x' * 4096)",
        limits=Limits(file_bytes=65536, num_processes=16),
    )
    assert seen.status == "crash"
    assert b"File too large" in seen.stderr


def test_the_environment_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "sesame")
    look = "import os; print(dict(os.environ))\ntry: print(open('/proc/self/environ').read())\nexcept OSError: pass"
    seen = run(look)
    assert seen.status == "ok"
    assert b"sesame" not in seen.stdout
    variables = run_command(["env"], limits=COMMAND).stdout.decode().splitlines()
    names = sorted(line.split("=")[0] for line in variables)
    assert names == ["HOME", "LANG", "PATH", "PYTHONHASHSEED", "TMPDIR"]


@pytest.mark.parametrize("without", [(), ("namespaces",)])
def test_other_processes_can_be_neither_read_nor_signalled(without: tuple[Layer, ...]) -> None:
    attempt = (
        "import os\n"
        f"for pid in ({os.getpid()}, os.getppid()):\n"
        "    for act in (lambda: os.kill(pid, 9), lambda: open(f'/proc/{pid}/environ', 'rb').read(),\n"
        "                lambda: open(f'/proc/{pid}/mem', 'r+b')):\n"
        "        try:\n            act()\n            print('done')\n        except OSError:\n            print('no')\n"
    )
    assert run(attempt, without=without).stdout == b"no\n" * 6
    assert run_file(attempt, without=without).stdout == b"no\n" * 6


def test_files_in_the_home_folder_cannot_be_read(tmp_path: Path) -> None:
    if not sandbox.layers().landlock:
        pytest.skip("without Landlock only file permissions protect the home folder")
    secret = tmp_path / "token"
    secret.write_text("sesame")
    tmp_path.chmod(0o755)
    secret.chmod(0o644)
    for path in (secret, Path.home(), Path("/etc/passwd")):
        attempt = f"import os; os.listdir({str(path)!r}) if os.path.isdir({str(path)!r}) else open({str(path)!r})"
        assert run(attempt).error == "PermissionError"
        assert run_file(attempt).status == "crash"


@pytest.mark.parametrize("without", [(), ("namespaces",)])
def test_a_fork_bomb_is_stopped_and_swept(without: tuple[Layer, ...]) -> None:
    bomb = (
        "import os, sys\nfailed = 0\n"
        "while failed < 50:\n"
        "    try:\n        os.fork()\n    except OSError:\n        failed += 1\n"
        "import time; time.sleep(60)"
    )
    started = time.monotonic()
    limits = Limits(wall_s=0.7, num_processes=20)
    seen = run_command([PYTHON, "-c", bomb, "bomb-marker"], limits=limits, without=without)
    assert seen.status == "timeout"
    assert time.monotonic() - started < 10
    assert processes_with("bomb-marker") == []


def test_the_number_of_processes_is_held() -> None:
    count = (
        "import os, time\nmade = 0\n"
        "while made < 1000:\n"
        "    try:\n        if os.fork() == 0: time.sleep(60)\n        made += 1\n    except OSError: break\n"
        "print(made)"
    )
    assert run_file(count, limits=Limits(num_processes=10)).stdout == b"9\n"


@pytest.mark.parametrize("without", [(), ("namespaces",)])
def test_a_daemon_is_dead_after_the_call(without: tuple[Layer, ...]) -> None:
    daemon = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        for n in range(3): os.close(n)\n"
        "        while True: time.sleep(1)\n"
        "    os._exit(0)\n"
        "time.sleep(0.1); print('left it')"
    )
    seen = run_command([PYTHON, "-c", daemon, "daemon-marker"], limits=COMMAND, without=without)
    assert (seen.status, seen.stdout) == ("ok", b"left it\n")
    assert processes_with("daemon-marker") == []


def test_programs_of_a_batch_do_not_see_one_another() -> None:
    first = (
        "import builtins, sys, os\nbuiltins.left = sys.modules['left'] = 1\nos.environ['LEFT'] = '1'\nprint('first')"
    )
    second = (
        "import builtins, gc, sys, os\n"
        "gc.unfreeze()\n"
        "held = [s for o in gc.get_objects() for s in (o if isinstance(o, (list, tuple)) else\n"
        "        list(o.values()) if isinstance(o, dict) else []) if isinstance(s, str)]\n"
        "print(hasattr(builtins, 'left'), 'left' in sys.modules, dict(os.environ),\n"
        "      any('-'.join(['needle', 'third']) in s for s in held))"
    )
    third = "x = 'needle-third'; print('third')"
    seen = run_python_batch([Program(source=source) for source in (first, second, third)], limits=QUICK)
    outputs = [outcome.stdout for outcome in seen]
    assert outputs == [b"first\n", b"False False {} False\n", b"third\n"]


def test_one_bad_program_spoils_only_its_own_result() -> None:
    bad = (
        "import os\nfor fd in range(3, 100):\n"
        "    try: os.write(fd, b'{\"children\": []}\\n!')\n    except OSError: pass\nos.abort()"
    )
    sources = ["print(1)", bad, "while True: pass", "print(2)"]
    seen = run_python_batch([Program(source=source) for source in sources], limits=QUICK)
    told = [(outcome.status, outcome.stdout) for outcome in seen]
    assert told == [("ok", b"1\n"), ("crash", b""), ("timeout", b""), ("ok", b"2\n")]


def test_hashes_and_random_numbers_are_the_same_in_every_run() -> None:
    source = "import random; print(hash('a'), random.random(), list({'x', 'y', 'z'}))"
    assert run(source).stdout == run(source).stdout
    assert b" 0.8444218515250481 " in run(source).stdout  # random.Random(0).random()


def test_partners_talk_and_the_second_ends_with_the_first() -> None:
    ask = "import os; os.write(4, b'ping'); print(os.read(3, 99).decode())"
    reply = "import os; os.write(4, os.read(3, 99) + b' pong')\nwhile True: os.read(3, 1)"
    (seen,) = run_python_batch([Program(source=ask, partner=reply)], limits=QUICK)
    assert (seen.status, seen.stdout) == ("ok", b"ping pong\n")
    assert seen.partner is not None
    assert seen.partner.status == "ok"


def test_a_partner_that_loops_is_stopped_alone() -> None:
    (seen,) = run_python_batch(
        [Program(source="import os; print(os.read(3, 9))", partner="while True: pass")], limits=QUICK
    )
    assert (seen.status, seen.stdout) == ("ok", b"b''\n")
    assert seen.partner is not None
    assert seen.partner.status == "timeout"


def test_surrogates_in_a_source_are_an_outcome_not_an_exception() -> None:
    assert run("x = '\ud800'").status == "crash"


def test_an_empty_batch_is_an_empty_list() -> None:
    assert run_python_batch([]) == []


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", ""])
def test_a_file_outside_the_folder_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        run_command(["true"], files={path: b""})


def test_an_unknown_command_says_what_to_do() -> None:
    with pytest.raises(SandboxError, match="no program 'no-such-thing'"):
        run_command(["no-such-thing"])


# A classic BPF program is small enough to be run here, so that the filter for the other machine is tested too.

ALLOW, DENY, NOT_IMPLEMENTED = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
NUMBERS = {
    "x86_64": {"arch": 0xC000003E, "socket": 41, "openat": 257, "clone": 56, "clone3": 435, "kill": 62, "read": 0},
    "aarch64": {"arch": 0xC00000B7, "socket": 198, "openat": 56, "clone": 220, "clone3": 435, "kill": 129, "read": 63},
}


def filtered(program: bytes, arch: int, number: int, *arguments: int) -> int:
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*arguments, *[0] * (6 - len(arguments))))
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("HBBI", program, at * 8)
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
        else:
            held = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            at += if_true if held else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_refuses_what_it_should_and_nothing_else(machine: str) -> None:
    strict = seccomp_program(machine=machine, may_write=False, may_fork=False, own_pid=77)
    loose = seccomp_program(machine=machine, may_write=True, may_fork=True, own_pid=None)
    call = NUMBERS[machine]
    arch = call["arch"]
    assert filtered(strict, arch, call["read"]) == ALLOW
    assert filtered(strict, arch, call["socket"]) == filtered(loose, arch, call["socket"]) == DENY
    assert filtered(strict, arch, call["openat"], 0, 0, os.O_RDONLY) == ALLOW
    assert filtered(strict, arch, call["openat"], 0, 0, 1) == DENY
    assert filtered(loose, arch, call["openat"], 0, 0, 1) == ALLOW
    assert filtered(strict, arch, call["clone"], 0) == DENY
    assert filtered(loose, arch, call["clone"], 0x11) == ALLOW
    assert filtered(loose, arch, call["clone"], 0x10000000) == DENY  # a new user namespace
    assert filtered(loose, arch, call["clone3"]) == NOT_IMPLEMENTED
    assert filtered(strict, arch, call["kill"], 77) == ALLOW
    assert filtered(strict, arch, call["kill"], 1) == DENY
    assert filtered(loose, arch, call["kill"], 1) == ALLOW
    assert filtered(strict, 0x40000003, call["read"]) == 0x80000000  # calls of another machine kill


def test_calls_through_the_x32_interface_are_refused() -> None:
    program = seccomp_program(machine="x86_64", may_write=True, may_fork=True, own_pid=None)
    assert filtered(program, 0xC000003E, 0x40000000 | 41) == DENY
