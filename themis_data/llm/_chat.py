"""The chat completions interface: the body of a request, and what a server's answer says. Nothing is sent here."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from themis_data.engine.requests import Reply, Request
from themis_data.llm.choices import choice_probabilities, likeliest

Structured = Literal["vllm", "openai", "none"]

# Failures that the same request may not meet at the next try.
TRANSIENT: Final = frozenset(
    {"timeout", "unreachable", "connection", "rate_limited", "server_error", "bad_reply", "empty"}
)

_CHOICE: Final = "choice"  # the only field of the object that a choice comes in, where only objects can be asked for
_CHOICE_TOKENS: Final = 16  # what that object takes beside the choice
_MAX_DETAIL: Final = 300  # characters
_MAX_TOKENS_COUNTED: Final = 1 << 31
# What servers say of a prompt that does not fit: vLLM, OpenAI, Anthropic, llama.cpp, TGI, SGLang and gateways.
_TOO_LONG: Final = re.compile(
    r"context.?(?:length|size|window)|prompt is too long|input is too long|too many (?:input )?tokens"
    r"|longer than the (?:model's )?(?:maximum|context)|inputs? tokens? .{0,40}(?:must be|exceeds?)",
    re.IGNORECASE,
)


def request_body(
    request: Request,
    *,
    model: str,
    structured: Structured,
    top_logprobs: int,
    max_tokens_field: str,
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON body that asks a request. `extra` is merged over it, and its nulls leave fields out."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
        max_tokens_field: sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed,
    }
    body = {name: value for name, value in (body | dict(extra)).items() if value is not None}
    if request.wants_probabilities:
        body |= {max_tokens_field: 1, "temperature": 0.0, "logprobs": True, "top_logprobs": top_logprobs}
        # vLLM masks the logits by the grammar before it takes the logarithms, the raw ones too, so that all that comes
        # back are beginnings of choices, and none is lost behind twenty likelier tokens. Masking leaves the ratios.
        return body | ({"structured_outputs": {"choice": list(request.choices)}} if structured == "vllm" else {})
    if structured == "vllm" and request.choices:
        return body | {"structured_outputs": {"choice": list(request.choices)}}
    if structured == "vllm" and request.schema is not None:
        return body | {"structured_outputs": {"json": json.loads(request.schema)}}
    if structured == "openai" and request.choices:
        asked = {
            "type": "object",
            "properties": {_CHOICE: {"type": "string", "enum": list(request.choices)}},
            "required": [_CHOICE],
            "additionalProperties": False,
        }
        return body | _response_format(asked) | {max_tokens_field: sampling.max_tokens + _CHOICE_TOKENS}
    if structured == "openai" and request.schema is not None:
        return body | _response_format(json.loads(request.schema))
    return body


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    described = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def read_answer(request: Request, payload: bytes, structured: Structured) -> Reply:
    """The reply in the body of a response that says it is one (status 200)."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return failed(request, "bad_reply", f"the answer is not JSON; its end: {payload[-80:]!r}", is_retryable=True)
    reply = _read_choice(request, said, payload, structured)
    tokens_in, tokens_out = (_count(_at(said, "usage", name)) for name in ("prompt_tokens", "completion_tokens"))
    return replace(reply, tokens_in=tokens_in, tokens_out=tokens_out)


def _read_choice(request: Request, said: Any, payload: bytes, structured: Structured) -> Reply:
    choice = _at(said, "choices", 0)
    message = _at(choice, "message")
    content = _at(message, "content")
    if not isinstance(message, dict) or not (content is None or isinstance(content, str)):
        what = error_message(payload) if isinstance(said, dict) and "error" in said else f"it begins {payload[:80]!r}"
        return failed(request, "bad_reply", f"the answer has no choices[0].message.content: {what}", is_retryable=True)
    finish = _at(choice, "finish_reason")
    refusal = _at(message, "refusal")
    if finish == "content_filter" or (refusal and not content):
        detail = f"the server withholds the answer: {refusal or 'content_filter'}"
        return failed(request, "refused", detail, is_retryable=False)
    if finish in ("abort", "error"):  # vLLM, when it is shut down or fails in the middle of an answer
        return failed(request, "bad_reply", f"the server ended the answer: {finish}", is_retryable=True)
    if request.wants_probabilities:
        return _most_probable(request, choice)
    text = _valid(content or "")
    if not text.strip():
        if finish == "length":
            detail = "max_tokens ended the answer before its text began; thinking may have taken all of them"
            return failed(request, "empty", detail, is_retryable=False)
        return failed(request, "empty", "the answer has no text", is_retryable=True)
    if request.choices:
        chosen = _chosen(request, text, structured)
        if chosen is None:
            detail = f"the answer is none of the {len(request.choices)} choices: {text}"
            return failed(request, "no_label", detail, is_retryable=False)
        text = chosen
    named = finish if finish in ("stop", "length") else None
    return Reply(key=request.key, text=text, finish=named)


