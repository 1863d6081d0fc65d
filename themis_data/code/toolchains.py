"""Runs a program of a language whose compiler or interpreter is installed, in the sandbox.

Java and C# are not among them: their machines want sockets and /proc before they run a line, which the sandbox refuses.
"""

import shlex
import signal
from dataclasses import dataclass, replace
from typing import Literal

from themis_data.code.language import Toolchain, by_name
from themis_data.code.sandbox import Limits, Outcome, run_command
from themis_data.errors import SandboxError

_NOT_BUILT = 125  # exit code of our own, told apart from the program's by what stands on stderr
_MARK = "themis: not built"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What became of a program: `not_built` where its compiler refused it, with the compiler's words on stderr."""

    status: Literal["ok", "crash", "timeout", "memory", "output", "killed", "not_built"]
    outcome: Outcome


def run_program(source: str, language: str, *, stdin: bytes = b"", cpu_s: float = 2.0, wall_s: float = 20.0) -> Ran:
    """Build and run one program, with limits on its time; building has its own of the same kind, ten times as long.

    Raises SandboxError where the language has no toolchain in its file, it is not installed, or nothing can be
    confined.
    """
    chain = by_name(language).toolchain
    if chain is None:
        raise SandboxError(f"programs in {language} cannot be run: its file in code/languages has no `toolchain`")
    limits = _limits(chain, cpu_s=cpu_s, wall_s=wall_s)
    outcome = run_command(
        ["/bin/sh", "-c", _script(chain, cpu_s)],
        stdin=stdin,
        files={chain.file: source.encode("utf-8", "surrogatepass")},
        limits=limits,
    )
    is_built = not (outcome.exit_code == _NOT_BUILT and outcome.stderr.rstrip().endswith(_MARK.encode()))
    if outcome.exit_code == 127 and b"not found" in outcome.stderr:
        raise SandboxError(f"programs in {language} cannot be run: install {chain.needs}")
    if not is_built:
        return Ran(status="not_built", outcome=outcome)
    is_late = outcome.exit_code == -signal.SIGXCPU
    return Ran(status="timeout" if is_late else outcome.status, outcome=outcome)


def _script(chain: Toolchain, cpu_s: float) -> str:
    """Commands of ours alone: the program is a file, and no text of it is on the command line."""
    run = f"exec {shlex.join(chain.command)}"
    if not chain.build:
        return run
    run = f"ulimit -St {max(1, round(cpu_s))}; {run}"
    refused = f"{{ cat build.log >&2; echo '{_MARK}' >&2; exit {_NOT_BUILT}; }}"
    return f"{shlex.join(chain.build)} >build.log 2>&1 </dev/null || {refused}; {run}"


def _limits(chain: Toolchain, *, cpu_s: float, wall_s: float) -> Limits:
    memory = chain.memory_mib * 2**20
    limits = Limits(cpu_s=cpu_s, wall_s=wall_s, memory_bytes=memory, num_processes=64, file_bytes=64 * 2**20)
    return replace(limits, cpu_s=10 * cpu_s, wall_s=10 * wall_s) if chain.build else limits
