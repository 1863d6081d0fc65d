"""Names to files: a stage, source, schema, criterion or pipeline is the file of that name.

There is no registry. Adding a file adds the name; an unknown name is an error that offers the near ones.
"""

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Collection
from functools import cache
from pathlib import Path

from themis_data.errors import MissingExtra, UnknownName

# Folders that lie at the top of a checkout and inside the installed package.
SHIPPED = ("schemas", "pipelines", "manifests")


def shipped_folder(name: str) -> Path:
    """The folder `schemas`, `pipelines` or `manifests`, in the installed package or at the checkout's root."""
    if name not in SHIPPED:
        raise UnknownName(unknown("shipped folder", name, SHIPPED))
    package = Path(__file__).parent
    for folder in (package / "_shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise UnknownName(f"the folder {name!r} was not found beside or inside {package}; reinstall themis-data")


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """The sentence for an unknown name: what it was, the nearest known one, and all known ones."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"no {kind} named {name!r}.{hint}\nKnown: {', '.join(sorted(known)) or '(none)'}"


@cache
def known_modules(package: str) -> tuple[str, ...]:
    """Names of the public modules in `themis_data.PACKAGE`, sorted; nothing is imported but the package itself."""
    folder = importlib.import_module(f"themis_data.{package}")
    return tuple(sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if not m.name.startswith("_")))


def find(package: str, name: str, attribute: str) -> type:
    """The class that `themis_data/PACKAGE/NAME.py` offers as ATTRIBUTE (`STAGE`, `SOURCE`, `BACKEND`).

    Raises `UnknownName` when there is no such file, and `MissingExtra` when the file is there and something that it
    imports is not installed.
    """
    known = known_modules(package)
    if name not in known:
        raise UnknownName(unknown(package.removesuffix("s"), name, known))
    try:
        module = importlib.import_module(f"themis_data.{package}.{name}")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"themis_data/{package}/{name}.py needs the module {error.name!r}, which is not installed; "
            f"see 'Installation' in the README for the extra that has it"
        ) from error
    found: type = getattr(module, attribute)
    return found


def known_pipelines() -> tuple[str, ...]:
    """Names of the shipped pipelines of data, sorted; recipes of training stand beside them as reward_NAME."""
    names = (path.stem for path in shipped_folder("pipelines").glob("*.yaml"))
    return tuple(sorted(name for name in names if not name.startswith("reward_")))


def find_pipeline(name_or_path: str) -> Path:
    """The pipeline file: a shipped one by its bare name, any other by a path that ends in .yaml or .yml."""
    if name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        if not path.is_file():
            raise UnknownName(f"no pipeline file at {path}; a shipped pipeline is named without '.yaml'")
        return path
    known = {path.stem: path for path in shipped_folder("pipelines").glob("*.yaml")}
    if name_or_path not in known:
        raise UnknownName(unknown("pipeline", name_or_path, known))
    return known[name_or_path]
