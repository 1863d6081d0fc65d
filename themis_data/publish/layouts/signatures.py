"""MinHash values of each pair's texts, for corpora that are not to have the same pairs again."""

import pyarrow as pa

from themis_data.publish.layouts import Layout
from themis_data.schema import schema
from themis_data.text.changes import diffs
from themis_data.text.minhash import num_words
from themis_data.text.signatures import SCHEMA, SignatureSettings, signed


def convert(preferences: pa.Table) -> pa.Table:
    """The columns by which rows are told apart, and the MinHash values of their texts."""
    texts = {name: preferences[name].combine_chunks() for name in ("prompt", "chosen", "rejected")}
    texts["edit"] = diffs(texts["rejected"], texts["chosen"])
    same = {name: preferences[name] for name in ("source", "criterion", "language")}
    values = {name: signed(own, SignatureSettings()) for name, own in texts.items()}
    ids = {
        "id": preferences["row_id"],
        "from_commit": preferences["commit"].is_valid(),
        "edit_words": [num_words(text) for text in texts["edit"].to_pylist()],
    }
    return schema(SCHEMA).table(ids | same | values)


LAYOUT = Layout(folder="signatures", schema=SCHEMA, convert=convert)
