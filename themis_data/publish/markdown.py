"""Text out of data, made safe for Markdown."""


def cell(text: object) -> str:
    """Text that cannot break out of a table cell or start markup."""
    plain = " ".join(str(text).split())  # also at a lone carriage return, which ends a line of Markdown
    for mark in ("\\", "|", "["):
        plain = plain.replace(mark, f"\\{mark}")
    return plain.replace("<", "&lt;").replace("`", "'")
