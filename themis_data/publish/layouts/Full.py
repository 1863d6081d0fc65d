"""All of a benchmark, in the features of Themis-CodeRewardBench."""  # noqa: N999  named as it is published

from themis_data.publish.layouts import Layout
from themis_data.publish.layouts._bench import LACKS, SCHEMA, convert

LAYOUT = Layout(folder="Full", schema=SCHEMA, convert=convert, lacks=LACKS)
