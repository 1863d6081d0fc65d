"""How the sides of pairs differ, as fixed numbers on which small models are fitted in seconds.

Features read pairs as a frame with the columns criterion, language, system, prompt, chosen and rejected, and give a
sparse matrix with a row a pair: the chosen side's less the rejected one's.
"""

import hashlib
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import copysign, log1p
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import xxhash

from themis_data.dataset import read_table, write_tables
from themis_data.errors import EvaluationError
from themis_data.fingerprint import digest, model_digest
from themis_data.publish.surface import differences
from themis_data.train.batches import common
from themis_data.train.chats import Chats

Bools = npt.NDArray[np.bool_]
Floats32 = npt.NDArray[np.float32]
Matrix = Any  # scipy.sparse.csr_array
_PairTokens = tuple[int, list[int], list[int]]

_COLUMNS: Final = 1 << 18  # of hashed names
_PAIRS_A_FILE: Final = 32
_STATES: Final = pa.schema([pa.field("key", pa.string()), pa.field("states", pa.list_(pa.float32()))])


class Features(Protocol):
    """Something that makes numbers of pairs."""

    name: str
    is_scaled: bool  # whether the columns are to be divided by their spread before a fit

    def usable(self, pairs: pl.DataFrame) -> Bools:
        """Which pairs can be looked at."""
        ...

    def differences(self, pairs: pl.DataFrame) -> Matrix:
        """A row a pair, chosen less rejected."""
        ...


def features_named(name: str, folder: Path, *, max_tokens: int, note: Callable[[str], None]) -> Features:
    """The features `length` or `tokens`, or the states of the model in a folder. Raises EvaluationError."""
    known: dict[str, type[LengthFeatures | TokenFeatures]] = {"length": LengthFeatures, "tokens": TokenFeatures}
    if name in known:
        return known[name]()
    if not Path(name).is_dir():
        raise EvaluationError(f"features {name!r}: expected length, tokens, or the folder of a language model")
    return StateFeatures(Path(name), folder, max_tokens=max_tokens, note=note)


class LengthFeatures:
    """Which side is longer and by how much, in characters on a log scale, for each criterion on its own."""

    name, is_scaled = "length", False

    def usable(self, pairs: pl.DataFrame) -> Bools:
        return np.ones(len(pairs), dtype=bool)

    def differences(self, pairs: pl.DataFrame) -> Matrix:
        rows = []
        for criterion, chosen, rejected in pairs.select("criterion", "chosen", "rejected").iter_rows():
            difference = len(chosen) - len(rejected)
            sign = float((difference > 0) - (difference < 0))
            size = copysign(log1p(abs(difference)), difference)
            rows.append({criterion: sign, f"{criterion} size": size})
        return _hashed(rows)


class TokenFeatures:
    """Words and signs of the lines that only one side has, on a log scale: each on its own, and with the criterion."""

    name, is_scaled = "tokens", False

    def usable(self, pairs: pl.DataFrame) -> Bools:
        return np.ones(len(pairs), dtype=bool)

    def differences(self, pairs: pl.DataFrame) -> Matrix:
        rows = []
        for criterion, *sides in pairs.select("criterion", "chosen", "rejected", "language").iter_rows():
            tokens = differences(*sides).tokens
            rows.append(tokens | {f"{criterion}\0{token}": value for token, value in tokens.items()})
        return _hashed(rows)


