"""OpenRLHF's reward data set on the configuration `trl`, with the options below.

It knows no configurations: a folder of the data set is named behind an `@`. Without `prompt_key` it would leave prompts
out, and without `apply_chat_template` it would take messages for text; both silently. It cuts each side at `max_len`,
512 tokens unless set, and keeps pairs that this makes the same.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from themis_data.publish.consumers import Consumer
from themis_data.publish.consumers._loading import chats
from themis_data.publish.layouts import layout


def _tables(place: Path, config: str, scratch: Path) -> Iterator[pa.Table]:
    return chats(place, scratch, data_dir=layout(config).folder)


CONSUMER = Consumer(
    tables=_tables,
    configs=("trl",),
    criterion={"trl": "system"},
    cut=512,
    how="--data.dataset ORG/NAME@trl --data.prompt_key prompt --data.apply_chat_template",
)
