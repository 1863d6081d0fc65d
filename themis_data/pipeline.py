"""Pipelines: read one, look its names up, check the chain, cut it into segments, and build it."""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from themis_data.engine.requests import Model
from themis_data.engine.rows import Complete, Rows, Stage
from themis_data.engine.segment import Segment, Work
from themis_data.errors import PipelineError
from themis_data.fingerprint import digest, settings_that_matter, step_fingerprint
from themis_data.llm.rules import Rules
from themis_data.lookup import find, find_pipeline, unknown
from themis_data.publish.audit import MEASURES
from themis_data.publish.layouts import known_layouts
from themis_data.schema import schema
from themis_data.yaml_file import only_keys, parse_yaml, read_yaml, typed_settings, typed_value

PHASES = ("mine", "dedupe", "parse_check", "generate", "label", "assemble")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")  # names are folders and parts of file names
_PIPELINE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of one file `corpus.variant.yaml` too
_WORD = re.compile(r"[A-Za-z0-9_]+")  # `datasets` finds a split by its file's name, up to the first dash


@dataclass(frozen=True, kw_only=True)
class Step:
    """A source or a stage with its settings, as a pipeline uses it."""

    id: str
    use: str
    phase: str  # `source` for a source
    config: Any  # Source or Stage

    @property
    def fingerprint(self) -> str:
        return step_fingerprint(self.config)


