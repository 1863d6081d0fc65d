"""The language of code by its path and by its text, with and without the models."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from builds import ENVIRONMENT
from hypothesis import example, given, settings
from hypothesis import strategies as st

from themis_data.code import detection
from themis_data.code.detection import (
    UNKNOWN,
    Detected,
    Detector,
    ask_guesslang,
    ask_magika,
    c_or_cpp,
    detect,
    guesslang_probabilities,
    resolved,
)
from themis_data.code.language import all_languages
from themis_data.errors import MissingExtra

DETECTORS: list[Detector] = ["auto", "strict", "extension", "guesslang", "magika"]
PYTHON = b"import os\n\n\ndef sizes(folder):\n    return {name: os.stat(name).st_size for name in os.listdir(folder)}\n"
RUBY = b"class Cart\n  attr_reader :items\n\n  def total\n    items.map(&:price).sum\n  end\nend\n"
SHORT = b"int total = 0;\nfor (int n = 0; n < 3; n++)\n    total += n;\n"
C = b"#include <stdio.h>\n\nstatic int total;\n" + b"".join(
    b"\nint add_%d(int *all, int size)\n{\n    for (int n = 0; n < size; n++)\n        total += all[n];\n"
    b'    printf("%%d\\n", total);\n    return total;\n}\n' % n
    for n in range(3)
)
LONG = b"".join(
    b"\n\ndef total_%d(items):\n    return sum(item.price for item in items if item is not None)\n" % n
    for n in range(40)
)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As on a machine without a package: `without.setitem(sys.modules, NAME, None)`."""
    for opened in (detection._magika, detection._guesslang):
        opened.cache_clear()
    yield monkeypatch