def _most_probable(request: Request, choice: Any) -> Reply:
    first = _at(choice, "logprobs", "content", 0)
    if not isinstance(first, dict):
        detail = "the answer has no logprobs: this server or model cannot answer by probability"
        return failed(request, "no_logprobs", detail, is_retryable=True)
    tokens = list(_first_tokens(first))
    probabilities = choice_probabilities(request.choices, tokens)
    if probabilities is None:
        named = ", ".join(repr(token) for token, _ in tokens[:5])
        detail = f"none of the {len(tokens)} likeliest first tokens begins a choice: {named}"
        return failed(request, "no_label", detail, is_retryable=False)
    return Reply(key=request.key, text=likeliest(probabilities), probabilities=probabilities)


def _first_tokens(first: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The likeliest tokens; the one that was drawn where there are none."""
    listed = first.get("top_logprobs")
    for one in listed if isinstance(listed, list) and listed else [first]:
        token, logarithm = _at(one, "token"), _at(one, "logprob")
        if isinstance(token, str) and isinstance(logarithm, int | float):
            yield _valid(token), max(-1e4, logarithm)


def _chosen(request: Request, text: str, structured: Structured) -> str | None:
    """The choice that a text is, white space around it aside."""
    if structured == "openai":
        try:
            text = _at(json.loads(text), _CHOICE)
        except (ValueError, RecursionError):
            return None
    return next((c for c in request.choices if isinstance(text, str) and c.strip() == text.strip()), None)


def read_refusal(request: Request, status: int, payload: bytes) -> Reply:
    """The failure that a response with another status than 200 stands for."""
    message = error_message(payload)
    detail = f"{status}: {message}"
    if status == 429:
        return failed(request, "rate_limited", detail, is_retryable=True)
    if status >= 500 or status in (408, 409, 425):
        return failed(request, "server_error", detail, is_retryable=True)
    if status == 413 or (status in (400, 422) and _TOO_LONG.search(message)):
        return failed(request, "too_long", detail, is_retryable=False)
    # Of 401 and 404 the key or the server is at fault, so another time it may work; 400 and 403 are about the request.
    return failed(request, "refused", detail, is_retryable=status in (401, 404))


def error_message(payload: bytes) -> str:
    """What a server says went wrong: the message in its JSON, or else the text as it is."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return payload[: 4 * _MAX_DETAIL].decode("utf-8", "replace")
    for found in (_at(said, "error", "message"), _at(said, "message"), _at(said, "detail"), _at(said, "error")):
        if isinstance(found, str):
            code = _at(said, "error", "code")
            return f"{found} ({code})" if isinstance(code, str) else found
    return payload[: 4 * _MAX_DETAIL].decode("utf-8", "replace")


def failed(request: Request, word: str, detail: str, *, is_retryable: bool) -> Reply:
    return Reply(key=request.key, failure=word, detail=_valid(detail), is_retryable=is_retryable)


def shortened(detail: str) -> str:
    """On one line, and at most a few hundred characters."""
    line = " ".join(detail.split())
    return line if len(line) <= _MAX_DETAIL else line[: _MAX_DETAIL - 3] + "..."


def _at(value: Any, *path: str | int) -> Any:
    """What lies at a path of names and places in JSON; null where there is nothing."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_TOKENS_COUNTED
    return value if is_count else None


def _valid(text: str) -> str:
    """The text with ? for halves of characters, which JSON can hold and UTF-8 and Parquet cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
