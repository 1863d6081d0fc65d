"""A reward model of a few thousand random weights whose tokens are bytes, so that what it is given can be read back."""

from typing import Any

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
)


SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


def byte_model() -> tuple[Any, Any]:
    """The model and its tokenizer."""
    from transformers import Qwen3ForSequenceClassification

    from themis_data.train.models import random_qwen3

    config, tokenizer = random_qwen3(SIZES)
    tokenizer.chat_template = CHAT_TEMPLATE
    return Qwen3ForSequenceClassification(config), tokenizer
