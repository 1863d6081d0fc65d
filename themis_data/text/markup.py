"""Plain text out of HTML, with its code kept as it is."""

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    ("p", "div", "section", "article", "ul", "ol", "table", "tr", "blockquote", "dl", "dt", "dd", "hr")
) | {f"h{n}" for n in range(1, 7)}
_OPENS = {"br": "\n", "li": "\n- ", "code": "`", "tt": "`", "sup": "^", "td": " ", "th": " "}
_HIDDEN = frozenset(("script", "style", "title", "template"))
_TICKS = re.compile(r"`+")


def text_of_html(html: str) -> str:
    """The text as it reads, in Markdown where that keeps a meaning: blocks are apart by an empty line, list items begin
    with a hyphen, `<pre>` is fenced and kept to the byte, `<code>` in a sentence is in backticks, `10<sup>4</sup>` is
    10^4. Scripts, styles, pictures and addresses of links go.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._done: list[str] = []  # blocks of prose and of code, in order
        self._prose: list[str] = []
        self._code: list[str] | None = None  # inside <pre>
        self._hidden = 0

    def text(self) -> str:
        self._close_code() if self._code is not None else self._close_prose()
        return "\n\n".join(self._done)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif self._code is not None:
            self._code.append("\n" if tag == "br" else "")
        elif tag == "pre":
            self._close_prose()
            self._code = []
        else:
            self._prose.append("\n\n" if tag in _BLOCKS else _OPENS.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif self._code is None:
            self._prose.append("\n\n" if tag in _BLOCKS else "`" if tag in ("code", "tt") else "")
        elif tag == "pre":
            self._close_code()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._prose.append(re.sub(r"\s+", " ", data)) if self._code is None else self._code.append(data)

    def _close_prose(self) -> None:
        prose = re.sub(r" {2,}", " ", "".join(self._prose))
        prose = re.sub(r"\n{3,}", "\n\n", re.sub(r" *\n *", "\n", prose)).strip()
        self._prose = []
        if prose:
            self._done.append(prose)

    def _close_code(self) -> None:
        code = "".join(self._code or ()).strip("\n")
        self._code = None
        fence = "`" * max(3, 1 + max((len(ticks) for ticks in _TICKS.findall(code)), default=0))
        self._done.append(f"{fence}\n{code}\n{fence}")
