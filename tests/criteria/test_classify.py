"""A small hand-labelled set of made-up commits, one for each way in which a word misleads."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from themis_data.criteria.classify import Label, classify, message_reason, parse_message

FC = "functional_correctness"
RE = "runtime_efficiency"
ME = "memory_efficiency"
SH = "security_hardness"
RM = "readability_and_maintainability"


@dataclass(frozen=True)
class Lines:
    removed: tuple[tuple[int, str], ...]
    added: tuple[tuple[int, str], ...]


def changes(diff: str) -> Callable[[], Lines]:
    """The changes a mini diff shows: lines that begin with - or +."""
    rows = [line.strip() for line in diff.strip().splitlines()]
    removed = tuple((i, row[1:]) for i, row in enumerate(rows) if row.startswith("-"))
    added = tuple((i, row[1:]) for i, row in enumerate(rows) if row.startswith("+"))
    return lambda: Lines(removed, added)


def labelled(message: str, diff: str, *, path: str = "src/store/index.py", language: str = "Python") -> Label:
    return classify(message=message, path=path, language=language, changes=changes(diff))


GUARD = "+if items is None:\n+    return []"
SWAP = "-total = left - right\n+total = right - left"
FASTER = "-for key in list(table):\n-    probe(key)\n+found = cache.get(key)\n+if found is not None:\n+    return found"
SMALLER = "-if flag == True:\n-    return True\n-else:\n-    return False\n+return flag"
RELEASE = "+finally:\n+    handle.close()"
C_FREE = "+free(node->name);\n+free(node);"
CHECKED = "+if len(name) > MAX_NAME:\n+    raise ValueError('too long')"

KEPT = [
    # functional correctness
    ("Fix off by one when the window is full", "-while i < n - 1:\n+while i < n:", FC),
    ("fix: return an empty list when nothing was stored", GUARD, FC),
    ("Fixes #88: sign of the balance was wrong after a refund", SWAP, FC),
    ("Don't crash if the header is missing (#4512)", GUARD, FC),
    ("Fix deadlock between flush and close", "-lock.acquire()\n+lock.acquire(timeout=5)", FC),
    ("Make sure listeners are not called twice", "-notify(self)\n+if not self.told:\n+    notify(self)", FC),
    ("Read the port as a number\n\nThe old code raised a TypeError.\nThis is a regression from the rewrite.",
     "-port = raw\n+port = int(raw)", FC),
    ("Correctly parse dates before 1970 and add a test", SWAP, FC),
    ("[BUG-17] Fix rounding of halves", SWAP, FC),
    ("net/url, http: fix the port when none is given", GUARD, FC),
    ("stm32: usb: Don't wait when the queue is empty", GUARD, FC),
    ("Optimize the lookup to give the correct order", SWAP, FC),
    # runtime efficiency
    ("perf: look the token up once", FASTER, RE),
    ("Speed up route matching (#123)", FASTER, RE),
    ("Cache the compiled pattern", "-m = re.match(p, s)\n+_PATTERN = re.compile(p)\n+m = _PATTERN.match(s)", RE),
    ("Avoid quadratic scan of the pending queue", FASTER, RE),
    ("Fix performance regression in the tokenizer", FASTER, RE),
    ("Memoize parent lookups", "+self._parents = {}\n+cached = self._parents.get(key)", RE),
    ("Use a set for membership\n\nThe result is better performance on long lists.", "-seen = []\n+seen = set()", RE),
    # memory efficiency
    ("Fix memory leak when a session expires", RELEASE, ME),
    ("Plug a leak of tree nodes", "+delete node;", ME),
    ("Do not leak listeners after close", "+emitter.removeListener(done)", ME),
    ("Fix leak of memory by idle connections", "+free(conn.state)", ME),
    ("Reduce allocations while encoding headers", "-return [h for h in list(headers)]\n+return headers", ME),
    ("Do not keep the whole upload around\n\nThis saves memory for big files.",
     "-data = body.read()\n+for chunk in body.stream():\n+    yield chunk", ME),
    ("Break reference cycle between parser and handler", "+self.handler = None", ME),
    ("Release the reply buffer on error", "+reply.release()", ME),
    # security hardness
    ("Fix crash on forged cookie", "+if not verify_signature(cookie):\n+    return None", SH),
    ("Prevent path traversal in static files", "+if not real.startswith(root):\n+    raise Forbidden()", SH),
    ("Fix SQL injection in the search box", "-db.run('... ' + term)\n+db.run('... ?', escape(term))", SH),
    ("Compare the token in constant time (timing attack)",
     "-if token == given:\n+if hmac.compare_digest(token, given):", SH),
    ("fix: limit request body size\n\nAn attacker could fill the disk.", CHECKED, SH),
    ("Redact the password in the connection summary", "-show(url)\n+show(mask(url.password))", SH),
    ("Fix remote code execution (RCE) through pickled cookies",
     "-data = pickle.loads(cookie)\n+data = verify_signature(cookie)", SH),
    ("Reject header names with newlines\n\nMalicious names could end the header.",
     "+if '\\n' in name:\n+    raise ValueError('invalid header')", SH),
    ("Check the length first\n\nAn attacker could send a frame of any size.", CHECKED, SH),
    # readability and maintainability
    ("Simplify the flag check", SMALLER, RM),
    ("refactor: drop the second branch", SMALLER, RM),
    ("Rename idx to position", "-idx = find(s)\n-return idx + 1\n+position = find(s)\n+return position + 1", RM),
    ("Remove unused helper method", "-def _old(self):\n-    return self.x", RM),
    ("Replace magic numbers with constants",
     "-if size > 4096:\n-    grow(4096)\n+PAGE = 4096\n+if size > PAGE:\n+    grow(PAGE)", RM),
    ("chore: make it more readable", SMALLER, RM),
    ("Reduce duplication in the two writers",
     "-send(head, flags, 1, retry)\n-close(head)\n-send(tail, flags, 1, retry)\n-close(head)\n"
     "+for part in (head, tail):\n+    send(part, flags, 1, retry)", RM),
    ("Move the length check into its own function",
     "-a = len(x)\n-b = a + pad\n-limit(b)\n-run(b)\n+def check(x):\n+a = len(x)\n+b = a + pad\n+limit(b)\n+check(x)",
     RM),
    ("Speed up the encoder by computing the table once",
     "-for x in xs:\n-    emit(build(t), x)\n+table = build(t)\n+for x in xs:\n+    emit(table, x)", RE),
    ("Avoid a redundant lookup of the owner", "-if has(owner(x)):\n-    use(owner(x))\n+if has(owner(x)):\n+    use()",
     RE),
]  # fmt: skip


@pytest.mark.parametrize(("message", "diff", "criterion"), KEPT, ids=[row[0].splitlines()[0] for row in KEPT])
def test_a_clear_commit_gets_its_criterion(message: str, diff: str, criterion: str) -> None:
    label = labelled(message, diff)

    assert (criterion, None) == (label.criterion, label.reason), label
    assert label.evidence
    assert label.terms


DROPPED = [
    # substrings of other words
    ("Load the source of each resource in turn", GUARD, "no_criterion"),
    ("Add SQLite as a backend", GUARD, "no_criterion"),
    ("Add a hash type for sorted entries", GUARD, "no_criterion"),
    ("Remember the last column", GUARD, "no_criterion"),
    ("Index pages by title", GUARD, "no_criterion"),
    ("Align the columns of the report", GUARD, "no_criterion"),
    ("New feature: export to CSV", GUARD, "no_criterion"),
    # about something that is not the code
    ("Fix for formatting", SWAP, "excluded"),
    ("Fix docs of the parser", SWAP, "excluded"),
    ("Fix typo in variable", SWAP, "excluded"),
    ("Fix lint errors", SWAP, "excluded"),
    ("Fix build on Windows", SWAP, "excluded"),
    ("Fix flaky test of the scheduler", SWAP, "excluded"),
    ("valgrind: fix warning about uninitialised value", SWAP, "excluded"),
    ("Fix memory leak detection message", RELEASE, "excluded"),
    ("Speed up some specs", FASTER, "excluded"),
    ("Make the CI build faster", FASTER, "excluded"),
    ("Optimize imports", FASTER, "excluded"),
    ("Clarify comments", SMALLER, "excluded"),
    ("Fix error message for unknown keys", SWAP, "excluded"),
    ("Bump version to 2.0.1 to fix the build", SWAP, "no_criterion"),
    ("Fix crash, bump version to 2.0.1", SWAP, "excluded"),
    ('Revert "Speed up route matching"', FASTER, "excluded"),
    ("Fix parser\n\nThis reverts commit 0123abc.", SWAP, "excluded"),
    ("docs: fix wrong default", SWAP, "excluded"),
    ("test: fix crash", SWAP, "excluded"),
    ("style: simplify quotes", SMALLER, "excluded"),
    ("Address review comments, fix naming", SWAP, "excluded"),
    ("WIP: fix crash on empty input", GUARD, "excluded"),
    ("cli: add support for a null separator when it crashes", GUARD, "excluded"),
    # what a scope names is where the change is, not what it does
    ("security: fix the wrong variable in the update", SWAP, FC),
    ("store: remove the optimization of empty lookups", FASTER, "excluded"),
    ("codec: make decode faster and handle large numbers, which wasn't right", FASTER, "excluded"),
    ("fix: limit request body size", CHECKED, "excluded"),
    ("Reject header names with newlines", CHECKED, "excluded"),
    ("Make the walk cheaper", "-probe(key)\n-keep(key)\n+keep(key)", "no_evidence"),
    ("auth: do not leak the length of passwords", RELEASE, "no_evidence"),
    ("Defer hostname verification until it is used", "+seed = urandom(8)", "excluded"),
    ("Fix", SWAP, "excluded"),
    # denied, or the other way round
    ("Still there is a memory leak to fix", "+reply.release()", "no_criterion"),
    ("Count allocations so that memory usage can be shown", RELEASE, "excluded"),
    ("Rewrite the loop, no performance change", SWAP, "no_criterion"),
    ("Allow handlers to skip the XSRF check", "+if handler.skip_xsrf:\n+    return", "excluded"),
    # several things at once
    ("Refactor and fix the date parser", SMALLER, "multi_intent"),
    ("Fix crash on empty input and add a tab setting", GUARD, "multi_intent"),
    ("Fix memory leak and path traversal", C_FREE, "multi_intent"),
    ("perf: reduce allocations and lock contention", FASTER, "multi_intent"),
    ("refactor: fix wrong order of arguments", SWAP, "multi_intent"),
    ("Fix crash\n\n- one\n- two\n- three\n- four\n- five\n- six", GUARD, "multi_intent"),
    # nothing in the diff
    ("Fix memory leak in the reader", "+count = count + 1", "no_evidence"),
    ("Prevent path traversal", "-return a\n+return b", "no_evidence"),
    ("Fix wrong handling of tabs", "-# tabs are four\n+# tabs are eight", "excluded"),
    ("Fix wrong greeting", "-greet('hello')\n+greet('Hello')", "excluded"),
    ("Plug a leak", "+count = count + 1", "no_evidence"),
    ("Set the header bits more efficiently", "-mask |= A | B\n+mask |= C", "no_evidence"),
    # a word that does not name the improvement
    ("Close leaked sockets when accept fails", RELEASE, "excluded"),
    ("Fix file descriptor leak in the watcher", RELEASE, "excluded"),
    ("Fix goroutine leak on shutdown", RELEASE, "excluded"),
    ("Use a portable way to read the memory usage", RELEASE, "excluded"),
    ("Fix the page renderer", SWAP, "excluded"),
    ("Fix slow writes after a resize", SWAP, "excluded"),
    ("Fix degraded throughput of bulk loads", SWAP, "excluded"),
    ("Extract the slow path", FASTER, "excluded"),
    ("Make weak hash thread-safe to fix security issue", CHECKED, "excluded"),
    ("Prevent index out of bounds access in the last row", CHECKED, "excluded"),
    ("Security fix: fall back when the random device is missing", CHECKED, "excluded"),
    ("Update bundled parser to fix CVE-2031-0001", CHECKED, "excluded"),
    ("Add a macro to avoid copy-pasting the lookup", FASTER, "excluded"),
    ("Deal with out of memory situations", RELEASE, "excluded"),
    ("net: remove the deadlock workaround", SWAP, "excluded"),
    # a tidy-up without a gain that the diff shows
    ("Internal refactoring", "-self.size = size\n-self.data = data\n+self.size = b.size()\n+self.data = b.data()",
     "no_evidence"),
    ("refactor: options", "-x = defaults(a)\n+x = merged(a)\n+y = x.copy()", "no_evidence"),
    ("Clean up the session code", "-a = start(x)\n-flush(a)\n-stop(a)\n-close(a)\n+a = start(x)", "no_evidence"),
    ("Rename load to load_all", "-load(x)\n-save(x)\n+load_all(x)", "no_evidence"),
    ("Rename close to close_and_tell and tell first", "-close(c)\n-tell(c)\n+close_and_tell(c)\n+mark(c)",
     "no_evidence"),
    ("Rename callback_position to pos", "-callback_position = 1\n-use(callback_position)\n+pos = 1\n+use(pos)",
     "no_evidence"),
    ("Simplify the reader", "-return read(x)\n+if x is None:\n+    return None\n+return read(x)", "no_evidence"),
    ("Simplify the drawing", "-hide()\n-draw(a)\n-show()\n-flush()\n+draw(a)", "no_evidence"),
    # a gain in time that is not real, or not the only one
    ("performance tweaks", "+if not items:\n+    return", "excluded"),
    ("Performance improvements", FASTER, "excluded"),
    ("Use a faster and thread-safe queue", FASTER, "excluded"),
    ("Cached renderer: update the enum", "-ON_CLOSE = 1\n+CLOSE = 1", "no_criterion"),
    ("Optimize the form mapping", FASTER, "no_evidence"),
    ("Faster start", "+if not items:\n+    return", "no_evidence"),
    ("Cache the bit masks", "-x = (1 << n) - 1\n+x = MASKS[n]", "no_evidence"),
    ("Restore the old loop, it was faster", FASTER, "excluded"),
    # memory by name only
    ("Fix memory copy bug in the upgrade", "-copy(a, b, 4)\n+copy(a, b, 8)", FC),
    ("Use a WeakMap rather than changing the objects", "+self.seen = WeakMap()", "no_criterion"),
    ("Fix leaks and a crash in load()", RELEASE, "excluded"),
    ("Fix OOM paths of the grower", RELEASE, "excluded"),
    # a protection that is relaxed, or a check that is about the format
    ("Disable the XSS protection on the console page", CHECKED, "excluded"),
    ("Do not reset the CSRF protection on remembered logins", CHECKED, "excluded"),
    ("Fix escaping of quotes in the report helper", "-run(x)\n+run(x.replace(a, b))", "excluded"),
    ("Reject unescaped control characters", CHECKED, "excluded"),
    ("Disallow mixed formats in one file", CHECKED, "no_criterion"),
    # no repair
    ("Panic if the page has the wrong type", CHECKED, "excluded"),
    ("Fix handling of names that are too long", CHECKED, "no_evidence"),
    ("Fix regression of the binary size", SWAP, "excluded"),
    ("Correctly report the platform", SWAP, "excluded"),
    ("Don't decode the value when not necessary", SWAP, "excluded"),
    ("fix: keep the buffer\n\nEvery call allocates again: reuse saves memory.", SWAP, "no_evidence"),
    # a tidy-up that does more
    ("refactor: avoid calling the parser twice", SMALLER, "excluded"),
    ("Clean up the reader", "-grow(512)\n+grow(1024)", "no_evidence"),
    ("Simplify the search", "-if found:\n-    return None\n+return False", "no_evidence"),
    ("Simplify the argument check", "-return parse(name)\n+raise ValueError(name)", "no_evidence"),
    ("Fix crash on start", "-import simplejson\n+import json", "excluded"),
    ("Fix hang on exit", "+logger.info('bye %s', name)", "excluded"),
    ("Fix wrong value", "-__version__ = '1.0'\n+__version__ = '1.1'", "excluded"),
    ("Simplify the nesting", "-    call(a)\n+call(a)", "excluded"),
    ("Commented out an unused field", "-name = None\n+# name = None", "excluded"),
    ("Make the asserts hold on the performance branch", FASTER, "no_criterion"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "diff", "outcome"), DROPPED, ids=[row[0].splitlines()[0] for row in DROPPED])
def test_a_misleading_commit_is_not_labelled_by_its_words(message: str, diff: str, outcome: str) -> None:
    label = labelled(message, diff)

    assert outcome == (label.criterion or label.reason), label
    assert label.detail or label.criterion or label.reason == "no_criterion"


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_index.py",
        "src/test/java/org/acme/StoreTest.java",
        "lib/store_spec.rb",
        "features/step_definitions/store.rb",
        "src/mock-store/store.py",
        "pkg/store_test.go",
        "Acme.Tests/StoreFixture.cs",
        "docs/conf.py",
        "examples/hello.py",
        "benchmarks/run.py",
        "vendor/six.py",
        "acme/version.py",
        "static/app.min.js",
        "setup.py",
        "scripts/release.py",
    ],
)
def test_files_that_are_no_code_of_the_project_are_excluded(path: str) -> None:
    label = labelled("Fix crash on empty input", GUARD, path=path)

    assert label.reason == "excluded"
    assert label.detail is not None
    assert label.detail.startswith("path: ")


@pytest.mark.parametrize("path", ["src/latest/index.py", "acme/contest.py", "lib/attestation.rb", "src/special.c"])
def test_a_path_that_only_looks_like_a_test_is_kept(path: str) -> None:
    assert labelled("Fix crash on empty input", GUARD, path=path).criterion == FC


def test_other_languages_show_their_own_evidence() -> None:
    leak_in_c = classify(
        message="Plug memory leak in the error path",
        path="src/tree.c",
        language="C",
        changes=changes(C_FREE + "\n+goto out;"),
    )
    overflow_in_c = classify(
        message="Fix buffer overflow in the name parser",
        path="src/name.c",
        language="C",
        changes=changes("-strcpy(dst, src);\n+strncpy(dst, src, sizeof(dst) - 1);"),
    )
    nil_in_ruby = classify(
        message="Fix NoMethodError for pages without a title",
        path="lib/page.rb",
        language="Ruby",
        changes=changes("-title.strip\n+title.to_s.strip"),
    )

    assert [leak_in_c.criterion, overflow_in_c.criterion, nil_in_ruby.criterion] == [ME, SH, FC]


def test_what_only_chooses_the_compiler_is_no_evidence() -> None:
    label = classify(
        message="Fix detection of the string type",
        path="include/s.h",
        language="C++",
        changes=changes("-#if defined(__GNUC__)\n+#if defined(__GNUC__) && __GNUC__ > 4"),
    )

    assert (label.reason, label.detail) == ("excluded", "diff: only preprocessor")


def test_a_wider_margin_turns_a_label_into_several_intents() -> None:
    def label(margin: float) -> Label:
        message = "Fix memory leak in sessions"
        return classify(message=message, path="a.py", language="Python", changes=changes(RELEASE), margin=margin)

    assert label(1.0).criterion == ME
    assert label(10.0).reason == "multi_intent"


def test_the_losing_criterion_is_named() -> None:
    label = labelled("Fix memory leak when a session expires", RELEASE)

    assert label.also_matches == (FC,)
    assert label.margin == 4.0


def test_a_diff_too_long_for_one_repair_is_no_evidence() -> None:
    label = labelled("Fix crash on empty input", "\n".join(f"+call_{i}(x)" for i in range(60)))

    assert label.reason == "no_evidence"


def test_the_diff_is_not_asked_for_when_message_or_path_decide() -> None:
    def never() -> Lines:
        raise AssertionError("the diff was read")

    for message, path in [
        ("Add a page about routes", "src/a.py"),
        ("Fix typo", "src/a.py"),
        ("Fix crash on empty input", "tests/test_a.py"),
        ("Refactor and fix the parser", "src/a.py"),
    ]:
        assert classify(message=message, path=path, language="Python", changes=never).criterion is None


@pytest.mark.parametrize("message", ["Speed up lookups", "Fix crash", "Tidy up", "Plug a leak", "Stop an XSS"])
def test_a_message_with_a_word_for_a_criterion_is_worth_a_diff(message: str) -> None:
    assert message_reason(message=message, path="a.py", language="Python") != "no_criterion"


@pytest.mark.parametrize("message", ["Add a page", "Update resource names", "", "v1.2.3", "Sources: reinforce"])
def test_a_message_without_such_a_word_is_not(message: str) -> None:
    assert message_reason(message=message, path="a.py", language="Python") == "no_criterion"


def test_stamps_are_taken_off_a_message() -> None:
    message = parse_message(
        "fix(core)!: Keep order of keys (#123)\n\nSee https://example.org/1 for more.\nSigned-off-by: A <a@example.org>"
    )

    assert (message.kind, message.subject) == ("fix", "keep order of keys")
    assert "example.org" not in message.body


def test_a_title_that_was_cut_is_put_together_again() -> None:
    assert parse_message("Fix crash when the na…\n\n…me is empty").subject == "fix crash when the name is empty"


def test_a_very_long_message_is_read_in_bounded_time() -> None:
    message = "fix " + "a " * 200_000 + "\n" + "memory " * 200_000

    assert labelled(message, GUARD).criterion in (FC, None)
