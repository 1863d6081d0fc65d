"""Renders the templates in `prompts/`. An undefined variable is an error, and code is data, never template."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import jinja2


class Messages(NamedTuple):
    """What a language model is told: its task, which is the same for many rows, and the row."""

    system: str
    user: str


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "prompts"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  the result is plain text, not HTML
    )


def render(template: str, **values: object) -> str:
    """The text of a template, without white space at its ends."""
    return _environment().get_template(f"{template}.j2").render(**values).strip()


def render_messages(template: str, **values: object) -> Messages:
    """The blocks `system` and `user` of a template, without white space at their ends."""
    found = _environment().get_template(f"{template}.j2")
    system, user = (
        "".join(found.blocks[block](found.new_context(dict(values)))).strip() for block in ("system", "user")
    )
    return Messages(system=system, user=user)