# What TensorFlow 2.21 says of guesslang's own model, the three likeliest each.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "import os\n\n\ndef sizes(folder):\n"
            "    return {name: os.stat(name).st_size for name in os.listdir(folder)}\n",
            {"Python": 0.0785686, "YAML": 0.0429194, "INI": 0.0406179},
            id="python",
        ),
        pytest.param(
            "print([n * n for n in range(10)])\n",
            {"SQL": 0.0414377, "Markdown": 0.0326592, "Clojure": 0.0272111},
            id="python, one line",
        ),
        pytest.param(
            '#include <stdio.h>\n\nint main(int argc, char **argv)\n{\n    printf("%d\\n", argc);\n    return 0;\n}\n',
            {"C": 0.1221914, "C++": 0.0874019, "Objective-C": 0.0411573},
            id="c",
        ),
        pytest.param(
            "#ifndef BOX_H\n#define BOX_H\nstruct box { int width; };\nint box_width(const struct box *b);\n#endif\n",
            {"C": 0.1510261, "Batchfile": 0.0384769, "C++": 0.0366225},
            id="c header",
        ),
        pytest.param(
            "#include <vector>\n\ntemplate <typename T>\nT sum(const std::vector<T>& all) {\n"
            "  T total{};\n  for (auto& one : all) total += one;\n  return total;\n}\n",
            {"C++": 0.0707526, "Rust": 0.0492791, "TypeScript": 0.0463187},
            id="c++",
        ),
        pytest.param(
            "using System;\n\nnamespace Shop\n{\n    public class Cart\n    {\n"
            "        public decimal Total { get; private set; }\n    }\n}\n",
            {"C#": 0.2789372, "Java": 0.0526484, "Groovy": 0.0424540},
            id="c#",
        ),
        pytest.param(
            'package main\n\nimport "fmt"\n\nfunc main() {\n\tfor i := range 3 {\n\t\tfmt.Println(i)\n\t}\n}\n',
            {"Go": 0.4417873, "Kotlin": 0.0577688, "Groovy": 0.0414263},
            id="go",
        ),
        pytest.param(
            "package shop;\n\nimport java.util.List;\n\npublic final class Cart {\n"
            "    private final List<String> items;\n\n    Cart(List<String> items) {\n"
            "        this.items = items;\n    }\n}\n",
            {"Java": 0.3715596, "Dart": 0.1025097, "Kotlin": 0.0831171},
            id="java",
        ),
        pytest.param(
            "const fs = require('fs');\n\nmodule.exports = function read(path, done) {\n"
            "  fs.readFile(path, (error, data) => done(error, data));\n};\n",
            {"JavaScript": 0.3113399, "TypeScript": 0.1025144, "Matlab": 0.0505848},
            id="javascript",
        ),
        pytest.param(
            "class Cart\n  attr_reader :items\n\n  def total\n    items.map(&:price).sum\n  end\nend\n",
            {"Ruby": 0.1827813, "Elixir": 0.0558066, "Batchfile": 0.0504856},
            id="ruby",
        ),
        pytest.param(
            "fn main() {\n    let mut total = 0u32;\n    for n in 1..=3 {\n        total += n;\n    }\n"
            '    println!("{}", total);\n}\n',
            {"Rust": 0.3198293, "CSS": 0.0429358, "Groovy": 0.0340993},
            id="rust",
        ),
        pytest.param(
            "interface Item { price: number; name?: string }\n\n"
            "export const total = (items: Item[]): number => items.reduce((sum, item) => sum + item.price, 0);\n",
            {"TypeScript": 0.2993069, "Markdown": 0.0403119, "INI": 0.0323821},
            id="typescript",
        ),
        pytest.param(
            "<?php\nfunction total(array $items) {\n    return array_sum(array_column($items, 'price'));\n"
            "}\necho total($_POST['items']);\n",
            {"PHP": 0.3513918, "JavaScript": 0.0380081, "Shell": 0.0378679},
            id="php",
        ),
        pytest.param(
            '#!/bin/sh\nset -eu\nfor name in "$@"; do\n  if [ -f "$name" ]; then wc -c < "$name"; fi\ndone\n',
            {"Shell": 0.6293674, "Batchfile": 0.0405283, "YAML": 0.0234579},
            id="shell",
        ),
        pytest.param(
            "SELECT name, sum(price) AS total\nFROM items\nWHERE sold_at IS NOT NULL\nGROUP BY name\n"
            "ORDER BY total DESC;\n",
            {"SQL": 0.4232294, "Batchfile": 0.0388688, "INI": 0.0372758},
            id="sql",
        ),
        pytest.param(
            '{"name": "cart", "items": [{"price": 3, "sold": false}, {"price": 4, "sold": true}]}\n',
            {"JSON": 0.0740804, "YAML": 0.0616475, "Dart": 0.0537103},
            id="json",
        ),
        pytest.param(
            "# Cart\n\nAdds up the prices of *all* items:\n\n- fast\n- small\n\nSee [the manual](manual.md).\n",
            {"Markdown": 0.1149031, "YAML": 0.0546297, "SQL": 0.0498018},
            id="markdown",
        ),
        pytest.param(
            "The parcel came on a Tuesday, and nobody in the house knew who had sent it.\n",
            {"Batchfile": 0.0779342, "SQL": 0.0462539, "INI": 0.0456276},
            id="prose",
        ),
        pytest.param(
            "# Größe\nbreite = 'ü' * 3  # 宽度\nprint(breite)\n",
            {"Batchfile": 0.0544970, "R": 0.0429284, "Markdown": 0.0427984},
            id="beyond ascii",
        ),
        pytest.param(
            "x = 1\r\nif x:\r\n    print('one')\r\n",
            {"Groovy": 0.0439389, "Makefile": 0.0431430, "Batchfile": 0.0351162},
            id="carriage returns",
        ),
        pytest.param("int a;\x00int b;\n", {"SQL": 0.0435927, "CSS": 0.0398687, "Batchfile": 0.0365649}, id="a nul"),
        pytest.param("x", {"INI": 0.0417029, "Batchfile": 0.0412641, "SQL": 0.0350734}, id="one byte"),
        pytest.param("0123456789\n", {"INI": 0.0456156, "Batchfile": 0.0399052, "SQL": 0.0344771}, id="digits"),
        pytest.param("", {"INI": 0.0417029, "Batchfile": 0.0412641, "SQL": 0.0350734}, id="empty"),
    ],
)
def test_probabilities_are_those_of_the_original_model(text: str, expected: dict[str, float]) -> None:
    probabilities = guesslang_probabilities(text.encode())

    assert list(expected) == sorted(probabilities, key=probabilities.__getitem__, reverse=True)[:3]
    for name, probability in expected.items():
        assert pytest.approx(probability, abs=1e-6) == probabilities[name]
    assert pytest.approx(1.0) == sum(probabilities.values())


def test_guesslang_reads_ten_thousand_pairs_of_bytes() -> None:
    text = b"<a>" * 4_000

    assert guesslang_probabilities(text[:10_001]) == guesslang_probabilities(text)
    assert guesslang_probabilities(text[:10_000]) != guesslang_probabilities(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(PYTHON, "Python", id="far above the others"),
        pytest.param(b'fn main() {\n    println!("{}", 1u32);\n}\n', "Rust", id="a language that is not published"),
        pytest.param(b'{"name": "cart", "sold": false}\n', None, id="none of our languages"),
        pytest.param(b"   \n\t", None, id="blank"),
    ],
)
def test_guesslang_answers_by_its_own_rule(text: bytes, expected: str | None) -> None:
    assert expected == ask_guesslang(text).language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PYTHON, "Python"),
        (RUBY, "Ruby"),
        (b'Gem::Specification.new do |gem|\n  gem.name = "cart"\n  gem.files = Dir["lib/**/*.rb"]\nend\n', "Ruby"),
        (b"# Cart\n\nAdds up the prices of *all* items:\n\n- fast\n- small\n", None),
        (b"x", None),
        (b"", None),
    ],
)
def test_magikas_likeliest_content_is_a_language_or_unknown(text: bytes, expected: str | None) -> None:
    assert expected == ask_magika(text).language


