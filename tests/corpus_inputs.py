"""Invented files of the shape of every data set that Themis-CodePreference is made of, as many rows as one asks for."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from builds import module_versions
from scripted import ticket_of
from upstream_files import write_rows

from themis_data.engine.requests import Request

LANGUAGES = ("C", "C#", "C++", "Go", "Java", "JavaScript", "Python", "Ruby")
_TOKENS = dict(zip(LANGUAGES, ("c", "csharp", "cplusplus", "go", "java", "javascript", "python", "ruby"), strict=True))
_THINGS = (
    "orders",
    "letters",
    "flights",
    "songs",
    "bridges",
    "lamps",
    "rivers",
    "tickets",
    "gardens",
    "windows",
    "parcels",
)
_DEEDS = ("counts", "collects", "compares", "sorts", "adds up", "groups", "checks", "pairs", "lists", "weighs", "skips")
# Of CodeR-Pile: each language, task and kind is a file of its own, so there are few of them here.
PILE = {"language": ["java", "python"], "text_task": ["web_code_retrieval"], "code_task": ["code_example_retrieval"]}
_C_LIKE = (
    "{head} {{\n    int {a} = {m};\n    for (int {b} = {k}; {b} < {c}; {b}++) {{\n"
    "        {a} += {b} * {n} + {d}({c}, {m});\n    }}\n    return {a};\n}}\n"
)
_BODIES = {
    "C": _C_LIKE.replace("{head}", "int {f}(int {c})"),
    "C++": _C_LIKE.replace("{head}", "int {f}(int {c})"),
    "C#": "class {g} {{\n" + _C_LIKE.replace("{head}", "static int {f}(int {c})") + "}}\n",
    "Java": "class {g} {{\n" + _C_LIKE.replace("{head}", "static int {f}(int {c})") + "}}\n",
    "JavaScript": _C_LIKE.replace("{head}", "function {f}({c})").replace("int ", "let "),
    "Go": (
        "package main\n\nfunc {f}({c} int) int {{\n\t{a} := {m}\n\tfor {b} := {k}; {b} < {c}; {b}++ {{\n"
        "\t\t{a} += {b}*{n} + {d}({c}, {m})\n\t}}\n\treturn {a}\n}}\n"
    ),
    "Python": (
        "def {f}({c}):\n    {a} = {m}\n    for {b} in range({k}, {c}):\n        {a} += {b} * {n} + {d}({c}, {m})\n"
        "    return {a}\n"
    ),
    "Ruby": (
        "def {f}({c})\n  {a} = {m}\n  ({k}...{c}).each do |{b}|\n    {a} += {b} * {n} + {d}({c}, {m})\n  end\n"
        "  {a}\nend\n"
    ),
}


def code(language: str, key: object, *, worse: bool = False) -> str:
    """A program that has no words in common with one of another key; the worse one begins its loop elsewhere."""
    names = {letter: _word(key, letter) for letter in "abcdf"} | {"g": _word(key, "g").capitalize()}
    numbers = {letter: 2 + _number(key, letter) % 9_000 for letter in "kmn"}
    return _BODIES[language].format(**names, **(numbers | {"k": numbers["k"] + 1} if worse else numbers))


def request(key: object) -> str:
    """What somebody may ask for, in English."""
    first, second = (_THINGS[_number(key, n) % len(_THINGS)] for n in ("first", "second"))
    deed = _DEEDS[_number(key, "deed") % len(_DEEDS)]
    return (
        f"Please write a program that reads a list of {first}, {deed} those that are larger than "
        f"{_number(key, 'n') % 997}, and says at the end how many {second} there were in all."
    )


def write_inputs(folder: Path, rows: dict[str, int]) -> None:
    """Files of each source in a folder of its own; `rows` says how many a published source has at least."""
    _write(folder, "coder_pile", "CodeR-Pile", rows, _coder_pile)
    for recipe in ("oss_instruct", "inverse_coder", "mceval_instruct", "package_instruct"):
        number = -(-rows["Bugged-Instruct"] // 4)
        _write(folder, recipe, recipe, {recipe: number}, _INSTRUCTIONS[recipe])
    for recipe, source, make in (
        ("git_commits", "Commit-Preference", _commits),
        ("prosec", "ProSec", _prosec),
        ("venus", "Venus", _venus),
        ("code_net", "CodeNet", _code_net),
        ("run_bug_run", "RunBugRun", _run_bug_run),
        ("ecco", "ECCO", _ecco),
        ("code_scaler", "CodeScaleR", _code_scaler),
        ("pie4perf", "Pie4Perf", _pie),
        ("cybernative_dpo", "Cybernative-DPO", _cybernative),
    ):
        _write(folder, recipe, source, rows, make)


Files = Iterator[tuple[str, dict[str, Any]]]


def _write(folder: Path, name: str, source: str, rows: dict[str, int], make: Callable[[int], Files]) -> None:
    files: dict[str, list[dict[str, Any]]] = {}
    for file, row in make(rows[source]):
        files.setdefault(file, []).append(row)
    for file, own in files.items():
        write_rows(folder / name / file, own)


def _commits(number: int) -> Files:
    for n, (message, path, old, new) in enumerate(module_versions("corpus", 2 * number)):
        yield (
            f"{LANGUAGES[n] if n < 8 else 'Python'}/train-00000-of-00001.parquet",
            {
                "commit": hashlib.sha1(f"commit {n}".encode()).hexdigest(),
                "subject": message.partition("\n")[0],
                "message": message,
                "repos": f"acme/words{n // 9 % 40}",
                "file_path": path,
                "license": "mit",
                "unix_time": 1_500_000_000 + n,
                "new_contents": new,
                "old_contents": old,
            },
        )


def _coder_pile(number: int) -> Files:
    places = [("text2code", PILE["text_task"][0], language) for language in ("Java", "Python")]
    places += [("code2code", PILE["code_task"][0], language) for language in ("Java", "Python")]
    for n in range(number):
        kind, task, language = places[n % len(places)]
        query = request(("pile", n)) if kind == "text2code" else code(language, ("query", n))
        file = f"{kind}/en/{task}/en-{_TOKENS[language]}-triplets.jsonl"
        row = {
            "prompt": "Find programs that do the same as this one, so that somebody can learn from them.",
            "query": query,
            "pos": [code(language, ("pile", n))],
            "neg": [code(language, ("other", n, place)) for place in range(3)],
        }
        yield file, row


def _instruction(number: int, make: Callable[[int, str, str, str], dict[str, Any]], file: str) -> Files:
    for n in range(number):
        language = ("Java", "C#", "Go")[n % 3]
        yield file, make(n, language, request((file, n)), f"```{_TOKENS[language]}\n{code(language, (file, n))}```")


_INSTRUCTIONS: dict[str, Callable[[int], Files]] = {
    "oss_instruct": lambda number: _instruction(
        number,
        lambda n, language, asked, said: {
            "lang": _TOKENS[language],
            "raw_index": n,
            "index": n,
            "seed": "",
            "openai_fingerprint": "x",
            "problem": asked,
            "solution": said,
        },
        "data-oss_instruct-decontaminated.jsonl",
    ),
    "inverse_coder": lambda number: _instruction(
        number,
        lambda n, language, asked, said: {"instruction": asked, "response": said},
        "InverseCoder-CL-13B-Evol-Instruct-90K.jsonl",
    ),
    "mceval_instruct": lambda number: _instruction(
        number,
        lambda n, language, asked, said: {"language": language, "instruction": asked, "source": "x", "output": said},
        "train.jsonl",
    ),
    "package_instruct": lambda number: _instruction(
        number,
        lambda n, language, asked, said: {"instruction": asked, "output": said, "tag": "package_instruct"},
        "package_instruct/train-00000-of-00001.parquet",
    ),
}


def _prosec(number: int) -> Files:
    for n in range(max(number, 5)):
        language = ("C", "C++", "Java", "JavaScript", "Python")[n % 5]
        yield (
            "data/train-00000-of-00001.parquet",
            {
                "lang": {"C++": "cpp"}.get(language, language.lower()),
                "cwe": "CWE-78",
                "original_instruction": request(("prosec", n)),
                "original_code": code(language, ("prosec", n), worse=True),
                "fixed_code": code(language, ("prosec", n)),
                "benign": False,
            },
        )


def _venus(number: int) -> Files:
    for n in range(number):

        def solution(what: str, *, n: int = n) -> str:
            return "class Solution:\n" + "".join(f"    {line}\n" for line in code("Python", (what, n)).splitlines())

        yield (
            "python3/train-00000-of-00001.parquet",
            {
                "question_id": n,
                "name": f"problem-{n}",
                "content": f"<p>{request(('venus', n))}</p>",
                "code_prompt": "class Solution:",
                "rt_list": [{"code": solution("slow"), "runtime": "900"}, {"code": solution("fast"), "runtime": "90"}],
                "mm_list": [
                    {"code": solution("large"), "memory": "90000"},
                    {"code": solution("small"), "memory": "16000"},
                ],
            },
        )


def _code_net(number: int) -> Files:
    for n in range(max(number, 8)):
        language = LANGUAGES[n % 8]
        for place, (time, memory) in enumerate(((900, 90_000), (90, 9_000))):
            yield (
                f"{language}/train-00000-of-00001.parquet",
                {
                    "s_id": f"s{2 * n + place:09d}",
                    "p_id": f"p{n % 400 + 10_000}",
                    "u_id": f"u{n:09d}",
                    "status": "Accepted",
                    "code": code(language, ("net", n, place)),
                    "cpu_time": time,
                    "memory": str(memory),
                    "original_language": language,
                },
            )


def _run_bug_run(number: int) -> Files:
    for n in range(number):
        yield (
            "data/train-00000-of-00001.parquet",
            {
                "problem_id": f"p{n % 90 + 20_000}",
                "buggy_code": code("Python", ("run", n), worse=True),
                "fixed_code": code("Python", ("run", n)),
                "labels": ["x"],
                "buggy_submission_id": 2 * n,
                "fixed_submission_id": 2 * n + 1,
                "user_id": f"u{n}",
                "language": "python",
            },
        )


def _ecco(number: int) -> Files:
    for n in range(number):
        problem = f"p{n % 60 + 30_000}"
        yield (
            "edit/train-00000-of-00001.parquet",
            {
                "problem_id": problem,
                "input": code("Python", ("slow", "ecco", n)),
                "target": code("Python", ("ecco", n)),
            },
        )
        yield (
            "generate/train-00000-of-00001.parquet",
            {"problem_id": problem, "problem_description": request(("ecco", n % 60))},
        )


def _code_scaler(number: int) -> Files:
    for n in range(number):
        yield (
            "data/train-00000-of-00001.parquet",
            {
                "question_content": request(("scaler", n)),
                "code_pos": code("Python", ("scaler", n)),
                "code_neg": code("Python", ("scaler", n), worse=True),
            },
        )


def _pie(number: int) -> Files:
    for n in range(number):
        yield (
            "train_hq_only.jsonl",
            {
                "src_id": f"s{n}",
                "tgt_id": f"t{n}",
                "problem_id": f"p{n % 20 + 40_000}",
                "user_id": f"u{n}",
                "src_code": code("C++", ("slow", "pie", n)),
                "tgt_code": code("C++", ("pie", n)),
                "src_agg_runtime": 6.0,
                "tgt_agg_runtime": 1.0,
                "src_status": "Accepted",
                "tgt_status": "Accepted",
            },
        )


def _cybernative(number: int) -> Files:
    for n in range(number):
        language, tag = (("C#", "c#"), ("C++", "c++"), ("Ruby", "ruby"))[n % 3]
        sides = {
            name: f"```{tag}\n{code(language, ('cyber', n), worse=name == 'rejected')}```"
            for name in ("chosen", "rejected")
        }
        yield (
            "secure_programming_dpo.json",
            {
                "lang": tag,
                "vulnerability": "Integer overflow.",
                "system": "",
                "question": request(("cyber", n)),
                **sides,
            },
        )


def willing(asked: Request) -> str:
    """The answer of a model that finds every change good, knows the later version, and writes what it is asked for; a
    program it spoils by one number."""
    assert asked.schema is not None
    fields = json.loads(asked.schema)["properties"]
    said: dict[str, Any] = {"ticket": ticket_of(asked)}
    shown = [text for _, text in re.findall(r"<([\w-]+)>\n(.*?)\n</\1>", asked.user, re.DOTALL)]
    if "before" in fields:
        line = next(line for line in shown[1].splitlines() if re.search(r"= \d+", line) and "for" not in line)
        said |= {"before": line, "after": re.sub(r"\d+", lambda found: str(int(found[0]) + 1), line, count=1)}
    if "better" in fields:
        said |= {"better": "1" if _steps(shown[0]) > _steps(shown[1]) else "2", "by_how_much": "must_have"}
    for name, field in fields.items():
        if name not in said:
            wanted = (value for value in ("yes", 5, "5") if value in field.get("enum", ()))
            said[name] = next(wanted, request(asked.key))
    return json.dumps(said)


def _steps(module: str) -> int:
    """How many of the changes that `module_versions` makes a version has."""
    return module.count(" = set(") + module.count("[word.strip()") - module.count(" - 1")


def _word(*parts: object) -> str:
    number = _number(*parts)
    return "".join("badefigokulameniporu"[2 * (number // 10**i % 10) :][:2] for i in range(5))


def _number(*parts: object) -> int:
    return int(hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:12], 16)
