"""Programs in the languages whose toolchain is installed: run, refused, stopped."""

import shutil

import pytest

from themis_data.code.language import by_name
from themis_data.code.toolchains import run_program
from themis_data.errors import SandboxError

DOUBLE = {
    "C": '#include <stdio.h>\nint main(void) { int n; scanf("%d", &n); printf("%d\\n", 2 * n); }\n',
    "C++": "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n << std::endl; }\n",
    "JavaScript": "const n = parseInt(require('fs').readFileSync(0, 'utf8'));\nconsole.log(2 * n);\n",
    "Python": "print(2 * int(input()))\n",
    "Ruby": "puts 2 * gets.to_i\n",
    "Go": 'package main\nimport "fmt"\nfunc main() { var n int; fmt.Scan(&n); fmt.Println(2 * n) }\n',
}
LOOP = {
    "C": "int main(void) { volatile int i = 0; for (;;) i++; }\n",
    "C++": "int main() { volatile int i = 0; for (;;) i = i + 1; }\n",
    "JavaScript": "for (;;) {}\n",
    "Python": "while True: pass\n",
    "Ruby": "loop {}\n",
}


def needed(language: str):
    chain = by_name(language).toolchain
    program = (chain.build or [word for word in chain.command if word != "env" and "=" not in word])[0]
    is_there = shutil.which(program, path="/usr/bin:/bin") is not None
    return pytest.param(language, marks=pytest.mark.skipif(not is_there, reason=f"{program} is not installed"))


@pytest.mark.parametrize("language", [needed(name) for name in DOUBLE])
def test_a_program_reads_and_writes(language):
    ran = run_program(DOUBLE[language], language, stdin=b"21\n", cpu_s=10)

    assert ("ok", b"42\n") == (ran.status, ran.outcome.stdout), ran.outcome.stderr


@pytest.mark.parametrize("language", [needed(name) for name in LOOP])
def test_an_endless_loop_is_stopped(language):
    assert run_program(LOOP[language], language, cpu_s=1).status == "timeout"


@pytest.mark.parametrize("language", [needed("C"), needed("C++")])
def test_what_the_compiler_refuses_is_told_from_what_crashes(language):
    assert "not_built" == run_program("int main( {", language).status
    assert "crash" == run_program("int main() { return 125; }", language).status


@pytest.mark.parametrize("language", [needed("JavaScript")])
def test_a_program_reaches_no_network(language):
    source = "require('net').connect(1, '127.0.0.1').on('error', e => { console.log(e.code); process.exit(3); });\n"

    ran = run_program(source, language)

    assert ("crash", 3) == (ran.status, ran.outcome.exit_code)
    assert b"ECONNREFUSED" not in ran.outcome.stdout


@pytest.mark.parametrize("language", [needed("C")])
def test_ten_gigabytes_are_refused(language):
    source = "#include <stdlib.h>\nint main(void) { return malloc(10000000000) ? 0 : 7; }\n"

    assert 7 == run_program(source, language).outcome.exit_code


def test_a_language_without_a_toolchain_is_an_error():
    with pytest.raises(SandboxError, match="programs in Haskell cannot be run"):
        run_program("main = return ()", "Haskell")
