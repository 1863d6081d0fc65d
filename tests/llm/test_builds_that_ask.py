"""Builds that ask a server, from the command line: killed, probed, and stopped by a budget."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from builds import ENVIRONMENT, themis
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


def pipeline_in(folder: Path, url: str) -> None:
    text = PIPELINE.format(url=url, concurrency=CONCURRENCY)
    (folder / "asks.yaml").write_text(text, encoding="utf-8")


def command(folder: Path, out: str) -> list[str]:
    return [sys.executable, "-m", "themis_data.cli", "build", str(folder / "asks.yaml"), "--out", str(folder / out)]


def answers(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(out.glob("segments/sampled.*/marks/*/*.parquet"))]


def test_a_killed_build_asks_again_at_most_what_was_open(tmp_path):
    with fault_server(seed=1, share=0.0, latency_s=0.02) as server:
        pipeline_in(tmp_path, server.url)
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


def test_a_probe_asks_a_few_and_says_what_the_rest_would_take(tmp_path):
    with fault_server() as server:
        pipeline_in(tmp_path, server.url)
        probed = themis("plan", "asks.yaml", "--out", "out", "--probe", "5", "--json", cwd=tmp_path)
        asked = server.total()
        shown = themis("plan", "asks.yaml", "--out", "out", "--probe", "2", cwd=tmp_path)

    [rest] = json.loads(probed.stdout)["probe"]["models"]
    assert (5, 5, 155, "m") == (asked, rest["asked"], rest["open"], rest["model"])
    assert rest["tokens_in"][0] <= rest["tokens_in"][1] <= rest["tokens_in"][2]
    assert "step sample_candidates: what the open questions would take" in shown.stdout


def test_a_budget_stops_the_build_cleanly_and_the_next_goes_on(tmp_path):
    with fault_server() as server:
        pipeline_in(tmp_path, server.url)
        stopped = themis("build", "asks.yaml", "--out", "out", "--budget", "30requests", cwd=tmp_path)
        first = server.total()
        done = themis("build", "asks.yaml", "--out", "out", cwd=tmp_path)
        asked = server.total()

    assert (1, 0) == (stopped.returncode, done.returncode), done.stderr
    assert "the budget is spent (30 requests" in stopped.stderr
    assert "all answers are kept, and the same command goes on with a new budget" in stopped.stderr
    assert (30, 160) == (first, asked)
