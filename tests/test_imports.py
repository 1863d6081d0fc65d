"""Start-up: a fresh process loads nothing heavy until it is needed."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from builds import ENVIRONMENT

import themis_data

HEAVY = (
    "ray",
    "torch",
    "vllm",
    "transformers",
    "datasets",
    "pandas",
    "pyarrow",
    "polars",
    "pydantic",
    "numpy",
    "jinja2",
    "rich.progress",
)
_SAY = f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"


def loaded_by(code: str) -> list[str]:
    """Which heavy modules a fresh process has after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{_SAY}"],
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.rpartition("loaded:")[2].split()


def test_importing_the_package_loads_nothing_heavy():
    assert [] == loaded_by("import themis_data")


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [(["--help"], []), (["build", "--help"], ["pydantic"]), (["explain", "--help"], ["pydantic"])],
)
def test_help_loads_nothing_heavy(arguments, allowed):
    """typer itself loads pydantic, where it is installed, for the arguments of a subcommand."""
    code = f"""
sys.argv = ['themis', *{arguments!r}]
from themis_data.cli import main
try:
    main()
except SystemExit:
    pass
"""

    assert [] == [name for name in loaded_by(code) if name not in allowed]


@pytest.mark.parametrize("module", ["errors", "lookup", "yaml_file", "fingerprint", "manifest"])
def test_the_lowest_modules_load_nothing_heavy(module):
    assert [] == loaded_by(f"import themis_data.{module}")


def test_building_inline_does_not_load_ray():
    assert "ray" not in loaded_by(
        "import themis_data.build, themis_data.verify, themis_data.plan, themis_data.pipeline"
    )


def processor_seconds(*arguments: str) -> float:
    """The least of five runs of Python: what it computes, not how long it waits on a busy machine."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], env=ENVIRONMENT, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def test_help_costs_as_little_as_a_handful_of_standard_modules():
    """0.15 to 0.2 s, as the modules beside it; a ratio holds on slow and on busy machines too."""
    a_handful = "import asyncio, unittest.mock, http.client, xml.dom.minidom, sqlite3"

    assert processor_seconds("-m", "themis_data.cli", "--help") < 2 * processor_seconds("-c", a_handful)


def test_every_command_has_help():
    help_ = subprocess.run(
        [sys.executable, "-m", "themis_data.cli", "--help"],
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    assert [] == [
        word for word in ("plan", "build", "verify", "inspect", "show", "explain", "clean") if word not in help_.stdout
    ]


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Pythons 3.11.0 to 3.11.4, which distributions still ship, match such groups wrongly and say nothing; of one
    character or class, a possessive repeat is right everywhere."""
    group = re.compile(r"(?<!\\)\)(?:[*+?]|\{\d*,?\d*\})\+")
    package = Path(themis_data.__file__).parent
    files = [path for path in package.rglob("*") if path.suffix in (".py", ".yaml")]

    assert len(files) > 100
    assert [] == [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if group.search(line)
    ]
