"""The data set's card: everything in it comes from the manifest, the schemas and the criteria."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from themis_data import criteria
from themis_data.publish.asked import asked
from themis_data.publish.audit import ALL, balanced
from themis_data.publish.gates import gates
from themis_data.publish.layouts import features, layout, main
from themis_data.publish.quotas import quotas
from themis_data.schema import schema
from themis_data.text.markdown import render

_LANGUAGE_TAG = "en"  # of the prompts
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def card(manifest: Mapping[str, Any]) -> str:
    """Markdown with the YAML header that the Hub and `datasets` read."""
    built_splits = sorted(manifest["write"]["splits"])
    size = next((name for bound, name in _SIZES if manifest["rows"] < bound), "n>10M")
    # The margins always, and of the rest what was measured.
    slices = [a for a in manifest["audit"] if a["language"] == ALL == a["source"] or _is_measured(a)]
    return render(
        Path(__file__).parent / "card.md.j2",
        manifest=manifest,
        size=size,
        language=_LANGUAGE_TAG,
        slices=slices,
        thin_slices=len(manifest["audit"]) - len(slices),
        balanced=balanced(manifest),
        gates=gates(manifest),
        quotas=quotas(manifest),
        asked=asked(manifest),
        demo_rows=int(manifest["counts"]["demo_only"].get("true", 0)),
        titles={c.name: c.title for c in criteria.all_criteria().values()},
        default_features=features(schema(layout("default").schema)) if "default" in manifest["configs"] else {},
        columns={name: schema(c["schema"]).columns for name, c in manifest["configs"].items()},
        lacks={name: layout(name).lacks for name in manifest["configs"]},
        main=main(manifest["configs"]),
        splits={name: _splits(name, config, built_splits) for name, config in manifest["configs"].items()},
        built_splits=built_splits,
    )


def _splits(name: str, config: Mapping[str, Any], of_build: Sequence[str]) -> list[str]:
    """Splits that have rows: `datasets` loads nothing of a configuration of which one has none. All where none has."""
    filled = {Path(file["path"]).name.partition("-")[0] for file in config["files"] if file["rows"]}
    names = layout(name).split_names(of_build)
    return [split for split in names if split in filled] or list(names)


def _is_measured(audit: Mapping[str, Any]) -> bool:
    return any(measure["accuracy"] is not None for measure in audit["measures"])
