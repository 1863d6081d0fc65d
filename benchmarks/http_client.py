"""Requests a second of the backend `http`, beside bare loops over other clients.

    python benchmarks/http_client.py [--requests 4000] [--runs 5] [--clients aiohttp,ours]

All clients send the same bodies (prompts of 4,000 characters) to the same server on loopback, which answers each with
the same short completion, and read the texts of the answers. A client runs in a process of its own on one core. What
counts is its processor time, user and system, for on a shared machine the clock runs on; the clock is given beside it.
Clients alternate, and the median over the runs counts: read ratios. A client that is not installed is left out.
"""

import argparse
import asyncio
import importlib.util
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests" / "llm"))

from fault_server import fault_server

from themis_data.engine.requests import Request, Sampling
from themis_data.llm.http import Http

PROMPT = "def add(a, b):\n    return a + b\n\n" * 118  # 4,012 characters


def requests(num_requests: int) -> list[Request]:
    return [
        Request(key=f"{number:032x}", system=None, user=f"{number}\n{PROMPT}", sampling=Sampling())
        for number in range(num_requests)
    ]


def body(request: Request) -> dict[str, Any]:
    return {"model": "m", "messages": request.messages, "max_tokens": 1024, "temperature": 0.0, "seed": request.seed}


# The clients: each gives how many texts it got.


def ours(url: str, num_requests: int, concurrency: int) -> int:
    with Http(model="m", url=url, concurrency=concurrency).open() as answer:
        return sum(reply.text is not None for given in answer(requests(num_requests)) for reply in given)


def bare_aiohttp(url: str, num_requests: int, concurrency: int) -> int:
    import aiohttp

    async def main() -> int:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def ask(request: Request) -> str:
                async with session.post(f"{url}/chat/completions", json=body(request)) as response:
                    return text_of(await response.json(content_type=None))

            return await at_once(ask, num_requests, concurrency)

    return asyncio.run(main())


def bare_httpx2(url: str, num_requests: int, concurrency: int) -> int:
    import httpx2

    async def main() -> int:
        async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=concurrency), timeout=600) as client:

            async def ask(request: Request) -> str:
                return text_of((await client.post(f"{url}/chat/completions", json=body(request))).json())

            return await at_once(ask, num_requests, concurrency)

    return asyncio.run(main())


def openai(url: str, num_requests: int, concurrency: int) -> int:
    from openai import AsyncOpenAI

    async def main() -> int:
        async with AsyncOpenAI(base_url=url, api_key="none", timeout=600) as client:

            async def ask(request: Request) -> str:
                answer = await client.chat.completions.create(**body(request))
                return answer.choices[0].message.content or ""

            return await at_once(ask, num_requests, concurrency)

    return asyncio.run(main())


async def at_once(ask: Callable[[Request], Coroutine[Any, Any, str]], num_requests: int, concurrency: int) -> int:
    """So many workers that take requests from one iterator."""
    left = iter(requests(num_requests))

    async def work() -> int:
        return sum([bool(await ask(request)) for request in left])

    return sum(await asyncio.gather(*(work() for _ in range(concurrency))))


def text_of(answer: dict[str, Any]) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text


CLIENTS = {"aiohttp": bare_aiohttp, "ours": ours, "httpx2": bare_httpx2, "openai": openai}


def measure(name: str, url: str, num_requests: int, concurrency: int) -> tuple[float, float]:
    """Processor seconds and clock seconds; a first fifth of the requests is not counted."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def run() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        CLIENTS[name](url, num_requests // 5, concurrency)
        cpu, clock = time.process_time(), time.monotonic()
        assert CLIENTS[name](url, num_requests, concurrency) == num_requests
        sender.send((time.process_time() - cpu, time.monotonic() - clock))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    measured: tuple[float, float] = receiver.recv()
    process.join()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--clients", default=",".join(CLIENTS))
    options = parser.parse_args()
    names = [name for name in options.clients.split(",") if name == "ours" or importlib.util.find_spec(name)]
    with fault_server() as server:
        for concurrency in (64, 512):
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
            for _ in range(options.runs):
                for name in names:
                    found[name].append(measure(name, server.url, options.requests, concurrency))
            bare = statistics.median(cpu for cpu, _ in found["aiohttp"])
            for name, runs in found.items():
                cpu, clock = (statistics.median(values) for values in zip(*runs, strict=True))
                print(
                    f"{concurrency:4} open  {name:8} {options.requests / cpu:6.0f} requests a processor second, "
                    f"{options.requests / clock:6.0f} a second; processor time / bare aiohttp {cpu / bare:.2f}"
                )


if __name__ == "__main__":
    main()
