"""MinHash values of a published data set, by which later corpora are compared with it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.errors import SourceError
from themis_data.schema import schema
from themis_data.text.minhash import signatures

SCHEMA = "published_signatures"


@dataclass(frozen=True, kw_only=True)
class SignatureSettings:
    """What two MinHash values must have in common to be compared.

    The defaults are those of published signatures: change them only with the version of the schema.
    """

    permutations: int = 256
    shingle: int = 5  # words
    seed: int = 1
    hash_function: Literal["xxh32", "sha1"] = "xxh32"
    tokens: Literal["words", "split"] = "words"


def signed(texts: pa.Array, settings: SignatureSettings) -> pa.Array:
    """MinHash values of each text: `permutations` little-endian 32-bit numbers, null where the text is."""
    return as_bytes(signatures(pc.fill_null(texts, ""), **asdict(settings)), pc.is_valid(texts))


def as_bytes(values: npt.NDArray[np.uint32], is_valid: pa.Array) -> pa.Array:
    """MinHash values of shape (texts, permutations) as they are stored: one binary value a text, or null."""
    width = 4 * values.shape[1]
    data = pa.py_buffer(np.ascontiguousarray(values, "<u4"))
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(values), [None, data])
    return pc.if_else(is_valid, fixed, pa.scalar(None, pa.binary(width))).cast(pa.binary())


def values_of(signed: pa.Array, settings: SignatureSettings) -> npt.NDArray[np.uint32]:
    """The MinHash values of shape (texts, permutations); zeros where they are null."""
    zeros = pa.scalar(bytes(4 * settings.permutations), pa.binary())
    data = b"".join(pc.fill_null(signed.cast(pa.binary()), zeros).to_pylist())
    return np.frombuffer(data, "<u4").reshape(-1, settings.permutations)


def signature_files(folder: Path) -> list[Path]:
    """The signatures of a published version: of its folder, or of the run folder it was built in.

    Raises SourceError where there are none, or when they were made in another way.
    """
    place = next((p for p in (folder / "signatures", folder / "dataset" / "signatures") if p.is_dir()), None)
    files = sorted(place.rglob("*.parquet")) if place is not None else []
    if not files:
        raise SourceError(
            f"{folder}: no signatures/*.parquet; build that version with `signatures` among the configs of its `write`"
        )
    wanted = f"{SCHEMA}/{schema(SCHEMA).version}"
    for file in files:
        found = (pq.read_schema(file).metadata or {}).get(b"themis_schema", b"nothing").decode()
        if found != wanted:
            raise SourceError(f"{file}: holds {found}, expected {wanted}; build that version again with this release")
    return files
