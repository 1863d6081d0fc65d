"""What language models said of each pair, one row an answer."""

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.publish.layouts import Layout
from themis_data.schema import schema

_ORDER = ("id", "criterion", "kind", "model", "shown_first", "sample", "answer")


def convert(preferences: pa.Table) -> pa.Table:
    """A row for each judgement, those of a pair together, pairs by their ids; a pair that no model was asked about has
    none."""
    described = schema("published_judgements")
    nested = preferences["judgements"].combine_chunks()
    answers = nested.flatten()
    ids = preferences["row_id"].take(pc.list_parent_indices(nested))
    columns = {name: answers.field(name) for name in described.names if name != "id"}
    return described.table({"id": ids, **columns}).sort_by([(name, "ascending") for name in _ORDER])


LAYOUT = Layout(
    folder="judgements",
    schema="published_judgements",
    convert=convert,
    explodes=True,
    lacks="pairs that no language model was asked about",
)
