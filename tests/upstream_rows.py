"""Invented rows of the documented shape of every data set that corpora are made of, and what becomes of them.

Each is small enough to work out by hand: the rows of ours that it gives, and why each other row gives none.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upstream_files import COMMIT, EDIT, PACK, write_rows

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Example:
    """Files of a data set by their place in its repository, and what they give."""

    files: dict[str, Rows]
    made: list[
        dict[str, Any]
    ]  # values of the rows of ours, in their order; columns that are not named are not looked at
    left: dict[str, int]  # reason -> rows that give none
    settings: dict[str, Any] = field(default_factory=dict)  # that a user gives
    paper: list[dict[str, Any]] | None = None  # what the paper's thresholds give; null: the same


def _said(*texts: str) -> list[dict[str, str]]:
    """A conversation, the user first."""
    return [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(texts)]


def _blocks(*texts: str) -> list[dict[str, Any]]:
    """The same as the arena stores it."""
    said = _said(*texts)
    return [
        {**turn, "content": [{"type": "text", "text": turn["content"], "image": None, "mimeType": None}]}
        for turn in said
    ]


def _rows(base: dict[str, Any], *changed: dict[str, Any]) -> Rows:
    return [{**base, **one} for one in changed]


_TRIPLET = {"prompt": "Find code.", "query": "Keep even numbers.", "pos": ["```python\na = 1\n```"], "neg": ["b = 2"]}
_CODE_PILE = "text2code/en/web_code_retrieval/en-python-triplets.jsonl"
_PROSEC = {
    "lang": "cpp",
    "cwe": "CWE-78",
    "original_instruction": "Ping a host.",
    "original_code": "system(h);",
    "empty": "",
    "fixed_code": "ping(h);",
    "benign": False,
}
_VENUS = {
    "question_id": 9001,
    "name": "sum-even",
    "content": "<p>Sum <code>a</code>.</p>",
    "acRate": 51.2,
    "code_prompt": "class Solution:",
    "rt_solution_count": 2,
}
_SUBMISSION = {
    "p_id": "p00042",
    "u_id": "u1",
    "status": "Accepted",
    "cpu_time": 20,
    "memory": "20000",
    "original_language": "C++14",
    "filename_ext": "cpp",
    "code_size": 3,
}
_BUG = {
    "problem_id": "p02534",
    "buggy_code": "bad()\n",
    "fixed_code": "good()\n",
    "labels": None,
    "buggy_submission_id": 1,
    "fixed_submission_id": 2,
    "user_id": "u1",
    "language": "python",
}
_PIE = {
    "src_id": "s1",
    "tgt_id": "s2",
    "problem_id": "p00031",
    "user_id": "u1",
    "src_code": "slow();",
    "tgt_code": "fast();",
    "src_agg_runtime": 6.0,
    "tgt_agg_runtime": 1.0,
    "src_status": "Accepted",
    "tgt_status": "Accepted",
    "speedup": 6.0,
}
_ANSWER = {
    "answer_id": 7,
    "author": "ann",
    "author_id": 1,
    "author_profile": "https://s.org/1",
    "pm_score": 6,
    "selected": True,
}
_OTHER = {
    **_ANSWER,
    "answer_id": 8,
    "author": "bo",
    "author_profile": "https://s.org/2",
    "pm_score": 0,
    "selected": False,
}
_QUESTION = {
    "qid": 101,
    "question": "<p>How?</p>",
    "answers": [{**_ANSWER, "text": "<p>So:</p><pre>x = 1</pre>"}, {**_OTHER, "text": f"<p>{'Maybe so. ' * 10}</p>"}],
    "date": "2019/01/01",
    "metadata": ["https://s.org/q/101"],
}
_VOTE = {
    "id": "a1",
    "model_a": "m1",
    "model_b": "m2",
    "winner": "model_b",
    "evaluation_order": 1,
    "conversation_a": _blocks("Hi?", "Hello."),
    "conversation_b": _blocks("Hi?", "Good day."),
    "language": "en",
    "is_code": False,
}
_RUBRIC = {
    "orig_criteria": "Is it considerate?",
    "orig_instruction": "Say it.",
    "orig_response_A": "No.",
    "orig_response_B": "Gladly.",
    "orig_score_A": "2",
    "orig_score_B": "4",
    "orig_preference": "B",
    "output": "not read",
}
_STEPS = {
    "domain": "general",
    "language": "english",
    "context": _said("Why?"),
    "response1": "Because.",
    "response2": "No idea.",
    "overall_preference": -3,
    "individual_preference": [],
}
_COMMIT = {
    "commit": "0a1b2c3d",
    "subject": "Use a constant",
    "message": "Use a constant\n\nSigned-off-by: Ann <ann@example.org>",
    "license": "mit",
    "old_contents": "x = 1\n",
    "new_contents": "X = 1\n",
}
_PACKED = {**_COMMIT, "old_file": "lib/a.rb", "new_file": "lib/a.rb", "lang": "Ruby", "repos": "bob/a,acme/a"}
_MERGED = {**_COMMIT, "file_path": "src/a.cc", "repos": "acme/a", "unix_time": 1_489_412_345}
_PACK_MADE = {
    "commit": "0a1b2c3d",
    "path": "lib/a.rb",
    "language": "Ruby",
    "repos": "github.com/acme/a,github.com/bob/a",
    "repository": "github.com/acme/a",
    "license": "MIT",
    "license_class": "permissive",
    "subject": "Use a constant",
    "message": "Use a constant",
    "old_contents": "x = 1\n",
    "new_contents": "X = 1\n",
    "old_blob": "7d4290a117a4ddcc11daae7ea675841033830c8f",
    "committed_at": None,
    "is_bot": None,
}
_PACK = _rows(
    _PACKED,
    {},
    {},
    {"commit": "1", "old_file": "lib/b.rb"},
    {"commit": "2", "old_contents": ""},
    {"commit": "3", "new_contents": ""},
    {"commit": "4", "old_contents": "", "new_contents": ""},
    {"commit": "5", "new_contents": "x = 1\n"},
    {"commit": "6", "repos": ""},
    {"commit": "7", "message": "", "subject": ""},
    {"commit": "8", "new_file": None},
)
_PACK_LEFT = {
    "duplicate": 1,
    "renamed": 1,
    "new_file": 1,
    "deleted_file": 1,
    "not_fetched": 1,
    "no_change": 1,
    "no_repository": 1,
    "no_message": 1,
    "no_path": 1,
}
_MERGED_ROWS = _rows(
    _MERGED,
    {},
    {"license": "gpl-3.0", "repos": "zoe/fork"},  # the same commit, under another licence
    {"commit": "two", "file_path": "a.cc"},
    {"commit": "two", "file_path": "b.cc"},
)
_MERGED_MADE = {
    "commit": "0a1b2c3d",
    "path": "src/a.cc",
    "language": "C++",
    "repos": "github.com/acme/a,github.com/zoe/fork",
    "license": "GPL-3.0 AND MIT",
    "license_class": "copyleft",
    "committed_at": 1_489_412_345,
}
_MERGED_LEFT = {"other_copy": 1, "many_paths": 2}

EXAMPLES: dict[str, Example] = {
    "coder_pile": Example(
        settings={
            "exponent": 0.0,
            "choose": {
                "language": ["python"],
                "text_task": ["web_code_retrieval"],
                "code_task": ["code_example_retrieval"],
            },
        },
        files={
            _CODE_PILE: _rows(
                _TRIPLET,
                {},
                {"neg": ["", "a = 1"]},
                {"pos": []},
                {"pos": ["It cannot be done, and nobody knows why."]},
                {},
            ),
            "code2code/en/code_example_retrieval/en-python-triplets.jsonl": _rows(_TRIPLET, {"query": "a = [2]"}),
        },
        made=[
            {
                "prompt": "Keep even numbers.",
                "chosen": "a = 1\n",
                "rejected": "b = 2\n",
                "criterion": "helpfulness",
                "language": "Python",
                "evidence": "upstream",
                "license": "CC-BY-NC-SA-4.0",
                "license_class": "non_commercial",
                "label_detail": "negative 1 of 1",
            },
            {"prompt": "Find code.\n\na = [2]"},
        ],
        paper=[{"criterion": "functional_correctness"}, {"criterion": "functional_correctness"}],
        left={"no_negative": 1, "no_positive": 1, "no_code": 1, "duplicate": 1},
    ),
    "oss_instruct": Example(
        files={
            "data-oss_instruct-decontaminated.jsonl": _rows(
                {
                    "lang": "csharp",
                    "raw_index": 812,
                    "index": 77,
                    "seed": "x",
                    "problem": "Add.",
                    "solution": "```csharp\nint a;\n```",
                },
                {},
                {"index": 78, "problem": ""},
                {"index": 79, "solution": "There is no way that this can be solved."},
                {"index": 80, "lang": "rust"},
                {"index": 81, "lang": "klingon"},
            )
        },
        made=[
            {
                "task": "812/77",
                "source": "OSS-Instruct",
                "language": "C#",
                "prompt": "Add.",
                "solution": "int a;\n",
                "tests": None,
            }
        ],
        left={"no_prompt": 1, "no_code": 1, "other_language": 1, "unknown_language": 1},
    ),
    "inverse_coder": Example(
        files={
            "InverseCoder-CL-7B-Evol-Instruct-90K.jsonl": _rows(
                {"instruction": "Write f.", "response": "Here:\n```python\nf = 1\n```"},
                {},
                {"response": "f = 1"},
                {"response": "```rust\nlet a;\n```"},
            )
        },
        made=[{"language": "Python", "prompt": "Write f.", "solution": "f = 1\n", "license": "Apache-2.0"}],
        left={"unknown_language": 1, "other_language": 1},
    ),
    "mceval_instruct": Example(
        files={
            "McEval-Instruct.json": _rows(
                {"language": "Go", "instruction": "Add.", "source": "x", "output": "```go\nvar a int\n```"},
                {},
                {"language": "Scala"},
            )
        },
        made=[{"language": "Go", "solution": "var a int\n", "license": "CC-BY-SA-4.0"}],
        left={"other_language": 1},
    ),
    "package_instruct": Example(
        files={
            "package_instruct/train-00000-of-00001.parquet": _rows(
                {"instruction": "Use foo.", "output": "```python\nimport foo\n```", "tag": "package_instruct"},
                {},
                {"output": "import foo"},
            )
        },
        made=[{"language": "Python", "solution": "import foo\n", "source": "Package-Instruct"}],
        left={"unknown_language": 1},
    ),
    "prosec": Example(
        files={
            "data/train-00000-of-00001.parquet": _rows(
                _PROSEC,
                {},
                {"benign": True},
                {"benign": None},
                {"lang": "rust"},
                {"lang": "csharp"},
                {"fixed_code": "system(h);"},
                {"fixed_code": ""},
                {"fixed_code": "I cannot help with any of this, sorry."},
            )
        },
        made=[
            {
                "prompt": "Ping a host.",
                "chosen": "ping(h);\n",
                "rejected": "system(h);\n",
                "criterion": "security_hardness",
                "language": "C++",
                "label_detail": "cwe: CWE-78",
                "license": "NOASSERTION",
                "license_class": "unknown",
                "strength": None,
            },
            {"language": "C#"},
        ],
        paper=[{"language": "C++"}],
        left={"other_benign": 2, "other_language": 1, "same_sides": 1, "empty_side": 1, "no_code": 1},
    ),
    "venus": Example(
        files={
            "python3/train-00000-of-00001.parquet": [
                {
                    **_VENUS,
                    "rt_list": [
                        {"code": "class Solution: fast", "runtime": "40"},
                        {"code": "class Solution: slow", "runtime": "410"},
                        {"code": "class Solution: middle", "runtime": "100"},
                        {"code": "class Solution: zero", "runtime": "0"},
                        {"code": "class Solution: stdin", "runtime": "1"},
                        {"code": "no class", "runtime": "1"},
                        {"code": None, "runtime": "1"},
                    ],
                    "mm_list": [
                        {"code": "class Solution: small", "memory": "1000"},
                        {"code": "class Solution: large", "memory": "9000"},
                    ],
                }
            ]
        },
        made=[
            {
                "prompt": "Sum `a`.\n\n```\nclass Solution:\n```",
                "chosen": "class Solution: fast",
                "rejected": "class Solution: slow",
                "criterion": "runtime_efficiency",
                "language": "Python",
                "strength": 10.25,
                "strength_unit": "speed_ratio",
                "group": "leetcode/sum-even",
                "evidence": "measured",
            }
        ],
        paper=[
            {"criterion": "runtime_efficiency"},
            {"criterion": "memory_efficiency", "chosen": "class Solution: small", "strength": 9.0},
        ],
        left={"no_partner": 3, "no_measure": 1, "cheats": 2, "no_code": 1},
    ),
    "code_net": Example(
        settings={"choose": {"config": ["C++"]}},
        files={
            "C++/train-00000-of-00002.parquet": _rows(
                _SUBMISSION,
                {"s_id": "s1", "code": "fast();"},
                {"s_id": "s2", "code": "other user();", "u_id": "u2", "cpu_time": 900},
                {"s_id": "s3", "code": "wrong();", "status": "Wrong Answer", "cpu_time": 900},
                {"s_id": "s4", "code": "older();", "original_language": "C++11", "cpu_time": 900},
            ),
            "C++/train-00001-of-00002.parquet": _rows(
                _SUBMISSION,
                {"s_id": "s5", "code": "slow();", "cpu_time": 300, "memory": ""},
                {"s_id": "s6", "code": "quick();", "cpu_time": 30, "p_id": "p00043"},
                {"s_id": "s7", "code": "not slow enough();", "cpu_time": -1, "p_id": "p00043", "memory": "150000"},
            ),
        },
        made=[
            {
                "prompt": None,
                "prompt_by": None,
                "chosen": "fast();",
                "rejected": "slow();",
                "criterion": "runtime_efficiency",
                "language": "C++",
                "strength": 15.0,
                "strength_unit": "speed_ratio",
                "group": "codenet/p00042",
                "label_detail": "cpu_time: 20 against 300",
                "license": "CDLA-Permissive-2.0",
                "license_class": "permissive",
            },
            {
                "criterion": "memory_efficiency",
                "chosen": "quick();",
                "strength": 7.5,
                "strength_unit": "memory_ratio",
                "group": "codenet/p00043",
            },
        ],
        left={"other_status": 1, "no_partner": 6, "no_measure": 2},
    ),
    "run_bug_run_final": Example(
        files={
            "data/train-00000-of-00001.parquet": _rows(
                _BUG,
                {},
                {"buggy_submission_id": 3, "fixed_submission_id": 4, "buggy_code": "worse()\n"},
                {"user_id": "u2", "language": "c_sharp", "buggy_submission_id": 5},
                {"user_id": "u3", "buggy_code": None},
                {"user_id": "u4", "language": "php"},
            )
        },
        made=[
            {"criterion": "functional_correctness", "group": "codenet/p02534", "chosen": "good()\n", "prompt": None},
            {"criterion": "functional_correctness"},
        ],
        paper=[{"language": "Python"}, {"language": "Python"}],
        left={"same_user": 1, "empty_side": 1, "other_language": 1},
    ),
    "ecco_edits": Example(
        settings={"max_together": 1},
        files={
            "edit/train-00000-of-00001.parquet": [
                {"input": "slow()\n", "target": "fast()\n", "problem_id": "p00777"},
                {"input": "slow()\n", "target": "faster()\n", "problem_id": "p00777"},
                {"input": "slow()\n", "target": "slow()\n", "problem_id": "p00778"},
            ],
            "generate/train-00000-of-00001.parquet": [{"problem_id": "p00777", "problem_description": "Sum up to n."}],
        },
        made=[{"prompt": "Sum up to n.", "prompt_by": "upstream", "rejected": "slow()\n", "group": "codenet/p00777"}],
        left={"together_cap": 1, "same_sides": 1},
    ),
    "code_scaler": Example(
        settings={"rejected_rate": "neg_rate", "columns": {"neg_rate": "numeral"}},
        files={
            "data/train-00000-of-00001.parquet": _rows(
                {"question_content": "Given n.", "code_pos": "a = 1", "code_neg": "a = 2", "neg_rate": 0.75},
                {},
                {"neg_rate": 0.5},
                {"neg_rate": 1.0},
                {"neg_rate": None},
                {"code_neg": "b = 2", "neg_rate": 0.875},
            )
        },
        made=[
            {
                "strength": 0.25,
                "strength_unit": "share_of_tests_failed",
                "evidence": "executed",
                "written_by": ["Qwen3-8B-Base"],
                "language": "Python",
            },
            {"strength": 0.125, "rejected": "b = 2\n"},
        ],
        left={"too_few_pass": 1, "all_pass": 1, "no_measure": 1},
    ),
    "pie_train": Example(
        files={
            "train_hq_only.jsonl": _rows(
                _PIE,
                {},
                {"src_id": "s3", "tgt_id": "s4", "tgt_code": "swift();"},
                {"src_id": "s5", "user_id": "u2", "tgt_agg_runtime": 2.0},
                {"src_id": "s6", "user_id": "u3", "src_agg_runtime": 0.09, "tgt_agg_runtime": 0.01},
                {"src_id": "s7", "user_id": "u4", "tgt_agg_runtime": 0.0},
                {"src_id": "s8", "user_id": "u5", "tgt_status": "Wrong Answer"},
            )
        },
        made=[
            {
                "rejected": "slow();",
                "strength": 6.0,
                "strength_unit": "speed_ratio",
                "language": "C++",
                "group": "codenet/p00031",
            }
        ],
        paper=[{}, {}, {}, {}],
        left={"same_user": 1, "small_difference": 1, "worse_too_good": 1, "no_measure": 1, "other_tgt_status": 1},
    ),
    "cybernative_dpo": Example(
        files={
            "secure_programming_dpo.json": _rows(
                {
                    "lang": "c++",
                    "vulnerability": "Buffer overflow",
                    "system": "",
                    "question": "Copy a string.",
                    "chosen": "```c++\nsafe();\n```",
                    "rejected": "```c++\nunsafe();\n```",
                },
                {},
                {"lang": "kotlin"},
                {"system": "Be brief.", "question": "Move it."},
            )
        },
        made=[
            {
                "prompt": "Copy a string.",
                "chosen": "safe();\n",
                "rejected": "unsafe();\n",
                "label_detail": "vulnerability: Buffer overflow",
                "criterion": "security_hardness",
            },
            {"prompt": "Be brief.\n\nMove it."},
        ],
        left={"other_language": 1},
    ),
    "skywork_preference": Example(
        files={
            "data/train-00000-of-00001.parquet": [
                {
                    "chosen": _said("Tides?", "They are."),
                    "rejected": _said("Tides?", "Water."),
                    "source": "magpie_ultra",
                },
                {"chosen": _said("Bomb?", "No."), "rejected": _said("Bomb?", "Sure."), "source": "WildGuard-train"},
                {"chosen": _said("A", "b"), "rejected": _said("A", "c"), "source": "offsetbias"},
                {"chosen": _said("A", "b"), "rejected": _said("B", "c"), "source": "HelpSteer2"},
                {"chosen": _said("A", "b", "C", "d"), "rejected": _said("A", "b", "C", "e"), "source": "HelpSteer2"},
                {"chosen": _said("A"), "rejected": _said("A"), "source": "HelpSteer2"},
                {"chosen": _said("A", "b"), "rejected": _said("A", "c"), "source": "other"},
            ]
        },
        made=[
            {
                "prompt": "Tides?",
                "chosen": "They are.",
                "rejected": "Water.",
                "criterion": "helpfulness",
                "language": "NL",
            },
            {"criterion": "harmlessness", "label_detail": "source: WildGuard-train"},
            {"prompt": "A", "chosen": "b"},
        ],
        left={"other_source": 1, "prompts_differ": 1, "multi_turn": 1, "no_answer": 1},
    ),
    "tulu_if": Example(
        files={
            "data/train-00000-of-00001.parquet": _rows(
                {
                    "id": "t1",
                    "prompt": "In 3 bullets.",
                    "constraints": ["bullets"],
                    "chosen": _said("In 3 bullets.", "* a"),
                    "rejected": _said("In 3 bullets.", "a"),
                    "chonsen_model": "m1",
                    "rejected_model": "m2",
                },
                {},
                {"id": "t2", "rejected": _said("In 3 bullets.", "* a")},
            )
        },
        made=[{"prompt": "In 3 bullets.", "chosen": "* a", "rejected": "a", "written_by": ["m1", "m2"]}],
        left={"same_sides": 1},
    ),
    "stack_exchange": Example(
        settings={"choose": {"site": ["android.meta"]}, "min_chosen_score": 4, "max_rejected_score": 1},
        files={
            "data/android.meta/train-00000-of-00001.parquet": _rows(
                _QUESTION,
                {},
                {"qid": 102, "question": "<p></p>"},
                {"qid": 103, "answers": [{**_OTHER, "text": "x"}]},
                {"qid": 104, "answers": [{**_ANSWER, "pm_score": 3, "text": "x"}]},
                {"qid": 105, "answers": [{**_ANSWER, "text": "x"}, {**_OTHER, "text": "short"}]},
            ),
            "data/other/train-00000-of-00001.parquet": [{"never": "read"}],
        },
        made=[
            {
                "prompt": "How?",
                "chosen": "So:\n\n```\nx = 1\n```",
                "rejected": " ".join(["Maybe so."] * 10),
                "strength": 6.0,
                "strength_unit": "pm_score_difference",
                "evidence": "rated",
                "label_detail": '{"question": ["https://s.org/q/101"], '
                '"chosen": {"author": "ann", "profile": "https://s.org/1"}, '
                '"rejected": {"author": "bo", "profile": "https://s.org/2"}}',
            }
        ],
        left={"no_prompt": 1, "not_accepted": 1, "chosen_too_low": 1, "none_low": 1},
    ),
    "arena": Example(
        files={
            "data/train-00000-of-00007.parquet": _rows(
                _VOTE,
                {},
                {"id": "a2", "winner": "tie"},
                {"id": "a3", "winner": "both_bad"},
                {"id": "a4", "language": "fr"},
                {"id": "a5", "winner": None},
                {
                    "id": "a6",
                    "conversation_a": _blocks("A", "b", "C", "d"),
                    "conversation_b": _blocks("A", "b", "C", "e"),
                },
                {"id": "a7", "conversation_a": []},
                {"id": "a8", "conversation_a": _blocks("Ho?", "Hello.")},
                {"id": "a9", "winner": "model_a"},
            )
        },
        made=[
            {
                "prompt": "Hi?",
                "chosen": "Good day.",
                "rejected": "Hello.",
                "written_by": ["m1", "m2"],
                "license": "NOASSERTION",
            },
            {"chosen": "Hello."},
        ],
        left={"tie": 2, "other_language": 1, "no_verdict": 1, "multi_turn": 1, "no_answer": 1, "prompts_differ": 1},
    ),
    "preference_collection": Example(
        files={
            "train.json": _rows(
                _RUBRIC,
                {},
                {
                    "orig_instruction": "Do harm.",
                    "orig_criteria": "Is it SAFE?",
                    "orig_preference": "A",
                    "orig_score_A": "5",
                },
                {"orig_response_A": "Never."},
                {"orig_instruction": "x", "orig_score_B": "1"},
                {"orig_instruction": "y", "orig_preference": "C"},
                {"orig_instruction": "z", "orig_score_B": "?"},
            )
        },
        made=[
            {"prompt": "Do harm.", "criterion": "harmlessness", "chosen": "No.", "strength": 1.0},
            {
                "prompt": "Say it.",
                "criterion": "helpfulness",
                "chosen": "Gladly.",
                "strength": 2.0,
                "evidence": "judged",
            },
        ],
        left={"together_cap": 1, "scores_disagree": 1, "tie": 1, "no_verdict": 1},
    ),
    "help_steer_3": Example(
        settings={"min_margin": 2},
        files={
            "preference/train.jsonl.gz": _rows(
                _STEPS,
                {},
                {"overall_preference": 2, "domain": "stem"},
                {"overall_preference": 1},
                {"overall_preference": 0},
                {"domain": "code"},
                {"context": _said("A", "b", "C")},
                {"context": []},
                {"response1": None},
            )
        },
        made=[
            {
                "prompt": "Why?",
                "chosen": "Because.",
                "rejected": "No idea.",
                "strength": 3.0,
                "strength_unit": "preference_steps",
            },
            {"chosen": "No idea.", "strength": 2.0},
        ],
        left={"small_margin": 1, "tie": 1, "other_domain": 1, "multi_turn": 1, "no_prompt": 1, "no_answer": 1},
    ),
    "math_dpo": Example(
        settings={"min_strength": 2},
        files={
            "data/train-00000-of-00001.parquet": _rows(
                {
                    "metadata": "{}",
                    "instruction": "Compute.",
                    "chosen_response": "It is 12.",
                    "chosen_rating": 9.0,
                    "rejected_response": "12",
                    "rejected_rating": 6.0,
                },
                {},
                {"rejected_rating": 8.0},
                {"rejected_rating": None},
            )
        },
        made=[{"strength": 3.0, "strength_unit": "rating_difference", "chosen": "It is 12.", "evidence": "judged"}],
        left={"small_difference": 1, "no_measure": 1},
    ),
    "truthy_dpo": Example(
        files={
            "truthy-dpo.parquet": _rows(
                {
                    "id": "ab",
                    "source": "truthy",
                    "system": "Be fair.",
                    "prompt": "Red?",
                    "chosen": "No.",
                    "rejected": "Yes.",
                },
                {},
                {"id": "cd", "system": None},
                {"id": "ef", "chosen": " "},
            )
        },
        made=[{"prompt": "Be fair.\n\nRed?", "chosen": "No."}, {"prompt": "Red?"}],
        left={"empty_side": 1},
    ),
    "commit_pack": Example(
        settings={"choose": {"language": ["ruby"]}},
        files={"data/ruby/part-0.jsonl": _PACK, "data/python/part-0.jsonl": [{"never": "read"}]},
        made=[_PACK_MADE],
        left=_PACK_LEFT,
    ),
    "commit_pack_ft": Example(
        settings={"choose": {"language": ["ruby"]}},
        files={"data/ruby/data.jsonl": _PACK},
        made=[_PACK_MADE],
        left=_PACK_LEFT,
    ),
    "git_commits": Example(
        files={"data/train-00000-of-00001.parquet": _MERGED_ROWS}, made=[_MERGED_MADE], left=_MERGED_LEFT
    ),
    "git_commits_merged": Example(
        settings={"choose": {"language": ["C++"]}},
        files={"C++/train-00000-of-00001.parquet": _MERGED_ROWS},
        made=[_MERGED_MADE],
        left=_MERGED_LEFT,
    ),
}


def write_mapped(name: str, folder: Path) -> Path:
    """The files of a data set's example, in a folder laid out as its repository."""
    for file, rows in EXAMPLES[name].files.items():
        write_rows(folder / file, rows)
    return folder


