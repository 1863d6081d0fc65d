"""What a language's own compiler says of a source's syntax: a second check beside tree-sitter, where it is installed.

A front end is a program of the system and, for some, a script beside this file. It only parses, and it runs in the
sandbox, for a compiler that reads hostile text is a program like any other.
"""

import hashlib
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from themis_data.code.language import by_name
from themis_data.code.sandbox import Limits, run_command
from themis_data.errors import MissingExtra, PipelineError

_FOLDER = Path(__file__).parent
_LIMITS = Limits(
    cpu_s=120.0,
    wall_s=300.0,
    memory_bytes=32 * 2**30,  # of address space, which some runtimes reserve by the gigabyte
    output_bytes=16 * 2**20,
    folder_bytes=256 * 2**20,
    open_files=256,
    num_processes=256,  # threads too
)


_READABLE = (Path("/etc/ssl/openssl.cnf"),)  # which node reads before anything else

# FILE:LINE:COLUMN: what is wrong, or FILE(LINE,COLUMN): what is wrong.
_COMPLAINT = re.compile(r"^(f\d+\.\w+)[:(]\d[\d:,]*[:)]+ *(?!\s|note|warning)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """How to ask a language's compiler about files, from the field `front_end` of its YAML file."""

    argv: Sequence[str]  # the command, before the files' names
    suffix: str  # of the files
    files: Mapping[str, bytes]  # what the command needs beside them


def rejected(sources: Sequence[bytes], language: str) -> list[bool]:
    """Whether the language's own front end finds a syntax error in each source.

    C and C++ are compiled without the headers of their project: what needs those counts as rejected. A source that
    brings the front end down is rejected too. Raises MissingExtra where it is not installed, PipelineError where the
    language has none, SandboxError where nothing can be confined.
    """
    front_end = _front_end(language)
    if not sources:
        return []
    names = [f"f{number}{front_end.suffix}" for number in range(len(sources))]
    files = dict(zip(names, sources, strict=True))
    outcome = run_command(
        [*front_end.argv, *names], files={**files, **front_end.files}, limits=_LIMITS, readable=_READABLE
    )
    if outcome.status not in ("ok", "crash") or (outcome.exit_code or 0) < 0:
        # One of them brought it down: ask about each half by itself.
        if len(sources) == 1:
            return [True]
        middle = len(sources) // 2
        return rejected(sources[:middle], language) + rejected(sources[middle:], language)
    said = (outcome.stdout + b"\n" + outcome.stderr).decode("utf-8", "replace")
    bad = set(_COMPLAINT.findall(said))
    return [name in bad for name in names]


def resolved(language: str) -> str:
    """A front end and the digest of its program, for the fingerprint of a step that asks it. Raises as `rejected`."""
    with open(_front_end(language).argv[0], "rb") as program:
        return f"{by_name(language).front_end[0]} {hashlib.file_digest(program, 'sha256').hexdigest()}"


def _front_end(language: str) -> FrontEnd:
    described = by_name(language).front_end
    if not described:
        raise PipelineError(f"{language} has no compiler front end to ask; see `front_end` in code/languages/*.yaml")
    program, *arguments = described
    found = sys.executable if program == "python" else shutil.which(program, path="/usr/bin:/bin")
    if found is None:
        raise MissingExtra(f"{program}, the front end of {language}, is not in /usr/bin; install it, or leave it out")
    scripts = [argument for argument in arguments if (_FOLDER / argument).is_file()]
    return FrontEnd(
        argv=(found, *arguments),
        suffix=by_name(language).extensions[0],
        files={script: (_FOLDER / script).read_bytes() for script in scripts},
    )
