"""Where each pair comes from and what its label rests on; joins the other configurations by id."""

import pyarrow as pa

from themis_data import criteria
from themis_data.publish.layouts import Layout
from themis_data.schema import schema


def convert(preferences: pa.Table) -> pa.Table:
    """The columns of lineage, with the criterion by its title."""
    titles = {criterion.name: criterion.title for criterion in criteria.all_criteria().values()}
    named = pa.array([titles[name] for name in preferences["criterion"].to_pylist()], pa.string())
    renamed = {"id": preferences["row_id"], "criterion": named}
    names = schema("published_lineage").names
    return schema("published_lineage").table({n: renamed[n] if n in renamed else preferences[n] for n in names})


LAYOUT = Layout(folder="lineage", schema="published_lineage", convert=convert)
