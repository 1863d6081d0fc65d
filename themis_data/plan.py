"""What a build would do, without doing it."""

from pathlib import Path
from typing import Any

from themis_data.dataset import RunFolder
from themis_data.engine.segment import Segment
from themis_data.errors import ManifestError
from themis_data.fingerprint import settings_that_matter
from themis_data.pipeline import Pipeline, Step, tracks


def plan(pipeline: Pipeline, out: Path) -> dict[str, Any]:
    """The segments of a pipeline with their steps and what the build in `out` says of each.

    `state` is new (never built), changed (its settings or code differ from the last build), depends (one before it will
    run; it runs where its input changes) or unchanged. Sources are not looked at: new commits show when building.
    """
    built = _built_segments(RunFolder(out))
    steps = {step.id: step for step in pipeline.steps}
    segments: list[dict[str, Any]] = []
    for track in tracks(pipeline):
        is_upstream_done = all(s["state"] == "unchanged" for s in segments) if track.source is None else True
        for segment in track.segments:
            state, why = _state(segment, built, is_upstream_done)
            is_upstream_done = is_upstream_done and state == "unchanged"
            ids = [segment.source_step] if segment.source else _step_ids(segment)
            phase = steps[ids[0]].phase
            segments.append(
                {
                    "track": track.name,
                    "segment": segment.name,
                    "phase": phase,
                    "steps": [_step(steps[i]) for i in ids],
                    "state": state,
                    "why": why,
                }
            )
    return {
        "pipeline": pipeline.name,
        "file": str(pipeline.path),
        "out": str(out),
        "seed": pipeline.seed,
        "settings": {s.id: settings_that_matter(s.config) for s in pipeline.steps},
        "segments": segments,
        "write": {
            "shards": pipeline.write.shards,
            "splits": dict(pipeline.write.splits),
            "configs": list(pipeline.write.configs),
            "max_surface_accuracy": dict(pipeline.write.max_surface_accuracy),
        },
    }


def _built_segments(folder: RunFolder) -> dict[str, str]:
    try:
        manifest: dict[str, Any] = folder.manifest()
    except ManifestError:
        return {}
    return {segment["name"]: segment["fingerprint"] for segment in manifest["segments"]}


def _step_ids(segment: Segment) -> list[str]:
    return list(dict.fromkeys(work.step for work in (*segment.decisions, *segment.work)))


def _state(segment: Segment, built: dict[str, str], is_upstream_done: bool) -> tuple[str, str]:
    if segment.name not in built:
        return "new", "not built in this folder"
    if built[segment.name] != segment.fingerprint:
        return "changed", "settings, code or versions differ from the last build"
    if not is_upstream_done:
        return "depends", "runs where what it reads changes"
    return "unchanged", "done, as long as its source has nothing new"


def _step(step: Step) -> dict[str, Any]:
    config = step.config
    return {
        "id": step.id,
        "use": step.use,
        "reads": getattr(config, "reads", None),
        "writes": config.writes,
        "fingerprint": step.fingerprint,
    }
