"""The rows of `Full`, a split a language."""  # noqa: N999  named as it is published

from themis_data.publish.layouts import Layout
from themis_data.publish.layouts._bench import LACKS, LANGUAGES, SCHEMA, convert

LAYOUT = Layout(
    folder="Stratified_Language", schema=SCHEMA, convert=convert, lacks=LACKS, split_by="language", splits=LANGUAGES
)
