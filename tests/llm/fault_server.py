"""A server of chat completions on loopback that fails on purpose: which prompt meets what is drawn from a seed.

    python tests/llm/fault_server.py SEED FAULTY_SHARE LATENCY_S

prints its port and serves until its standard input is closed. The prompt (the last message) alone decides what
happens, so that a test can say beforehand how each request must end. `GET /counts` gives how often each prompt came,
`GET /total` how many requests came, `GET /headers` those of the last request.
"""

import asyncio
import json
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, ClassVar
from urllib.request import urlopen

from themis_data.fingerprint import uniform

HANG_S = 30.0  # longer than any limit in a test
# What can go wrong, and the failure that a request ends with when it goes wrong each time.
FAULTS = {
    "429": "rate_limited",
    "429 with Retry-After": "rate_limited",
    "500": "server_error",
    "503 in HTML": "server_error",
    "hang": "timeout",
    "slow": "timeout",
    "stalled body": "timeout",
    "cut JSON": "bad_reply",
    "short body": "connection",
    "wrong schema": "bad_reply",
    "empty text": "empty",
    "too long": "too_long",
    "reset": "connection",
}
_NEVER_WELL = 0.1  # share of the faulty prompts that fail each time; the others fail once or twice


def fault(seed: int, share: float, prompt: str) -> tuple[str | None, int]:
    """What a prompt meets, and at how many of its first requests (a great number: always)."""
    if uniform(seed, "faulty", prompt) >= share:
        return None, 0
    word = list(FAULTS)[int(uniform(seed, "fault", prompt) * len(FAULTS))]
    if word == "too long" or uniform(seed, "always", prompt) < _NEVER_WELL:
        return word, 1 << 30
    return word, 1 + int(uniform(seed, "times", prompt) * 2)


def expected_failure(seed: int, share: float, prompt: str) -> str | None:
    """The failure that a client with more than two tries must end with; null for an answer."""
    word, times = fault(seed, share, prompt)
    return FAULTS[word] if word is not None and times > 2 else None


def answer_text(prompt: str) -> str:
    return f"answer to {prompt}"


class _Server(asyncio.Protocol):
    counts: ClassVar[Counter[str]] = Counter()
    last_headers: ClassVar[dict[str, str]] = {}
    seed, share, latency_s = 0, 0.0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            first, *lines = self.received[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", "0"))
            if len(self.received) < end + 4 + length:
                return
            body = bytes(self.received[end + 4 : end + 4 + length])
            del self.received[: end + 4 + length]
            self.handle(first.split()[1], headers, body)

    def handle(self, path: str, headers: dict[str, str], body: bytes) -> None:
        if path == "/counts":
            self.send(200, self.counts)
        elif path == "/total":
            self.send(200, self.counts.total())
        elif path == "/headers":
            self.send(200, self.last_headers)
        elif path != "/v1/chat/completions":
            self.send(404, {"error": {"message": f"nothing at {path}"}})
        else:
            type(self).last_headers = headers
            prompt = json.loads(body)["messages"][-1]["content"]
            self.counts[prompt] += 1
            word, times = fault(self.seed, self.share, prompt)
            asyncio.get_running_loop().call_later(
                self.latency_s, self.answer, prompt, word if self.counts[prompt] <= times else None
            )

    def answer(self, prompt: str, word: str | None) -> None:
        later = asyncio.get_running_loop().call_later
        well = completion(answer_text(prompt))
        match word:
            case None:
                self.send(200, well)
            case "429":
                self.send(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
            case "429 with Retry-After":
                self.send(429, {"error": {"message": "slow down"}}, "Retry-After: 0.02\r\n")
            case "500":
                self.send(500, {"error": {"message": "out of memory"}})
            case "503 in HTML":
                self.write("503 Busy", b"<html>busy</html>")
            case "hang":
                later(HANG_S, self.transport.abort)
            case "slow":
                later(HANG_S, self.send, 200, well)
            case "stalled body":
                self.write("200 OK", json.dumps(well).encode()[:20], length=200)
                later(HANG_S, self.transport.abort)
            case "cut JSON":
                self.write("200 OK", json.dumps(well).encode()[:-20])
            case "short body":
                self.write("200 OK", json.dumps(well).encode()[:20], length=200)
                self.transport.close()
            case "wrong schema":
                self.send(200, {"choices": [{"text": "of another interface"}]})
            case "empty text":
                self.send(200, completion(" \n"))
            case "too long":
                self.send(400, {"error": {"message": "This model's maximum context length is 8 tokens.", "code": 400}})
            case "reset":
                connection = self.transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()

    def send(self, status: int, said: Any, more: str = "") -> None:
        self.write(f"{status} Said", json.dumps(said).encode(), more)

    def write(self, status: str, body: bytes, more: str = "", length: int | None = None) -> None:
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n{more}\r\n"
            self.transport.write(head.encode() + body)


def completion(text: str) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }


@dataclass(frozen=True)
class FaultServer:
    """A server that runs, seen from a test."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def counts(self) -> Counter[str]:
        """How often each prompt came."""
        return Counter(self._get("counts"))

    def total(self) -> int:
        found: int = self._get("total")
        return found

    def headers(self) -> dict[str, str]:
        """Of the last request, by names in lower case."""
        found: dict[str, str] = self._get("headers")
        return found

    def _get(self, what: str) -> Any:
        with urlopen(f"http://127.0.0.1:{self.port}/{what}", timeout=30) as response:
            return json.loads(response.read())


@contextmanager
def fault_server(*, seed: int = 0, share: float = 0.0, latency_s: float = 0.0) -> Iterator[FaultServer]:
    """Runs a server in a process of its own."""
    command = [sys.executable, str(Path(__file__)), str(seed), str(share), str(latency_s)]
    with Popen(command, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield FaultServer(port=int(process.stdout.readline()))
        finally:
            process.stdin.close()  # it ends by itself, also when the test is killed
            process.wait()  # leaving `with` by an interrupt would wait for a quarter of a second only


async def _serve(seed: int, share: float, latency_s: float) -> None:
    _Server.seed, _Server.share, _Server.latency_s = seed, share, latency_s
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Server, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
