"""What a build does with the backend, for tests that kill it: asks what a journal does not hold, and keeps each reply.

python tests/llm/ask_and_journal.py JOURNAL URL NUM_REQUESTS CONCURRENCY
"""

import sys
from pathlib import Path

from themis_data.engine.journal import Journal
from themis_data.engine.requests import Request, Sampling
from themis_data.llm.http import Http


def main(path: str, url: str, num_requests: str, concurrency: str) -> None:
    model = Http(model="m", url=url, concurrency=int(concurrency), retry_wait_s=0.01)
    asked = [
        Request(key=f"{number:032x}", system=None, user=f"prompt {number}", sampling=Sampling())
        for number in range(int(num_requests))
    ]
    with Journal(Path(path)) as journal, model.open() as answer:
        known = journal.find(one.key for one in asked)
        for replies in answer(one for one in asked if one.key not in known):
            journal.append(replies)


if __name__ == "__main__":
    main(*sys.argv[1:])
