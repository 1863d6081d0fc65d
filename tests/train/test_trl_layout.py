"""The configuration `trl` as the real RewardTrainer takes it in."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from byte_model import byte_model

from themis_data.publish.layouts import layout
from themis_data.schema import schema

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def trl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two preferences in the configuration `trl`: one with a system prompt, one without."""
    rows = {column.name: [None, None] for column in schema("preference").columns}
    rows |= {
        "row_id": ["a", "b"],
        "parent_ids": [["p"], ["q"]],
        "source": ["Commit-Preference"] * 2,
        "criterion": ["runtime_efficiency", "memory_efficiency"],
        "also_matches": [[], []],
        "language": ["Python", "Go"],
        "prompt": ["Write a fast adder.", "Write a small adder."],
        "prompt_by": ["rules"] * 2,
        "chosen": ["def add(a, b): return a + b", "func add(a, b int) int { return a + b }"],
        "rejected": ["def add(a, b): return sum([a, b])", "func add(a, b int) int { return b + a }"],
        "form": ["file"] * 2,
        "evidence": ["message"] * 2,
        "changed_share": [1.0, 1.0],
        "license": ["MIT"] * 2,
        "license_class": ["permissive"] * 2,
        "repos": ["example.org/a/b"] * 2,
        "group": ["example.org/a/b"] * 2,
        "demo_only": [False, False],
        "system": ["Judge by speed alone.", None],
        "system_kind": ["one", "none"],
    }
    table: pa.Table = layout("trl").convert(schema("preference").table(rows))
    folder = tmp_path_factory.mktemp("trl")
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    return folder


def test_reward_trainer_sees_system_prompt_prompt_and_answer(trl_folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl import RewardConfig, RewardTrainer

    model, tokenizer = byte_model()
    trainer = RewardTrainer(
        model=model,
        args=RewardConfig(
            output_dir=str(tmp_path),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            max_length=1024,
            max_steps=2,
            per_device_train_batch_size=2,
            save_strategy="no",
        ),
        train_dataset=load_dataset("parquet", data_files=str(trl_folder / "*.parquet"), split="train"),
        processing_class=tokenizer,
    )
    chosen = [tokenizer.decode(ids) for ids in trainer.train_dataset["chosen_ids"]]
    rejected = [tokenizer.decode(ids) for ids in trainer.train_dataset["rejected_ids"]]
    assert [
        "<|im_start|>system\nJudge by speed alone.<|im_end|>\n<|im_start|>user\nWrite a fast adder.<|im_end|>\n"
        "<|im_start|>assistant\ndef add(a, b): return a + b<|im_end|>\n",
        "<|im_start|>user\nWrite a small adder.<|im_end|>\n"
        "<|im_start|>assistant\nfunc add(a, b int) int { return a + b }<|im_end|>\n",
    ] == chosen
    assert "Write a fast adder." in rejected[0]
    assert rejected[0].endswith("def add(a, b): return sum([a, b])<|im_end|>\n")
    trainer.train()
    assert trainer.state.global_step == 2
