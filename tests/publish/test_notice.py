"""NOTICE.md and attribution.parquet: whose work the pairs are, counted, bounded, and no markup out of data."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rows import preferences

from themis_data.dataset import write_tables
from themis_data.publish.notice import attribution, models, notice, write_notice
from themis_data.schema import schema

MANIFEST: dict[str, Any] = {"name": "made", "rows": 3, "pipeline": {"steps": {}}, "sources": []}


def shard(folder: Path, *rows: dict[str, Any]) -> list[Path]:
    write_tables(folder / "a.parquet", schema("preference").arrow, [preferences(*rows)], relative_to=folder)
    return [folder / "a.parquet"]


def test_a_pair_of_forks_counts_for_each_repository(tmp_path: Path) -> None:
    commit = {"commit": "c" * 40, "license": "MIT"}
    rows = attribution(
        shard(
            tmp_path,
            commit | {"repos": "example.org/a/b"},
            commit | {"repos": "example.org/a/b,example.org/c/b"},
            commit | {"repos": "local/0123"},
        )
    )

    assert [
        ("example.org/a/b", "https://example.org/a/b", 2),
        ("example.org/c/b", "https://example.org/c/b", 1),
        ("local/0123", "", 1),
    ] == rows.select("origin", "url", "pairs").rows()


def test_author_and_address_are_read_off_what_a_source_recorded(tmp_path: Path) -> None:
    said = "author: Ann Other; https://example.org/q/101, accepted"
    task = {
        "commit": None,
        "license": "CC-BY-SA-4.0",
        "license_class": "weak_copyleft",
        "repos": "stack",
        "source": "QA",
    }
    shards = shard(tmp_path, task | {"label_detail": said}, task | {"label_detail": None})
    text = notice(MANIFEST, attribution(shards), [])

    assert "## CC-BY-SA-4.0 (weak_copyleft)" in text
    assert "| QA | 1 | 2 |" in text
    assert "| Ann Other | stack | https://example.org/q/101 | 1 |" in text
    assert "| not recorded | stack | not recorded | 1 |" in text


def test_an_address_in_the_label_of_a_commit_is_not_taken_for_its_origin(tmp_path: Path) -> None:
    row = {"commit": "c" * 40, "repos": "example.org/a/b", "label_detail": "terms: author: x, https://evil.example"}

    assert [("", "https://example.org/a/b")] == attribution(shard(tmp_path, row)).select("author", "url").rows()


def test_models_are_named_with_what_they_wrote(tmp_path: Path) -> None:
    shards = shard(
        tmp_path,
        {"written_by": ["m", "n"], "prompt_by": "m"},
        {"written_by": ["m"], "prompt_by": "rules"},
        {"written_by": None, "prompt_by": "upstream"},
    )

    assert [("m", "a side", 2), ("m", "the prompt", 1), ("n", "a side", 1)] == models(shards)
    assert "| n | a side | 1 |" in notice(MANIFEST, attribution(shards), models(shards))


def test_terms_of_models_come_from_settings_and_sources(tmp_path: Path) -> None:
    steps = {"pair_candidates": {"use": "pair_candidates", "generator_terms": "Llama | 3"}, "mix": {"use": "mix"}}
    sources = [{"step": "s", "read": [{"name": "oss", "model_terms": "no competing models"}, {"name": "plain"}]}]
    manifest = MANIFEST | {"pipeline": {"steps": steps}, "sources": sources}
    text = notice(manifest, attribution([]), [])

    assert "| pair_candidates | Llama \\| 3 |" in text
    assert "| oss | no competing models |" in text


def test_the_notice_is_bounded_and_the_list_is_whole(tmp_path: Path) -> None:
    rows = [{"commit": "c" * 40, "repos": f"example.org/a/{n:04d}"} for n in range(500)]
    write_notice(tmp_path, shard(tmp_path, *rows), MANIFEST)
    text = (tmp_path / "NOTICE.md").read_text(encoding="utf-8")

    assert 40 == text.count("https://example.org/a/")
    assert "460 more are in `attribution.parquet`." in text
    assert 500 == pq.read_metadata(tmp_path / "attribution.parquet").num_rows


def test_what_comes_from_data_is_escaped(tmp_path: Path) -> None:
    hostile = "MIT | <script>x</script>\n# Heading `code` ![x](https://e.example)"
    row = {"license": hostile, "source": hostile, "repos": hostile, "license_class": "other"}
    shards = shard(tmp_path, row | {"label_detail": "author: <b>| [x](y)", "written_by": [hostile]})
    text = notice(MANIFEST | {"name": hostile}, attribution(shards), models(shards))

    assert "<script" not in text and "<b>" not in text and "\n# Heading" not in text
    assert "![x](" not in text
    assert 1 == text.count("\n## MIT")


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [{"repos": f"r{n % 3}", "license": ("MIT", "ISC")[n % 2]} for n in range(12)]
    for name, own in (("one", rows), ("other", rows[::-1])):
        (tmp_path / name).mkdir()
        write_notice(tmp_path / name, shard(tmp_path / name, *own), MANIFEST)

    for name in ("NOTICE.md", "attribution.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
