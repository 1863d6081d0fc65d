"""Conversations, as reward trainers load them: the criterion is the system message of the prompt."""

import pyarrow as pa

from themis_data.publish.layouts import Layout
from themis_data.schema import schema


def convert(preferences: pa.Table) -> pa.Table:
    """One conversation a row: system message where the row has one, the prompt, and either answer."""
    prompts = [
        ([{"role": "system", "content": system}] if system is not None else []) + [{"role": "user", "content": prompt}]
        for system, prompt in zip(preferences["system"].to_pylist(), preferences["prompt"].to_pylist(), strict=True)
    ]
    return schema("published_trl").table(
        {
            "prompt": prompts,
            "chosen": _answers(preferences["chosen"]),
            "rejected": _answers(preferences["rejected"]),
            "id": preferences["row_id"],
        }
    )


def _answers(texts: pa.ChunkedArray) -> list[list[dict[str, str]]]:
    return [[{"role": "assistant", "content": text}] for text in texts.to_pylist()]


LAYOUT = Layout(folder="trl", schema="published_trl", convert=convert)
