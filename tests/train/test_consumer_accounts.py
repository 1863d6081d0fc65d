"""The account of what TRL reads, against the real RewardTrainer on a published folder."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "publish"))

from made_versions import made_rows, run_folder

from themis_data.publish.consumers import consumer

pytestmark = pytest.mark.train

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
)


def test_the_account_of_trl_is_what_reward_trainer_tokenizes(tmp_path: Path) -> None:
    from datasets import load_dataset
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    root = run_folder(tmp_path / "run", made_rows(9))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_only = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_only, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHAT_TEMPLATE
    )
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, pad_token_id=tokenizer.pad_token_id, num_labels=1,
    )  # fmt: skip
    trainer = RewardTrainer(
        model=Qwen3ForSequenceClassification(config),
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
