"""Identity: row ids, and the fingerprint that says whether a step's work can be reused.

A fingerprint covers what bears on the result (settings, code, data files, schemas, versions of the distributions a
step declares) and leaves out where it runs. What cannot be hashed the same way twice is refused, never guessed.
"""

import ast
import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from themis_data.lookup import SHIPPED, shipped_folder

# Packages whose code shapes what a step computes; the engine and the command line only move rows.
_SHAPING = (
    "themis_data.stages",
    "themis_data.sources",
    "themis_data.llm",
    "themis_data.benchmark_index",
    "themis_data.upstream",
    "themis_data.code",
    "themis_data.criteria",
    "themis_data.text",
    "themis_data.publish.layouts",
)
_DATA_SUFFIXES = (".yaml", ".j2", ".txt")

WHERE_IT_RUNS = "where_it_runs"


def where_it_runs(default: Any) -> Any:
    """A dataclass field that says where a step runs (workers, paths, limits of patience), never what it computes."""
    if isinstance(default, list | dict | set):
        raise TypeError("a default must be immutable")
    return dataclasses.field(default=default, metadata={WHERE_IT_RUNS: True})


def digest(value: Any) -> str:
    """32 hex digits (blake2b-128) of a value made of JSON types, tuples and dataclasses.

    Raises TypeError for anything else: a `str()` of an unknown object could change between runs.
    """
    text = json.dumps(_canonical(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _canonical(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"only text keys can be fingerprinted, found {sorted(map(repr, value))}")
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_canonical(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        identity = {"identity": _canonical(value.identity())} if hasattr(value, "identity") else {}
        return {"class": type(value).__name__, **settings_that_matter(value), **identity}
    raise TypeError(f"cannot fingerprint a {type(value).__name__}: {value!r}; use JSON types, tuples or dataclasses")


def settings_that_matter(config: Any) -> dict[str, Any]:
    """The settings of a step that bear on its result, as JSON types."""
    return {
        field.name: _canonical(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if not field.metadata.get(WHERE_IT_RUNS)
    }


def row_id(*fields: str) -> str:
    """32 hex digits: blake2b-128 over the UTF-8 fields, each behind its length in 8 bytes.

    The lengths keep ("ab", "c") and ("a", "bc") apart.
    """
    state = hashlib.blake2b(digest_size=16)
    for field in fields:
        data = field.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def uniform(seed: int, *fields: str) -> float:
    """A number in [0, 1) that depends on the seed and the fields alone: every random choice is drawn from it."""
    return int(row_id(str(seed), *fields)[:13], 16) / float(1 << 52)


def pair_id(parents: Sequence[str], criterion: str, chosen: str, rejected: str) -> str:
    """Row id of a preference pair; the prompt is no part of it, so a pair keeps its id when its prompt is rewritten."""
    return row_id(",".join(parents), criterion, chosen, rejected)


@cache
def code_digest(module: str) -> str:
    """Digest of the syntax trees, without docstrings, of a module and of the shaping modules it imports.

    Data files (YAML, templates) of every imported package count too, and shipped files that a module names: they are
    code to whoever reads them.
    """
    seen: dict[str, Any] = {}
    _collect(module, seen)
    return digest(seen)


def _collect(module: str, seen: dict[str, Any]) -> None:
    if module in seen or not module.startswith(_SHAPING):
        return
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return
    path = Path(spec.origin)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    _drop_docstrings(tree)
    seen[module] = ast.dump(tree)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    if package not in ("themis_data", "themis_data.stages", "themis_data.sources"):
        for file in sorted(path.parent.rglob("*")):
            if file.suffix in _DATA_SUFFIXES:
                name = f"{package}:{file.relative_to(path.parent).as_posix()}"
                seen[name] = _digest_of(file)
    seen |= {f"shipped:{name}": content for name, content in _shipped(tree).items()}
    for name in sorted(_imports(tree)):
        _collect(name, seen)


def _shipped(tree: ast.AST) -> dict[str, str]:
    """Digests of the shipped files a module reads: those it names, of a folder that it asks `shipped_folder` for."""
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "shipped_folder"
    ]
    folders = [text for call in calls for text in _texts(call)]
    names = [text for text in _texts(tree) if text.endswith(_DATA_SUFFIXES)]
    files = {f"{folder}/{name}": shipped_folder(folder) / name for folder in folders for name in names}
    return {name: _digest_of(path) for name, path in sorted(files.items()) if path.is_file()}


def _texts(tree: ast.AST) -> list[str]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _digest_of(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


class FileStamp(NamedTuple):
    """A file, and what tells that it is another one: the key of a cache of what was read from it."""

    path: Path
    size: int  # bytes
    time_ns: int  # of its last change


def file_stamp(path: Path) -> FileStamp:
    """Raises OSError where there is no such file."""
    found = path.stat()
    return FileStamp(path, found.st_size, found.st_mtime_ns)


def model_digest(path: Path) -> str:
    """Digest of a file that may be large, such as a model; read again only when its size or time changed."""
    return _model_digest(file_stamp(path))


@cache
def _model_digest(stamp: FileStamp) -> str:
    with stamp.path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()


def _imports(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name.startswith(_SHAPING) and importlib.util.find_spec(node.module) is not None:
                    if _is_module(name):
                        yield name


def _is_module(name: str) -> bool:
    parent, _, leaf = name.rpartition(".")
    spec = importlib.util.find_spec(parent)
    if spec is None or not spec.submodule_search_locations:
        return False
    return any(
        (Path(place) / f"{leaf}.py").is_file() or (Path(place) / leaf / "__init__.py").is_file()
        for place in spec.submodule_search_locations
    )


def _drop_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
                if isinstance(node.body[0].value.value, str):
                    node.body[0] = ast.Pass()


@cache
def distribution_version(name: str) -> str:
    """Installed version of a distribution, or `absent`."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


@cache
def code_state(root: Path = Path(__file__).parent.parent) -> dict[str, str | bool | None]:
    """Which code runs: `commit` of its checkout, and whether that `is_dirty`; null for an installed package.

    Dirty is a checkout with changed or new files among what shapes rows, and one that git cannot answer for. Records of
    published versions do not count: publishing writes them.
    """
    if not (root / ".git").exists():
        return {"commit": None, "is_dirty": None}
    shaping = ("themis_data", *SHIPPED, ":(exclude)manifests/datasets")
    try:
        commit = _git(root, "rev-parse", "--verify", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *shaping)
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "is_dirty": True}
    return {"commit": commit, "is_dirty": bool(changed)}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True, timeout=60)
    return done.stdout.decode("utf-8", "replace").strip()


def step_fingerprint(config: Any) -> str:
    """Digest of everything about one step that bears on its rows.

    `config` is a stage or source: a frozen dataclass with `version`, the schemas it `reads` and `writes`, and where it
    has them `distributions` (names of distributions whose version shapes the result) and `identity()` (what only the
    running machine knows, for example which grammars `auto` stands for).
    """
    cls = type(config)
    identity = config.identity() if hasattr(config, "identity") else {}
    schemas = {getattr(config, "reads", None), config.writes, *getattr(config, "also_writes", ())} - {None}
    return digest(
        {
            "name": cls.__module__,
            "version": config.version,
            "settings": settings_that_matter(config),
            "code": code_digest(cls.__module__),
            "distributions": {name: distribution_version(name) for name in getattr(config, "distributions", ())},
            "schemas": {name: _digest_of(shipped_folder("schemas") / f"{name}.yaml") for name in sorted(schemas)},
            "identity": identity,
        }
    )
