"""Files of models and vocabularies: on this machine, or on the Hugging Face Hub."""

import importlib.util
import re
from pathlib import Path

from themis_data.errors import MissingExtra, PipelineError

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def model_file(name: str, *, what: str, hub_file: str) -> Path:
    """The file `name`, the file `hub_file` in the folder `name`, or that of the Hub's repository `name` (OWNER/NAME).

    Raises PipelineError where there is none, MissingExtra where the Hub's client is not installed.
    """
    path = Path(name).expanduser()
    for place in (path, path / hub_file):
        if place.is_file():
            return place
    # A missing file may look like an id of the Hub too; one with an ending is taken for a file.
    if not _HUB_ID.fullmatch(name) or path.suffix in (".bin", ".ftz", ".json", ".arpa"):
        raise PipelineError(
            f"no {what} at {name!r}; expected a file, a folder with {hub_file}, or OWNER/NAME on the Hub"
        )
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtra(f"{name!r} is no file here and the Hub needs its client: pip install 'themis-data[hub]'")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, hub_file))
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise PipelineError(f"no {what} at {name!r}: it is no file here, and the Hub says: {error}") from error


def packaged_file(module: str, path: str) -> Path | None:
    """A file in an installed package, found without importing it; None where it is not installed."""
    spec = importlib.util.find_spec(module)
    places = [Path(folder) / path for folder in (spec and spec.submodule_search_locations) or ()]
    return next((place for place in places if place.is_file()), None)
