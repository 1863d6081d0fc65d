"""Secrets and personal data are found by their form; what stands in for them is not, and nothing gives them away."""

import random
import string
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.text.secrets import described, findings, masked

# Put together here, so that no tool takes this file for a leak.
RANDOM = random.Random(1)
LETTERS = string.ascii_letters + string.digits


def drawn(length: int, alphabet: str = LETTERS) -> str:
    return "".join(RANDOM.choice(alphabet) for _ in range(length))


BODY = "\n".join(drawn(64) for _ in range(4))
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"
HEX = drawn(32, "0123456789abcdef")
PIECES = (
    *(
        "jane@web-mail.org",
        "AKIA",
        "://",
        "a:b@c.de",
        "token='",
        "-----BEGIN PRIVATE KEY-----",
        "eyJa.",
        "secret ",
        "@",
    ),
    *(".", "\n", "\x00", "\ud800", "é", "x" * 40, "=", '"', "+44 20 7946 0958", "+1 234 ", "a1b2c3d4"),
)


def kinds(text: str) -> list[str]:
    return [finding.kind for finding in findings(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(KEY, "private_key", id="private key"),
        pytest.param(KEY.replace("\n", "\\n"), "private_key", id="on one line"),
        pytest.param(KEY.replace("RSA ", "ENCRYPTED "), "private_key", id="encrypted"),
        pytest.param(KEY.partition("-----END")[0], "private_key", id="without its end"),
        pytest.param("k = 'AKIA" + drawn(16, string.ascii_uppercase) + "'", "aws_access_key", id="AWS"),
        pytest.param("AIza" + drawn(35), "google_key", id="Google"),
        pytest.param("TOKEN=ghp_" + drawn(36), "github_token", id="GitHub"),
        pytest.param("xoxb-" + drawn(12, string.digits) + "-" + drawn(24), "slack_token", id="Slack"),
        pytest.param("sk_live_" + drawn(24), "stripe_key", id="Stripe"),
        pytest.param(f"eyJ{drawn(20)}.eyJ{drawn(40)}.{drawn(43)}", "jwt", id="JWT"),
        pytest.param("npm_" + drawn(36), "service_token", id="npm"),
        pytest.param("postgres://app:Tr0ub4dor@db.corp.com/x", "login_in_url", id="password in a URL"),
        pytest.param(f'api_key = "{drawn(32)}"', "assigned_secret", id="assigned"),
        pytest.param(f"'clientSecret': '{HEX}'", "assigned_secret", id="in a mapping"),
        pytest.param(f'new Client("auth_token", "{HEX}")', "assigned_secret", id="an argument"),
        pytest.param(f'password => String("{drawn(20)}9")', "assigned_secret", id="behind a call"),
        pytest.param(f"AWS_SECRET_ACCESS_KEY={drawn(40)}\n", "assigned_secret", id="without quotes"),
        pytest.param("# Jane Roe <jane.roe@web-mail.org>", "email", id="e-mail"),
        pytest.param("call +44 20 7946 0958", "phone_number", id="telephone"),
        pytest.param("call (202) 456-1111", "phone_number", id="American telephone"),
    ],
)
def test_each_kind_is_found(text: str, expected: str) -> None:
    assert [expected] == kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("if '-----BEGIN RSA PRIVATE KEY-----' in text:", id="a first line only"),
        pytest.param("-----BEGIN PUBLIC KEY-----\n" + BODY, id="a public key"),
        pytest.param("AKIAIOSFODNN7EXAMPLE", id="the key of the manual"),
        pytest.param("redis://user:password@cache.corp.com", id="a placeholder in a URL"),
        pytest.param("redis://app:Tr0ub4dor@localhost:6379", id="a local host"),
        pytest.param("redis://app:Tr0ub4dor@db.example.com", id="an example's host"),
        pytest.param("redis://app:${PASSWORD}@db.corp.com", id="a variable in a URL"),
        pytest.param("https://host.corp.com/a:b@c", id="a path"),
        pytest.param('api_key = "your_api_key_goes_here_1234"', id="a placeholder"),
        pytest.param('secret_name = "database-password-reader"', id="words"),
        pytest.param('token = "aaaaaaaaaaaaaaaaaaaaaaa11"', id="few different characters"),
        pytest.param(f'digest = "{HEX}"', id="a hash that is no secret"),
        pytest.param('token_id = "123e4567-e89b-12d3-a456-426614174000"', id="a UUID"),
        pytest.param("secret_key = read_secret_key_from_the_environment()", id="a call"),
        pytest.param("admin@web-mail.org", id="a role"),
        pytest.param("users-list@web-mail.org dev@lists.web-mail.org", id="a list"),
        pytest.param("jane.roe@example.com x@y.test", id="reserved hosts"),
        pytest.param("git@github.com:owner/name.git", id="a git address"),
        pytest.param("icon@2x.png left@right.weight a@b.py", id="no addresses at all"),
        pytest.param("zlib@openssh.com", id="an algorithm"),
        pytest.param("https://jane.roe@web-mail.org/x", id="a login"),
        pytest.param("+1 555 010 0199 and (202) 555-0143", id="numbers kept for fiction"),
        pytest.param("x = 10 +20 300 400", id="a sum"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert [] == kinds(text)


def test_findings_are_in_order_and_do_not_overlap() -> None:
    text = f"a jane@web-mail.org\nsecret = '{drawn(20)}7'\nb john.major@web-mail.org"

    assert ["email", "assigned_secret", "email"] == kinds(text)


def test_a_mask_names_the_kind_and_leaves_the_rest() -> None:
    text = f"# Jane Roe <jane@web-mail.org>\nkey = '''{KEY}'''\n"
    clean = masked(text, findings(text))

    assert "# Jane Roe <REDACTED_EMAIL>\nkey = '''REDACTED_PRIVATE_KEY'''\n" == clean
    assert [] == findings(clean)


def test_only_what_is_asked_for_is_masked() -> None:
    assert "jane@web-mail.org" == masked("jane@web-mail.org", [])


def test_a_description_does_not_give_the_secret_away() -> None:
    text = "\n\ntoken = 'ghp_" + "aB3" * 12 + "'"

    assert ["github_token, line 3, 40 characters"] == [described(text, finding) for finding in findings(text)]


@given(st.lists(st.sampled_from(PIECES)))
def test_findings_in_any_text_are_apart_and_masking_them_ends(parts: list[str]) -> None:
    text = "".join(parts)
    found = findings(text)

    assert all(before.end <= after.start for before, after in pairwise(found))
    assert text == masked(text, [])
    assert len(text) + sum(len(f.placeholder) - (f.end - f.start) for f in found) == len(masked(text, found))


@pytest.mark.parametrize("unit", [*PIECES, "a@", "a.", "://a:", "token=", "eyJ", '"' + "a1" * 20, "(202) ", "sk-", "-"])
def test_the_cost_grows_with_the_text_only(unit: str) -> None:
    started = time.process_time()
    findings(unit * (1_000_000 // len(unit)))

    assert time.process_time() - started < 5.0
