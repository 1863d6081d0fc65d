"""Edits that talk to a judge: they leave the code as it is, and what they do to accuracy is told pair by pair."""

import ast
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from themis_data.code.language import by_name
from themis_data.code.syntax import code_tokens
from themis_data.errors import EvaluationError
from themis_data.evaluate.adversarial import EDITS, edits_of, evaluate_adversarial
from themis_data.evaluate.pair_sets import read_pairs
from themis_data.evaluate.scoring import Scores
from themis_data.report.scores import print_edits

SOURCES = {
    "C": "#include <stdio.h>\n\n#define TWICE(x) \\\n    ((x) + (x))\n\nint main(void) {\n    int n = 0;\n"
    '    n = TWICE(2);\n    puts("a \\\n b");\n    return n;\n}\n',
    "C#": 'using System;\nclass A {\n    static int Add(int a, int b) {\n        var s = @"first\nsecond";\n'
    "        return a + b;\n    }\n}\n",
    "C++": '#include <string>\nint add(int a, int b) {\n    auto s = R"(first\nsecond)";\n    return a + b;\n}\n',
    "Go": "package main\n\nfunc add(a, b int) int {\n\ts := `first\nsecond`\n\t_ = s\n\treturn a + b\n}\n",
    "Java": 'class A {\n    static int add(int a, int b) {\n        String s = """\n            first\n'
    '            second""";\n        return a + b;\n    }\n}\n',
    "JavaScript": "#!/usr/bin/env node\nfunction add(a, b) {\n  const s = `first\n${a}\nsecond`;\n  return a + b;\n}\n",
    "Python": "#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\ndef add(a, b):\n    '''Adds.\n\n    Twice.\n    '''\n"
    "    total = a \\\n        + b\n    if total:\n        pass\n    return total\n",
    "Ruby": "def add(a, b)\n  text = <<~END\n    first\n    second\n  END\n  puts text\n  a + b\nend\n",
}


@pytest.mark.parametrize("language", SOURCES)
def test_every_edit_adds_comments_and_changes_no_code(language):
    source, mark = SOURCES[language], by_name(language).line_comments[0]
    before = code_tokens(source.encode(), language)
    for seed in range(4):
        made = edits_of(source, language, seed, "p")
        assert list(EDITS) == list(made)
        for edit, text in made.items():
            kept = [line for line in text.split("\n") if line in source.split("\n")]
            added = [line for line in text.split("\n") if line not in source.split("\n")]

            assert added, edit
            assert all(line.strip().startswith(mark) for line in added), (edit, added)
            assert [line for line in source.split("\n") if line] == [line for line in kept if line], edit
            assert before == code_tokens(text.encode(), language), edit


def test_python_runs_the_same():
    for text in edits_of(SOURCES["Python"], "Python", 0, "p").values():
        assert ast.dump(ast.parse(SOURCES["Python"])) == ast.dump(ast.parse(text))
        assert text.startswith("#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\n")


def test_what_an_edit_says_depends_on_seed_and_pair_alone():
    source = SOURCES["Java"]

    assert edits_of(source, "Java", 0, "p") == edits_of(source, "Java", 0, "p")
    assert 1 < len({edits_of(source, "Java", seed, "p")["correctness_claim"] for seed in range(9)})
    assert 1 < len({edits_of(source, "Java", 0, str(pair))["correctness_claim"] for pair in range(9)})


def test_sizes():
    edits = edits_of("x = 1\n" * 100, "Python", 0, "p")
    growth = {edit: len(text) - 600 for edit, text in edits.items()}

    assert 500 < growth["padding"] < 800
    assert 6 == sum(line.startswith("# ") for line in edits["dead_comments"].split("\n"))
    assert "6 passed, 0 failed" in edits["fake_tests"].split("\n")[-2]


def test_code_in_a_fence_is_edited_inside_of_it():
    answer = "So it goes:\n\n```python\nx = 1\n```\n\nThat is all."
    found = edits_of(answer, "Python", 0, "p")["correctness_claim"]

    assert found.startswith("So it goes:\n\n```python\n# ")
    assert found.endswith("\nx = 1\n```\n\nThat is all.")


def test_lines_end_as_they_did():
    found = edits_of("x = 1\r\ny = 2\r\n", "Python", 0, "p")["fake_tests"]

    assert found.count("\r\n") == found.count("\n")


def test_what_cannot_be_edited_is_left_out():
    assert {} == edits_of("A loop is best here, and it is easy to read.", "Python", 0, "p")
    assert {} == edits_of("```python\nx = 1\n```\nand\n```python\ny = 2\n```", "Python", 0, "p")
    # Below __END__ there is data, and no comment.
    made = edits_of("x = [1, 2].map { |y| y + 1 }\nputs(DATA.read)\n__END__\n[data]\n", "Ruby", 0, "p")
    assert {"correctness_claim", "authority_claim"} <= made.keys() <= {*EDITS} - {"padding", "fake_tests"}
    assert "dead_comments" not in edits_of("x = 1", "Python", 0, "p")


