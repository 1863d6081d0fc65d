"""Publishing to the Hugging Face Hub: few commits on `main`, each made of the difference between what is there and what
should be, then a tag, then a comparison of hashes.

The difference is read off the Hub anew before each commit, so that a cut network, a lost answer, a kill and somebody
else's commit all end the same way: the next round sends what lacks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from themis_data.errors import MissingExtra, PublishError
from themis_data.publish.layouts import known_layouts, layout
from themis_data.publish.targets import Arrived, File, Patience
from themis_data.publish.versions import check_next

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")

# The Hub takes more in one commit, and asks for no more than about this many.
MAX_OPERATIONS = 100
_BRANCH = "main"
_TIMEOUT_S = 300.0  # without a byte either way; the client's own default is to wait for ever
_STALE = (409, 412)  # the branch moved since it was read
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_DENIED = (401, 403)


@dataclass(frozen=True, kw_only=True)
class _Head:
    """A commit and its files: sha256 of large ones, git's blob id of others."""

    commit: str
    hashes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A data set's repository, `ORG/NAME`. A `Target`."""

    repo: str
    public: bool = False  # for a repository that is made; one that is there keeps its visibility
    patience: Patience = field(default_factory=Patience)

    @property
    def name(self) -> str:
        return self.repo.partition("/")[2]

    @property
    def load_as(self) -> str:
        return self.repo

    def steps(self, files: Sequence[File], version: str) -> list[str]:
        commits = -(-len(files) // MAX_OPERATIONS)
        return [
            f"make the {'public' if self.public else 'private'} data set {self.repo}, unless it is there",
            f"send {len(files)} files in {commits} commit{'s' if commits > 1 else ''} on {_BRANCH}, without those that "
            f"are there already, and remove shards of the version before",
            f"tag {version}",
            "compare the hashes of all that arrived",
        ]

    def send(self, files: Sequence[File], version: str, note: Callable[[str], None]) -> Arrived:
        token = _token()
        try:
            return _Sending(self, _api(token), {file.path: file for file in files}, version, note).run()
        except PublishError as error:  # whatever a server puts into its answers
            raise PublishError(str(error).replace(token, "***")) from None


class _Sending:
    """One call of `send`."""

    def __init__(
        self, hub: Hub, api: "HfApi", files: Mapping[str, File], version: str, note: Callable[[str], None]
    ) -> None:
        self._hub, self._api, self._files, self._version, self._note = hub, api, files, version, note
        self._repo: Any = {"repo_id": hub.repo, "repo_type": "dataset"}
        self._blob_ids: dict[str, str] = {}

    def run(self) -> Arrived:
        self._patiently(self._api.whoami)
        self._make_repository()
        sent = failures = rounds_in_vain = 0
        is_tagged, left = False, None
        while True:
            tags = self._tags()
            head = self._files_at(tags.get(self._version, _BRANCH))
            todo = self._differences(head)
            if self._version in tags and not todo:
                address = f"{self._api.endpoint}/datasets/{self._hub.repo}/tree/{self._version}"
                return Arrived(address=address, commit=head.commit, sent=sent, was_there=not is_tagged)
            check_next(self._version, tags, self._hub.repo)
            rounds_in_vain += left is not None and len(todo) >= left
            if rounds_in_vain >= self._hub.patience.tries:
                raise PublishError(f"{self._hub.repo}: {len(todo)} files are not there as they were sent: {todo[0]}")
            try:
                if todo:
                    sent += self._commit(todo[:MAX_OPERATIONS], head.commit)
                    left = len(todo)
                else:
                    self._api.create_tag(**self._repo, tag=self._version, revision=head.commit)
                    is_tagged = True
                failures = 0
            except _failures() as error:
                failures += 1
                self._wait(error, failures, also=_STALE)

    def _make_repository(self) -> None:
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            found = self._patiently(lambda: self._api.repo_info(**self._repo))
        except RepositoryNotFoundError:
            self._patiently(lambda: self._api.create_repo(**self._repo, private=not self._hub.public, exist_ok=True))
            return
        if not found.private and not self._hub.public:
            raise PublishError(f"{self._hub.repo} is public; say --public to publish there, or give another repository")
        if found.private and self._hub.public:
            self._note(f"{self._hub.repo} is private and stays so; its settings on the Hub change that")

    def _tags(self) -> dict[str, str]:
        refs = self._patiently(lambda: self._api.list_repo_refs(**self._repo))
        return {tag.name: tag.target_commit for tag in refs.tags}

    def _files_at(self, revision: str) -> _Head:
        from huggingface_hub.hf_api import RepoFile

        commit = str(self._patiently(lambda: self._api.repo_info(**self._repo, revision=revision)).sha)
        tree = self._patiently(lambda: list(self._api.list_repo_tree(**self._repo, revision=commit, recursive=True)))
        files = [entry for entry in tree if isinstance(entry, RepoFile)]
        return _Head(commit=commit, hashes={file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in files})

    def _differences(self, head: _Head) -> list[str]:
        """Paths to send and to remove, the manifest last: until then the card and the manifest are the old ones."""
        lacking = [path for path, file in self._files.items() if head.hashes.get(path) not in self._hashes(file)]
        ours = {layout(name).folder for name in known_layouts()}
        stale = [
            path
            for path in sorted(set(head.hashes) - set(self._files))
            if path.endswith(".parquet") and path.partition("/")[0] in ours
        ]
        shards = [path for path in lacking if "/" in path]
        return [*shards, *stale, *(path for path in lacking if "/" not in path)]

    def _hashes(self, file: File) -> tuple[str, str]:
        if file.path not in self._blob_ids:
            self._blob_ids[file.path] = file.blob_id
        return file.sha256, self._blob_ids[file.path]

    def _commit(self, paths: Sequence[str], parent: str) -> int:
        """Gives how many files were sent; large ones that had arrived without a commit are not sent again."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[Any] = []
        for path in paths:
            file = self._files.get(path)
            if file is None:
                operations.append(CommitOperationDelete(path_in_repo=path))
                continue
            added = CommitOperationAdd(path_in_repo=path, path_or_fileobj=file.content)
            added.upload_info.sha256 = bytes.fromhex(file.sha256)  # checked a moment ago
            operations.append(added)
        self._note(f"commit of {len(operations)} files")
        self._api.create_commit(
            **self._repo,
            operations=operations,
            commit_message=f"{self._hub.name} {self._version}",
            revision=_BRANCH,
            parent_commit=parent,
        )
        return sum(path in self._files for path in paths)

    def _patiently(self, call: Callable[[], T]) -> T:
        """The answer of a call that may be made twice."""
        from huggingface_hub.errors import RepositoryNotFoundError

        failures = 0
        while True:
            try:
                return call()
            except RepositoryNotFoundError as error:
                if _status(error) in _DENIED:
                    raise self._error(error) from None
                raise
            except _failures() as error:
                failures += 1
                self._wait(error, failures)

    def _wait(self, error: Exception, failures: int, also: tuple[int, ...] = ()) -> None:
        """Wait after a failure that may pass; raises PublishError after one that will not, or too many."""
        status = _status(error)
        is_final = status not in (*_TRANSIENT, *also) if status is not None else isinstance(error, ValueError)
        if is_final or failures >= self._hub.patience.tries:
            raise self._error(error) from None
        self._note(f"{self._hub.repo}: {_reason(error)}; trying again")
        self._hub.patience.wait(failures, _asked_wait(error))

    def _error(self, error: Exception) -> PublishError:
        status = _status(error)
        if status == 401:
            return PublishError(
                f"{self._hub.repo}: the Hub does not take the token (401); give a valid one that may write, "
                f"in HF_TOKEN or by 'hf auth login'"
            )
        if status == 403:
            return PublishError(f"{self._hub.repo}: the token has no right to write there (403): {_reason(error)}")
        return PublishError(f"{self._hub.repo}: {_reason(error)}; the same command goes on where it stopped")


def _token() -> str:
    try:
        from huggingface_hub import get_token, is_offline_mode
    except ModuleNotFoundError as error:
        raise MissingExtra("publishing to the Hub needs its client: pip install 'themis-data[hub]'") from error
    if is_offline_mode():
        raise PublishError("HF_HUB_OFFLINE is set, so nothing can be published to the Hub; unset it")
    token = get_token()
    if not token:
        raise PublishError("no token for the Hub: set HF_TOKEN to one with the right to write, or run 'hf auth login'")
    return token


def _api(token: str) -> "HfApi":
    from huggingface_hub import HfApi, get_session

    get_session().timeout = _TIMEOUT_S
    return HfApi(token=token, library_name="themis_data")


def _failures() -> tuple[type[Exception], ...]:
    """What calls to the Hub raise for reasons of network and server.

    Uploads wrap theirs in a RuntimeError, and those by Xet raise it bare.
    """
    from huggingface_hub.errors import HfHubHTTPError

    (http_error,) = (base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")  # httpx, by its version
    return http_error, ConnectionError, TimeoutError, RuntimeError, ValueError


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _response(error: Exception) -> Any:
    return next((r for e in _chain(error) if (r := getattr(e, "response", None)) is not None), None)


def _status(error: Exception) -> int | None:
    response = _response(error)
    return None if response is None else int(response.status_code)


def _asked_wait(error: Exception) -> float:
    """Seconds that the server asks to wait."""
    response = _response(error)
    asked = "" if response is None else response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def _reason(error: Exception) -> str:
    """One line."""
    chain = list(_chain(error))
    said_by_server = next((said for e in chain if (said := getattr(e, "server_message", None))), None)
    said = " ".join((said_by_server or str(chain[-1])).split()) or type(chain[-1]).__name__
    status = _status(error)
    return f"{said[:300]} ({status})" if status is not None else said[:300]
