"""The warden: a small process that confines, runs and watches untrusted programs, started by `sandbox.py`.

Standard library only, because it runs without site-packages. It reads one request from file descriptor 0 (a seekable
file), writes one JSON line about itself and then one per job to file descriptor 1, and exits. Its own code is
trusted; each program runs in a forked child that gives up its rights before it touches a byte of the program.

    sandbox.py -> [outer] -> warden (process 1 of its own PID namespace, where the kernel allows one)
                              -> program        forked and confined
                              -> its partner    forked and confined, joined to it by two pipes

The warden never loads a program into its memory: the child reads its own source from the request file, so that no
program finds another one's text in the memory that it inherits.
"""

import base64
import contextlib
import ctypes
import errno
import fcntl
import gc
import importlib
import json
import math
import os
import platform
import random
import resource
import selectors
import signal
import struct
import sys
import sysconfig
import time
import traceback
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

# Loaded once here, so that each forked program finds them ready instead of spending 50 ms on them.
PRELOADED = (
    "ast bisect collections collections.abc dataclasses datetime decimal enum fractions functools hashlib heapq io "
    "itertools operator pickle queue re statistics string textwrap typing"
)

READY = b"R"
PARTNER_READ, PARTNER_WRITE, REPORT = 3, 4, 5

_libc = ctypes.CDLL(None, use_errno=True)

# ---------------------------------------------------------------------------------------------------------------
# Kernel interfaces that Python has no function for.

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_SECCOMP = 1, 4, 8, 22
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER = 0x20000, 0x8000000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
CAP_DAC_READ_SEARCH = 2
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _prctl(option: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> None:
    arguments = [ctypes.c_ulong(value) for value in (a, b, c, d)]
    _check(_libc.prctl(option, *arguments), f"prctl({option})")


def _syscall(number: int, *arguments: Any) -> int:
    return _check(_libc.syscall(ctypes.c_long(number), *arguments), f"system call {number}")


def _mount(source: bytes, target: str, kind: bytes, flags: int, data: bytes = b"") -> None:
    _check(_libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), data), f"mount on {target}")


# ---------------------------------------------------------------------------------------------------------------
# seccomp: a filter that refuses system calls. Numbers are (x86_64, aarch64); None where the machine has no such call.

_Numbers = tuple[int | None, int | None]
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_DENIED: dict[str, _Numbers] = {
    # the network, and local sockets that lead to services outside
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "accept4": (288, 242),
    "sendmmsg": (307, 269),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    # wide and much attacked parts of the kernel
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "personality": (135, 92),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "modify_ldt": (154, None),
    # the machine itself
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    # memory and queues that no resource limit counts, or that outlive the program
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
}

# Further calls refused to a program that has no folder of its own: nothing on any disk changes.
_CHANGES_FILES: dict[str, _Numbers] = {
    "creat": (85, None),
    "mkdir": (83, None),
    "rmdir": (84, None),
    "rename": (82, None),
    "link": (86, None),
    "unlink": (87, None),
    "symlink": (88, None),
    "chmod": (90, None),
    "chown": (92, None),
    "lchown": (94, None),
    "mknod": (133, None),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "truncate": (76, 45),
    "fchmod": (91, 52),
    "fchown": (93, 55),
    "mkdirat": (258, 34),
    "mknodat": (259, 33),
    "fchownat": (260, 54),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "linkat": (265, 37),
    "symlinkat": (266, 36),
    "fchmodat": (268, 53),
    "utimensat": (280, 88),
    "renameat2": (316, 276),
    "fchmodat2": (452, 452),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
}

