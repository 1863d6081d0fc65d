"""The file of a trained classifier: arrays and a description, nothing that runs when it is read.

It is what NumPy calls an `.npz`, written so that the same arrays give the same bytes.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from themis_data.errors import CorruptData, PipelineError
from themis_data.manifest import commit_file, temporary_beside

FORMAT = 1  # raised when what is stored, or what examples hold, changes
_ABOUT = "about.json"
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive can hold; a clock would change the bytes

Arrays = dict[str, npt.NDArray[Any]]


def write_model(path: Path, about: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a model to one file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps({"format": FORMAT, **about}, sort_keys=True, indent=1)
        archive.writestr(zipfile.ZipInfo(_ABOUT, _TIME), text.encode())
        for name, array in sorted(arrays.items()):
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _TIME), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    commit_file(temporary, path)


def read_model(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Description and arrays of a model. Raises PipelineError where there is no such file, CorruptData where the file
    is no model or one of another version."""
    if not path.is_file():
        raise PipelineError(f"no classifier at {path}; give the path of a file that `themis train-classifier` wrote")
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(_ABOUT))
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
                for name in archive.namelist()
                if name != _ABOUT
            }
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise CorruptData(f"{path} is no classifier that `themis train-classifier` wrote: {error}") from error
    if about.get("format") != FORMAT:
        raise CorruptData(f"{path} has format {about.get('format')}, expected {FORMAT}; train the classifier again")
    return about, arrays


def texts_array(texts: list[str]) -> npt.NDArray[Any]:
    """Texts as an array of bytes; none of them may hold a line feed."""
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def texts_of(array: npt.NDArray[Any]) -> list[str]:
    """The texts of `texts_array`."""
    text = array.tobytes().decode()
    return text.split("\n") if text else []
