"""Markdown out of templates, and text out of data made safe for it."""

from pathlib import Path

import jinja2


def render(template: Path, **values: object) -> str:
    """The text of a template (a file NAME.md.j2). What comes from data goes through the filter `cell` there."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  Markdown, not HTML
    )
    environment.filters["cell"] = cell
    return environment.get_template(template.name).render(**values)


def cell(text: object) -> str:
    """Text that cannot break out of a table cell or start markup."""
    plain = " ".join(str(text).split())  # also at a lone carriage return, which ends a line of Markdown
    for mark in ("\\", "|", "["):
        plain = plain.replace(mark, f"\\{mark}")
    return plain.replace("<", "&lt;").replace("`", "'")