class StateFeatures:
    """What a language model's last layer holds of a chat: its state at the last token, and the mean over the answer.

    The model is a checkpoint folder and is never trained. Its states are kept under `folder`, so that a chat is read
    once, also by later runs. Pairs of which a side has more than `max_tokens` are not usable. Raises EvaluationError
    where the folder holds no model.
    """

    is_scaled = True

    def __init__(self, model: Path, folder: Path, *, max_tokens: int = 512, note: Callable[[str], None]) -> None:
        import transformers

        self.name, self.path, self.max_tokens, self.note = f"states of {model.name}", model, max_tokens, note
        try:
            self.chats = Chats(transformers.AutoTokenizer.from_pretrained(model, local_files_only=True))
        except (OSError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            raise EvaluationError(f"{model}: no checkpoint of a language model: {said}") from error
        weights = sorted(model.glob("*.safetensors"))
        self.folder = folder / digest([self.chats.tokenizer.chat_template, [model_digest(file) for file in weights]])
        self.states: dict[str, Floats32] = {}
        for file in sorted(self.folder.glob("*.parquet")):
            self._add(read_table(file))

    def usable(self, pairs: pl.DataFrame) -> Bools:
        return np.array([max(map(len, sides)) <= self.max_tokens for _, *sides in self._tokens(pairs)], dtype=bool)

    def differences(self, pairs: pl.DataFrame) -> Matrix:
        from scipy.sparse import csr_array

        read = list(self._tokens(pairs))
        wanted = [one for one in read if any(_key(one[0], side) not in self.states for side in one[1:])]
        if wanted:
            self._read(wanted)
        found = [
            self.states[_key(start, chosen)] - self.states[_key(start, rejected)] for start, chosen, rejected in read
        ]
        return csr_array(np.array(found, np.float64))

    def _tokens(self, pairs: pl.DataFrame) -> Iterator[_PairTokens]:
        """Of each pair: at which token the answers begin, and the tokens of both chats."""
        for system, prompt, *answers in pairs.select("system", "prompt", "chosen", "rejected").iter_rows():
            texts = [self.chats.asked(system, prompt), *(self.chats.scored(system, prompt, one) for one in answers)]
            asked, chosen, rejected = self.chats.tokens(texts)
            yield common(asked, chosen), chosen, rejected

    def _read(self, wanted: Sequence[_PairTokens]) -> None:
        """Read chats pair by pair: what both sides begin with is read once."""
        import torch
        import transformers

        model = transformers.AutoModel.from_pretrained(self.path, dtype=torch.float32, local_files_only=True).eval()
        began = time.monotonic()
        for first in range(0, len(wanted), _PAIRS_A_FILE):
            rows: dict[str, Floats32] = {}
            with torch.inference_mode():
                for start, chosen, rejected in wanted[first : first + _PAIRS_A_FILE]:
                    whole = model(input_ids=torch.tensor([chosen]), use_cache=True)
                    of_chosen = whole.last_hidden_state[0]
                    shared = min(common(chosen, rejected), len(rejected) - 1)
                    whole.past_key_values.crop(shared)
                    rest = model(input_ids=torch.tensor([rejected[shared:]]), past_key_values=whole.past_key_values)
                    of_rejected = torch.cat([of_chosen[:shared], rest.last_hidden_state[0]])
                    for side, states in ((chosen, of_chosen), (rejected, of_rejected)):
                        rows[_key(start, side)] = torch.cat([states[-1], states[start:].mean(0)]).numpy()
            table = pa.table({"key": list(rows), "states": list(rows.values())}, schema=_STATES)
            write_tables(self.folder / f"{digest(sorted(rows))}.parquet", _STATES, [table], relative_to=self.folder)
            self._add(table)
            done, passed = min(first + _PAIRS_A_FILE, len(wanted)), time.monotonic() - began
            self.note(f"{self.name}: {done:,} of {len(wanted):,} pairs read in {passed:.0f} s")

    def _add(self, table: pa.Table) -> None:
        for key, states in zip(table["key"].to_pylist(), table["states"], strict=True):
            self.states[key] = np.asarray(states.values, np.float32)


def _key(start: int, ids: Sequence[int]) -> str:
    return hashlib.blake2b(array("q", [start, *ids]).tobytes(), digest_size=16).hexdigest()


def _hashed(rows: Sequence[Mapping[str, float]]) -> Matrix:
    """Named numbers as columns of a matrix; names that fall on one column are added up."""
    from scipy.sparse import coo_array

    places = [row for row, named in enumerate(rows) for _ in named]
    columns = [xxhash.xxh3_64_intdigest(name.encode()) % _COLUMNS for named in rows for name in named]
    values = [value for named in rows for value in named.values()]
    return coo_array((values, (places, columns)), shape=(len(rows), _COLUMNS)).tocsr()