def test_magika_has_a_label_for_every_language() -> None:
    labels = {str(label) for label in detection._magika().get_model_content_types()}

    assert set(all_languages()) == {name for label, name in detection._magika_labels().items() if label in labels}


# ---- paths


@pytest.mark.parametrize("detector", DETECTORS)
def test_an_extension_decides_whatever_the_text_says(detector: Detector) -> None:
    assert Detected("Ruby", 1.0) == detect(PYTHON, path="a.rb", detector=detector)


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_path_that_decides_needs_no_model(detector: Detector, without: pytest.MonkeyPatch) -> None:
    for name in ("guesslang", "magika"):
        without.setitem(sys.modules, name, None)

    assert "Go" == detect(b"", b"", path="a.go", detector=detector).language
    assert "C" == detect(b"int a;", path="a.h", detector=detector).language


def test_without_a_known_extension_nothing_but_the_text_can_tell() -> None:
    assert UNKNOWN == detect(PYTHON, path="script", detector="extension")
    assert "Python" == detect(PYTHON, path="script", detector="auto").language


@pytest.mark.parametrize(
    "text",
    [
        "class Box {\npublic:\n  int size() const { return size_; }\n};\n",
        "namespace box {\nint size();\n}\n",
        "template <typename T>\nT size(T box);\n",
        "#include <vector>\nint size();\n",
        'extern "C" int size();\n',
        "int a = std::max(1, 2);\n",
        "Box(const Box&) = delete;\n",
        "int *p = nullptr;\n",
        "for (auto& box : boxes) open(box);\n",
        "// a header\n#ifdef __cplusplus\nint a;\n#endif\nusing Box = int;\n",
        "enum class Side { left, right };\n",
        "struct A { virtual ~A(); };\n",
        "bool operator==(A a, A b);\n",
    ],
)
def test_words_that_only_cpp_has_make_a_header_cpp(text: str) -> None:
    assert "C++" == c_or_cpp(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "struct box { int size; };\nint box_size(const struct box *class);\n",
        "#include <stdio.h>\nint public, new;\n",
        '/* namespace box { */ // std::max\nchar *a = "std::max";\n',
        '#ifdef __cplusplus\nextern "C" {\n#endif\nint size(void);\n#ifdef __cplusplus\n}\n#endif\n',
        "#if defined(__cplusplus) && __cplusplus >= 201103L\n# define NIL nullptr\n#else\n# define NIL 0\n#endif\n",
        "int a = b ? c : d;\nswitch (a) { case 1: default: break; }\n",
        "int explicit, typename;\n",
        "",
        "/* never closed std::max",
    ],
)
def test_a_header_without_them_is_c(text: str) -> None:
    assert "C" == c_or_cpp(text.encode())


def test_one_version_with_such_words_is_enough() -> None:
    assert "C++" == detect(b"int a;\n", b"namespace b {\nint a;\n}\n", path="a.h").language


# ---- both models


def test_versions_in_two_languages_are_in_none() -> None:
    assert "Python" == detect(PYTHON, PYTHON + b"x = 1\n").language
    assert UNKNOWN == detect(PYTHON, RUBY)
    assert UNKNOWN == detect(PYTHON, b"")


def test_the_confidence_is_that_of_the_least_sure_version() -> None:
    assert min(detect(PYTHON).confidence, detect(PYTHON * 2).confidence) == detect(PYTHON, PYTHON * 2).confidence


def test_no_text_at_all_is_unknown() -> None:
    assert UNKNOWN == detect()


def test_auto_asks_guesslang_alone_where_that_is_very_sure(without: pytest.MonkeyPatch) -> None:
    without.setitem(sys.modules, "magika", None)

    assert "Python" == detect(LONG).language


def test_auto_takes_magikas_answer_where_guesslang_is_not_sure() -> None:
    assert ask_magika(PYTHON) == detect(PYTHON)
    assert 0.1 > guesslang_probabilities(PYTHON)["Python"]


