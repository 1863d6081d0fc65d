"""The 24 languages of the merged pool, one small file each: known by its path, parsed and checked by its YAML alone."""

import importlib.util

import pytest
from builds import changes
from rows import reasons_of

from themis_data.code.language import all_languages, by_name, language_of_path
from themis_data.stages.keep_languages import KeepLanguages
from themis_data.stages.parse_check import ParseCheck

FILES = {
    "C": (
        "sum.c",
        "int total(const int *xs, int n) {\n  int s = 0;\n  for (int i = 0; i < n; i++) s += xs[i];\n  return s;\n}\n",
    ),
    "C#": (
        "Sum.cs",
        "class Sum {\n  int Total(int[] xs) {\n    int s = 0;\n    foreach (var x in xs) s += x;\n"
        "    return s;\n  }\n}\n",
    ),
    "C++": (
        "sum.cpp",
        "int total(const std::vector<int>& xs) {\n  int s = 0;\n  for (int x : xs) s += x;\n  return s;\n}\n",
    ),
    "Go": (
        "sum.go",
        "package sum\n\nfunc total(xs []int) int {\n\ts := 0\n\tfor _, x := range xs {\n"
        "\t\ts += x\n\t}\n\treturn s\n}\n",
    ),
    "Java": (
        "Sum.java",
        "class Sum {\n  int total(int[] xs) {\n    int s = 0;\n    for (int x : xs) s += x;\n    return s;\n  }\n}\n",
    ),
    "JavaScript": ("sum.js", "function total(xs) {\n  let s = 0;\n  for (const x of xs) s += x;\n  return s;\n}\n"),
    "Python": ("sum.py", "def total(xs):\n    s = 0\n    for x in xs:\n        s += x\n    return s\n"),
    "Ruby": ("sum.rb", "def total(xs)\n  s = 0\n  xs.each { |x| s += x }\n  s\nend\n"),
    "Assembly": ("sum.asm", "total:\n    mov eax, 0\n    ret\n"),
    "Dart": (
        "sum.dart",
        "int total(List<int> xs) {\n  var s = 0;\n  for (final x in xs) {\n    s += x;\n  }\n  return s;\n}\n",
    ),
    "Erlang": ("sum.erl", "-module(sum).\n-export([total/1]).\n\ntotal([]) -> 0;\ntotal([X | Xs]) -> X + total(Xs).\n"),
    "Groovy": ("sum.groovy", "def total(xs) {\n  def s = 0\n  for (x in xs) { s += x }\n  return s\n}\n"),
    "Haskell": ("Sum.hs", "module Sum where\n\ntotal :: [Int] -> Int\ntotal [] = 0\ntotal (x : xs) = x + total xs\n"),
    "Julia": ("sum.jl", "function total(xs)\n    s = 0\n    for x in xs\n        s += x\n    end\n    return s\nend\n"),
    "Kotlin": ("sum.kt", "fun total(xs: List<Int>): Int {\n  var s = 0\n  for (x in xs) s += x\n  return s\n}\n"),
    "Perl": (
        "sum.pl",
        "sub total {\n  my @xs = @_;\n  my $s = 0;\n  foreach my $x (@xs) { $s += $x; }\n  return $s;\n}\n",
    ),
    "PHP": (
        "sum.php",
        "<?php\nfunction total($xs) {\n  $s = 0;\n  foreach ($xs as $x) { $s += $x; }\n  return $s;\n}\n",
    ),
    "PowerShell": ("sum.ps1", "function Get-Total {\n  $s = 0\n  foreach ($x in $args) { $s += $x }\n  return $s\n}\n"),
    "R": ("sum.r", "total <- function(xs) {\n  s <- 0\n  for (x in xs) s <- s + x\n  s\n}\n"),
    "Rust": (
        "sum.rs",
        "fn total(xs: &[i32]) -> i32 {\n    let mut s = 0;\n    for x in xs {\n        s += x;\n    }\n    s\n}\n",
    ),
    "Scala": (
        "Sum.scala",
        "object Sum {\n  def total(xs: List[Int]): Int = {\n    var s = 0\n    for (x <- xs) s += x\n    s\n  }\n}\n",
    ),
    "Shell": ("sum.sh", 'total() {\n  s=0\n  for x in "$@"; do\n    s=$((s + x))\n  done\n  echo "$s"\n}\n'),
    "Swift": ("sum.swift", "func total(_ xs: [Int]) -> Int {\n  var s = 0\n  for x in xs { s += x }\n  return s\n}\n"),
    "TypeScript": (
        "sum.ts",
        "function total(xs: number[]): number {\n  let s = 0;\n  for (const x of xs) s += x;\n  return s;\n}\n",
    ),
}
HAS_BUNDLE = importlib.util.find_spec("tree_sitter_languages") is not None


def can_be_parsed(name: str) -> bool:
    language = by_name(name)
    has_wheel = language.wheel is not None and importlib.util.find_spec(language.wheel.module) is not None
    return (HAS_BUNDLE and language.grammar is not None) or has_wheel


def test_there_is_a_file_for_each_language_and_a_grammar_for_all_but_assembly() -> None:
    assert sorted(all_languages()) == sorted(FILES)
    assert ["Assembly"] == [n for n, one in all_languages().items() if one.grammar is None and one.wheel is None]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_name_and_kept_where_its_language_is_wanted(name: str) -> None:
    path, text = FILES[name]
    row = changes({"path": path, "language": name, "old_contents": text, "new_contents": text})

    assert name == language_of_path(path)
    assert [None] == reasons_of(KeepLanguages(languages=(name,)), row)


@pytest.mark.parametrize("name", [name for name in FILES if name != "Assembly"])
def test_a_file_that_parses_is_kept_and_a_broken_one_is_not(name: str) -> None:
    if not can_be_parsed(name):
        pytest.skip(f"{name}: its grammar is not installed (pip install 'themis-data[long_tail]')")
    _, text = FILES[name]
    good = {"language": name, "old_contents": text, "new_contents": text + "\n"}
    broken = good | {"new_contents": text + "(((( }}}} ]]]] ((\n" * 3}
    kept, dropped = reasons_of(ParseCheck(), changes(good, broken))

    assert None is kept
    assert (dropped or "").startswith("chosen_unparsable: ")


def test_a_file_without_a_grammar_is_dropped_with_its_reason() -> None:
    _, text = FILES["Assembly"]

    assert ["no_limit: Assembly"] == reasons_of(
        ParseCheck(), changes({"language": "Assembly", "old_contents": text, "new_contents": text})
    )
