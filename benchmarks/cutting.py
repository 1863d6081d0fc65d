"""What cutting to the touched definitions yields, by language: two builds of the same repositories compared.

    python benchmarks/cutting.py --never OUT --auto OUT      run folders; several of each are added up

Build the same pipeline twice, with `--set cut_to_definitions.mode=never` and `auto`. A language is that of the path,
so that both builds count a commit in the same row.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from themis_data.code.cutting import imports
from themis_data.code.language import all_languages, language_of_path

STEP = "cut_to_definitions"


@dataclass
class Counts:
    """Rows of one mode, by language."""

    to_cut: Counter[str] = field(default_factory=Counter)  # that reach the step
    labelled: Counter[str] = field(default_factory=Counter)  # that reach the label
    prompted: Counter[str] = field(default_factory=Counter)  # pairs with a prompt, before the caps
    published: Counter[str] = field(default_factory=Counter)
    fragments: Counter[str] = field(default_factory=Counter)  # of the labelled
    bytes: Counter[str] = field(default_factory=Counter)  # of the chosen sides of the fragments
    import_bytes: Counter[str] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)  # by the step
    unparsed: Counter[tuple[str, str]] = field(default_factory=Counter)  # dropped by parse_check: language, form
    parsed: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0


def count(folders: list[Path]) -> Counts:
    counts = Counts()
    for folder in folders:
        manifest = json.loads((folder / "dataset" / "manifest.json").read_text(encoding="utf-8"))
        records = {
            segment["name"].rpartition(".")[2]: [
                json.loads((folder / shard["record"]).read_text(encoding="utf-8")) for shard in segment["shards"]
            ]
            for segment in manifest["segments"]
        }
        language, form = {}, {}
        for row in rows(folder, records["source"], "row_id", "path"):
            language[row["row_id"]] = language_of_path(row["path"]) or ""
        for row in rows(folder, records["mine"], "row_id", "form"):
            form[row["row_id"]] = row["form"]
        for record in records["mine"]:
            for drop in pq.read_table(folder / record["drops"]["path"]).to_pylist():
                if drop["step"] == STEP:
                    counts.dropped[language[drop["row_id"]], drop["reason"]] += 1
                    counts.to_cut[language[drop["row_id"]]] += 1
                elif drop["step"] == "keep_sizes":
                    counts.to_cut[language[drop["row_id"]]] += 1
            counts.seconds += sum(step["seconds"] for step in record["steps"] if step["step"] == STEP)
        counts.to_cut.update(language[row_id] for row_id in form)
        for record in records["parse_check"]:
            for drop in pq.read_table(folder / record["drops"]["path"]).to_pylist():
                if drop["step"] == "parse_check":
                    counts.unparsed[language[drop["row_id"]], form[drop["row_id"]]] += 1
        for row in rows(folder, records["dedupe"], "row_id"):
            counts.parsed[language[row["row_id"]], form[row["row_id"]]] += 1
        for row in rows(folder, records["parse_check"], "row_id", "form", "language", "new_contents"):
            name = language[row["row_id"]]
            counts.labelled[name] += 1
            if row["form"] == "fragment":
                counts.fragments[name] += 1
                counts.bytes[name] += len(row["new_contents"].encode())
                counts.import_bytes[name] += sum(len(i) for i in imports(row["new_contents"], row["language"]))
        for row in rows(folder, records["generate"], "path"):
            counts.prompted[language_of_path(row["path"]) or ""] += 1
        for path in sorted((folder / "dataset" / "lineage").glob("*.parquet")):
            counts.published.update(language_of_path(p) or "" for p in pq.read_table(path)["path"].to_pylist())
    return counts


def rows(folder: Path, records: list[dict[str, Any]], *columns: str) -> Iterator[dict[str, Any]]:
    for record in records:
        yield from pq.read_table(folder / record["rows"]["path"], columns=list(columns)).to_pylist()


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--never", nargs="+", type=Path, required=True)
    parser.add_argument("--auto", nargs="+", type=Path, required=True)
    arguments = parser.parse_args()
    never, auto = count(arguments.never), count(arguments.auto)
    names = [name for name, language in all_languages().items() if language.published_as and auto.to_cut[name]]
    print("| | reach the cut | reach the label | | pairs with a prompt | | published, 3 a file | |")
    print("|---|---|---|---|---|---|---|---|")
    print("| | | whole | cut | whole | cut | whole | cut |")
    for name in [*names, "all"]:
        cells = [
            sum(counter.values()) if name == "all" else counter[name]
            for counter in (auto.to_cut, *(c for pair in PAIRS for c in (getattr(never, pair), getattr(auto, pair))))
        ]
        print(f"| {name} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    reasons = sorted({reason for _, reason in auto.dropped})
    print(f"\n| dropped by the cut | {' | '.join(reasons)} |\n|---|{'---|' * len(reasons)}")
    for name in names:
        print(f"| {name} | " + " | ".join(share(auto.dropped[name, r], auto.to_cut[name]) for r in reasons) + " |")
    print(
        "\n| | fragments | bytes a fragment | of them imports | parse_check drops: fragments | files | files, whole |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in names:
        mean = auto.bytes[name] // max(1, auto.fragments[name])
        gate = [
            share(counts.unparsed[name, form], counts.parsed[name, form])
            for counts, form in ((auto, "fragment"), (auto, "file"), (never, "file"))
        ]
        cells = [f"{auto.fragments[name]:,}", f"{mean:,}", share(auto.import_bytes[name], auto.bytes[name]), *gate]
        print(f"| {name} | {' | '.join(cells)} |")
    total = sum(auto.to_cut.values())
    print(f"\n{auto.seconds:.0f} s for {total:,} rows: {1000 * auto.seconds / total:.1f} s per 1,000 rows.")


PAIRS = ("labelled", "prompted", "published")

if __name__ == "__main__":
    main()