@dataclass(frozen=True, kw_only=True)
class Write:
    """How the result is written."""

    shards: int = 1  # files a split and configuration
    splits: Mapping[str, float] = field(default_factory=lambda: {"train": 1.0})  # share of the groups
    configs: tuple[str, ...] = ("default", "trl", "lineage")
    # Surface measure (`publish.audit.MEASURES`) -> share of the pairs of any slice that it may get right.
    max_surface_accuracy: Mapping[str, float] = field(default_factory=dict)
    audit_pairs: int = 1_000  # pairs of a slice that the audit's models look at, at most
    audit_min_pairs: int = 200  # pairs from which on a slice is measured, and limits hold


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One source and the steps over it."""

    name: str
    source: Step
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline that has been read and checked: it can be built."""

    name: str
    path: Path
    seed: int
    models: Mapping[str, Model] = field(default_factory=dict)
    branches: tuple[Branch, ...]
    merge: tuple[Step, ...]
    write: Write

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*(step for b in self.branches for step in (b.source, *b.steps)), *self.merge)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that bears on the result, defaults included, for the manifest."""
        return {step.id: {"use": step.use, **settings_that_matter(step.config)} for step in self.steps}

    def without(self, step: str) -> "Pipeline":
        """The pipeline as it is, one step left out. Raises PipelineError where there is none, or others need it."""
        where = f"{self.path} without the step {step!r}"
        known = [one for one in self.steps if one.phase != "source"]
        found = next((one for one in known if one.id == step), None)
        if found is None:
            raise PipelineError(f"{self.path}: " + unknown("step", step, [one.id for one in known]))
        branches = tuple(
            dataclasses.replace(branch, steps=tuple(one for one in branch.steps if one is not found))
            for branch in self.branches
        )
        merge = tuple(one for one in self.merge if one is not found)
        left = dataclasses.replace(self, branches=branches, merge=merge)
        _check(left, where)
        return left

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def load_pipeline(name_or_path: str, overrides: Sequence[str] = ()) -> Pipeline:
    """Read a pipeline and check all that can be checked without running it.

    `overrides` are `STEP_ID.FIELD=VALUE`, `PHASE.FIELD=VALUE` where one step of the phase has the field, or
    `models.NAME.FIELD=VALUE`; the value is YAML. Raises PipelineError that says where and what was expected.
    """
    path = find_pipeline(name_or_path)
    content = read_yaml(path)
    where = str(path)
    if "phases" in content:
        raise PipelineError(f"{where}: a recipe of training and no pipeline of data; for it there is 'themis train'")
    only_keys(content, {"name", "seed", "models", "branches", "merge", "write"}, where)
    if not isinstance(content.get("branches"), dict) or not content["branches"]:
        raise PipelineError(f"{where}: a pipeline has `branches`, each with a source")
    name, seed = content.get("name", path.stem), content.get("seed", 0)
    if not isinstance(name, str) or not _PIPELINE_NAME.fullmatch(name):
        raise PipelineError(f"{where}: the name is {name!r}; expected letters, digits, '_', '-' and '.'")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise PipelineError(f"{where}: the seed is {seed!r}; expected a whole number")
    raw, asked = _raw_steps(content, where), _raw_models(content, where)
    for override in overrides:
        _override(raw, asked, override, where)
    models = {model: _model(model, settings, where) for model, settings in asked.items()}
    steps = [_step(r, seed, models, where) for r in raw]
    branches = tuple(
        Branch(
            name=branch,
            source=next(s for s, r in zip(steps, raw, strict=True) if r.branch == branch and r.phase == "source"),
            steps=tuple(s for s, r in zip(steps, raw, strict=True) if r.branch == branch and r.phase != "source"),
        )
        for branch in content["branches"]
    )
    merge = tuple(s for s, r in zip(steps, raw, strict=True) if r.branch is None)
    write = _settings(Write, content.get("write", {}), f"{where}, write")
    pipeline = Pipeline(name=name, path=path, seed=seed, models=models, branches=branches, merge=merge, write=write)
    _check(pipeline, where)
    return pipeline


def _check_name(name: Any, what: str, where: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PipelineError(f"{where}: {what} is {name!r}; expected letters, digits, '_' and '-'")


@dataclass
class _RawStep:
    branch: str | None
    phase: str
    id: str
    use: str
    settings: dict[str, Any]


def _raw_steps(content: dict[str, Any], where: str) -> list[_RawStep]:
    steps: list[_RawStep] = []
    for name, branch in content["branches"].items():
        _check_name(name, "a branch's name", where)
        if name == "merge":
            raise PipelineError(f"{where}: a branch cannot have the name 'merge': that is where the branches meet")
        if not isinstance(branch, dict) or "source" not in branch:
            raise PipelineError(f"{where}, branch {name!r}: a branch has a `source` and phases with steps")
        only_keys(branch, {"source", *PHASES}, f"{where}, branch {name!r}")
        for phase, entries in branch.items():
            of_branch = f"{where}, branch {name!r}, {phase}"
            listed = [entries] if phase == "source" else _listed(entries, of_branch)
            steps += [_raw_step(entry, name, phase, of_branch) for entry in listed]
    merge = content.get("merge", {})
    only_keys(merge, set(PHASES), f"{where}, merge")
    for phase, entries in merge.items():
        of_merge = f"{where}, merge, {phase}"
        steps += [_raw_step(entry, None, phase, of_merge) for entry in _listed(entries, of_merge)]
    ids = [step.id for step in steps]
    twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
    if twice:
        raise PipelineError(f"{where}: the step ids {twice} stand twice; give one of each pair another name with `as`")
    return steps


def _raw_models(content: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """The settings of each model that steps may name."""
    models = content.get("models", {})
    if not isinstance(models, dict):
        raise PipelineError(f"{where}, models: expected a mapping of names to models, found {models!r}")
    for name, settings in models.items():
        _check_name(name, "a model's name", where)
        if name == "rules":
            raise PipelineError(f"{where}, models: 'rules' is the name of what answers without a model; choose another")
        if not isinstance(settings, dict) or not isinstance(settings.get("use"), str):
            raise PipelineError(
                f"{where}, model {name!r}: a model is a mapping with `use: BACKEND` and settings, found {settings!r}"
            )
    return {name: dict(settings) for name, settings in models.items()}


def _model(name: str, settings: Mapping[str, Any], where: str) -> Model:
    try:
        cls = find("llm", settings["use"], "BACKEND")
    except (LookupError, AttributeError) as error:
        raise PipelineError(f"{where}, model {name!r}: {error}") from error
    made: Model = _settings(cls, {k: v for k, v in settings.items() if k != "use"}, f"{where}, model {name!r}")
    return made


def _listed(entries: Any, where: str) -> list[Any]:
    if entries is not None and not isinstance(entries, list):
        raise PipelineError(f"{where}: expected a list of steps, found {entries!r}")
    return entries or []


def _raw_step(entry: Any, branch: str | None, phase: str, where: str) -> _RawStep:
    if not isinstance(entry, dict) or not isinstance(entry.get("use"), str):
        raise PipelineError(f"{where}: a step is a mapping with `use: NAME` and settings, found {entry!r}")
    name = entry.get("as", entry["use"])
    _check_name(name, "a step's id", where)
    settings = {key: value for key, value in entry.items() if key not in ("use", "as")}
    return _RawStep(branch, phase, str(name), entry["use"], settings)


def _override(steps: list[_RawStep], models: dict[str, dict[str, Any]], override: str, where: str) -> None:
    target, equals, value = override.partition("=")
    owner, dot, name = target.strip().rpartition(".")
    if not equals or not dot:
        raise PipelineError(f"--set {override!r}: expected STEP.FIELD=VALUE")
    if owner.startswith("models."):
        model = owner.removeprefix("models.")
        if model not in models:
            raise PipelineError(f"--set {override!r}: " + unknown("model", model, models))
        models[model][name] = parse_yaml(value, f"--set {override!r}")
        return
    found = [step for step in steps if step.id == owner]
    of_phase = [step for step in steps if step.phase == owner]
    if not found and of_phase:
        fields = {step.id: _fields(_config_class(step, where)) for step in of_phase}
        found = [step for step in of_phase if name in fields[step.id]]
        if len(found) > 1:
            raise PipelineError(
                f"--set {override!r}: several steps of the phase {owner!r} have {name!r}: "
                f"{', '.join(f'{step.id}.{name}' for step in found)}"
            )
        if not found:
            known = {field for own in fields.values() for field in own}
            raise PipelineError(f"--set {override!r}: " + unknown(f"setting of the phase {owner!r}", name, known))
    if not found:
        raise PipelineError(f"--set {override!r}: " + unknown("step", owner, [step.id for step in steps]))
    found[0].settings[name] = parse_yaml(value, f"--set {override!r}")


def _config_class(step: _RawStep, where: str) -> type:
    try:
        return find("sources", step.use, "SOURCE") if step.phase == "source" else find("stages", step.use, "STAGE")
    except LookupError as error:
        raise PipelineError(f"{where}, step {step.id!r}: {error}") from error


def _step(raw: _RawStep, seed: int, models: Mapping[str, Model], where: str) -> Step:
    cls = _config_class(raw, where)
    settings = dict(raw.settings)
    if "seed" in _fields(cls):
        settings.setdefault("seed", seed)
    config = _settings(cls, settings, f"{where}, step {raw.id!r}", {"rules": Rules(), **models})
    return Step(id=raw.id, use=raw.use, phase=raw.phase, config=config)


def _fields(cls: type) -> dict[str, dataclasses.Field[Any]]:
    return {f.name: f for f in dataclasses.fields(cls)}


def _settings(cls: type, settings: Mapping[str, Any], where: str, models: Mapping[str, Model] | None = None) -> Any:
    """Build a settings dataclass from YAML values, with every type checked; a model is given by its name."""

    def convert(hint: Any, value: Any, what: str) -> Any:
        return _named_models(value, models or {}, what, hint) if _is_model(hint) else typed_value(hint, value, what)

    return typed_settings(cls, settings, where, convert)


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _is_model(hint: Any) -> bool:
    return _plain(hint) in (Model, tuple[Model, ...])


def _named_models(value: Any, models: Mapping[str, Model], where: str, hint: Any) -> Any:
    """The model of that name, or for a setting that takes several, the models of a list of names."""
    takes_several = _plain(hint) is not Model
    names = value if isinstance(value, list) else [value]
    if isinstance(value, list) != takes_several or not all(isinstance(name, str) for name in names):
        raise PipelineError(
            f"{where} is {value!r}; expected {'a list of names' if takes_several else 'the name'} of "
            f"what the pipeline has under `models`"
        )
    for name in names:
        if name not in models:
            raise PipelineError(f"{where}: " + unknown("model", name, models))
    return tuple(models[name] for name in names) if takes_several else models[names[0]]


def _check_models(pipeline: Pipeline, where: str) -> None:
    """Every step that asks has a language model to ask, and no secret leaves the machine."""
    mined: list[Sequence[Step]] = [b.steps for b in pipeline.branches if b.source.config.writes == "change"]
    for steps in (*(branch.steps for branch in pipeline.branches), pipeline.merge):
        for place, step in enumerate(steps):
            asked = [o.decision for o in step.config.apply(Rows()).operations if isinstance(o.decision, Complete)]
            models = [model for decision in asked for model in decision.models]
            if asked and (not models or any(isinstance(model, Rules) for model in models)):
                known = ", ".join(sorted(pipeline.models)) or "none"
                raise PipelineError(
                    f"{where}, step {step.id!r}: it asks a language model and has none; name one of the pipeline's "
                    f"`models` in its setting `models` or `model` (known: {known})"
                )
            before = mined if steps is pipeline.merge else [()] if steps in mined else []
            uses = [[earlier.use for earlier in (*own, *steps[:place])] for own in before]
            if any(model.leaves_machine for model in models) and any("drop_secrets" not in own for own in uses):
                raise PipelineError(
                    f"{where}, step {step.id!r}: it sends mined text to another machine, and no `drop_secrets` stands "
                    f"before it; put one into the phase `mine`"
                )


def _check(pipeline: Pipeline, where: str) -> None:
    """Every step reads what the one before it writes, all branches end in what the merge reads, and so on."""
    ends = {}
    for branch in pipeline.branches:
        ends[branch.name] = _check_chain(branch.steps, branch.source.config.writes, branch.source.id, where)
    _check_models(pipeline, where)
    kinds = set(ends.values())
    if len(kinds) > 1:
        raise PipelineError(f"{where}: the branches end in different schemas: {ends}; they can be merged only in one")
    end = _check_chain(pipeline.merge, kinds.pop(), "the branches", where)
    if end != "preference":
        raise PipelineError(
            f"{where}: the pipeline ends in {end!r}; a data set is written from 'preference' "
            f"(assign_system_prompts makes it)"
        )
    for name in pipeline.write.configs:
        if name not in known_layouts():
            raise PipelineError(f"{where}, write: " + unknown("config", name, known_layouts()))
    for name in pipeline.write.configs:
        if pipeline.write.configs.count(name) > 1:
            raise PipelineError(f"{where}, write: configs has {name!r} twice")
    for split in pipeline.write.splits:
        if not _WORD.fullmatch(split):
            raise PipelineError(f"{where}, write: the split {split!r}: expected letters, digits and '_'")
    shares = pipeline.write.splits.values()
    if pipeline.write.shards < 1 or abs(sum(shares) - 1.0) > 1e-9 or min(shares) < 0.0:
        raise PipelineError(
            f"{where}, write: shards is at least 1 and the splits' shares, none below 0, add up to 1; "
            f"found {pipeline.write.shards} and {dict(pipeline.write.splits)}"
        )
    for name, limit in pipeline.write.max_surface_accuracy.items():
        if name not in MEASURES:
            raise PipelineError(f"{where}, write, max_surface_accuracy: " + unknown("surface measure", name, MEASURES))
        if not 0.5 <= limit <= 1.0:
            raise PipelineError(f"{where}, write, max_surface_accuracy: {name} is {limit}; expected 0.5 to 1")
    if not 1 <= pipeline.write.audit_min_pairs <= pipeline.write.audit_pairs:
        raise PipelineError(
            f"{where}, write: audit_min_pairs is at least 1 and at most audit_pairs; "
            f"found {pipeline.write.audit_min_pairs} and {pipeline.write.audit_pairs}"
        )


def _check_chain(steps: Sequence[Step], start: str, before: str, where: str) -> str:
    schema(start)
    for step in steps:
        if step.config.reads != start:
            raise PipelineError(
                f"{where}, step {step.id!r}: it reads {step.config.reads!r}, but {before} gives {start!r}"
            )
        start, before = step.config.writes, f"step {step.id!r}"
        schema(start)
    return start


@dataclass(frozen=True, kw_only=True)
class Track:
    """The segments of one branch, or of the merge, in order."""

    name: str
    source: Step | None
    segments: tuple[Segment, ...]


def tracks(pipeline: Pipeline) -> tuple[Track, ...]:
    """All segments of a pipeline: one track a branch, then the merge."""
    result = []
    for branch in pipeline.branches:
        source = Segment(
            name=f"{branch.name}.source",
            fingerprint=branch.source.fingerprint,
            reads="",
            source=branch.source.config,
            source_step=branch.source.id,
        )
        segments = _segments(branch.name, branch.steps, branch.source.config.writes)
        result.append(Track(name=branch.name, source=branch.source, segments=(source, *segments)))
    last = pipeline.branches[0].steps[-1:] or (pipeline.branches[0].source,)
    start = last[0].config.writes
    result.append(Track(name="merge", source=None, segments=tuple(_segments("merge", pipeline.merge, start))))
    return tuple(result)


def _segments(track: str, steps: Sequence[Step], reads: str) -> Iterator[Segment]:
    """Cut steps into maximal runs of row-wise operations within one phase.

    A run ends with its phase, after a step that splits rows or changes the schema, and before a decision that is made
    over whole shards (which the next run applies first).
    """
    decisions: list[Work] = []
    work: list[Work] = []
    phase, number, parts = "", 0, list[str]()

    def close() -> Segment:
        nonlocal decisions, work, number, parts, reads
        segment = Segment(
            name=f"{track}.{number}.{phase}",
            fingerprint=digest(parts),
            reads=reads,
            decisions=tuple(decisions),
            work=tuple(work),
        )
        reads = segment.work[-1].stage.writes if segment.work else reads
        decisions, work, parts, number = [], [], [], number + 1
        return segment

    for step in steps:
        if step.phase != phase and (work or decisions):
            yield close()
        phase = step.phase
        stage: Stage = step.config
        operations = stage.apply(Rows()).operations
        for place, operation in enumerate(operations):
            one = Work(step=step.id, stage=stage, place=place, is_last=place == len(operations) - 1)
            if operation.decision is not None:
                # What follows answers may read the columns that they gave, so these are written first.
                if work or (decisions and decisions[-1].operation().verb == "complete"):
                    yield close()
                decisions.append(one)
            else:
                work.append(one)
            parts.append(f"{step.fingerprint}.{place}")
            if operation.splits and not one.is_last:
                yield close()
        if work and (stage.reads != stage.writes or any(o.splits for o in operations)):
            yield close()
    if work or decisions:
        yield close()