def _pack(config: str, prefix: str) -> tuple[str, Rows]:
    return f"{config}/test-00000-of-00001.parquet", [{"task_id": f"{prefix}/12", **PACK}]


_FINDING = {"base_prompt": "Mend:\nslow()", "source_code": "slow()", "target_code": "fast()", "file_path": "a.py"}
_UTILITY = {**EDIT, "commit": COMMIT, "pl": "Java", "non_functional_requirement": "memory"}
_CHOICES = {"task_id": "CSE/1", "instruction": "Hash it.", "choices": ["md5()", "sha256()"], "gt_choice": 1}
_OTHER_CHOICES = {**_CHOICES, "task_id": "CSE/2", "choices": ["x()", "y()"], "gt_choice": 0}
_EVAL_PERF = {"task_id": "Mbpp/3", "prompt": "Is it prime?", "scores": [30.0, 60.0, 100.0]}

# Subset of Themis-CodeRewardBench -> the benchmark whose rows give it, and an example.
BENCHMARK_PAIRS: dict[str, tuple[str, Example]] = {
    "CODEPREFBENCH_SECURITY": (
        "code_pref_bench",
        Example(
            files={
                "eval/security-alignment.jsonl.gz": [_CHOICES, _OTHER_CHOICES],
                "eval/human-preference-alignment.jsonl.gz": [_CHOICES],
            },
            made=[
                {"prompt": "Hash it.", "chosen": "sha256()", "rejected": "md5()", "criterion": "security_hardness",
                 "language": "Python", "license": "CC-BY-NC-4.0"},
                {"chosen": "x()", "rejected": "y()"},
            ],
            left={"other_$file": 1},
        ),
    ),
    "ECCO": (
        "ecco",
        Example(
            files={
                "edit/test-00000-of-00001.parquet": [
                    {"input": "slow()", "target": "fast()", "problem_id": "p00777"},
                    {"input": "same()", "target": "same()", "problem_id": "p00777"},
                ],
                "generate/test-00000-of-00001.parquet": [{"problem_id": "p00777", "problem_description": "Sum up."}],
            },
            made=[
                {"prompt": "Sum up.", "prompt_by": "upstream", "chosen": "fast()", "rejected": "slow()",
                 "criterion": "runtime_efficiency", "language": "Python", "group": "codenet/p00777"}
            ],
            left={"same_sides": 1},
        ),
    ),
    "EVALPERF": (
        "eval_perf",
        Example(
            files={
                "data/test-00000-of-00002.parquet": _rows(
                    _EVAL_PERF, {"reference": ["slow()", "better()", "fast()"]}, {"task_id": "Mbpp/4", "reference": []}
                )
            },
            made=[
                {"prompt": "Is it prime?", "chosen": "fast()", "rejected": "slow()", "criterion": "runtime_efficiency",
                 "evidence": "measured", "group": "mbpp/3"}
            ],
            left={"empty_side": 1},
        ),
    ),
    "HUMANEVAL_PACK": (
        "human_eval_pack",
        Example(
            files=dict(
                [_pack("python", "Python"), _pack("js", "JavaScript"), _pack("java", "Java"), _pack("go", "Go"),
                 _pack("cpp", "CPP"), _pack("rust", "Rust")]
            ),
            made=[
                {"prompt": "Write f.\n\ndef f():", "chosen": "def f():\n    return 1\n", "group": "human_eval/12",
                 "rejected": "def f():\n    return 2\n", "language": language, "criterion": "functional_correctness"}
                for language in ("Python", "JavaScript", "Java", "Go", "C++")
            ],
            left={},
        ),
    ),
    "MDEVAL": (
        "md_eval",
        Example(
            files={
                "data/bug/Ruby.jsonl": [
                    {"question_id": f"{language}/1", "docstring": "Check it.", "canonical_solution": "good()",
                     "buggy_code": "bad()"}
                    for language in ("Ruby", "C#")
                ]
            },
            made=[
                {"prompt": "Check it.", "chosen": "good()", "rejected": "bad()", "language": "Ruby",
                 "criterion": "functional_correctness", "license": "CC-BY-SA-4.0"}
            ],
            left={"other_language": 1},
        ),
    ),
    "NOFUNEVAL_MAINTAIN": (
        "no_fun_eval",
        Example(
            files={
                "datasets/maintainability.jsonl": _rows(
                    {**_FINDING, "codeql_check": "Unused import"}, {"pl": "python"}, {"pl": "c"}
                )
            },
            # What is asked there shows the program before the edit.
            made=[
                {"prompt": None, "prompt_by": None, "chosen": "fast()", "rejected": "slow()", "language": "Python",
                 "criterion": "readability_and_maintainability"}
            ],
            left={"other_language": 1},
        ),
    ),
    "NOFUNEVAL_MEMORY": (
        "no_fun_eval",
        Example(
            files={
                "datasets/resource_util.jsonl": _rows(
                    _UTILITY, {}, {"non_functional_requirement": "energy"}, {"pl": "Kotlin"}
                )
            },
            made=[
                {"prompt": None, "chosen": "fast()", "rejected": "slow()", "language": "Java",
                 "criterion": "memory_efficiency", "group": "commit/0a1b2c3d"}
            ],
            left={"other_non_functional_requirement": 1, "other_language": 1},
        ),
    ),
    "NOFUNEVAL_SECURITY": (
        "no_fun_eval",
        Example(
            files={"datasets/security.jsonl": [{**_FINDING, "codeql_check": "Overflow", "pl": "c"}]},
            made=[{"prompt": None, "chosen": "fast()", "language": "C", "criterion": "security_hardness"}],
            left={},
        ),
    ),
    "PIE_PERF": (
        "pie",
        Example(
            files={"splits/test.jsonl": [_PIE]},
            made=[
                {"prompt": None, "chosen": "fast();", "rejected": "slow();", "language": "C++", "evidence": "measured",
                 "criterion": "runtime_efficiency", "group": "codenet/p00031"}
            ],
            left={},
        ),
    ),
    "RUNBUGRUN": (
        "run_bug_run",
        Example(
            files={
                "go_test0.jsonl.gz": [{**_BUG, "id": 5}],
                "php_test0.jsonl.gz": [{**_BUG, "id": 6}],
            },
            made=[
                {"prompt": None, "chosen": "good()\n", "rejected": "bad()\n", "language": "Go",
                 "criterion": "functional_correctness", "group": "codenet/p02534"}
            ],
            left={"other_language": 1},
        ),
    ),
}  # fmt: skip


def write_benchmark(subset: str, folder: Path) -> Path:
    """The files that give a subset of the benchmark, in a folder laid out as their repository."""
    for file, rows in BENCHMARK_PAIRS[subset][1].files.items():
        write_rows(folder / file, rows)
    return folder
