"""How surprising prose is to an n-gram model of English: its perplexity."""

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from themis_data.errors import MissingExtra, PipelineError
from themis_data.text.prose import prose_blocks

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[^\w\s\x00-\x1f\x7f]")
_NO_PROBABILITY = -99.0  # log10; what KenLM gives an unknown word where the model has no <unk> is -100


def normalised(text: str) -> str:
    """A text as models must have been trained on it: lower case, one space between words, numbers and signs; every
    number is 0."""
    plain = text.encode("utf-8", "replace").decode().lower()
    return " ".join("0" if token[0].isdigit() else token for token in _TOKEN.findall(plain))


@dataclass(frozen=True)
class Fluency:
    """An opened model: the log10 probability of a normalised sentence."""

    log_probability: Callable[[str], float]

    def perplexity(self, text: str, min_words: int) -> float | None:
        """Perplexity a word of the prose of a text with code in it, each paragraph a sentence, its end a word.

        None where fewer than `min_words` words of prose are left.
        """
        sentences = [sentence for sentence in map(normalised, prose_blocks(text)) if sentence]
        words = sum(len(sentence.split()) for sentence in sentences)
        if words < max(min_words, 1):
            return None
        surprise = -sum(map(self.log_probability, sentences)) / (words + len(sentences))
        return float(10.0 ** min(surprise, 300.0))  # what a float holds


def fluency_file(model: str) -> Path:
    """The file of a KenLM model. Raises MissingExtra with the pip line, PipelineError where there is no such file."""
    if importlib.util.find_spec("kenlm") is None:
        raise MissingExtra("perplexity needs KenLM: pip install 'themis-data[perplexity]'")
    path = Path(model).expanduser()
    if not path.is_file():
        raise PipelineError(f"no KenLM model at {model!r}; give the path of an ARPA or binary file")
    return path


@cache
def open_fluency(file: Path) -> Fluency:
    """The model in a file, opened once a process. Raises PipelineError where the file is none, or has no `<unk>`."""
    import kenlm

    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        model = kenlm.Model(str(file), config)
    except OSError as error:
        raise PipelineError(f"{file} is no KenLM model: {error}") from error
    if model.score("<unk>", bos=False, eos=False) <= _NO_PROBABILITY:
        raise PipelineError(
            f"{file} has no <unk>, so a single unknown word would make any text look like noise. Add the line "
            f"'-5.0\\t<unk>' to its 1-grams and 1 to their count"
        )
    return Fluency(model.score)
