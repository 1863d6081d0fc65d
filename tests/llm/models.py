"""Language models without a hub: a tiny Qwen3 with random weights, made in seconds; it writes nonsense, and always the
same."""

import sysconfig
from pathlib import Path
from typing import Final

_END, _PAD, _TURN = "<|im_end|>", "<|endoftext|>", "<|im_start|>"
_CHAT: Final = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_VOCABULARY: Final = 2048
_NUM_FILES: Final = 60  # of the standard library, that the vocabulary is made of


def tiny_qwen3(folder: Path) -> Path:
    """A checkpoint of a Qwen3 with 230,000 random weights (1 MB), made in `folder`, and a vocabulary of Python code."""
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    pieces = Tokenizer(BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:_NUM_FILES]
    trainer = BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[_PAD, _TURN, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pieces.train_from_iterator((file.read_text(encoding="utf-8", errors="replace") for file in files), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces, eos_token=_END, pad_token=_PAD, chat_template=_CHAT, model_max_length=2048
    )
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
