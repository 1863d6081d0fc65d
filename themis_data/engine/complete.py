"""Asking language models about rows: questions out of shards, replies into the journal, answers beside the shards.

Questions are written a file a shard by tasks; one process then asks whatever the journal does not hold, and writes the
answers of each shard in the order of its rows. So a build that was killed goes on with what it had not been told, and
every stage that comes after sees the same answers again.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from themis_data.dataset import write_tables
from themis_data.engine.answers import OrderedAnswers
from themis_data.engine.budget import Budget, BudgetReached, Meter
from themis_data.engine.journal import Journal
from themis_data.engine.marks import unmarked_batches
from themis_data.engine.requests import Reply, Request, request_key
from themis_data.engine.rows import Complete
from themis_data.engine.segment import Work
from themis_data.engine.shuffle import Run, Shard, in_order
from themis_data.errors import StageError
from themis_data.manifest import FileRecord, commit_file, temporary_beside
from themis_data.schema import schema

_QUESTION = pa.schema(
    [
        ("row_id", pa.string()),
        ("slot", pa.string()),
        ("model", pa.int32()),
        ("samples", pa.int32()),
        ("system", pa.large_string()),
        ("user", pa.large_string()),
        ("schema", pa.large_string()),
        ("choices", pa.list_(pa.string())),
        ("ticket", pa.string()),
        ("keys", pa.list_(pa.string())),  # of its requests, one a sample
    ]
)
_Named = tuple[str, str | None, str | None]  # name, revision and variant of a model, asked for once: some hash files
_DEFAULTS = {"model": 0, "samples": 1}
_MIN_BEFORE_GIVING_UP = 20  # failures; a run of fewer questions fails when all are asked


@dataclass(frozen=True, kw_only=True)
class Completed:
    """What asking gave: the answers of each shard, and counts for the record."""

    files: list[FileRecord]
    counts: dict[str, Any]
    retryable: int  # questions without an answer that asking again may give
    audit: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class QuestionTask:
    """One input shard whose questions are to be written."""

    run_folder: str
    work: Work
    shard: Shard
    models: tuple[_Named, ...]
    to: str


def completed(
    run: Run,
    work: Work,
    shards: Sequence[Shard],
    *,
    run_folder: Path,
    scratch: Path,
    to: Path,
    progress: Callable[[int], Callable[[int], None]],
    budget: Budget,
) -> Completed:
    """Ask what is not known yet, and write the answers of each shard to `to`.

    Raises StageError when more than `max_failed` of the questions get no answer that can be read, or when the step's
    audit finds a limit broken; BudgetReached when the budget is spent. All replies are kept in either case.
    """
    decision = _decision(work)
    models = tuple((model.name, model.revision, model.variant) for model in decision.models)
    tasks = [
        QuestionTask(
            run_folder=str(run_folder),
            work=work,
            shard=shard,
            models=models,
            to=str(scratch / f"questions-{number:05d}.arrow"),
        )
        for number, shard in enumerate(shards)
    ]
    files = [Path(file) for file in in_order(run, write_questions, tasks, lambda _: None)]
    with Journal(run_folder / "answers" / f"{decision.template}.journal") as journal:
        requests = _ask(decision, work.step, files, journal, progress, budget)
        return _write_answers(decision, work.step, shards, files, models, journal, requests, run_folder, to)


def write_questions(task: QuestionTask) -> str:
    """Write the questions about one shard's rows, a record batch for each batch of rows; gives the file's path."""
    decision = _decision(task.work)
    path = Path(task.to)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    batches = unmarked_batches(Path(task.run_folder), task.shard.path, list(decision.columns), task.shard.earlier_marks)
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, _QUESTION) as writer:
        for batch in batches:
            for part in questions(decision, task.work.step, batch, task.models).to_batches():
                writer.write_batch(part)
    commit_file(temporary, path)
    return task.to


def questions(decision: Complete, step: str, rows: pa.Table, models: Sequence[_Named]) -> pa.Table:
    """The questions about some rows with every column and the keys of their requests.

    Raises StageError when they are about other rows, or not in the order of the rows.
    """
    asked = decision.ask(rows)
    place = pc.index_in(asked["row_id"], value_set=rows["row_id"].combine_chunks())
    steps = pc.pairwise_diff(place.combine_chunks()) if len(place) else place
    if place.null_count or pc.any(pc.less(steps, 0)).as_py():
        raise StageError(f"step {step}: its questions are about other rows than it was given, or in another order")
    columns = {}
    for name, type_ in zip(_QUESTION.names[:-1], _QUESTION.types[:-1], strict=True):
        if name in asked.column_names:
            columns[name] = asked[name].cast(type_)
        elif name in _DEFAULTS:
            columns[name] = pa.array([_DEFAULTS[name]] * len(asked), type_)
        else:
            columns[name] = pa.nulls(len(asked), type_)
    keys = [_keys(decision, question, models) for question in pa.table(columns).to_pylist()]
    return pa.table({**columns, "keys": pa.array(keys, pa.list_(pa.string()))}, schema=_QUESTION)


def _keys(decision: Complete, question: dict[str, Any], models: Sequence[_Named]) -> list[str]:
    name, revision, variant = models[question["model"]]
    return [
        request_key(
            template=decision.template,
            model=name,
            revision=revision,
            variant=variant,
            system=question["system"],
            user=question["user"],
            sampling=decision.sampling,
            schema=question["schema"],
            choices=tuple(question["choices"] or ()),
            wants_probabilities=decision.wants_probabilities,
            sample=sample,
        )
        for sample in range(question["samples"])
    ]


def _decision(work: Work) -> Complete:
    decision = work.operation().decision
    assert isinstance(decision, Complete)
    return decision


def _batches(file: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    options = None
    if columns is not None:
        options = pa.ipc.IpcReadOptions(included_fields=[_QUESTION.get_field_index(name) for name in columns])
    with pa.memory_map(str(file)) as mapped, pa.ipc.open_file(mapped, options=options) as reader:
        for number in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(number)])


def _ask(
    decision: Complete,
    step: str,
    files: Sequence[Path],
    journal: Journal,
    progress: Callable[[int], Callable[[int], None]],
    budget: Budget,
) -> int:
    """Ask every model what the journal does not hold; gives the number of all requests, each counted once."""
    wanted: list[set[str]] = [set() for _ in decision.models]
    for file in files:
        for batch in _batches(file, ["model", "keys"]):
            for place, keys in zip(batch["model"].to_pylist(), batch["keys"].to_pylist(), strict=True):
                wanted[place].update(keys)
    total = sum(map(len, wanted))
    for keys in wanted:
        keys -= journal.known(keys)
    advance = progress(total)
    advance(total - sum(map(len, wanted)))
    most_failed = max(_MIN_BEFORE_GIVING_UP, int(decision.max_failed * total))
    meters: list[Meter] = []
    failures: Counter[str] = Counter()
    for place, (model, keys) in enumerate(zip(decision.models, wanted, strict=True)):
        meters.append(Meter(model=model, open=len(keys)))
        if not keys or budget.is_spent:
            continue
        if budget.requests is not None:  # keys are hashes: the smallest of them are a random sample
            keys = set(sorted(keys)[: budget.requests - budget.spent_requests])
        with model.open() as answer:
            started = time.monotonic()
            for replies in answer(_requests(decision, files, place, keys, budget)):
                journal.append(replies)
                for reply in replies:
                    budget.spend(model, reply)
                    meters[-1].count(reply)
                    if reply.failure is not None:
                        failures[reply.failure] += 1
                advance(len(replies))
                if failures.total() > most_failed:
                    raise StageError(
                        f"step {step}: {failures.total()} of {total} questions got no answer ({_told(failures)}), and "
                        f"at most {decision.max_failed:.1%} may fail (max_failed); the last: {_last_failure(replies)}. "
                        f"The same command asks again what may then work"
                    )
            meters[-1].seconds = time.monotonic() - started
    still_open = sum(len(keys - journal.known(keys)) for keys in wanted)
    if still_open and budget.is_spent:
        raise BudgetReached(
            f"step {step}: the budget is spent ({budget.spent_requests:,} requests, {budget.spent_tokens:,} tokens, "
            f"{budget.spent_usd:.2f} USD) with {total - still_open:,} of {total:,} questions answered; all answers are "
            f"kept, and the same command goes on with a new budget",
            step,
            [meter.rest() for meter in meters],
        )
    if still_open:
        raise StageError(f"step {step}: {still_open} questions were never answered; this is a fault of the backend")
    return total


def _requests(
    decision: Complete, files: Sequence[Path], place: int, wanted: set[str], budget: Budget
) -> Iterator[Request]:
    """The requests to one model that are wanted, each once; ends early where the budget does."""
    seen: set[str] = set()
    for file in files:
        for batch in _batches(file):
            if not any(key in wanted for keys in batch["keys"].to_pylist() for key in keys):
                continue
            for question in batch.to_pylist():
                if question["model"] != place:
                    continue
                for key in question["keys"]:
                    if budget.is_spent:
                        return
                    if key in wanted and key not in seen:
                        seen.add(key)
                        yield _request(decision, question, key)


def _request(decision: Complete, question: dict[str, Any], key: str) -> Request:
    return Request(
        key=key,
        system=question["system"],
        user=question["user"],
        sampling=decision.sampling,
        schema=question["schema"],
        choices=tuple(question["choices"] or ()),
        wants_probabilities=decision.wants_probabilities,
    )


def _write_answers(
    decision: Complete,
    step: str,
    shards: Sequence[Shard],
    files: Sequence[Path],
    models: Sequence[_Named],
    journal: Journal,
    requests: int,
    run_folder: Path,
    to: Path,
) -> Completed:
    described = schema("answer")
    failures: Counter[str] = Counter()
    total = retryable = 0
    audit = decision.audit() if decision.audit is not None else None

    def answered(shard: Shard, file: Path) -> Iterator[pa.Table]:
        nonlocal total, retryable
        by_row = OrderedAnswers(_answers(decision, batch, models, journal) for batch in _batches(file))
        for batch in unmarked_batches(run_folder, shard.path, list(decision.columns), shard.earlier_marks):
            answers = by_row.of(batch["row_id"])
            total += len(answers)
            retryable += pc.sum(answers["is_retryable"]).as_py() or 0
            failures.update(answers["failure"].drop_null().to_pylist())
            if audit is not None:
                audit.add(batch, answers)
            yield described.conform(answers, f"step {step}")

    records = [
        write_tables(to / f"{number:05d}.parquet", described.arrow, answered(shard, file), relative_to=run_folder)
        for number, (shard, file) in enumerate(zip(shards, files, strict=True))
    ]
    if failures.total() > decision.max_failed * total:
        raise StageError(
            f"step {step}: {failures.total()} of {total} questions got no answer that can be read "
            f"({_told(failures)}), and at most {decision.max_failed:.1%} may fail (max_failed). The replies are in "
            f"{run_folder / 'answers' / decision.template}.journal; another model, prompt or limit may help"
        )
    record = audit.record() if audit is not None else None
    breaches = audit.breaches() if audit is not None else []
    if breaches:
        raise StageError(f"step {step}: its audit fails the step: " + "; ".join(breaches))
    counts = {
        "questions": total,
        "requests": requests,
        "failures": dict(sorted(failures.items())),
        "models": [
            {"model": name, "revision": revision, "family": model.family}
            for (name, revision, _), model in zip(models, decision.models, strict=True)
        ],
    }
    return Completed(files=records, counts=counts, retryable=retryable, audit=record)


def _answers(decision: Complete, asked: pa.Table, models: Sequence[_Named], journal: Journal) -> pa.Table:
    """What the journal holds on some questions, one row an answer."""
    replies = journal.find(key for keys in asked["keys"].to_pylist() for key in keys)
    columns: dict[str, list[Any]] = {name: [] for name in schema("answer").names}
    for question in asked.select(["row_id", "slot", "model", "ticket", "keys"]).to_pylist():
        model = models[question["model"]]
        for sample, key in enumerate(question["keys"]):
            for name, value in _answer(decision, question, model, sample, replies[key]).items():
                columns[name].append(value)
    return schema("answer").table(columns)


def _answer(decision: Complete, question: dict[str, Any], model: _Named, sample: int, reply: Reply) -> dict[str, Any]:
    (name, revision, _), value, failure, detail = model, None, reply.failure, reply.detail
    if reply.text is not None and decision.wants_probabilities:
        value = reply.probabilities
    elif reply.text is not None:
        parsed = decision.parse(reply.text, question["ticket"])
        value = parsed.value
        if parsed.fault is not None:
            word, _, rest = parsed.fault.partition(": ")
            failure, detail = word, rest or None
    return {
        "row_id": reply.key,
        "about": question["row_id"],
        "slot": question["slot"],
        "model": name,
        "revision": revision,
        "sample": sample,
        "text": reply.text,
        "value": None if failure is not None else json.dumps(value, ensure_ascii=False, sort_keys=True),
        "failure": failure,
        "detail": detail,
        "is_retryable": reply.is_retryable,
        "finish": reply.finish,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
    }


def _told(failures: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in failures.most_common())


def _last_failure(replies: Sequence[Reply]) -> str:
    failed = [reply for reply in replies if reply.failure is not None]
    return f"{failed[-1].failure}: {failed[-1].detail}" if failed else "see the journal"
