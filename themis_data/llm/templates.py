"""Renders the templates in `prompts/`. An undefined variable is an error, and code is data, never template."""

from functools import cache
from pathlib import Path

import jinja2


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
