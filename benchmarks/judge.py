"""How well a model judges by label probabilities: executed bugs, each pair in both orders, and with prompts that belong
to other tasks.

    python benchmarks/judge.py pairs --out pairs.parquet              # bugs of HumanEval, proven by running them
    python benchmarks/judge.py judge CHECKPOINT pairs.parquet         # add --shuffled for the other prompts

Prints accuracy (share of pairs whose verdict over both orders is the chosen side), ties, and the measures of the audit.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.engine.complete import questions
from themis_data.engine.requests import Reply, Request
from themis_data.engine.rows import Rows
from themis_data.fingerprint import uniform
from themis_data.llm.agreement import Share
from themis_data.llm.audit import Limits
from themis_data.llm.vllm import Vllm
from themis_data.schema import schema
from themis_data.sources.human_eval_tasks import HumanEvalTasks
from themis_data.stages.inject_bugs import InjectBugs
from themis_data.stages.judge_pairs import JudgePairs

SEED = 7


def made_pairs(out: Path, per_task: int) -> None:
    source, stage = HumanEvalTasks(), InjectBugs(max_per_task=per_task, max_tries=24, seed=SEED)
    tables = []
    for unit in source.list_units(Path()).units:
        for piece in source.read(unit, b""):
            searched = stage.search(piece.rows)
            kept = searched.filter(pa.compute.is_null(searched["reason"]))
            tables.append(stage.to_pairs(kept.drop_columns(["reason"])))
    pairs = pa.concat_tables(tables)
    pq.write_table(pairs, out)
    print(f"{len(pairs)} pairs of {len(set(pairs['group'].to_pylist()))} tasks")


def with_other_prompts(pairs: pa.Table) -> pa.Table:
    """Each pair with the prompt of the next task, in an order that is drawn."""
    prompts = dict(zip(pairs["group"].to_pylist(), pairs["prompt"].to_pylist(), strict=True))
    order = sorted(prompts, key=lambda task: uniform(SEED, "prompt", task))
    other = {task: prompts[order[(n + 1) % len(order)]] for n, task in enumerate(order)}
    column = pa.array([other[task] for task in pairs["group"].to_pylist()], pa.large_string())
    return pairs.set_column(pairs.column_names.index("prompt"), pairs.schema.field("prompt"), column)


def asked_once(model: Vllm, requests: list[Request], kept: Path) -> dict[str, Reply]:
    """The reply to each request, out of the file where an earlier run left it."""
    lines = kept.read_text().splitlines() if kept.exists() else []
    replies = {reply.key: reply for reply in (Reply(**json.loads(line)) for line in lines)}
    with kept.open("a") as file, model.open() as answer:
        for some in answer(request for request in requests if request.key not in replies):
            for reply in some:
                file.write(json.dumps(asdict(reply)) + "\n")
                replies[reply.key] = reply
            file.flush()
            print(f"{len(replies)} of {len(requests)}", file=sys.stderr, flush=True)
    return replies


def judge(model: Vllm, pairs: pa.Table, kept: Path) -> None:
    stage = JudgePairs(models=(model,), mode="label", canary_share=0.0, seed=SEED, limits=Limits())
    [decision] = [o.decision for o in stage.apply(Rows()).operations if o.decision is not None]
    asked = questions(decision, "judge", pairs, [(model.name, model.revision, model.variant)]).to_pylist()
    requests = [
        Request(
            key=question["keys"][0],
            system=question["system"],
            user=question["user"],
            sampling=decision.sampling,
            choices=tuple(question["choices"]),
            wants_probabilities=True,
        )
        for question in asked
    ]
    replies = asked_once(model, requests, kept)
    columns: dict[str, list] = {name: [] for name in schema("answer").names}
    for question in asked:
        reply = replies[question["keys"][0]]
        row = dict.fromkeys(schema("answer").names) | {
            "row_id": reply.key,
            "about": question["row_id"],
            "slot": question["slot"],
            "model": model.name,
            "sample": 0,
            "text": reply.text,
            "value": None if reply.failure else json.dumps(reply.probabilities),
            "failure": reply.failure,
            "is_retryable": False,
        }
        for name, value in row.items():
            columns[name].append(value)
    answers = schema("answer").table(columns)
    audit = decision.audit()
    audit.add(pairs, answers)
    judged = decision.receive(pairs, answers)
    tally: Counter[str] = Counter()
    for votes in judged["judgements"].to_pylist():
        chances = [vote["probability"] for vote in votes if vote["probability"] is not None]
        mean = sum(chances) / len(chances) if chances else 0.5
        tally["chosen" if mean > 0.5 else "rejected" if mean < 0.5 else "tie"] += 1
    right = Share.simple(tally["chosen"], tally.total())
    print(f"over both orders: {dict(tally)}, accuracy {right.record()}")
    print(f"tokens: {sum(r.tokens_in or 0 for r in replies.values())}; failures: "
          f"{Counter(r.failure for r in replies.values())}")  # fmt: skip
    for group in audit.record()["groups"]:
        if group["model"] != "all" and group["criterion"] == group["language"] == "all":
            print(json.dumps(group["verdicts"]))
            for name, share in group["shares"].items():
                print(f"{name:22} {share['share']} ({share['low']} to {share['high']}) of {share['total']}")
            print(f"length_preference      {group['length_preference']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("pairs")
    make.add_argument("--out", type=Path, required=True)
    make.add_argument("--per-task", type=int, default=4)
    ask = commands.add_parser("judge")
    ask.add_argument("checkpoint")
    ask.add_argument("pairs", type=Path)
    ask.add_argument("--limit", type=int, default=500)
    ask.add_argument("--shuffled", action="store_true")
    ask.add_argument("--replies", type=Path, default=Path("replies.jsonl"), help="kept here, and not asked for again")
    arguments = parser.parse_args()
    if arguments.command == "pairs":
        made_pairs(arguments.out, arguments.per_task)
        return
    pairs = pq.read_table(arguments.pairs).sort_by("row_id").slice(0, arguments.limit)
    model = Vllm(
        model=arguments.checkpoint,
        dtype="float32",  # faster than bfloat16 on processors that do not have it
        device="cpu",
        cpus=1,
        max_model_len=4096,
        max_num_seqs=16,
        cpu_cache_gib=2,
    )
    judge(model, with_other_prompts(pairs) if arguments.shuffled else pairs, arguments.replies)


if __name__ == "__main__":
    main()
