"""A reward model of a few thousand random weights whose tokens are bytes, so that what it is given can be read back."""

from typing import Any

from training import SIZES

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
)


def byte_model() -> tuple[Any, Any]:
    """The model and its tokenizer."""
    from transformers import Qwen3ForSequenceClassification

    from themis_data.train.models import random_qwen3

    config, tokenizer = random_qwen3(SIZES)
    tokenizer.chat_template = CHAT_TEMPLATE
    return Qwen3ForSequenceClassification(config), tokenizer
