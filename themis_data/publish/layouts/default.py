"""The features of the paper's corpora, exactly, so that both concatenate."""

import pyarrow as pa
import pyarrow.compute as pc

from themis_data import criteria
from themis_data.publish.layouts import Layout
from themis_data.schema import schema


def convert(preferences: pa.Table) -> pa.Table:
    """Rows in the published layout. Rows in a language that the published label lacks are left out."""
    labels = schema("published_default").labels
    titles = {criterion.name: criterion.published_as for criterion in criteria.all_criteria().values()}
    language = pc.index_in(preferences["language"], value_set=pa.array(labels["language"]))
    aspects = pa.array([titles[name] for name in preferences["criterion"].to_pylist()], pa.string())
    table = schema("published_default").table(
        {
            "system": preferences["system"],
            "input": preferences["prompt"],
            "chosen": preferences["chosen"],
            "rejected": preferences["rejected"],
            "language": language,
            "aspect": pc.index_in(aspects, value_set=pa.array(labels["aspect"])),
            "source": preferences["source"],
            "idx": preferences["row_id"],
        }
    )
    return table.filter(pc.is_valid(language))


LAYOUT = Layout(folder="data", schema="published_default", convert=convert)