_STARTS_PROCESSES: dict[str, _Numbers] = {"fork": (57, None), "vfork": (58, None), "clone": (56, 220)}
# Their flags lie in memory, where a filter cannot look; with ENOSYS the C library falls back to the older call.
_NOT_IMPLEMENTED: dict[str, _Numbers] = {"clone3": (435, 435), "openat2": (437, 437)}
_SIGNALS: dict[str, _Numbers] = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}
_NEW_NAMESPACES = 0x7E020000
_OPEN_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_LOAD, _EQUAL, _GREATER_OR_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def seccomp_program(*, machine: str, may_write: bool, may_fork: bool, own_pid: int | None) -> bytes:
    """The classic BPF program to install, as the kernel's array of `sock_filter`.

    `own_pid` is the only process that may be signalled; None where something else keeps signals inside.
    """
    column, audit_number = _ARCHITECTURES[machine]
    deny = _ERRNO | errno.EPERM

    def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    def always(calls: dict[str, _Numbers], answer: int) -> Iterator[bytes]:
        for numbers in calls.values():
            number = numbers[column]
            if number is not None:
                yield instruction(_EQUAL, number, 0, 1) + instruction(_RETURN, answer)

    def where(numbers: _Numbers, argument: int, test: int, value: int, *, deny_if: bool) -> bytes:
        number = numbers[column]
        if number is None:
            return b""
        return b"".join(
            (
                instruction(_EQUAL, number, 0, 4),
                instruction(_LOAD, 16 + 8 * argument),  # low half of the argument, on a little-endian machine
                instruction(test, value, 0 if deny_if else 1, 1 if deny_if else 0),
                instruction(_RETURN, deny),
                instruction(_RETURN, _ALLOW),
            )
        )

    parts = [
        instruction(_LOAD, 4) + instruction(_EQUAL, audit_number, 1, 0) + instruction(_RETURN, _KILL_PROCESS),
        instruction(_LOAD, 0),
    ]
    if machine == "x86_64":  # the x32 ABI has the same calls under other numbers
        parts.append(instruction(_GREATER_OR_EQUAL, 0x40000000, 0, 1) + instruction(_RETURN, deny))
    parts += always(_DENIED, deny)
    parts += always(_NOT_IMPLEMENTED, _ERRNO | errno.ENOSYS)
    parts.append(where((302, 261), 0, _EQUAL, 0, deny_if=False))  # prlimit64: only on itself
    if may_fork:
        parts.append(where((56, 220), 0, _ANY_BIT, _NEW_NAMESPACES, deny_if=True))
    else:
        parts += always(_STARTS_PROCESSES, deny)
    if not may_write:
        parts += always(_CHANGES_FILES, deny)
        parts.append(where((2, None), 1, _ANY_BIT, _OPEN_FOR_WRITING, deny_if=True))  # open
        parts.append(where((257, 56), 2, _ANY_BIT, _OPEN_FOR_WRITING, deny_if=True))  # openat
    if own_pid is not None:
        parts += [where(numbers, 0, _EQUAL, own_pid, deny_if=False) for numbers in _SIGNALS.values()]
    return b"".join(parts) + instruction(_RETURN, _ALLOW)


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _install_seccomp(program: bytes) -> None:
    fprog = _SockFprog(len(program) // 8, program)
    _check(_libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(fprog), 0, 0), "seccomp filter")


def _has_seccomp() -> bool:
    if platform.machine() not in _ARCHITECTURES:
        return False
    # With filters compiled in, the kernel gets as far as looking at the null pointer.
    _libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(2), None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT


# ---------------------------------------------------------------------------------------------------------------
# Landlock: which paths a process may still reach.

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1, 2, 4, 8, 1 << 14
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ_ONLY = _EXECUTE | _READ_FILE | _READ_DIR


def _landlock_abi() -> int:
    """Version of the kernel's Landlock interface, 0 where it has none."""
    try:
        return _syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    except OSError:
        return 0


def _landlock_ruleset(abi: int, readable: list[str], writable: list[str]) -> int:
    """A ruleset descriptor: `readable` paths to read and execute, `writable` ones for everything, nothing else."""
    rights = (1 << 13) - 1
    if abi >= 2:
        rights |= 1 << 13  # moving a file to another folder
    if abi >= 3:
        rights |= _TRUNCATE
    if abi >= 5:
        rights |= 1 << 15  # device control
    network = 3 if abi >= 4 else 0  # TCP bind and connect
    scoped = 3 if abi >= 6 else 0  # abstract sockets and signals stay inside
    sizes = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}
    attributes = struct.pack("QQQ", rights, network, scoped)[: sizes.get(abi, 24)]
    ruleset = _syscall(LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    for paths, access in ((readable, _READ_ONLY), (writable, rights)):
        for path in paths:
            try:
                descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # not every machine has a /lib64
            allowed = access if Path(path).is_dir() else access & _FILE_RIGHTS & rights
            rule = struct.pack("=Qi", allowed, descriptor)
            _syscall(LANDLOCK_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0))
            os.close(descriptor)
    return ruleset


