"""The rows of `Full`, a split a criterion."""  # noqa: N999  named as it is published

from themis_data.publish.layouts import Layout
from themis_data.publish.layouts._bench import ASPECTS, LACKS, SCHEMA, convert

LAYOUT = Layout(
    folder="Stratified_Aspect", schema=SCHEMA, convert=convert, lacks=LACKS, split_by="aspect", splits=ASPECTS
)
