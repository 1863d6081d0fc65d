"""HTML to text: what a reader sees, and code to the byte."""

import pytest

from themis_data.text.markup import text_of_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain &amp; simple", "plain & simple"),
        ("<p>One\n  line.</p><p>Another.</p>", "One line.\n\nAnother."),
        ("<p>Use <code>a &lt; b</code> here.</p>", "Use `a < b` here."),
        ("<p>At most 10<sup>4</sup>.</p>", "At most 10^4."),
        ("<p>See:</p><ul><li>a</li><li>b</li></ul>", "See:\n\n- a\n- b"),
        ("a<br/>b", "a\nb"),
        (
            "<p>Try</p><pre><code>if x:\n    y  =  1\n\n\n\nz\n</code></pre><p>then.</p>",
            "Try\n\n```\nif x:\n    y  =  1\n\n\n\nz\n```\n\nthen.",
        ),
        ("<pre>a ``` b</pre>", "````\na ``` b\n````"),
        ("<pre><b>In:</b> 1", "```\nIn: 1\n```"),
        ("<script>alert(1)</script><style>p{}</style>seen<img src=x onerror=y>", "seen"),
        ('<a href="https://example.org">there</a>', "there"),
        ("1 < 2 and <unknown>3</unknown>", "1 < 2 and 3"),
        ("", ""),
    ],
)
def test_html_becomes_the_text_that_is_read(html, text):
    assert text == text_of_html(html)