# ---------------------------------------------------------------------------------------------------------------
# Namespaces.


def _enter_namespaces() -> bool:
    """Move into new mount, PID, network and IPC namespaces and become their process 1; False where refused.

    The process that called stays outside, waits and exits as the inner one does.
    """
    user, group = os.geteuid(), os.getegid()
    wanted = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC
    attempts = [wanted] if user == 0 else []
    attempts.append(wanted | CLONE_NEWUSER)
    for flags in attempts:
        if _libc.unshare(ctypes.c_int(flags)) == 0:
            break
    else:
        return False
    if flags & CLONE_NEWUSER:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    inner = os.fork()
    if inner:
        _, status = os.waitpid(inner, 0)
        os._exit(0 if status == 0 else 1)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):  # in some containers; what else the sandbox does then hides the outer processes
        _mount(b"none", "/", b"", MS_REC | MS_PRIVATE)
        _mount(b"proc", "/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    return True


def _make_all_mounts_read_only() -> None:
    attributes = struct.pack("QQQQ", 1, 0, 0, 0)  # MOUNT_ATTR_RDONLY
    recursive = ctypes.c_uint(0x8000)
    with contextlib.suppress(OSError):  # Linux before 5.12; file permissions hold all the same
        _syscall(442, ctypes.c_int(-100), b"/", recursive, attributes, ctypes.c_size_t(len(attributes)))


# ---------------------------------------------------------------------------------------------------------------
# One confinement, worked out once and put on by every program.


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What a forked child does to itself before it runs a program."""

    limits: dict[str, Any]
    may_write: bool
    folder: str | None  # the only folder that may be written, also the working directory
    user: int | None  # numeric user to become; None to stay
    seccomp: bool
    ruleset: int | None  # Landlock's descriptor
    in_namespaces: bool
    signals_contained: bool  # by another layer than seccomp
    keep_reading_rights: bool  # the interpreter lies in a folder that only root may enter
    other_processes: int  # processes of this user outside the sandbox that RLIMIT_NPROC would count

    @property
    def may_fork(self) -> bool:
        return bool(self.limits["num_processes"] > 1)

    def put_on(self, ruleset: int | None) -> None:
        """Give up every right that the program shall not have; OSError if the kernel refuses any step.

        `ruleset` is where the descriptor lies in this process; it is closed.
        """
        limits = self.limits
        cpu_s = math.ceil(limits["cpu_s"]) + 1  # the warden stops it to the hundredth; this is for its death
        # Also for root this is exact: it has become a user that owns no other process. 0 refuses any fork.
        processes = limits["num_processes"] + self.other_processes if self.may_fork else 0
        _lower_limit(resource.RLIMIT_CPU, cpu_s)
        _lower_limit(resource.RLIMIT_AS, limits["memory_bytes"])
        _lower_limit(resource.RLIMIT_FSIZE, limits["file_bytes"] if self.may_write else 0)
        _lower_limit(resource.RLIMIT_NOFILE, limits["open_files"])
        _lower_limit(resource.RLIMIT_CORE, 0)
        _lower_limit(resource.RLIMIT_MEMLOCK, 0)
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        if ruleset is not None:
            _syscall(LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0))
            os.close(ruleset)
        kept = 0
        if self.user is not None:
            if self.keep_reading_rights:
                kept = 1 << CAP_DAC_READ_SEARCH
                _prctl(PR_SET_KEEPCAPS, 1)
            os.setgroups([])
            os.setresgid(self.user, self.user, self.user)
            os.setresuid(self.user, self.user, self.user)
        _lower_limit(resource.RLIMIT_NPROC, processes)
        _keep_capabilities(kept)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which clears it
        if self.seccomp:
            program = seccomp_program(
                machine=platform.machine(),
                may_write=self.may_write,
                may_fork=self.may_fork,
                own_pid=None if self.may_fork and self.signals_contained else os.getpid(),
            )
            _install_seccomp(program)


def _lower_limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _keep_capabilities(kept: int) -> None:
    number = 126 if platform.machine() == "x86_64" else 91
    header = struct.pack("Ii", 0x20080522, 0)
    _syscall(number, header, struct.pack("6I", kept, kept, kept, 0, 0, 0))
    if kept:
        _prctl(PR_CAP_AMBIENT, 2, CAP_DAC_READ_SEARCH)  # so that it survives the exec of a command


def _interpreter_paths() -> list[str]:
    paths = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.realpath(sys.executable)}
    if sys.base_prefix not in ("/", "/usr"):
        paths.add(f"{sys.base_prefix}/lib")
    system = (
        "/lib /lib64 /usr/lib /usr/lib64 /usr/local/lib /etc/ld.so.cache /etc/localtime /usr/share/zoneinfo "
        "/dev/null /dev/zero /dev/urandom /dev/random"
    )
    return sorted(paths) + system.split()


def _open_to_all(path: str) -> bool:
    """Whether any user may reach and read `path`."""
    resolved = Path(path).resolve()
    may_read = resolved.stat().st_mode & 0o004
    return bool(may_read) and all(parent.stat().st_mode & 0o001 for parent in resolved.parents)


def _free_user() -> int | None:
    """A numeric user that owns no process and no file, or None where this process may not change its user."""
    for user in (1 << 30 | os.getpid() & 0xFFFFFF, 60_000 + os.getpid() % 5_000):
        probe = os.fork()
        if probe == 0:
            try:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            except OSError:
                os._exit(1)
            os._exit(0)
        if os.waitpid(probe, 0)[1] == 0:
            return user
    return None


def _processes_of(user: int) -> int:
    count = 0
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and process.stat().st_uid == user:
                count += sum(1 for _ in (process / "task").iterdir())
    return count


class RefusedError(Exception):
    """This machine cannot confine a program well enough; the message says what is missing."""


def _prepare(request: dict[str, Any]) -> tuple[Confinement, dict[str, Any]]:
    """The confinement of this request, and the layers in force as they are reported."""
    without, limits, folder = request["without"], request["limits"], request["folder"]
    is_root = os.geteuid() == 0
    # Before the new namespaces, where they would be out of sight.
    others = 0 if is_root or limits["num_processes"] == 1 else _processes_of(os.geteuid())
    user = _free_user() if is_root else None
    namespaces = request["in_namespaces"] or ("namespaces" not in without and _enter_namespaces())
    seccomp = "seccomp" not in without and _has_seccomp()
    abi = 0 if "landlock" in without else _landlock_abi()
    if not (namespaces or seccomp):
        raise RefusedError(
            "this kernel offers neither seccomp filters (CONFIG_SECCOMP_FILTER on x86_64 or aarch64) nor new "
            "namespaces (unshare is refused, bubblewrap is absent or fails), so nothing would keep a program from "
            "the network"
        )
    if is_root and user is None and (limits["num_processes"] > 1 or not seccomp):
        raise RefusedError(
            "running as root without the right to change user (CAP_SETUID), so the number of processes "
            "cannot be limited; run as an ordinary user, or with num_processes=1 on a kernel with seccomp"
        )
    if namespaces and folder is not None:
        with contextlib.suppress(OSError):  # under bubblewrap there is no right to mount; the plain folder serves
            options = f"size={limits['folder_bytes']},nr_inodes=4096,mode=700"
            _mount(b"tmpfs", folder, b"tmpfs", MS_NOSUID | MS_NODEV, options.encode())
    readable = _interpreter_paths() + request["readable"]
    ruleset = None
    if abi:
        ruleset = _landlock_ruleset(abi, readable, [folder, "/dev/null"] if folder else [])
    elif namespaces:
        _make_all_mounts_read_only()
        if folder is not None:
            with contextlib.suppress(OSError):
                _mount(b"", folder, b"", 32 | MS_NOSUID | MS_NODEV)  # MS_REMOUNT: this one stays writable
    shut = [path for path in readable if Path(path).exists() and not _open_to_all(path)]
    if shut and user is not None and not abi:
        raise RefusedError(
            f"only root may read {shut[0]}, and without Landlock a program that gave up root cannot be let in there "
            "alone; use an interpreter that lies where all may read, or run as an ordinary user"
        )
    confinement = Confinement(
        limits=limits,
        may_write=folder is not None,
        folder=folder,
        user=user,
        seccomp=seccomp,
        ruleset=ruleset,
        in_namespaces=namespaces,
        signals_contained=namespaces or user is not None or abi >= 6,
        keep_reading_rights=bool(user is not None and shut),
        other_processes=0 if namespaces else others,
    )
    layers = {
        "seccomp": seccomp,
        "landlock": abi,
        "namespaces": namespaces,
        "own_user": user is not None,
        "bubblewrap": request["in_namespaces"],
    }
    return confinement, layers


# ---------------------------------------------------------------------------------------------------------------
# Running one program, in the forked child.


def _run_source(source: str) -> None:
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    exec(compile(source, "<program>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - confined by now


def _finish(error: BaseException | None) -> NoReturn:
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
    elif error is not None:
        code = 1
        with contextlib.suppress(OSError):
            os.write(REPORT, type(error).__name__.encode("utf-8", "replace")[:200])
        traceback.print_exception(error, limit=-20)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)


def _become(
    descriptors: dict[int, int], confinement: Confinement, job: dict[str, Any], span: list[int], source_fd: int
) -> NoReturn:
    """Turn this forked child into the program. `descriptors` is {number in the program: number here}."""
    report = descriptors[REPORT]
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if job["argv"] is not None:  # Python ignores these two; other programs expect them
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.setsid()
        text = os.pread(source_fd, span[1], span[0])
        high = {target: _moved_up(number) for target, number in descriptors.items()}  # out of the way of 0 to 6
        ruleset = None if confinement.ruleset is None else _moved_up(confinement.ruleset)
        for target, number in high.items():
            os.dup2(number, target, inheritable=target != REPORT)
        report = REPORT
        for number in set(range(REPORT)) - set(descriptors):
            with contextlib.suppress(OSError):
                os.close(number)
        free = REPORT + 1
        if ruleset is not None:
            ruleset = os.dup2(ruleset, free, inheritable=False)
        os.closerange(free + (ruleset is not None), 4096)
        os.chdir(confinement.folder or "/")
        os.umask(0o077)
        os.environ.clear()
        random.seed(0)
        confinement.put_on(ruleset)
    except BaseException as error:  # noqa: BLE001 - of any kind: the warden must hear of it, and nothing may run
        os.write(report, f"!{error!r}".encode())
        os._exit(70)
    os.write(REPORT, READY)
    if job["argv"] is not None:
        try:
            os.execve(job["argv"][0], job["argv"], _environment(confinement.folder or "/"))  # noqa: S606 - no shell on purpose
        except OSError as error:
            os.write(2, f"cannot start {job['argv'][0]}: {error}\n".encode())
            os._exit(127)
    sys.argv[:] = ["program.py"]
    try:
        _run_source(text.decode("utf-8", "surrogatepass"))
    except BaseException as error:  # noqa: BLE001 - whatever an untrusted program raises is its result
        _finish(error)
    _finish(None)


def _environment(folder: str) -> dict[str, str]:
    return {"HOME": folder, "TMPDIR": folder, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


def _moved_up(descriptor: int) -> int:
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 100)


# ---------------------------------------------------------------------------------------------------------------
# Watching it, in the warden.


@dataclass
class Child:
    """A running program as the warden sees it."""

    pid: int
    pipes: dict[int, int]  # number in the program -> the warden's read end
    heard: dict[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray(), REPORT: bytearray()})
    stopped_for: str | None = None  # why the warden killed it: timeout, output, or done when its partner had finished
    exit_status: int | None = None  # as wait gives it; None while it runs
    cpu_s: float = 0.0

    def cpu_used(self) -> float:
        """CPU seconds so far."""
        return time.clock_gettime(~self.pid << 3 | 2)  # the kernel's clock id for the CPU time of another process

    def stop(self, reason: str) -> None:
        """Kill it, if it still runs."""
        if self.exit_status is None:
            self.stopped_for = self.stopped_for or reason
            os.kill(self.pid, signal.SIGKILL)  # not yet collected, so the number is still its own


def _write_files(confinement: Confinement, files: dict[str, list[int]], source_fd: int) -> None:
    """Fill the fresh folder before anything untrusted runs in it, so no path in it can be a trap."""
    folder = confinement.folder
    if folder is None:
        return
    for path, (offset, length) in files.items():
        target = Path(folder, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(os.pread(source_fd, length, offset))
    if confinement.user is not None:
        for path_inside in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path_inside, confinement.user, confinement.user)


def _spawn(
    confinement: Confinement, job: dict[str, Any], span: list[int], source_fd: int, extra: dict[int, int]
) -> Child:
    stdin = os.memfd_create("stdin")
    os.write(stdin, os.pread(source_fd, job["stdin"][1], job["stdin"][0]))
    os.lseek(stdin, 0, os.SEEK_SET)
    ends = {number: os.pipe() for number in (1, 2, REPORT)}
    pid = os.fork()
    if pid == 0:
        descriptors = {0: stdin, **{number: write for number, (_, write) in ends.items()}, **extra}
        _become(descriptors, confinement, job, span, source_fd)
    os.close(stdin)
    for read, write in ends.values():
        os.close(write)
        os.set_blocking(read, False)
    return Child(pid=pid, pipes={number: read for number, (read, _) in ends.items()})


def _run_job(confinement: Confinement, job: dict[str, Any], source_fd: int, wake: int) -> list[dict[str, Any]]:
    """What became of the program and, where it has one, of its partner."""
    started = time.monotonic()
    children = []
    if job["partner"] is None:
        children.append(_spawn(confinement, job, job["source"], source_fd, {}))
    else:
        (a_reads, b_writes), (b_reads, a_writes) = os.pipe(), os.pipe()
        for span, read, write in ((job["source"], a_reads, a_writes), (job["partner"], b_reads, b_writes)):
            children.append(_spawn(confinement, job, span, source_fd, {PARTNER_READ: read, PARTNER_WRITE: write}))
        for number in (a_reads, b_writes, b_reads, a_writes):
            os.close(number)
    _watch(children, confinement, started, wake)
    return [_told(child, confinement.limits, time.monotonic() - started) for child in children]


def _watch(children: list[Child], confinement: Confinement, started: float, wake: int) -> None:
    """Return when every child is dead, its descendants are dead, and all it wrote is read."""
    limits = confinement.limits
    # Several threads spend CPU time several times as fast.
    speed = (os.cpu_count() or 1) if confinement.may_fork else 1
    selector = selectors.DefaultSelector()
    selector.register(wake, selectors.EVENT_READ, None)
    for child in children:
        for number, pipe in child.pipes.items():
            selector.register(pipe, selectors.EVENT_READ, (child, number))
    while len(selector.get_map()) > 1 or any(child.exit_status is None for child in children):
        if children[0].exit_status is not None:
            for partner in children[1:]:
                partner.stop("done")
        wall_left = limits["wall_s"] - (time.monotonic() - started)
        pause = max(wall_left, 0.0)
        for child in children:
            if child.exit_status is None:
                cpu_left = limits["cpu_s"] - child.cpu_used()
                if min(cpu_left, wall_left) <= 0:
                    child.stop("timeout")
                pause = min(pause, max(cpu_left, 0.0) / speed)
        for key, _ in selector.select(pause + 0.002):  # a little late rather than many times too early
            if key.data is None:
                os.read(wake, 4096)
            else:
                _read(selector, *key.data, most=limits["output_bytes"])
        if _reap(children) and all(child.exit_status is not None for child in children):
            _sweep(confinement)  # what is left holds the pipes open
    selector.close()


def _read(selector: selectors.BaseSelector, child: Child, number: int, *, most: int) -> None:
    data = os.read(child.pipes[number], 65536)
    heard = child.heard[number]
    heard += data[: most + 1 - len(heard)]
    if not data:
        selector.unregister(child.pipes[number])
        os.close(child.pipes[number])
    elif len(heard) > most:
        child.stop("output")
        child.stopped_for = child.stopped_for or "output"  # also where it ended before all was read


def _reap(children: list[Child]) -> bool:
    """Collect the dead: children, and orphans that came to the warden. Whether there was one."""
    any_dead = False
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return any_dead
        if pid == 0:
            return any_dead
        any_dead = True
        for child in children:
            if child.pid == pid:
                child.exit_status = status
                child.cpu_s = usage.ru_utime + usage.ru_stime


def _sweep(confinement: Confinement) -> None:
    """Kill and collect all that the programs left behind, daemons too."""
    while True:
        if confinement.may_fork:
            _kill_the_rest(confinement)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _kill_the_rest(confinement: Confinement) -> None:
    if confinement.in_namespaces:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # all in this PID namespace but the warden
    elif confinement.user is not None:
        killer = os.fork()
        if killer == 0:
            os.setresuid(confinement.user, confinement.user, confinement.user)
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # all of this user, in one system call that no fork can outrun
            os._exit(0)
        os.waitpid(killer, 0)
    else:
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _descendants(ancestor: int) -> list[int]:
    """All processes below `ancestor`; orphans count too, because the warden adopts them."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                # "pid (name) state parent ...": the name may hold spaces and brackets.
                parent = int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(process.name))
    found, todo = [], [ancestor]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _told(child: Child, limits: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """The outcome of a dead child, as `sandbox.py` reads it."""
    assert child.exit_status is not None, "told before it was collected"
    code = os.waitstatus_to_exitcode(child.exit_status)
    report = bytes(child.heard[REPORT])
    error = report[1:].decode("utf-8", "replace") or None
    if child.stopped_for == "done":
        status = "ok"
    elif child.stopped_for is not None:
        status = child.stopped_for
    elif not report.startswith(READY) and code == 70:
        raise RuntimeError(f"a program could not be confined: {error}")
    elif code == -signal.SIGXCPU or (code == -signal.SIGKILL and child.cpu_s >= limits["cpu_s"]):
        status = "timeout"
    elif code == -signal.SIGKILL:
        status = "killed"
    elif error == "MemoryError":
        status = "memory"
    else:
        status = "crash" if code else "ok"
    return {
        "status": status,
        "exit_code": code if child.stopped_for is None else None,
        "error": error,
        "stdout": base64.b64encode(child.heard[1][: limits["output_bytes"]]).decode(),
        "stderr": base64.b64encode(child.heard[2][: limits["output_bytes"]]).decode(),
        "seconds": wall_s,
        "cpu_s": child.cpu_s,
    }


def main() -> None:
    """Answer the request on descriptor 0."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    source_fd, answer_fd = _moved_up(0), _moved_up(1)
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)

    def answer(line: object) -> None:
        data = json.dumps(line).encode() + b"\n"
        while data:
            data = data[os.write(answer_fd, data) :]

    where, length = struct.unpack("<QQ", os.pread(source_fd, 16, 0))
    request = json.loads(os.pread(source_fd, length, where))
    try:
        confinement, layers = _prepare(request)
    except RefusedError as refusal:
        answer({"refused": str(refusal)})
        return
    answer(layers)
    if any(job["argv"] is None for job in request["jobs"]):
        for name in PRELOADED.split():
            importlib.import_module(name)
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler has to exist for the wake-up to be written
    signal.set_wakeup_fd(woken)
    _prctl(PR_SET_DUMPABLE, 0)  # same user or not, no program looks into this process
    gc.freeze()
    for job in request["jobs"]:
        _write_files(confinement, job["files"], source_fd)
        answer({"children": _run_job(confinement, job, source_fd, wake)})


if __name__ == "__main__":
    main()
