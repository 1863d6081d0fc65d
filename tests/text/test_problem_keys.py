"""One key for one problem, whatever it is called; what is no problem has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.errors import SourceError
from themis_data.text.problem_keys import merged, problem_key, read_duplicates


@pytest.mark.parametrize(
    ("key", "name", "judge"),
    [
        ("codeforces/1234/a", "1234A", "codeforces"),
        ("codeforces/1234/a", "1234_A", "Codeforces"),
        ("codeforces/1234/a", "1234/A", "CF"),
        ("codeforces/1234/a", "CF1234A", "codeforces"),
        ("codeforces/1234/b2", "1234B2", "codeforces"),
        ("codeforces/76/b", "76_B. Mice", "codeforces"),
        ("codeforces/1234/a", "https://codeforces.com/contest/1234/problem/A", None),
        ("codeforces/1234/a", "https://codeforces.com/problemset/problem/1234/A/", None),
        ("codeforces/1234/a", "http://www.codeforces.com/problemset/problem/1234/A?locale=ru", None),
        ("codeforces/100001/c", "https://codeforces.com/gym/100001/problem/C", None),
        ("atcoder/abc123/a", "abc123_a", None),
        ("atcoder/abc123/a", "ABC123A", None),
        ("atcoder/abc233/ex", "abc233_ex", None),
        ("atcoder/abc301/a", "abc301_a", "atcoder"),
        ("atcoder/code_festival_2016_quala/a", "code_festival_2016_quala_a", "AtCoder"),
        ("atcoder/abc123/a", "https://atcoder.jp/contests/abc123/tasks/abc123_a", None),
        ("leetcode/two-sum", "two-sum", "leetcode"),
        ("leetcode/two-sum", "Two Sum", "LeetCode"),
        ("leetcode/two-sum", "1. Two Sum", "leetcode"),
        ("leetcode/pascals-triangle", "Pascal's Triangle", "leetcode"),
        ("leetcode/#1", "1", "leetcode"),
        ("leetcode/two-sum", "https://leetcode.com/problems/two-sum/description/", None),
        ("leetcode/two-sum", "https://leetcode.cn/problems/two-sum", None),
        ("codenet/p00001", "p00001", None),
        ("codenet/p00001", "1", "codenet"),
        ("codenet/p00001", "P00001", "Project_CodeNet"),
        ("aizu/itp1_1_a", "ITP1_1_A", "AOJ"),
        ("human_eval/12", "HumanEval/12", None),
        ("human_eval/12", "human-eval-12", None),
        ("human_eval/12", "CPP/12", "human_eval"),
        ("human_eval/12", "Python/12", "HumanEvalPack"),
        ("mbpp/12", "Mbpp/12", None),
        ("mbpp/12", "12", "mbpp"),
        ("commit/0a1b2c3", "https://github.com/acme/widgets/commit/0a1b2c3", None),
        ("commit/0a1b2c3d4e", "0A1B2C3D4E", "commit"),
    ],
)
def test_a_problem_has_one_key_however_it_is_written(key: str, name: str, judge: str | None) -> None:
    assert key == problem_key(name, judge)


@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("", None),
        ("1234A", None),  # whose?
        ("1", None),
        ("two-sum", None),
        ("p0001", None),
        ("p000012", None),
        ("s000000001", None),  # a submission
        ("abc12_a", None),
        ("Python/12", None),
        ("HumanEval/12/3", None),
        ("HumanEvalX", None),
        ("lbpp/0", None),
        ("1234", "codeforces"),  # a contest
        ("A", "codeforces"),
        ("0123A", "codeforces"),
        ("https://codeforces.com/contest/1234", None),
        ("https://codeforces.com.example.org/contest/1234/problem/A", None),
        ("https://example.org/problems/two-sum", None),
        ("123456", "codenet"),
        ("日本", "leetcode"),
        ("1234A", "no such judge"),
        ("deadbeef is a commit", "commit"),
        ("a" * 301, "leetcode"),
    ],
)
def test_what_is_no_problem_has_no_key(name: str, judge: str | None) -> None:
    assert problem_key(name, judge) is None


def test_neighbours_stay_apart() -> None:
    names = ["1234A", "1234B", "1235A", "123A", "1234A1", "12340A"]

    assert 6 == len({problem_key(name, "codeforces") for name in names})


@given(st.integers(1, 9_999_999), st.sampled_from("ABCDEFGH"), st.sampled_from(["", "1", "2"]))
def test_a_codeforces_problem_is_the_same_by_id_and_by_address(contest: int, letter: str, digit: str) -> None:
    index = f"{letter}{digit}"

    assert (
        f"codeforces/{contest}/{index.lower()}"
        == problem_key(f"{contest}{index}", "codeforces")
        == problem_key(f"https://codeforces.com/contest/{contest}/problem/{index}")
    )


@given(st.integers(0, 99_999))
def test_a_codenet_problem_is_the_same_as_number_and_as_id(number: int) -> None:
    assert f"codenet/p{number:05d}" == problem_key(str(number), "codenet") == problem_key(f"p{number:05d}")


@given(st.text(), st.sampled_from([None, "codeforces", "atcoder", "leetcode", "codenet", "aizu", "mbpp", "commit"]))
def test_any_text_has_a_key_in_lower_case_without_spaces_or_none(name: str, judge: str | None) -> None:
    key = problem_key(name, judge)

    assert key is None or (key == key.lower() and "/" in key and not any(letter.isspace() for letter in key))


def test_a_long_id_that_nearly_matches_is_read_in_no_time() -> None:
    assert problem_key("a_" * 149 + "!", "atcoder") is None
    assert problem_key("https://leetcode.com/problems/" + "a-" * 130 + "!") is None


def test_clusters_that_share_a_problem_are_one(tmp_path) -> None:
    path = tmp_path / "clusters.csv"
    path.write_text("p00003,p00001\n\np00009 p00007\np00003,p00004\n", encoding="utf-8")

    assert {
        "codenet/p00001": "codenet/p00001",
        "codenet/p00003": "codenet/p00001",
        "codenet/p00004": "codenet/p00001",
        "codenet/p00007": "codenet/p00007",
        "codenet/p00009": "codenet/p00007",
    } == read_duplicates(path)


def test_a_number_and_a_slug_can_be_said_to_be_one_problem(tmp_path) -> None:
    path = tmp_path / "clusters.csv"
    path.write_text("leetcode/#1,leetcode/two-sum\n", encoding="utf-8")

    assert ["leetcode/#1", "leetcode/#1", None, "mbpp/1"] == merged(
        ["leetcode/two-sum", "leetcode/#1", None, "mbpp/1"], read_duplicates(path)
    )


def test_an_id_that_is_none_is_an_error_with_its_line(tmp_path) -> None:
    path = tmp_path / "clusters.csv"
    path.write_text("p00001,p00002\np00003,problem 4\n", encoding="utf-8")

    with pytest.raises(SourceError, match=r"clusters\.csv, line 2: 'problem' is no problem's id"):
        read_duplicates(path)
