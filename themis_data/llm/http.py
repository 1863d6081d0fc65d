"""Answers from a server that speaks the chat completions interface: vLLM's, a gateway, a provider.

A thread of its own runs the connections, so that time limits and retries go on while the caller writes to disk.
Requests are taken one by one as places get free. A place is free again when the caller asks for the next replies:
then those before are on disk, so that a kill repeats at most as many requests as there are places.
"""

import asyncio
import email.utils
import ipaddress
import itertools
import json
import os
import re
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from themis_data.engine.requests import Answering, Reply, Request, Sampling
from themis_data.errors import MissingExtra, PipelineError, ThemisError
from themis_data.fingerprint import uniform, where_it_runs
from themis_data.llm._chat import (
    TRANSIENT,
    Structured,
    failed,
    read_answer,
    read_refusal,
    request_body,
    shortened,
)
from themis_data.llm.families import family_of

if TYPE_CHECKING:
    import aiohttp

_HANDED_OVER: Final = 32  # requests that are handed to the thread at once
# vLLM's server closes a connection that was idle for 5 s; one that is taken up at that very moment fails.
_IDLE_S: Final = 4.0
_NOTICE_S: Final = 0.2  # until an interrupt is noticed


@dataclass(frozen=True, kw_only=True)
class Http:
    """A model behind a server with the chat completions interface."""

    model: Annotated[str, "name that the server knows the model by, such as Qwen/Qwen3-8B"]
    revision: Annotated[str | None, "which weights exactly; null where the server does not tell"] = None
    family: Annotated[str | None, "who made the model, in a word; null: told by its name where that is known"] = None
    structured: Annotated[
        Structured,
        "how a schema or choices are asked for: `structured_outputs` (vllm), `response_format` (openai), or not at "
        "all (none), and then the prompt must do",
    ] = "vllm"
    extra_body: Annotated[
        str, 'JSON object that is merged over each body, such as {"chat_template_kwargs": ...}; null leaves a field out'
    ] = "{}"
    top_logprobs: Annotated[
        int, "likeliest first tokens in which choices are looked for, where probabilities count"
    ] = 20
    max_tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"],
        "field that bounds an answer; newer models of OpenAI: the latter",
    ] = where_it_runs("max_tokens")
    url: Annotated[
        str | tuple[str, ...], "base of the interface, such as http://127.0.0.1:8000/v1; several take turns"
    ] = where_it_runs("http://127.0.0.1:8000/v1")
    key_from: Annotated[str, "name of the environment variable that holds the API key; empty: no key is sent"] = (
        where_it_runs("")
    )
    concurrency: Annotated[int, "requests open at a time, over all servers; a kill repeats at most so many"] = (
        where_it_runs(64)
    )
    timeout_s: Annotated[float, "seconds one try may take"] = where_it_runs(600.0)
    first_byte_timeout_s: Annotated[
        float, "seconds a server may send nothing; one that does not stream sends nothing until its answer is complete"
    ] = where_it_runs(600.0)
    connect_timeout_s: Annotated[float, "seconds until a connection stands"] = where_it_runs(10.0)
    max_tries: Annotated[int, "times one request is sent at most"] = where_it_runs(8)
    retry_wait_s: Annotated[
        float, "seconds before the first retry at most; doubles with each, and a random share of it is waited"
    ] = where_it_runs(1.0)
    max_retry_wait_s: Annotated[float, "seconds before any retry at most, also where the server names more"] = (
        where_it_runs(60.0)
    )
    usd_per_million_in: Annotated[float | None, "US dollars a million tokens of prompts; null: unknown"] = (
        where_it_runs(None)
    )
    usd_per_million_out: Annotated[float | None, "US dollars a million tokens of answers; null: unknown"] = (
        where_it_runs(None)
    )

    def __post_init__(self) -> None:
        if not self._urls:
            raise PipelineError("http, url: expected at least one address")
        for url in self._urls:
            _check_url(url)
        # What is given may be the key itself, so it is not repeated.
        if self.key_from and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key_from):
            raise PipelineError(
                "http, key_from: expected the name of an environment variable (capital letters, digits, _), for "
                "example OPENAI_API_KEY; never the key itself"
            )
        try:
            extra = json.loads(self.extra_body)
        except ValueError as error:
            raise PipelineError(f"http, extra_body: not JSON ({error}): {self.extra_body!r}") from error
        if not isinstance(extra, dict):
            raise PipelineError(f"http, extra_body: expected a JSON object, found {self.extra_body!r}")
        for name in ("concurrency", "max_tries", "top_logprobs"):
            if getattr(self, name) < 1:
                raise PipelineError(f"http, {name}: expected at least 1, found {getattr(self, name)}")
        for name in ("timeout_s", "first_byte_timeout_s", "connect_timeout_s"):
            if not getattr(self, name) > 0:
                raise PipelineError(f"http, {name}: expected more than 0 seconds, found {getattr(self, name)}")
        if (self.usd_per_million_in is None) != (self.usd_per_million_out is None):
            raise PipelineError("http: usd_per_million_in and usd_per_million_out are given together or not at all")
        if self.family is None:
            object.__setattr__(self, "family", family_of(self.model))

    @property
    def name(self) -> str:
        return self.model

    @property
    def leaves_machine(self) -> bool:
        return not all(_is_loopback(urlsplit(url).hostname or "") for url in self._urls)

    @property
    def usd_per_million_tokens(self) -> tuple[float, float] | None:
        if self.usd_per_million_in is None or self.usd_per_million_out is None:
            return None
        return self.usd_per_million_in, self.usd_per_million_out

    @property
    def variant(self) -> str | None:
        extra = json.loads(self.extra_body)
        said = [f"structured {self.structured}"] if self.structured != "vllm" else []
        said += [f"extra_body {json.dumps(extra, sort_keys=True)}"] if extra else []
        return "; ".join(said) or None

    @property
    def gpus(self) -> int:
        return 0

    @contextmanager
    def open(self) -> Iterator[Answering]:
        """A session with the servers. Answers one iterable of requests at a time.

        Raises MissingExtra without aiohttp, and ThemisError where the key is missing and, once requests come, where
        every one of them would fail: no server at the address, a wrong key, an unknown model or an unknown setting.
        """
        try:
            import aiohttp
        except ModuleNotFoundError as error:
            raise MissingExtra("the backend http needs aiohttp: pip install 'themis-data[http]'") from error
        key = self._key()
        with _loop_in_a_thread() as loop:
            client = _Client(self, key, loop, (aiohttp.ClientError, OSError))
            _wait_for(loop, client.connect())
            try:
                yield client.answer
            finally:
                _wait_for(loop, client.close())

    @property
    def _urls(self) -> tuple[str, ...]:
        return (self.url,) if isinstance(self.url, str) else self.url

    def _key(self) -> str | None:
        if not self.key_from:
            return None
        key = os.environ.get(self.key_from, "").strip()
        if not key:
            raise ThemisError(
                f"http: the environment variable {self.key_from} (key_from) is not set; it should hold the API key "
                f"for {' and '.join(self._urls)}"
            )
        if not (key.isascii() and key.isprintable()):
            raise ThemisError(f"http: the environment variable {self.key_from} holds characters that no API key has")
        return key


