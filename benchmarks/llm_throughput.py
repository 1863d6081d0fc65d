"""Tokens a second of the backend vllm beside bare `vllm.LLM.chat`: same prompts, same settings, runs in turns.

    python benchmarks/llm_throughput.py CHECKPOINT [--prompts 500] [--chars 400] [--tokens 32] [--runs 3]

Both engines are loaded before the first run and idle while the other works; a first short run of each does not count.
Prompts are pieces of the standard library, `--chars` characters each. Nothing is cached from run to run.
"""

import argparse
import os
import statistics
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

from themis_data.engine.requests import Request, Sampling
from themis_data.llm.vllm import Vllm

_LENGTH = 512


def requests(number: int, chars: int, max_tokens: int) -> list[Request]:
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    text = "".join(file.read_text(encoding="utf-8") for file in files[:80])
    pieces = (text[k * 997 : k * 997 + chars] for k in range(number))
    sampling = Sampling(temperature=1.0, max_tokens=max_tokens, seed=1)
    return [
        Request(key=f"{k:032x}", system=None, user=f"What does this code do?\n\n{piece}", sampling=sampling)
        for k, piece in enumerate(pieces)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--chars", type=int, default=400)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-num-seqs", type=int, default=32)
    parser.add_argument("--dtype", default="float32")
    given = parser.parse_args()
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    # Ray lets its workers wait for everything else on a machine, the bare engine included.
    os.environ |= {"RAY_worker_niceness": "0"}
    asked = requests(given.prompts, given.chars, given.tokens)

    from vllm import LLM, SamplingParams

    shared = {"enable_prefix_caching": False}
    bare = LLM(
        given.checkpoint,
        dtype=given.dtype,
        max_model_len=_LENGTH,
        max_num_seqs=given.max_num_seqs,
        enforce_eager=True,
        enable_chunked_prefill=False,
        structured_outputs_config={"backend": "xgrammar", "disable_any_whitespace": True},
        **shared,
    )
    step = Vllm(
        model=given.checkpoint,
        dtype=given.dtype,
        max_model_len=_LENGTH,
        max_num_seqs=given.max_num_seqs,
        batch_size=given.batch_size,
        device="cpu",
        cpu_cache_gib=1,
        engine_kwargs='{"enable_prefix_caching": false}',
    )

    def by_vllm(some: list[Request]) -> tuple[int, int]:
        sampling = [SamplingParams(temperature=1.0, max_tokens=r.sampling.max_tokens, seed=r.seed) for r in some]
        found = bare.chat([r.messages for r in some], sampling, use_tqdm=False)
        return sum(len(f.prompt_token_ids) for f in found), sum(len(f.outputs[0].token_ids) for f in found)

    with step.open() as answer:

        def by_us(some: list[Request]) -> tuple[int, int]:
            replies = [reply for part in answer(iter(some)) for reply in part]
            assert len(replies) == len(some)
            # A reply without text (white space only) has its tokens counted too.
            assert all(reply.failure in (None, "empty") for reply in replies)
            return sum(r.tokens_in or 0 for r in replies), sum(r.tokens_out or 0 for r in replies)

        rates: dict[str, list[float]] = {"bare": [], "step": []}
        for run in range(given.runs + 1):
            some = asked if run else asked[:64]
            for name, way in in_turn(run, {"bare": by_vllm, "step": by_us}):
                start = time.perf_counter()
                tokens_in, tokens_out = way(some)
                seconds = time.perf_counter() - start
                if run:
                    rates[name].append(tokens_out / seconds)
                print(
                    f"run {run} {name}: {tokens_in} in, {tokens_out} out, {seconds:.1f} s, "
                    f"{tokens_out / seconds:.0f} tokens/s",
                    flush=True,
                )
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print({name: round(value) for name, value in medians.items()}, f"ratio {medians['step'] / medians['bare']:.3f}")


def in_turn(run: int, ways: dict[str, object]) -> Iterator:
    """Who goes first changes from run to run."""
    yield from list(ways.items())[:: 1 if run % 2 else -1]


if __name__ == "__main__":
    main()
