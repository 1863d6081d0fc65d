"""What the three configurations of Themis-CodeRewardBench share: the same rows, in its spellings."""

import pyarrow as pa
import pyarrow.compute as pc

from themis_data import criteria
from themis_data.schema import schema

SCHEMA = "published_bench"
LACKS = "pairs whose language or criterion the benchmark does not have"
_LANGUAGES = {
    "C": "C",
    "C#": "CSharp",
    "C++": "Cpp",
    "Go": "Go",
    "Java": "Java",
    "JavaScript": "JavaScript",
    "Python": "Python",
    "Ruby": "Ruby",
}
# The criteria of code, and how the subset of each is called whose pairs are commits.
_COMMITS = "Commit-Preference"
_SUBSETS = {
    "functional_correctness": "COMMITPREFS_FUNCTIONAL",
    "memory_efficiency": "COMMITPREFS_MEMORY",
    "readability_and_maintainability": "COMMITPREFS_READABILITY",
    "runtime_efficiency": "COMMITPREFS_RUNTIME",
    "security_hardness": "COMMITPREFS_SECURITY",
}
LANGUAGES = tuple(sorted(_LANGUAGES.values()))
ASPECTS = tuple(sorted(criteria.by_name(name).benchmark_as for name in _SUBSETS))


def convert(preferences: pa.Table) -> pa.Table:
    """Rows in the published layout; those in a language or by a criterion that the benchmark lacks are left out.

    A pair of a commit is of its criterion's subset, any other of the subset that its source is named by.
    """
    names, sources = preferences["criterion"].to_pylist(), preferences["source"].to_pylist()
    subsets = [_SUBSETS.get(n, s) if s == _COMMITS else s for n, s in zip(names, sources, strict=True)]
    columns = {
        "prompt": preferences["prompt"],
        "chosen": preferences["chosen"],
        "rejected": preferences["rejected"],
        "language": pa.array([_LANGUAGES.get(name) for name in preferences["language"].to_pylist()], pa.string()),
        "aspect": pa.array(
            [criteria.by_name(name).benchmark_as if name in _SUBSETS else None for name in names], pa.string()
        ),
        "subset": pa.array(subsets, pa.string()),
        "id": preferences["row_id"],
    }
    table = schema(SCHEMA).table(columns)
    return table.filter(pc.and_(pc.is_valid(table["language"]), pc.is_valid(table["aspect"])))