BACKEND = Http


class _Client:
    """Sends requests. Everything but `answer` runs in the loop's thread."""

    _session: "aiohttp.ClientSession"

    def __init__(
        self,
        settings: Http,
        key: str | None,
        loop: asyncio.AbstractEventLoop,
        broken: tuple[type[Exception], ...],
    ) -> None:
        self._settings = settings
        self._key = key
        self._loop = loop
        self._broken = broken  # what sending raises when a connection fails
        self._extra = json.loads(settings.extra_body)
        self._urls = [_completions(url) for url in settings._urls]
        self._numbers = itertools.count()
        self._judging = asyncio.Lock()
        self._is_accepted = False  # a server took a request for one that can be answered
        self._is_there = False  # a server answered anything at all
        self._num_unreachable = 0  # requests given up in a row because no server could be reached
        self._tasks: set[asyncio.Task[Reply]] = set()
        self._is_closed = False

    async def connect(self) -> None:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {self._key}"} if self._key else {}),
            timeout=aiohttp.ClientTimeout(
                total=self._settings.timeout_s,
                sock_connect=self._settings.connect_timeout_s,
                sock_read=self._settings.first_byte_timeout_s,
            ),
            trust_env=self._settings.leaves_machine,  # proxies are not for servers on this machine
        )

    async def close(self) -> None:
        """Ends everything. An error of the caller leaves `answer` where it is, and ends the session before it."""
        self._is_closed = True
        await _cancel(self._tasks)
        await self._session.close()

    def answer(self, requests: Iterable[Request]) -> Iterator[list[Reply]]:
        """See `Answering`; runs in the caller's thread."""
        source, is_exhausted = iter(requests), False
        came: SimpleQueue[Reply | BaseException] = SimpleQueue()
        tasks: set[asyncio.Task[Reply]] = set()
        num_open = 0
        try:
            while True:
                # Replies that wait are given to the caller before more requests are made, for making them may be slow.
                while not is_exhausted and (room := self._settings.concurrency - num_open):
                    wanted = min(room, _HANDED_OVER)
                    taken = list(itertools.islice(source, wanted))
                    is_exhausted = len(taken) < wanted
                    num_open += len(taken)
                    self._loop.call_soon_threadsafe(self._start, taken, tasks, came)
                    if not came.empty():
                        break
                if not num_open:
                    return
                replies, error = _drain(came)
                if replies:
                    yield replies
                    num_open -= len(replies)
                if error is not None:
                    raise error
        finally:
            if not self._is_closed:
                _wait_for(self._loop, _cancel(tasks))

    def _start(
        self, requests: list[Request], tasks: set["asyncio.Task[Reply]"], came: "SimpleQueue[Reply | BaseException]"
    ) -> None:
        for request in requests:
            task = self._loop.create_task(self._answer(request))
            for known in (tasks, self._tasks):
                known.add(task)
                task.add_done_callback(known.discard)
            task.add_done_callback(partial(_hand_back, came))

    async def _answer(self, request: Request) -> Reply:
        """One request's reply, after as many tries as it takes and may take."""
        data = self._body(request)
        number = next(self._numbers)
        for attempt in itertools.count():
            url = self._urls[(number + attempt) % len(self._urls)]
            reply, status, asked_s = await self._try(request, data, url)
            if reply.failure == "refused" and status != 200 and not self._is_accepted:
                await self._judge(request, reply, status, url)
            if reply.failure not in TRANSIENT or not reply.is_retryable:
                return reply
            if attempt + 1 >= self._settings.max_tries:
                break
            await asyncio.sleep(self._wait_s(request, attempt, asked_s))
        if reply.failure == "unreachable":
            self._num_unreachable += 1
            if not self._is_there or self._num_unreachable >= self._settings.concurrency:
                raise ThemisError(
                    f"{_shown(url)}: no server can be reached ({reply.detail}), after {attempt + 1} tries; start it, "
                    f"or correct url"
                )
        return reply

    def _body(self, request: Request) -> bytes:
        body = request_body(
            request,
            model=self._settings.model,
            structured=self._settings.structured,
            top_logprobs=self._settings.top_logprobs,
            max_tokens_field=self._settings.max_tokens_field,
            extra=self._extra,
        )
        return json.dumps(body, separators=(",", ":")).encode("ascii")

    async def _try(self, request: Request, data: bytes, url: str) -> tuple[Reply, int | None, float | None]:
        """The reply to one sending, the status of the response, and the seconds that the server asks to wait."""
        try:
            # A redirect could carry prompts and key to another host than the one that was named.
            async with self._session.post(url, data=data, allow_redirects=False) as response:
                payload = await response.read()
        except TimeoutError:
            settings = self._settings
            detail = (
                f"no answer within {settings.timeout_s:g} s, or nothing for {settings.first_byte_timeout_s:g} s, or no "
                f"connection within {settings.connect_timeout_s:g} s"
            )
            return failed(request, "timeout", detail, is_retryable=True), None, None
        except self._broken as error:
            word = "unreachable" if _is_unreachable(error) else "connection"
            detail = f"{type(error).__name__}: {error}"
            return self._cleaned(failed(request, word, detail, is_retryable=True)), None, None
        self._is_there, self._num_unreachable = True, 0
        if response.status == 200:
            reply = read_answer(request, payload, self._settings.structured)
        else:
            reply = read_refusal(request, response.status, payload)
        if reply.failure is None or reply.failure == "too_long":
            self._is_accepted = True
        return self._cleaned(reply), response.status, _asked_wait_s(response.headers.get("Retry-After"))

    def _cleaned(self, reply: Reply) -> Reply:
        """The reply with a short detail that does not hold the key, which some servers repeat."""
        if reply.detail is None:
            return reply
        detail = reply.detail.replace(self._key, "(key)") if self._key else reply.detail
        return replace(reply, detail=shortened(detail))

    async def _judge(self, request: Request, reply: Reply, status: int | None, url: str) -> None:
        """Raise where a server that has accepted nothing so far refuses every request, and not just this one.

        A gateway may refuse one prompt for what it holds (exploits in a diff), and then a harmless one goes through.
        """
        async with self._judging:
            if self._is_accepted:
                return
            if status not in (401, 404):
                harmless = replace(request, system=None, user="Hello", sampling=Sampling(max_tokens=1))
                probed, status, _ = await self._try(harmless, self._body(harmless), url)
                if probed.failure != "refused" or status == 200:
                    self._is_accepted = self._is_accepted or status == 200
                    return
                reply = probed
        raise ThemisError(
            f"{_shown(url)} refuses every request for the model {self._settings.model!r} ({reply.detail}). "
            + self._advice(status)
        )

    def _advice(self, status: int | None) -> str:
        if status in (401, 403) and self._key:
            return f"Check the key in the environment variable {self._settings.key_from}"
        if status in (401, 403):
            return "No key was sent: name the environment variable that holds it in key_from"
        if status == 404:
            return (
                "url is the base of the interface, such as http://127.0.0.1:8000/v1, and model a name that URL/models "
                "lists"
            )
        return "Check model, structured, extra_body and max_tokens_field"

    def _wait_s(self, request: Request, attempt: int, asked_s: float | None) -> float:
        """Seconds before the next try: a share, drawn from the request, of a limit that doubles."""
        settings = self._settings
        share = uniform(request.seed, "retry", request.key, str(attempt))
        if asked_s is not None:
            return min(asked_s, settings.max_retry_wait_s) + share * settings.retry_wait_s
        return share * min(settings.max_retry_wait_s, settings.retry_wait_s * 2.0 ** min(attempt, 30))


