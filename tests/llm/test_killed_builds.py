"""A build that asks a server and is killed: what was answered is not asked again, and the end is the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from builds import ENVIRONMENT
from fault_server import fault_server

CONCURRENCY = 8
PIPELINE = """
name: asks
seed: 1
models:
  far: {{use: http, model: m, url: "{url}", concurrency: {concurrency}}}
branches:
  sampled:
    source: {{use: human_eval_tasks, as: tasks, max_tasks: 40, unit_tasks: 10}}
    generate:
      - {{use: sample_candidates, models: [far], samples: 4, max_failed: 1.0}}
      - {{use: pair_candidates}}
merge:
  assemble:
    - {{use: mix, allow_demo: true}}
    - {{use: assign_system_prompts}}
"""


def command(folder: Path, out: str) -> list[str]:
    return [sys.executable, "-m", "themis_data.cli", "build", str(folder / "asks.yaml"), "--out", str(folder / out)]


def answers(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(out.glob("segments/sampled.*/marks/*/*.parquet"))]


def test_a_killed_build_asks_again_at_most_what_was_open(tmp_path):
    with fault_server(seed=1, share=0.0, latency_s=0.02) as server:
        settings = {"url": server.url, "concurrency": CONCURRENCY}
        (tmp_path / "asks.yaml").write_text(PIPELINE.format(**settings), encoding="utf-8")
        killed = subprocess.Popen(
            command(tmp_path, "killed"), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while server.total() < 60:
            assert killed.poll() is None
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()

        again = subprocess.run(command(tmp_path, "killed"), env=ENVIRONMENT, capture_output=True, check=False)
        asked = server.total()
        whole = subprocess.run(command(tmp_path, "whole"), env=ENVIRONMENT, capture_output=True, check=False)

    assert (0, 0) == (again.returncode, whole.returncode), again.stderr.decode() + whole.stderr.decode()
    assert 160 <= asked <= 160 + CONCURRENCY
    assert 4 == len(answers(tmp_path / "killed"))
    assert answers(tmp_path / "whole") == answers(tmp_path / "killed")
