"""YAML as people mean it: a key given twice is an error, only `true` and `false` are booleans, and dates stay text."""

import dataclasses
import re
from collections.abc import Callable, Collection, Hashable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from themis_data.errors import PipelineError
from themis_data.lookup import unknown


class _Loader(yaml.SafeLoader):
    """Safe YAML 1.1 with rules of YAML 1.2: `on`, `off`, `yes`, `no` and dates are text, and keys are unique."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: list[Any] = []  # a key need not be hashable; what is not is refused below
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise PipelineError(f"line {key_node.start_mark.line + 1}: written twice: {key}")
            seen.append(key)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))


def parse_yaml(text: str, where: str) -> Any:
    """Plain values. Raises PipelineError that names the place when it is no YAML or has a key twice."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    except yaml.YAMLError as error:
        raise PipelineError(f"{where}: not YAML: {error}") from error
    except PipelineError as error:
        raise PipelineError(f"{where}, {error}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping a file holds. Raises PipelineError when it is no YAML mapping or has a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PipelineError(f"{path}: not UTF-8: {error}") from error
    content = parse_yaml(text, str(path))
    if not isinstance(content, dict):
        raise PipelineError(f"{path}: expected a mapping at the top, found {type(content).__name__}")
    return content


def typed_value(hint: Any, value: Any, what: str) -> Any:
    """A plain value as a type hint has it. Raises PipelineError that names what it is and what was expected."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors())
        raise PipelineError(f"{what} is {value!r}: {problems}") from error


def only_keys(mapping: Any, allowed: Collection[str], where: str, kind: str = "key") -> None:
    """Raises PipelineError where this is no mapping, or has a key that is not among the allowed ones."""
    if not isinstance(mapping, Mapping):
        raise PipelineError(f"{where}: expected a mapping, found {mapping!r}")
    for key in mapping:
        if key not in allowed:
            raise PipelineError(f"{where}: " + unknown(kind, str(key), allowed))


def typed_settings(cls: type, settings: Any, where: str, convert: Callable[[Any, Any, str], Any] = typed_value) -> Any:
    """A settings dataclass out of plain values; `convert` makes of a hint, a value and what it is a value of that type.

    Raises PipelineError for what is unknown, of another type, missing, or refused by the class.
    """
    hints = get_type_hints(cls, include_extras=True)
    only_keys(settings, {one.name for one in dataclasses.fields(cls)}, where, "setting")
    values = {name: convert(hints[name], value, f"{where}: setting {name!r}") for name, value in settings.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise PipelineError(f"{where}: {error}") from error
