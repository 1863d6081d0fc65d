"""TRL's RewardTrainer on the configuration `trl`.

It takes rows for conversations by the first one, joins `prompt` with either side, renders both by the chat template,
and drops pairs of which a side is longer than `max_length`, 1,024 tokens unless set. It ignores other columns, so the
criterion can only be in the system message.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from themis_data.publish.consumers import Consumer
from themis_data.publish.consumers._loading import chats


def _tables(place: Path, config: str, scratch: Path) -> Iterator[pa.Table]:
    return chats(place, scratch, name=config)


CONSUMER = Consumer(
    tables=_tables,
    configs=("trl",),
    criterion={"trl": "system"},
    cut=1024,
    how='RewardTrainer(train_dataset=load_dataset("ORG/NAME", "trl", split="train"))',
)
