"""What tables say of repositories."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from themis_data.errors import PipelineError
from themis_data.text.reputation import Reputation, read_reputation, reputation_digest

ROW = {"repository": "Acme/W", "stars": 20, "contributors": 6, "issues": 11}


def test_parquet_csv_and_json_lines_say_the_same(tmp_path):
    pq.write_table(pa.Table.from_pylist([ROW | {"more": "x"}]), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("issues,repository,stars,contributors\n11,Acme/W,20,6\n")
    (tmp_path / "c.jsonl").write_text(json.dumps(ROW) + "\n")
    expected = {"acme/w": Reputation(stars=20, contributors=6, issues=11)}

    for name in ("a.parquet", "b.csv", "c.jsonl"):
        assert expected == read_reputation([tmp_path / name])
    assert expected == read_reputation([tmp_path])


def test_of_several_tables_the_last_counts_and_a_count_may_lack(tmp_path):
    (tmp_path / "a.csv").write_text("repository,stars,contributors,issues\na/b,1,1,1\nc/d,2,2,2\n")
    (tmp_path / "b.csv").write_text("repository,stars,contributors,issues\na/b,9,,9\n")

    assert {"a/b": Reputation(9, None, 9), "c/d": Reputation(2, 2, 2)} == read_reputation(
        [tmp_path / "a.csv", tmp_path / "b.csv"]
    )


def test_a_table_without_a_column_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("repository,stars\na/b,1\n")

    with pytest.raises(PipelineError, match=r"lacks the columns \['contributors', 'issues'\]"):
        read_reputation([tmp_path / "a.csv"])


def test_words_for_numbers_and_a_missing_table_are_errors(tmp_path):
    (tmp_path / "a.csv").write_text("repository,stars,contributors,issues\na/b,many,1,1\n")

    with pytest.raises(PipelineError, match="expected stars, contributors, issues as whole numbers"):
        read_reputation([tmp_path / "a.csv"])
    with pytest.raises(PipelineError, match="no table of repositories there"):
        read_reputation([tmp_path / "b.csv"])


def test_the_digest_is_of_the_content(tmp_path):
    for name, stars in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / f"{name}.csv").write_text(f"repository,stars,contributors,issues\na/b,{stars},1,1\n")
    a, b, c = (reputation_digest([tmp_path / f"{name}.csv"]) for name in "abc")

    assert a == b != c
