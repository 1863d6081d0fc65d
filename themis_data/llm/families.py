"""Who made a language model, told by its name: a judge should not be of the family of what it judges."""

import re
from typing import Final

# Families by the words that models' names begin with. A longer word goes before a shorter one that it begins with.
_WORDS: Final = {
    "claude": ("claude",),
    "codegen": ("codegen", "xgen"),
    "command": ("command", "aya", "c4ai"),
    "deepseek": ("deepseek",),
    "dbrx": ("dbrx",),
    "eleuther": ("gpt-neox", "gpt-neo", "gpt-j", "pythia"),
    "ernie": ("ernie",),
    "exaone": ("exaone",),
    "falcon": ("falcon",),
    "gemini": ("gemini",),
    "gemma": ("gemma", "codegemma", "shieldgemma"),
    "glm": ("glm", "chatglm", "codegeex"),
    "gpt": ("gpt", "chatgpt", "o1", "o3", "o4"),
    "granite": ("granite",),
    "grok": ("grok",),
    "hunyuan": ("hunyuan",),
    "internlm": ("internlm",),
    "jamba": ("jamba",),
    "kimi": ("kimi", "moonlight"),
    "llama": ("llama", "codellama", "meta-llama", "tinyllama"),
    "minimax": ("minimax",),
    "mistral": (
        *("mistral", "mixtral", "codestral", "devstral", "magistral", "ministral", "pixtral", "mathstral", "voxtral"),
    ),
    "nemotron": ("nemotron",),
    "olmo": ("olmo", "tulu"),
    "opt": ("opt",),
    "phi": ("phi",),
    "qwen": ("qwen", "qwq", "codeqwen"),
    "seed": ("seed", "doubao"),
    "smollm": ("smollm", "smolvlm"),
    "starcoder": ("starcoder", "santacoder"),
    "yi": ("yi",),
}
_FAMILY: Final = {word: family for family, words in _WORDS.items() for word in words}
# A word begins behind no letter and no digit, and ends before no letter: qwen2.5 is qwen, and philosopher is not phi.
_WORD: Final = re.compile(
    rf"(?<![a-z0-9])(?:{'|'.join(sorted(map(re.escape, _FAMILY), key=len, reverse=True))})(?![a-z])", re.IGNORECASE
)


def family_of(model: str) -> str | None:
    """The family in a word, such as qwen; null where the name tells none that is known.

    The first word that is known counts, in the model's own name and then in its owner's: DeepSeek-R1-Distill-Qwen-7B is
    deepseek, for whoever trained it last is who it takes after.
    """
    owner, _, own = model.rpartition("/")
    found = _WORD.search(own) or _WORD.search(owner)
    return _FAMILY[found[0].lower()] if found else None
