"""Invented rows of the documented shape of every upstream data set, as files, and the items that they become."""

import bz2
import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Item = tuple[str, str | None, list[str], str | None, str | None]  # item, prompt, responses, language, problem key
COMMIT = "https://github.com/acme/app/commit/0a1b2c3d"
EDIT = {"base_prompt": "Make it better.", "source_code": "slow()", "target_code": "fast()", "one_shot": "not read"}
PACK = {
    "prompt": "def f():\n",
    "declaration": "def f():\n",
    "canonical_solution": "    return 1\n",
    "buggy_solution": "    return 2\n",
    "instruction": "Write f.",
    "docstring": "not read",
}


def _pack(folder: str, prefix: str, language: str | None) -> tuple[str, dict[str, Any], Item]:
    responses = ["def f():\n    return 1\n", "def f():\n    return 2\n"]
    return (
        f"{folder}/test-00000-of-00001.parquet",
        {"task_id": f"{prefix}/12", **PACK},
        (f"{prefix}/12", "Write f.\n\ndef f():\n", responses, language, "human_eval/12"),
    )


# Recipe -> a file of each part, a row of it, and the item written by hand.
EXAMPLES: dict[str, list[tuple[str, dict[str, Any], Item]]] = {
    "code_contests_plus": [
        (
            "1x/part-0.parquet",
            {
                "source": "codeforces",
                "id": "1234_A",
                "title": "Pens",
                "description": "Count pens.",
                "time_limit": 1000,
                "test_cases": [{"input": "1", "output": "2"}],
            },
            ("codeforces/1234_A", "Pens\n\nCount pens.", [], None, "codeforces/1234/a"),
        )
    ],
    "code_pref_bench": [
        (
            "eval/correctness-alignment.jsonl.gz",
            {"task_id": "HumanEval/1", "instruction": "Write f.", "choices": ["a = 1", "a = 2"], "gt_choice": 0},
            ("correctness-alignment.jsonl.gz/HumanEval/1", "Write f.", ["a = 1", "a = 2"], "Python", "human_eval/1"),
        )
    ],
    "code_reward_bench": [
        (
            "data/Full-00000-of-00001.parquet",
            {
                "prompt": "Write f.",
                "chosen": "int f();",
                "rejected": "int g();",
                "language": "Cpp",
                "aspect": "Runtime_Efficiency",
                "subset": "PIE_PERF",
                "id": "made-1",
            },
            ("made-1", "Write f.", ["int f();", "int g();"], "C++", None),
        )
    ],
    "debug_bench": [
        (
            "test.json",
            {
                "slug": "two-sum",
                "category": "logic error",
                "subtype": "operation error",
                "language": "python3",
                "level": "easy",
                "release_time": 1_691_549_090,
                "question": "Add.",
                "examples": ["In: 1", "In: 2"],
                "constraints": "n < 3",
                "solution": "a + b",
                "solution_explanation": "",
                "bug_explanation": "",
                "buggy_code": "a - b",
            },
            (
                "python3/two-sum/operation error",
                "Add.\n\nIn: 1\n\nIn: 2\n\nn < 3",
                ["a + b", "a - b"],
                "Python",
                "leetcode/two-sum",
            ),
        )
    ],
    "ecco": [
        (
            "edit/test-00000-of-00001.parquet",
            {"input": "slow()", "target": "fast()", "problem_id": "p00777"},
            ("edit/p00777", None, ["slow()", "fast()"], "Python", "codenet/p00777"),
        ),
        (
            "generate/test-00000-of-00001.parquet",
            {"problem_id": "p00777", "problem_description": "Sum up to n."},
            ("generate/p00777", "Sum up to n.", [], "Python", "codenet/p00777"),
        ),
    ],
    "eval_perf": [
        (
            "data/test-00000-of-00002.parquet",
            {
                "task_id": "Mbpp/3",
                "prompt": "Is it prime?",
                "reference": ["slow()", "fast()"],
                "scores": [50.0, 100.0],
                "pe_input": "[[1]]",
                "entry_point": "f",
            },
            ("Mbpp/3", "Is it prime?", ["slow()", "fast()"], "Python", "mbpp/3"),
        )
    ],
    "human_eval": [
        (
            "data/HumanEval.jsonl.gz",
            {
                "task_id": "HumanEval/7",
                "prompt": "def f():\n",
                "entry_point": "f",
                "canonical_solution": "    return 1\n",
                "test": "",
            },
            ("HumanEval/7", "def f():\n", ["def f():\n    return 1\n"], "Python", "human_eval/7"),
        )
    ],
    "human_eval_pack": [
        _pack("python", "Python", "Python"),
        _pack("js", "JavaScript", "JavaScript"),
        _pack("java", "Java", "Java"),
        _pack("go", "Go", "Go"),
        _pack("cpp", "CPP", "C++"),
        _pack("rust", "Rust", "Rust"),
    ],
    "judge_bench": [
        (
            "data/dataset=judgebench,response_model=gpt-4o-2024-05-13.jsonl",
            {
                "pair_id": "b5ce-1",
                "original_id": 12,
                "source": "livecodebench",
                "question": "Which?",
                "response_model": "m",
                "response_A": "This.",
                "response_B": "That.",
                "label": "A>B",
            },
            ("b5ce-1", "Which?", ["This.", "That."], None, None),
        )
    ],
    "live_code_bench": [
        (
            "test2.jsonl",
            {
                "question_title": "Two Sum",
                "question_content": "Add two.",
                "platform": "leetcode",
                "question_id": "2777",
                "contest_id": "weekly-contest-1",
                "contest_date": "2024-01-01T00:00:00",
                "starter_code": "class Solution:",
                "difficulty": "easy",
                "public_test_cases": "[]",
                "private_test_cases": "eJw=",
                "metadata": "{}",
            },
            ("leetcode/2777", "Add two.", [], None, "leetcode/two-sum"),
        ),
        (
            "test.jsonl",
            {
                "question_title": "A. Pens",
                "question_content": "Count.",
                "platform": "codeforces",
                "question_id": "1234_A",
                "starter_code": "",
            },
            ("codeforces/1234_A", "Count.", [], None, "codeforces/1234/a"),
        ),
    ],
    "mbpp_plus": [
        (
            "data/test-00000-of-00001-d5781c9c51e02795.parquet",
            {"task_id": 2, "code": "def f(): ...", "prompt": "Write f.", "test_imports": [], "test": "assert f()"},
            ("2", "Write f.", ["def f(): ..."], "Python", "mbpp/2"),
        )
    ],
    "md_eval": [
        (
            "data/bug/C#.jsonl",
            {
                "question_id": "C#/1",
                "category": "Multiple",
                "example": 3,
                "docstring": "Check it.",
                "canonical_solution": "int F();",
                "buggy_code": "int G();",
                "fragment_lines": [7],
            },
            ("C#/1", "Check it.", ["int F();", "int G();"], "C#", None),
        )
    ],
    "no_fun_eval": [
        (
            f"datasets/{name}.jsonl",
            {**EDIT, "commit": COMMIT, "pl": "Java"},
            (f"{name}.jsonl/{COMMIT}", "Make it better.", ["slow()", "fast()"], "Java", "commit/0a1b2c3d"),
        )
        for name in ("latency", "resource_util")
    ]
    + [
        (
            "datasets/runtime_efficiency.jsonl",
            {**EDIT, "problem_id": "p00042", "submission_id_v0": "s1", "cpu_time_v0": "4", "pl": "python"},
            (
                "runtime_efficiency.jsonl/p00042/s1",
                "Make it better.",
                ["slow()", "fast()"],
                "Python",
                "codenet/p00042",
            ),
        )
    ]
    + [
        (
            f"datasets/{name}.jsonl",
            {**EDIT, "file_path": "a/b.c", "codeql_check": "q.ql", "pl": "c"},
            (f"{name}.jsonl/a/b.c/q.ql", "Make it better.", ["slow()", "fast()"], "C", None),
        )
        for name in ("maintainability", "security")
    ]
    + [
        (
            "datasets/humanevalclassify.jsonl",
            {"unique_id": "Python/3", "classification_left_prompt": "Which is right?"},
            ("humanevalclassify.jsonl/Python/3", "Which is right?", [], "Python", "human_eval/3"),
        )
    ],
    "pie": [
        (
            "splits/test.jsonl",
            {
                "src_id": "s1",
                "tgt_id": "s2",
                "problem_id": "p00031",
                "src_code": "slow();",
                "tgt_code": "fast();",
                "speedup": 6.0,
                "tests": [0, 1],
            },
            ("s1/s2", None, ["slow();", "fast();"], "C++", "codenet/p00031"),
        )
    ],
    "reward_bench": [
        (
            "data/raw-00000-of-00001.parquet",
            {
                "prompt": "Write f.",
                "chosen": "f",
                "chosen_model": "m",
                "rejected": "g",
                "rejected_model": "n",
                "subset": "hep-cpp",
                "id": 30,
            },
            ("hep-cpp/30", "Write f.", ["f", "g"], "C++", None),
        )
    ],
    "reward_bench_2": [
        (
            "data/test-00000-of-00001.parquet",
            {
                "id": "rb2-1",
                "prompt": "Name one.",
                "chosen": ["a"],
                "rejected": ["b", "c", "d"],
                "num_correct": 1,
                "subset": "Focus",
                "additional_metadata": None,
            },
            ("Focus/rb2-1", "Name one.", ["a", "b", "c", "d"], None, None),
        )
    ],
    "rm_bench": [
        (
            "data/total_dataset.json",
            {
                "id": 8,
                "prompt": "Say.",
                "chosen": ["a", "b", "c"],
                "rejected": ["d", "e", "f"],
                "domain": "chat",
            },
            ("8", "Say.", ["a", "b", "c", "d", "e", "f"], None, None),
        )
    ],
    "run_bug_run": [
        (
            "c_sharp_test0.jsonl.gz",
            {
                "id": 5,
                "problem_id": "p02534",
                "buggy_code": "bad()",
                "fixed_code": "good()",
                "labels": None,
                "change_count": 1,
            },
            ("c_sharp_test0.jsonl.gz/5", None, ["bad()", "good()"], "C#", "codenet/p02534"),
        )
    ],
    "sec_bench": [
        (
            "dataset/secbench.csv",
            {
                "owner": "acme",
                "project": "app",
                "sha": "0a1b2c3d",
                "sha-p": "4e5f6071",
                "year": "2012",
                "language": "ruby",
                "cve_id": None,
            },
            ("acme/app/0a1b2c3d", None, [], "Ruby", "commit/0a1b2c3d"),
        )
    ],
    "vul4j": [
        (
            "dataset/vul4j_dataset.csv",
            {"no": "1", "vul_id": "VUL4J-1", "cve_id": "CVE-1", "human_patch": COMMIT, "cwe_name": "Bad, bad"},
            ("VUL4J-1", None, [], "Java", "commit/0a1b2c3d"),
        )
    ],
}


def write_recipe(folder: Path, text: str) -> Path:
    """A recipe of the test's own, with the name `made`."""
    path = folder / "made.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file of the rows in the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith(".csv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        array = name.endswith(".json")
        text = json.dumps(rows, indent=1) if array else "".join(json.dumps(row) + "\n" for row in rows)
        compress = gzip.compress if name.endswith(".gz") else bz2.compress if name.endswith(".bz2") else bytes
        path.write_bytes(compress(text.encode("utf-8")))
    return path


def write_examples(name: str, folder: Path) -> Path:
    for file, row, _ in EXAMPLES[name]:
        write_rows(folder / file, [row])
    return folder
