"""Pairs as tokens: written once beside the run, read through a memory map, and put together to batches.

A folder of tokenised pairs holds `pairs.arrow` and, last, `record.json`: how many there are, and how many were left out
and why. It is named by the digest of everything its content depends on, so that it is made once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from themis_data.dataset import Version, open_version, read_batches
from themis_data.errors import ManifestError, TrainingError
from themis_data.fingerprint import digest, uniform
from themis_data.manifest import commit_file, read_record, temporary_beside, write_record
from themis_data.schema import schema
from themis_data.train.chats import Chats

if TYPE_CHECKING:
    import datasets
    import torch

IGNORED: Final = -100  # a label that is no part of the loss, as torch's cross entropy has it
_VERSION: Final = 1  # of what the file holds
_AT_ONCE: Final = 128  # pairs that are tokens in Python at a time; of a row group of long ones they fill hundreds of MB
_TOKENS: Final = pa.list_(pa.int32())
_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("criterion", pa.string()),
        pa.field("language", pa.string()),
        pa.field("chosen_ids", _TOKENS),
        pa.field("rejected_ids", _TOKENS),
        pa.field("chosen_from", pa.int32()),  # place of the first token of the answer
        pa.field("length", pa.int32()),  # tokens of the longer side
    ]
)


@dataclass(frozen=True)
class Limits:
    """Which pairs of a split are used."""

    max_tokens: int  # pairs of which a side has more, prompt and all, are left out
    demo_only: bool  # use benchmark material too
    at_most: int = 0  # draw so many, by seed and id; 0: all
    seed: int = 0


@dataclass(frozen=True)
class Tokenized:
    """What became of the pairs of a split: how many there are in the file, and how many were left out, by reason."""

    path: Path
    pairs: int
    left_out: Mapping[str, int]  # too_long, has_marks (of the chat template, in a text), demo_only

    def __str__(self) -> str:
        left_out = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items() if count)
        return f"{self.pairs} pairs" + (f" (left out: {left_out})" if left_out else "")

    def dataset(self) -> "datasets.Dataset":
        """The pairs, memory-mapped; columns id, criterion, language, chosen_ids, rejected_ids, chosen_from, length."""
        import datasets

        return datasets.Dataset.from_file(str(self.path)).with_format("numpy")


def tokenized(places: Sequence[str], split: str, chats: Chats, folder: Path, limits: Limits) -> Tokenized:
    """The pairs of a split of finished data sets (run folders or versions), as tokens in a folder under `folder`.

    Raises ManifestError where there is no data set, and TrainingError where no pair is left.
    """
    versions = [open_version(Path(place)) for place in places]
    name = digest(
        {
            "version": _VERSION,
            "pairs": [version.checksum for version in versions],
            "split": split,
            "template": chats.tokenizer.chat_template,
            "tokenizer": chats.tokenizer.backend_tokenizer.to_str(),
            "limits": asdict(limits),
        }
    )
    path = folder / f"{split}-{name[:16]}" / "pairs.arrow"
    record = path.parent / "record.json"
    if not record.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(record, _write(path, versions, split, chats, limits))
    counts = read_record(record)
    return Tokenized(path, counts["pairs"], counts["left_out"])


def held_out_split(places: Sequence[str]) -> str | None:
    """The split to evaluate on, of those that the data sets have beside `train`; null where there is none.

    Raises TrainingError where there are several: which is meant has to be said in the pipeline that writes them.
    """
    others = {split for place in places for split in splits_of(open_version(Path(place)))} - {"train"}
    if len(others) > 1:
        raise TrainingError(f"the data sets have several splits beside train, {sorted(others)}; expected one at most")
    return others.pop() if others else None


def _write(path: Path, versions: Sequence[Version], split: str, chats: Chats, limits: Limits) -> dict[str, Any]:
    drawn: pa.Array | None = None
    if limits.at_most:
        ids = [
            id_ for version in versions for rows in _rows(version, split, ["idx"]) for id_ in rows["idx"].to_pylist()
        ]
        drawn = pa.array(sorted(ids, key=lambda id_: uniform(limits.seed, "held_out", id_))[: limits.at_most])
    left_out = {"too_long": 0, "has_marks": 0, "demo_only": 0}
    pairs = 0
    temporary = temporary_beside(path)
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
        for version in versions:
            demo = pa.array([] if limits.demo_only else sorted(_demo_only(version)), pa.string())
            for rows in _rows(version, split):
                if drawn is not None:
                    rows = rows.filter(pc.is_in(rows["idx"], value_set=drawn))
                is_demo = pc.is_in(rows["idx"], value_set=demo)
                left_out["demo_only"] += pc.sum(is_demo).as_py() or 0
                usable = rows.filter(pc.invert(is_demo))
                for start in range(0, len(usable), _AT_ONCE):
                    table = _encoded(usable.slice(start, _AT_ONCE), chats, limits.max_tokens, left_out)
                    pairs += len(table)
                    writer.write_table(table)
    if not pairs:
        temporary.unlink()
        splits = sorted({name for version in versions for name in splits_of(version)})
        raise TrainingError(
            f"no pair of the split {split!r} can be used: left out {left_out}; the data sets have the splits {splits}"
        )
    commit_file(temporary, path)
    return {"pairs": pairs, "left_out": left_out}


def splits_of(version: Version) -> list[str]:
    """The splits that have pairs, sorted."""
    return sorted({file.name.rsplit("-", 3)[0] for file in version.files("default")})


def _rows(version: Version, split: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    for file in version.files("default"):
        if file.name.rsplit("-", 3)[0] == split:
            yield from read_batches(file, columns)


def _demo_only(version: Version) -> set[str]:
    """Ids of benchmark material. Raises ManifestError where the version does not say which rows are."""
    files = version.files("lineage")
    if not files:
        raise ManifestError(
            f"{version.folder} has no lineage, so nothing says which pairs are benchmark material; if none are, or to "
            f"train on them all the same: --set PHASE.demo_only=true"
        )
    tables = (table for file in files for table in read_batches(file, ["id", "demo_only"]))
    return {id_ for table in tables for id_ in table.filter(table["demo_only"])["id"].to_pylist()}


def _encoded(rows: pa.Table, chats: Chats, max_tokens: int, left_out: dict[str, int]) -> pa.Table:
    """Rows of the published layout as tokens; what is left out is added to the counts."""
    labels = schema("published_default").labels
    texts: list[str] = []
    usable: list[dict[str, Any]] = []
    for row in rows.to_pylist():
        said = [row["system"] or "", row["input"], row["chosen"], row["rejected"]]
        if any(chats.marks_in(text) for text in said):
            left_out["has_marks"] += 1
            continue
        asked = (row["system"], row["input"])
        texts += [chats.asked(*asked), chats.scored(*asked, row["chosen"]), chats.scored(*asked, row["rejected"])]
        usable.append(row)
    ids = chats.tokens(texts)
    found: list[dict[str, Any]] = []
    for place, row in enumerate(usable):
        asked_ids, chosen, rejected = ids[3 * place : 3 * place + 3]
        length = max(len(chosen), len(rejected))
        if length > max_tokens:
            left_out["too_long"] += 1
            continue
        found.append(
            {
                "id": row["idx"],
                "criterion": labels["aspect"][row["aspect"]],
                "language": labels["language"][row["language"]],
                "chosen_ids": chosen,
                "rejected_ids": rejected,
                "chosen_from": common(asked_ids, chosen),
                "length": length,
            }
        )
    return pa.Table.from_pylist(found, schema=_SCHEMA)


def common(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with. A token that joins the end of a prompt and its answer is the answer's."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


class Order:
    """The order of pairs in each epoch: a step's pairs are drawn, and stand in it by length, so that little is padding.

    What is drawn depends on the seed and the epoch alone, so it is the same after a restart and on any number of
    processes. Pairs that do not fill a last step are left out, others in each epoch. A sampler for torch's DataLoader.
    """

    def __init__(self, lengths: Sequence[int], pairs_per_step: int, seed: int) -> None:
        self.lengths: npt.NDArray[np.int64] = np.asarray(lengths, dtype=np.int64)
        self.pairs_per_step, self.seed, self.epoch = pairs_per_step, seed, 0
        if len(self.lengths) < pairs_per_step:
            raise TrainingError(
                f"{len(self.lengths)} pairs do not fill one step of pairs_per_step {pairs_per_step}; give more pairs "
                f"or --set PHASE.pairs_per_step=N"
            )

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths) // self.pairs_per_step * self.pairs_per_step

    def __iter__(self) -> Iterator[int]:
        drawn = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.lengths))[: len(self)]
        for step in drawn.reshape(-1, self.pairs_per_step):
            yield from step[np.argsort(self.lengths[step], kind="stable")].tolist()


def collate(pairs: Sequence[Mapping[str, Any]], pad: int) -> "dict[str, torch.Tensor]":
    """A batch of n pairs: `input_ids` and `attention_mask` (2n, longest), chosen sides first, padded on the right, and
    `lm_labels` (n, longest), the tokens of the chosen answers, elsewhere -100."""
    import torch

    sides = [np.asarray(pair[side], dtype=np.int64) for side in ("chosen_ids", "rejected_ids") for pair in pairs]
    longest = max(len(side) for side in sides)
    ids = np.full((len(sides), longest), pad, dtype=np.int64)
    mask = np.zeros((len(sides), longest), dtype=np.int64)
    labels = np.full((len(pairs), longest), IGNORED, dtype=np.int64)
    for place, side in enumerate(sides):
        ids[place, : len(side)] = side
        mask[place, : len(side)] = 1
        if place < len(pairs):
            start = int(pairs[place]["chosen_from"])
            labels[place, start : len(side)] = side[start:]
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "lm_labels": torch.from_numpy(labels),
    }