def _is_unreachable(error: Exception) -> bool:
    import aiohttp

    return isinstance(error, aiohttp.ClientConnectorError)


def _drain(came: "SimpleQueue[Reply | BaseException]") -> tuple[list[Reply], BaseException | None]:
    """All that came, at least one; what came behind an error is left."""
    replies: list[Reply] = []
    one = _first(came)
    while not isinstance(one, BaseException):
        replies.append(one)
        try:
            one = came.get_nowait()
        except Empty:
            return replies, None
    return replies, one


def _first(came: "SimpleQueue[Reply | BaseException]") -> Reply | BaseException:
    while True:
        # A wait without end would not notice an interrupt that the system handed to another thread.
        with suppress(Empty):
            return came.get(timeout=_NOTICE_S)


def _hand_back(came: "SimpleQueue[Reply | BaseException]", task: "asyncio.Task[Reply]") -> None:
    if not task.cancelled():
        came.put(task.exception() or task.result())


async def _cancel(tasks: set["asyncio.Task[Reply]"]) -> None:
    left = list(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@contextmanager
def _loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    # A daemon, so that a second interrupt in the middle of closing ends the process.
    thread = Thread(target=loop.run_forever, name="http", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _wait_for(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    asyncio.run_coroutine_threadsafe(work, loop).result()


def _check_url(url: str) -> None:
    parts = None
    with suppress(ValueError):  # its message repeats the address, and with it a password
        parts = urlsplit(url)
        parts = parts if parts.port != 0 else None
    if parts is None or not parts.hostname or parts.scheme not in ("http", "https"):
        raise PipelineError("http, url: expected an address with http:// or https://, such as http://127.0.0.1:8000/v1")
    if parts.username is not None or parts.password is not None or parts.query:
        raise PipelineError(
            f"http, url: {_shown(url)} was given with a user, a password or a query, and pipelines are no place for "
            f"secrets; name the environment variable that holds the key in key_from"
        )


def _shown(url: str) -> str:
    """The address without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _completions(url: str) -> str:
    return url.rstrip("/") + "/chat/completions"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _asked_wait_s(header: str | None) -> float | None:
    """Seconds that a Retry-After asks for, in seconds or as a date; null where it says neither."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if seconds == seconds else None
