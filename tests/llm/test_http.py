"""Requests to a server end as exactly one answer or one failure each, whatever the server does."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from builds import ENVIRONMENT
from fault_server import answer_text, completion, expected_failure, fault, fault_server
from recorded import request

from themis_data.engine.journal import Journal
from themis_data.engine.requests import Reply, Request, Sampling
from themis_data.errors import PipelineError, ThemisError
from themis_data.fingerprint import settings_that_matter
from themis_data.llm.http import Http

SECRET = "sk-very-secret-0123456789"
CLOSED_PORT = "http://127.0.0.1:9/v1"  # the port `discard`, where nothing listens


def model(url: str | tuple[str, ...], **settings: Any) -> Http:
    quick = {"retry_wait_s": 0.002, "max_tries": 3, "concurrency": 8, "timeout_s": 20.0}
    return Http(**{"model": "m", "url": url, **quick, **settings})


def replies(asked: Http, *requests: Request) -> list[Reply]:
    with asked.open() as answer:
        return [reply for given in answer(iter(requests)) for reply in given]


class Server:
    """A server in this process; `respond` gives status, JSON (or bytes) and more headers for a body that was sent."""

    def __init__(self, respond: Callable[[dict[str, Any]], tuple[Any, ...]]) -> None:
        self.respond = respond
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[Any] = set()
        self.url = ""


@contextmanager
def served(respond: Callable[[dict[str, Any]], tuple[Any, ...]]) -> Iterator[Server]:
    server = Server(respond)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.bodies.append(body)
            server.headers.append(dict(self.headers))
            server.connections.add(self.client_address)
            status, said, *more = server.respond(body)
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in dict(*more).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}/v1"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def well(body: dict[str, Any]) -> tuple[int, Any]:
    return 200, completion("said " + body["messages"][-1]["content"])


def error(status: int, message: str) -> tuple[int, Any]:
    return status, {"error": {"message": message}}


# What is sent


def test_a_request_is_sent_as_the_interface_wants_it_and_its_answer_comes_back():
    asked = request("Hi", number=5, system="Be brief.", sampling=Sampling(temperature=0.5, top_p=0.9, max_tokens=7))
    with served(well) as server:
        found = replies(model(server.url + "/"), asked)

    assert [Reply(key=asked.key, text="said Hi", finish="stop", tokens_in=7, tokens_out=3)] == found
    assert [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            "max_tokens": 7,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": asked.seed,
        }
    ] == server.bodies


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
CHOICE = {
    "type": "object",
    "properties": {"choice": {"type": "string", "enum": ["A", "B"]}},
    "required": ["choice"],
    "additionalProperties": False,
}


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        }
    }


@pytest.mark.parametrize(
    ("structured", "asked", "sent"),
    [
        ("vllm", {"schema": json.dumps(SCHEMA)}, {"structured_outputs": {"json": SCHEMA}}),
        ("vllm", {"choices": ("A", "B")}, {"structured_outputs": {"choice": ["A", "B"]}}),
        ("openai", {"schema": json.dumps(SCHEMA)}, response_format(SCHEMA)),
        ("openai", {"choices": ("A", "B")}, response_format(CHOICE)),
        ("none", {"schema": json.dumps(SCHEMA)}, {}),
        ("none", {"choices": ("A", "B")}, {}),
    ],
)
def test_schema_and_choices_are_asked_for_in_the_servers_way(structured, asked, sent):
    with served(lambda body: (200, completion("A"))) as server:
        replies(model(server.url, structured=structured), request(**asked))

    (body,) = server.bodies
    plain = {"model", "messages", "max_tokens", "temperature", "top_p", "seed"}
    assert sent == {name: value for name, value in body.items() if name not in plain}


def test_an_extra_body_is_merged_and_its_nulls_leave_fields_out():
    extra = '{"seed": null, "top_k": 5, "chat_template_kwargs": {"enable_thinking": false}}'
    with served(well) as server:
        replies(model(server.url, extra_body=extra, max_tokens_field="max_completion_tokens"), request())

    (body,) = server.bodies
    assert (5, {"enable_thinking": False}, 1024) == (
        body["top_k"],
        body["chat_template_kwargs"],
        body["max_completion_tokens"],
    )
    assert not {"seed", "max_tokens"} & body.keys()


def test_connections_are_used_again():
    with served(well) as server:
        replies(model(server.url, concurrency=2), *(request(number=n) for n in range(50)))

    assert len(server.connections) <= 2


def test_several_servers_take_turns_and_stand_in_for_one_another():
    with served(well) as one, served(lambda body: error(503, "busy")) as other:
        found = replies(model((one.url, other.url)), *(request(number=n) for n in range(10)))

    assert 10 == len([reply for reply in found if reply.text is not None])
    assert (10, 5) == (len(one.bodies), len(other.bodies))


# What comes back


@pytest.mark.parametrize(
    ("said", "text"),
    [("A", "A"), (" B\n", "B"), ("C", None), ("A, for it is shorter", None)],
)
def test_an_answer_that_is_none_of_the_choices_is_a_failure(said, text):
    with served(lambda body: (200, completion(said))) as server:
        (reply,) = replies(model(server.url, structured="none"), request(choices=("A", "B")))

    assert (text, None if text else "no_label", False) == (reply.text, reply.failure, reply.is_retryable)


@pytest.mark.parametrize(("said", "text"), [('{"choice": "B"}', "B"), ('{"choice": "C"}', None), ('{"choi', None)])
def test_a_choice_is_taken_out_of_the_object_it_was_asked_for_in(said, text):
    with served(lambda body: (200, completion(said))) as server:
        (reply,) = replies(model(server.url, structured="openai"), request(choices=("A", "B")))

    assert text == reply.text


def with_logprobs(*tokens: tuple[str, float]) -> dict[str, Any]:
    said = completion(tokens[0][0])
    top = [{"token": token, "logprob": logarithm} for token, logarithm in tokens]
    said["choices"][0]["logprobs"] = {"content": [top[0] | {"top_logprobs": top}]}
    said["choices"][0]["finish_reason"] = "length"
    return said


@pytest.mark.parametrize("structured", ["vllm", "openai", "none"])
def test_probabilities_are_those_of_the_first_token(structured):
    said = with_logprobs(("B", -0.2231435513142097), ("A", -1.6094379124341003), ("I", -9999.0))
    with served(lambda body: (200, said)) as server:
        (reply,) = replies(
            model(server.url, structured=structured), request(choices=("A", "B"), wants_probabilities=True)
        )

    assert ("B", None) == (reply.text, reply.finish)
    assert {"A": pytest.approx(0.2), "B": pytest.approx(0.8)} == reply.probabilities
    (body,) = server.bodies
    assert (1, 0.0, True, 20) == tuple(body[name] for name in ("max_tokens", "temperature", "logprobs", "top_logprobs"))
    assert "response_format" not in body  # the first token would be a brace
    assert (structured == "vllm") == ("structured_outputs" in body)


@pytest.mark.parametrize(
    ("said", "failure"), [(with_logprobs(("The", -0.1), ("It", -3.0)), "no_label"), (completion("A"), "no_logprobs")]
)
def test_no_probabilities_are_a_failure_that_is_not_tried_again(said, failure):
    with served(lambda body: (200, said)) as server:
        (reply,) = replies(model(server.url), request(choices=("A", "B"), wants_probabilities=True))

    assert (failure, 1) == (reply.failure, len(server.bodies))


def choice(**settings: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"} | settings]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (choice(finish_reason="length"), ("x", "length", None, False)),
        (choice(finish_reason="eos"), ("x", None, None, False)),
        (choice(finish_reason="length", message={"content": None, "reasoning": "Hm"}), (None, None, "empty", False)),
        (choice(finish_reason="content_filter"), (None, None, "refused", False)),
        (choice(message={"content": None, "refusal": "No."}), (None, None, "refused", False)),
        (choice(finish_reason="abort"), (None, None, "bad_reply", True)),
        (choice(message={"content": None}), (None, None, "empty", True)),
        (choice(message={"content": [{"text": "x"}]}), (None, None, "bad_reply", True)),
        (choice(message={"content": "half \ud83d of a pair"}), ("half ? of a pair", "stop", None, False)),
        ({"error": {"message": "upstream is gone"}}, (None, None, "bad_reply", True)),
        ({"choices": []}, (None, None, "bad_reply", True)),
        ([], (None, None, "bad_reply", True)),
        (b"[" * 100_000, (None, None, "bad_reply", True)),
        (b"\xff", (None, None, "bad_reply", True)),
    ],
)
def test_what_an_answer_says_is_read_with_care(said, expected):
    with served(lambda body: (200, said)) as server:
        (reply,) = replies(model(server.url), request())

    assert expected == (reply.text, reply.finish, reply.failure, reply.is_retryable)
    assert (3 if expected[3] else 1) == len(server.bodies)
    assert (reply.text is None) == (reply.detail is not None)


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "7"}, {"prompt_tokens": -1, "completion_tokens": True}])
def test_tokens_that_are_not_counted_are_null(usage):
    with served(lambda body: (200, choice() | {"usage": usage})) as server:
        (reply,) = replies(model(server.url), request())

    assert ("x", None, None) == (reply.text, reply.tokens_in, reply.tokens_out)


# Failures


@pytest.mark.parametrize(
    ("responses", "times", "failure"),
    [
        ([(429, {}), (500, {}), (200, choice())], 3, None),
        ([(200, b"{"), (200, choice())], 2, None),
        ([(429, {})] * 9, 3, "rate_limited"),
        ([(529, {})] * 9, 3, "server_error"),
        ([(200, b"{")] * 9, 3, "bad_reply"),
    ],
)
def test_what_may_pass_is_tried_again(responses, times, failure):
    left = iter(responses)
    with served(lambda body: next(left)) as server:
        (reply,) = replies(model(server.url), request())

    assert (times, failure, failure is not None) == (len(server.bodies), reply.failure, reply.is_retryable)


@pytest.mark.parametrize(
    ("status", "message", "failure", "is_retryable"),
    [
        (400, "This model's maximum context length is 40 tokens. However, your prompt ...", "too_long", False),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", "too_long", False),
        (413, "Payload Too Large", "too_long", False),
        (400, "prompts about this are not allowed", "refused", False),
        (403, "blocked by the firewall", "refused", False),
        (401, "the key has expired", "refused", True),
        (404, "the model was unloaded", "refused", True),
    ],
)
def test_a_refusal_of_one_request_is_its_failure_and_is_not_tried_again(status, message, failure, is_retryable):
    def respond(body):
        return error(status, message) if body["messages"][-1]["content"] == "bad" else well(body)

    requests = [request("good", number=0), request("bad", number=1), request("good", number=2)]
    with served(respond) as server:
        found = {reply.key: reply for reply in replies(model(server.url, concurrency=1), *requests)}

    assert 3 == len(server.bodies)
    reply = found[requests[1].key]
    assert (failure, is_retryable, f"{status}: {message}") == (reply.failure, reply.is_retryable, reply.detail)
    assert "said good" == found[requests[2].key].text


def test_a_first_prompt_that_is_refused_for_what_it_holds_does_not_stop_the_others():
    def respond(body):
        return error(403, "firewall") if "<script>" in body["messages"][-1]["content"] else well(body)

    with served(respond) as server:
        found = replies(model(server.url, concurrency=1), request("<script>"), request("good", number=1))

    assert ["refused", None] == [reply.failure for reply in found]
    assert ["<script>", "Hello", "good"] == [body["messages"][-1]["content"] for body in server.bodies]


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (401, "no such key", "Check the key in the environment variable THEMIS_TEST_KEY"),
        (403, "not yours", "Check the key in the environment variable THEMIS_TEST_KEY"),
        (404, "no such model", "url is the base of the interface"),
        (400, "unknown field", "Check model, structured, extra_body and max_tokens_field"),
        (307, "over there", "Check model, structured"),
    ],
)
def test_a_server_that_refuses_everything_is_an_error_at_the_first_request(monkeypatch, status, message, advice):
    monkeypatch.setenv("THEMIS_TEST_KEY", SECRET)
    requests = [request(number=n) for n in range(100)]
    with (
        served(lambda body: (*error(status, message), {"Location": CLOSED_PORT})) as server,
        pytest.raises(ThemisError, match=f"{status}: {message}") as raised,
    ):
        replies(model(server.url, key_from="THEMIS_TEST_KEY"), *requests)

    assert f"{server.url}/chat/completions refuses every request for the model 'm'" in str(raised.value)
    assert advice in str(raised.value)
    assert len(server.bodies) <= 17


def test_without_a_key_a_refusal_says_where_one_is_named():
    with (
        served(lambda body: error(401, "who are you?")) as server,
        pytest.raises(ThemisError, match="No key was sent: name the environment variable that holds it in key_from"),
    ):
        replies(model(server.url), request())


def test_no_server_is_an_error_and_not_a_failure_of_each_request():
    with pytest.raises(ThemisError, match=r"127.0.0.1:9/v1/chat/completions: no server can be reached .* 3 tries"):
        replies(model(CLOSED_PORT), *(request(number=n) for n in range(100)))


def test_a_server_asks_for_a_wait_in_seconds_or_by_a_date():
    waits = iter(["0.01", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "nan", "inf"])

    def respond(body):
        wait = next(waits, None)
        return well(body) if wait is None else (429, {}, {"Retry-After": wait})

    with served(respond) as server:
        (reply,) = replies(model(server.url, max_tries=6, max_retry_wait_s=0.02), request())

    assert ("said Which?", 6) == (reply.text, len(server.bodies))


def test_waits_double_up_to_a_limit_and_are_drawn_from_the_request():
    from themis_data.llm.http import _Client

    settings = model(CLOSED_PORT, retry_wait_s=1.0, max_retry_wait_s=8.0)
    loop = asyncio.new_event_loop()
    client = _Client(settings, None, loop, ())
    loop.close()

    waits = [[client._wait_s(request(number=n), attempt, None) for n in range(200)] for attempt in range(6)]

    for limit, drawn in zip((1, 2, 4, 8, 8, 8), waits, strict=True):
        assert limit / 2 < max(drawn) <= limit
        assert min(drawn) < limit / 2
    assert waits[0][0] == client._wait_s(request(number=0), 0, None) != waits[0][1]
    assert 5.0 <= client._wait_s(request(), 0, 5.0) <= 6.0
    assert 8.0 <= client._wait_s(request(), 0, 500.0) <= 9.0


# Secrets


def test_the_key_is_sent_and_is_in_no_message(monkeypatch):
    monkeypatch.setenv("THEMIS_TEST_KEY", f" {SECRET}\n")
    echo = iter([well({"messages": [{"content": ""}]}), error(400, f"Incorrect key: {SECRET}")])
    with served(lambda body: next(echo)) as server:
        asked = model(server.url, key_from="THEMIS_TEST_KEY", concurrency=1)
        _, reply = replies(asked, request(), request(number=1))

    assert [f"Bearer {SECRET}"] * 2 == [headers["Authorization"] for headers in server.headers]
    assert "400: Incorrect key: (key)" == reply.detail
    assert SECRET not in repr(asked)
    assert SECRET not in repr(reply)


def test_a_server_that_repeats_the_key_as_it_refuses_it_does_not_bring_it_into_the_error(monkeypatch):
    monkeypatch.setenv("THEMIS_TEST_KEY", SECRET)
    with served(lambda body: error(401, "x" * 280 + SECRET)) as server, pytest.raises(ThemisError) as raised:
        replies(model(server.url, key_from="THEMIS_TEST_KEY"), request())

    assert SECRET[:5] not in str(raised.value)


@pytest.mark.parametrize("value", ["", "  ", "two\nlines", "schlüssel"])
def test_a_key_that_is_not_there_or_is_none_is_an_error_that_names_the_variable(monkeypatch, value):
    monkeypatch.setenv("THEMIS_TEST_KEY", value)

    with pytest.raises(ThemisError, match="THEMIS_TEST_KEY") as raised:
        replies(model(CLOSED_PORT, key_from="THEMIS_TEST_KEY"), request())

    assert "lines" not in str(raised.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": f"https://user:{SECRET}@example.org/v1"},
        {"url": f"https://{SECRET}@example.org/v1"},
        {"url": f"https://example.org/v1?key={SECRET}"},
        {"url": f"ftp://user:{SECRET}@example.org/v1"},
        {"url": f"https://user:{SECRET}@[example.org/v1"},
        {"url": f"https://user:{SECRET}@example.org:port/v1"},
        {"key_from": SECRET},
    ],
)
def test_a_secret_in_the_settings_is_refused_and_not_repeated(settings):
    with pytest.raises(PipelineError) as raised:
        Http(**{"model": "m", "url": "http://127.0.0.1/v1"} | settings)

    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


# Settings


@pytest.mark.parametrize(
    ("url", "leaves"),
    [
        ("http://localhost:8000/v1", False),
        ("http://127.0.0.1/v1", False),
        ("http://127.8.9.1/v1", False),
        ("http://[::1]:80/v1", False),
        ("http://LOCALHOST/v1", False),
        ("http://0.0.0.0/v1", True),
        ("http://localhost.example.org/v1", True),
        ("http://127.0.0.1.example.org/v1", True),
        ("http://10.0.0.1/v1", True),
        (("http://127.0.0.1/v1", "https://example.org/v1"), True),
    ],
)
def test_only_loopback_stays_on_the_machine(url, leaves):
    assert leaves == model(url).leaves_machine


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("extra_body", "{", "extra_body: not JSON"),
        ("extra_body", "[]", "extra_body: expected a JSON object"),
        ("concurrency", 0, "concurrency: expected at least 1, found 0"),
        ("max_tries", 0, "max_tries: expected at least 1, found 0"),
        ("timeout_s", 0.0, "timeout_s: expected more than 0 seconds"),
        ("first_byte_timeout_s", float("nan"), "first_byte_timeout_s: expected more than 0 seconds"),
        ("url", "127.0.0.1:8000", "url: expected an address"),
        ("url", (), "url: expected at least one address"),
        ("usd_per_million_in", 1.0, "are given together or not at all"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(setting, value, message):
    with pytest.raises(PipelineError, match=message):
        Http(**{"model": "m", "url": "http://127.0.0.1/v1", setting: value})


def test_where_it_runs_is_no_part_of_what_it_computes():
    one = model("http://127.0.0.1/v1", model="Qwen/Qwen3-8B")
    other = Http(
        model="Qwen/Qwen3-8B",
        url="https://example.org",
        concurrency=1,
        usd_per_million_in=1.0,
        usd_per_million_out=2.0,
    )

    assert settings_that_matter(one) == settings_that_matter(other)
    assert ("Qwen/Qwen3-8B", "qwen", None, (1.0, 2.0)) == (
        other.name,
        other.family,
        other.revision,
        other.usd_per_million_tokens,
    )
    differs = model("http://127.0.0.1/v1", model="Qwen/Qwen3-8B", extra_body='{"top_k": 1}')
    assert settings_that_matter(one) != settings_that_matter(differs)


# Taking and giving


def test_no_more_requests_are_taken_than_places_are_free():
    taken: list[Request] = []
    with served(well) as server, model(server.url, concurrency=4).open() as answer:
        given = answer(taken.append(one) or one for one in (request(number=n) for n in range(40)))
        assert [] == taken
        done = 0
        for some in given:
            # What is in hand has not been written down yet: its places are taken.
            assert len(taken) - done <= 4
            done += len(some)

    assert 40 == done == len(taken) == len(server.bodies)


def test_a_place_is_free_only_when_the_next_replies_are_asked_for():
    with served(well) as server, model(server.url, concurrency=1).open() as answer:
        given = answer(request(number=n) for n in range(3))
        next(given)
        assert 1 == len(server.bodies)
        next(given)
        assert 2 == len(server.bodies)
        given.close()


def test_no_requests_give_no_replies_and_a_session_answers_again():
    with served(well) as server, model(server.url).open() as answer:
        assert [] == list(answer([]))
        assert 1 == len(list(answer([request()])))
        assert 1 == len(list(answer([request()])))


def test_an_error_of_whoever_asks_is_raised_and_nothing_is_left_running():
    def requests() -> Iterator[Request]:
        yield request()
        raise ZeroDivisionError

    with served(well) as server, pytest.raises(ZeroDivisionError):
        list_all(model(server.url), requests())

    assert_nothing_runs()


def list_all(asked: Http, requests: Iterator[Request]) -> list[list[Reply]]:
    with asked.open() as answer:
        return list(answer(requests))


def assert_nothing_runs() -> None:
    gc.collect()  # a task or a connection that was left would warn, and warnings are errors
    assert [] == [thread.name for thread in threading.enumerate() if thread.name == "http"]


def a_prompt_that(failure: str, word: str) -> str:
    """A prompt that meets such a fault each time it is sent to a server with seed 3 and nothing but faults."""
    prompts = (f"p{n}" for n in range(10_000))
    return next(p for p in prompts if (failure, word) == (expected_failure(3, 1.0, p), fault(3, 1.0, p)[0]))


def one_that_fails_and_seven_that_hang() -> list[Request]:
    hanging = a_prompt_that("timeout", "hang")
    return [request(a_prompt_that("too_long", "too long")), *(request(hanging, number=n) for n in range(1, 8))]


def test_closing_early_leaves_nothing_running():
    with fault_server(seed=3, share=1.0) as server, model(server.url).open() as answer:
        given = answer(one_that_fails_and_seven_that_hang())
        assert ["too_long"] == [reply.failure for reply in next(given)]
        given.close()

    assert_nothing_runs()


def test_an_error_of_whoever_takes_the_replies_leaves_nothing_running():
    def take() -> None:
        with fault_server(seed=3, share=1.0) as server, model(server.url).open() as answer:
            for _ in answer(one_that_fails_and_seven_that_hang()):
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take()

    assert_nothing_runs()


def test_an_interrupt_ends_a_wait_for_replies():
    hanging = a_prompt_that("timeout", "hang")

    def take() -> None:
        with fault_server(seed=3, share=1.0) as server, model(server.url).open() as answer:

            def requests() -> Iterator[Request]:
                yield request(hanging)
                threading.Thread(target=interrupt_once_asked, args=(server,)).start()

            list(answer(requests()))

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            take()
    finally:
        signal.signal(signal.SIGINT, before)

    assert_nothing_runs()


def interrupt_once_asked(server: Any) -> None:
    while server.total() < 1:
        pass
    os.kill(os.getpid(), signal.SIGINT)


# Faults and kills


def ask_a_faulty_server(num_requests: int, concurrency: int) -> None:
    seed, share = 11, 0.3
    prompts = {request(number=n).key: f"prompt {n}" for n in range(num_requests)}
    with fault_server(seed=seed, share=share) as server:
        asked = model(server.url, concurrency=concurrency, max_tries=5, first_byte_timeout_s=0.5)
        found = replies(asked, *(request(f"prompt {n}", number=n) for n in range(num_requests)))
        counts = server.counts()

    assert dict.fromkeys(prompts, 1) == Counter(reply.key for reply in found)
    for reply in found:
        prompt = prompts[reply.key]
        assert (reply.text is None) != (reply.failure is None)
        assert expected_failure(seed, share, prompt) == reply.failure, (prompt, fault(seed, share, prompt), reply)
        assert reply.text in (None, answer_text(prompt))
        assert counts[prompt] <= 5
    assert set(prompts.values()) == set(counts)
    # Every kind of failure was met.
    assert {"rate_limited", "server_error", "timeout", "bad_reply", "connection", "empty", "too_long", None} == {
        reply.failure for reply in found
    }


def test_every_request_to_a_faulty_server_ends_as_one_answer_or_one_failure():
    ask_a_faulty_server(700, concurrency=100)


@pytest.mark.crash
def test_ten_thousand_requests_to_a_faulty_server_end_as_one_answer_or_one_failure_each():
    ask_a_faulty_server(10_000, concurrency=200)


def kill_and_ask_again(tmp_path: Path, *, num_requests: int, concurrency: int, kill_at: list[int]) -> list[int]:
    """Kills whoever asks once the server has met so many requests; gives how many each kill made it meet again."""
    journal, again = tmp_path / "answers.journal", []
    with fault_server(latency_s=0.01) as server:
        script = Path(__file__).with_name("ask_and_journal.py")
        command = [sys.executable, str(script), str(journal), server.url, str(num_requests), str(concurrency)]
        for total in [*kill_at, None]:
            before = server.total()
            with subprocess.Popen(command, env=ENVIRONMENT) as process:
                while total is not None and server.total() < total:
                    assert process.poll() is None, "it ended before its kill"
                if total is not None:
                    process.kill()
            assert process.returncode == (0 if total is None else -signal.SIGKILL)
            again.append(server.total() - len(server.counts()) - sum(again))
            assert server.total() > before
        counts = server.counts()
    with Journal(journal) as kept:
        found = kept.find(request(number=n).key for n in range(num_requests))

    assert {request(number=n).key: answer_text(f"prompt {n}") for n in range(num_requests)} == {
        key: reply.text for key, reply in found.items()
    }
    assert num_requests == len(counts)
    assert max(again) <= concurrency
    return again


def test_a_kill_repeats_at_most_the_requests_that_were_open(tmp_path):
    kill_and_ask_again(tmp_path, num_requests=300, concurrency=16, kill_at=[150])


@pytest.mark.crash
def test_twenty_kills_repeat_at_most_the_requests_that_were_open_each(tmp_path):
    again = kill_and_ask_again(tmp_path, num_requests=6_000, concurrency=64, kill_at=[137 + 290 * n for n in range(20)])

    print(f"\nsent again after each of 20 kills, with 64 open: {again[1:]}")


def test_what_bears_on_answers_beside_the_model_is_its_variant():
    assert None is Http(model="m").variant
    assert (
        'structured none; extra_body {"a": 1, "b": 2}'
        == Http(model="m", structured="none", extra_body='{"b": 2, "a": 1}').variant
    )
