"""The account of what TRL reads, against the real RewardTrainer on a published folder."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "publish"))

from byte_model import byte_model
from made_versions import made_rows, run_folder

from themis_data.publish.consumers import consumer

pytestmark = pytest.mark.train


def test_the_account_of_trl_is_what_reward_trainer_tokenizes(tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl import RewardConfig, RewardTrainer

    root = run_folder(tmp_path / "run", made_rows(9))
    model, tokenizer = byte_model()
    trainer = RewardTrainer(
        model=model,
        args=RewardConfig(
            output_dir=str(tmp_path / "out"), use_cpu=True, bf16=False, gradient_checkpointing=False, report_to="none"
        ),
        train_dataset=load_dataset(str(root / "dataset"), "trl", split="train", cache_dir=str(tmp_path / "cache")),
        processing_class=tokenizer,
    )

    own = consumer("trl")
    rows = [row for t in own.tables(root / "dataset", "trl", tmp_path / "scratch") for row in t.to_pylist()]
    assert (9, own.cut) == (len(rows), RewardConfig.max_length)
    for side in ("chosen", "rejected"):
        expected = [
            "".join(
                f"<|im_start|>{role}\n{text}<|im_end|>\n"
                for role, text in (("system", row["system"]), ("user", row["prompt"]), ("assistant", row[side]))
                if text is not None
            )
            for row in rows
        ]
        assert expected == [tokenizer.decode(ids) for ids in trainer.train_dataset[f"{side}_ids"]]
