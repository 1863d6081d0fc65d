"""Ray: the same bytes as the plain loop, with any number of workers, and our own errors as they are."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from builds import build_here, changes, drops, made_repository, pipeline_file, published

from themis_data.dataset import ShardWriter
from themis_data.engine import link
from themis_data.engine.inline import InlineEngine
from themis_data.engine.on_ray import open_engine
from themis_data.engine.segment import Work
from themis_data.engine.shuffle import Shard
from themis_data.errors import SourceError
from themis_data.stages.drop_near_duplicates import DropNearDuplicates

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def inline(tmp_path_factory):
    """A build in this process: its folder, and the pipeline it came from."""
    folder = tmp_path_factory.mktemp("inline")
    repositories = [made_repository(folder / name, num_commits=24, name=name) for name in ("one", "two")]
    pipeline = pipeline_file(folder, repositories, with_tasks=True)
    build_here(pipeline, folder / "out", "mix.allow_demo=true", limit=3)
    return folder / "out", pipeline


@pytest.fixture(scope="module", params=[pytest.param(1, marks=pytest.mark.crash), 2])
def on_ray(request, tmp_path_factory, inline):
    """The same on Ray, with one worker (where there is time for it) and with two."""
    folder = tmp_path_factory.mktemp("ray")
    build_here(inline[1], folder / "out", "mix.allow_demo=true", engine="ray", workers=request.param, limit=3)
    return folder / "out"


def test_ray_publishes_the_bytes_that_a_plain_loop_publishes(inline, on_ray):
    assert published(inline[0]) == published(on_ray)


def test_ray_drops_the_same_rows_for_the_same_reasons(inline, on_ray):
    assert drops(inline[0]) == drops(on_ray)


def test_what_ray_built_is_done_for_a_plain_loop_too(inline, on_ray):
    assert build_here(inline[1], on_ray, "mix.allow_demo=true", limit=3).shards_done == 0


def test_workers_hash_authors_with_one_key(on_ray):
    """Each unit has the same author, so there is one hash."""
    shards = (on_ray / "segments" / "commits.source").glob("*.parquet")
    hashes = {h for path in shards if "drops" not in path.name for h in pq.read_table(path)["author_hash"].to_pylist()}

    assert len(hashes) == 1


def test_tasks_and_their_errors_on_workers():
    def double(number: int) -> int:
        return 2 * number

    def refuse(number: int) -> None:
        raise SourceError(f"no {number}")

    def break_down(number: int) -> float:
        return 1 / number

    with open_engine(address=None, workers=1) as engine:
        assert {(number, 2 * number) for number in range(9)} == set(engine.run(double, range(9)))
        assert [] == list(engine.run(double, []))
        with pytest.raises(SourceError, match="no 3"):
            list(engine.run(refuse, [3]))
        with pytest.raises(ZeroDivisionError):
            list(engine.run(break_down, [0]))


def test_a_node_that_dies_in_the_middle_of_a_shuffle_changes_nothing(tmp_path, monkeypatch):
    """Three nodes on this machine; one is killed when the first candidates are found, with tasks on it."""
    from ray.cluster_utils import Cluster

    texts = [" ".join(f"w{word}" for word in range(start, start + 30)) for start in range(0, 120, 2)]
    shards = []
    for number in range(12):
        rows = changes(*({"row_id": f"{n:03d}", "new_contents": t} for n, t in enumerate(texts) if n % 12 == number))
        writer = ShardWriter(tmp_path / f"{number}.parquet", rows.schema)
        writer.write(rows)
        writer.close(tmp_path)
        shards.append(Shard(path=f"{number}.parquet", rows=len(rows)))
    work = Work(step="s", stage=DropNearDuplicates(same=(("new_contents",),)), place=0, is_last=False)
    monkeypatch.setattr(link, "KEYS_PER_PARTITION", 100)

    def marks_of(run) -> pa.Table:
        marks, _ = link.linked(
            run,
            work,
            shards,
            run_folder=tmp_path,
            scratch=tmp_path / "scratch",
            progress=lambda total: lambda done: None,
        )
        return marks.sort_by("row_id")

    expected = marks_of(InlineEngine().run)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    killed: list[str] = []
    try:
        doomed, _ = (cluster.add_node(num_cpus=1, include_dashboard=False) for _ in range(2))
        cluster.wait_for_nodes()

        with open_engine(address=cluster.address, workers=None) as engine:

            def run(function, tasks):
                for place, result in engine.run(function, tasks):
                    if function is link.find_candidates and not killed:
                        assert place < len(tasks) - 6
                        cluster.remove_node(doomed, allow_graceful=False)
                        killed.append(function.__name__)
                    yield place, result

            found = marks_of(run)
    finally:
        cluster.shutdown()

    assert ["find_candidates"] == killed
    assert expected.equals(found)
    assert pc.sum(pc.is_valid(found["reason"])).as_py() > 40