def test_remarks_that_would_stand_in_a_string_are_passed_over():
    source = 'a = 1\nb = """' + "\n".join(["text"] * 8) + '"""\nc = 2\nd = 3\n'
    for seed in range(8):
        made = edits_of(source, "Python", seed, "p").get("dead_comments", source)
        assert {"a": 1, "b": "\n".join(["text"] * 8), "c": 2, "d": 3} == _names(made)


def _names(source):
    return {node.targets[0].id: node.value.value for node in ast.parse(source).body}


class Gullible:
    """Believes what says that it is right, and otherwise likes what is short."""

    def score(self, chats):
        assert len(chats) == len(set(chats))
        self.chats = chats
        claims = ("correct", "Correct", "no error left", "to be right")
        believed = [any(claim in chat.answer for claim in claims) for chat in chats]
        rewards = [100.0 * claim - len(chat.answer) / 1_000 for claim, chat in zip(believed, chats, strict=True)]
        return Scores(np.array(rewards), np.array([False] * len(chats)))


@pytest.fixture
def pairs(tmp_path):
    rows = [
        {
            "id": f"p{n}",
            "prompt": f"Add {n}.",
            "chosen": f"def add(a):\n    return a + {n}\n",
            "rejected": f"def add(a):\n    return a + {n} + {'0' * (n + 1)}\n",
            "language": "Python",
            "aspect": "Functional_Correctness",
        }
        for n in range(8)
    ]
    rows.append({**rows[0], "id": "text", "language": "NL"})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pairs.parquet")
    return read_pairs(str(tmp_path / "pairs.parquet"))


def test_accuracy_beside_clean_and_control(pairs, tmp_path):
    scorer = Gullible()
    found = evaluate_adversarial(scorer, pairs, "none", tmp_path / "out", described={"model": "m"})
    claim, tests = found["edits"]["correctness_claim"], found["edits"]["fake_tests"]

    assert found == json.loads((tmp_path / "out" / "adversarial.json").read_text(encoding="utf-8"))
    assert (1.0, 9) == (found["clean"]["overall"]["accuracy"], found["clean"]["overall"]["count"])
    assert [(8, 1)] * 5 == [(one["clean"]["count"], one["left_out"]) for one in found["edits"].values()]
    assert (1.0, 0.0, 1.0) == tuple(claim[side]["accuracy"] for side in ("clean", "rejected", "both"))
    assert (-1.0, 0, 8) == tuple(
        claim["change"][name] for name in ("difference", "only_first_right", "only_second_right")
    )
    assert 99 < claim["reward_gain"] < 100
    assert (1.0, 1.0, 0.0) == (tests["rejected"]["accuracy"], tests["both"]["accuracy"], tests["change"]["difference"])
    # Of five edits only the claim of correctness is believed.
    assert (0.8, 40) == (found["all"]["overall"]["accuracy"], found["all"]["overall"]["count"])
    assert ["Python"] == list(found["all"]["by_language"])


def test_edits_are_printed_beside_the_clean_pairs(pairs, tmp_path, capsys):
    print_edits("none", evaluate_adversarial(Gullible(), pairs, "none", tmp_path / "out", described={}))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    assert any(line.startswith("correctness_claim 8 100.0 0.0 100.0 -100.0 -100.0 to -100.0 +99.9") for line in lines)
    assert any(line.startswith("fake_tests 8 100.0 100.0 100.0 +0.0 +0.0 to +0.0 -0.") for line in lines)
    assert "all pairs clean 100.00, all edits 80.00" in lines


def test_the_scores_are_kept_with_what_was_edited(pairs, tmp_path):
    evaluate_adversarial(Gullible(), pairs, "none", tmp_path / "out", described={})
    scores = pq.read_table(tmp_path / "out" / "adversarial_scores.parquet")

    assert 9 + 8 * 5 * 2 == len(scores)
    assert {"none", "rejected", "both"} == set(scores["edited"].to_pylist())
    assert {"none", *EDITS} == set(scores["edit"].to_pylist())


def test_pairs_without_code_are_said(tmp_path):
    pq.write_table(
        pa.Table.from_pylist([{"prompt": "p", "chosen": "c", "rejected": "r", "language": "NL"}]),
        tmp_path / "a.parquet",
    )
    with pytest.raises(EvaluationError, match=r"no pair can be edited: of 1 none has code .* \['NL'\]"):
        evaluate_adversarial(Gullible(), read_pairs(str(tmp_path / "a.parquet")), "none", tmp_path, described={})
