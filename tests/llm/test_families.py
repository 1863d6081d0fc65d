"""The family of a model is told by its name."""

import pytest

from themis_data.llm.families import family_of


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen3-8B", "qwen"),
        ("Qwen/Qwen2.5-Coder-32B-Instruct", "qwen"),
        ("qwen3:8b", "qwen"),
        ("Qwen/QwQ-32B", "qwen"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("codellama/CodeLlama-7b-hf", "llama"),
        ("mistralai/Codestral-22B-v0.1", "mistral"),
        ("mistralai/Mixtral-8x7B-v0.1", "mistral"),
        ("google/gemma-3-27b-it", "gemma"),
        ("gemini-2.5-pro", "gemini"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "deepseek"),
        ("gpt-4o-mini", "gpt"),
        ("openai/gpt-oss-120b", "gpt"),
        ("o3-mini", "gpt"),
        ("EleutherAI/gpt-neox-20b", "eleuther"),
        ("anthropic/claude-sonnet-4.5", "claude"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm"),
        ("microsoft/phi-4", "phi"),
        ("microsoft/Phi-3.5-mini-instruct", "phi"),
        ("meta-llama/unnamed", "llama"),
        ("my-philosopher", None),
        ("owner/judge-v2", None),
        ("", None),
    ],
)
def test_a_family_is_told_by_the_first_word_that_is_known(model, family):
    assert family == family_of(model)
