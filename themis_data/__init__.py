"""Code preferences from git history and public data sets, as versioned Parquet shards.

Importing this package loads nothing else: every heavy library is imported where it is used.
"""

__version__ = "0.1.0"