def test_c_with_words_of_cpp_is_cpp_for_auto_and_in_doubt_for_strict() -> None:
    text = C + b"int last(void)\n{\n    return static_cast<int>(total);\n}\n"

    assert "C" == ask_magika(text).language
    assert "C++" == detect(text).language
    assert UNKNOWN == detect(text, detector="strict")


def test_strict_wants_the_same_answer_of_both() -> None:
    text = b"x = 1\r\nif x:\r\n    print('one')\r\n"

    assert "Python" == detect(PYTHON, detector="strict").language
    assert ("Groovy", "Python") == (ask_guesslang(text).language, ask_magika(text).language)
    assert UNKNOWN == detect(text, detector="strict")


@pytest.mark.parametrize("detector", ["auto", "strict"])
def test_two_who_agree_on_a_short_text_must_be_surer(detector: Detector) -> None:
    text = b"end\n\ndef total\n  1\nend\n"

    assert "Ruby" == ask_guesslang(text).language == ask_magika(text).language
    assert 0.3 < ask_magika(text).confidence < 0.7
    assert UNKNOWN == detect(text, detector=detector)


# ---- what is not installed


@pytest.mark.parametrize("detector", ["auto", "strict", "guesslang"])
def test_a_missing_guesslang_is_an_error_with_the_pip_line(detector: Detector, without: pytest.MonkeyPatch) -> None:
    without.setitem(sys.modules, "guesslang", None)

    for ask in (lambda: resolved(detector), lambda: detect(SHORT, detector=detector)):
        with pytest.raises(MissingExtra, match=r"pip install --no-deps guesslang==2\.2\.1"):
            ask()


@pytest.mark.parametrize("detector", ["auto", "strict", "magika"])
def test_a_missing_magika_is_an_error_with_the_pip_line(detector: Detector, without: pytest.MonkeyPatch) -> None:
    without.setitem(sys.modules, "magika", None)

    for ask in (lambda: resolved(detector), lambda: detect(SHORT, detector=detector)):
        with pytest.raises(MissingExtra, match=r"pip install 'magika==1\.0\.3'"):
            ask()


def test_another_model_than_the_one_known_is_refused(without: pytest.MonkeyPatch) -> None:
    without.setattr(detection, "_WEIGHTS_SHA256", "0" * 64)

    with pytest.raises(MissingExtra, match="another model"):
        ask_guesslang(SHORT)


def test_what_a_detector_stands_on_is_named_with_versions() -> None:
    assert [] == resolved("extension")
    assert ["guesslang 2.2.1"] == resolved("guesslang")
    assert ["guesslang", "magika", "onnxruntime"] == [name.split()[0] for name in resolved("strict")]


def test_no_model_is_loaded_before_it_is_asked() -> None:
    code = (
        "import sys; import themis_data.stages.identify_language as step; step.IdentifyLanguage().identity(); "
        "sys.exit(' '.join({'magika', 'onnxruntime', 'guesslang'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, check=False, encoding="utf-8"
    )

    assert ("", "") == (done.stdout, done.stderr.strip())


# ---- any bytes


@settings(max_examples=60)
@given(
    text=st.binary(max_size=400)
    | st.text(st.characters(codec=None), max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.lists(st.sampled_from([SHORT, PYTHON, b"\0", b"\xff", b"#if __cplusplus\n", b"/*", b'"'])).map(b"".join),
    detector=st.sampled_from(DETECTORS),
)
@example(text=b"\0" * 9, detector="auto")
@example(text=b"\xed\xa0\x80" * 9, detector="auto")
def test_any_bytes_get_a_language_or_none(text: bytes, detector: Detector) -> None:
    found = detect(text, detector=detector)

    assert found.language is None or found.language in all_languages()
    assert 0 <= found.confidence <= 1
    assert (found.language is None) == (found.confidence == 0)
    assert found == detect(text, detector=detector)
    assert c_or_cpp(text) in ("C", "C++")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"x = 1; " * 700_000, id="one line"),
        pytest.param(b"\0" * 5_000_000, id="nuls"),
        pytest.param(b"/*" * 2_500_000, id="comments never closed"),
        pytest.param(b'"\\' * 2_500_000, id="strings never closed"),
        pytest.param(b"#if __cplusplus\n" * 300_000, id="conditions never closed"),
        pytest.param(b"class a\n" * 600_000, id="beginnings of classes"),
        pytest.param(b" \n" * 2_500_000, id="blank lines"),
        pytest.param(b"for (a " * 700_000, id="beginnings of loops"),
    ],
)
def test_five_megabytes_take_seconds(text: bytes) -> None:
    started = time.perf_counter()
    detect(text)
    c_or_cpp(text)

    assert 20 > time.perf_counter() - started
