"""A small Hub on the loopback: what `huggingface_hub` asks of it to make a data set, send files, commit and tag.

Faults are planned by a test: `hub.fail("POST", "/commit/", status=412)` answers the next such request so, once.
"""

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_SecretOfTheTests0123456789"
_REPO = r"/api/datasets/(?P<repo>[^/]+/[^/]+)"


@dataclass
class Fault:
    """What happens to the next `times` requests of this method whose path has this text."""

    method: str
    path: str
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None  # bytes of the body that are read before the connection is closed
    answer_lost: bool = False  # the request is done, and the connection closed without an answer
    before: Callable[[], None] | None = None  # run before the request is handled as usual


@dataclass
class Repo:
    private: bool
    commits: dict[str, dict[str, tuple[str, bytes]]]  # id -> path -> ("lfs" or "regular", content)
    main: str
    tags: dict[str, str] = field(default_factory=dict)


class HubServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # large files by sha256, committed or not
        self.puts: list[str] = []  # sha256 of each large file that came in whole
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.watch: Callable[[int, bool], None] | None = None  # hears of each request by its number, before and after
        self.lock = threading.RLock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, method: str, path: str, **how: Any) -> None:
        self.faults.append(Fault(method, path, **how))

    def make(self, repo: str, *, private: bool = True) -> Repo:
        first = {".gitattributes": ("regular", b"*.parquet filter=lfs diff=lfs merge=lfs -text\n")}
        self.repos[repo] = Repo(private, {}, "")
        self.commit(repo, first)
        return self.repos[repo]

    def commit(self, repo: str, files: dict[str, tuple[str, bytes]]) -> str:
        """A commit on main that adds files; the test's own, or one that was asked for."""
        own = self.repos[repo]
        tree = {**own.commits.get(own.main, {}), **files}
        return self._point(own, tree)

    def _point(self, own: Repo, tree: dict[str, tuple[str, bytes]]) -> str:
        text = json.dumps([own.main, len(own.commits), sorted((p, c.hex()) for p, (_, c) in tree.items())])
        own.main = hashlib.sha1(text.encode()).hexdigest()
        own.commits[own.main] = tree
        return own.main

    def at(self, repo: str, revision: str) -> dict[str, bytes]:
        """Files of a tag or of main."""
        own = self.repos[repo]
        commit = own.main if revision == "main" else own.tags.get(revision, revision)
        return {path: content for path, (_, content) in own.commits[commit].items()}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed or cut are what these tests are about."""


@contextmanager
def running() -> Iterator[HubServer]:
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        fault = self._fault(path)
        length = int(self.headers.get("Content-Length") or 0)
        if fault and fault.cut_after is not None:
            self.rfile.read(min(length, fault.cut_after))
            return self._cut()
        body = self._chunked() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        if fault and fault.status is not None:
            return self._answer(fault.status, {"error": "as planned"}, fault.headers)
        with self.server.lock:
            if fault and fault.before is not None:
                fault.before()
            self.server.requests.append(f"{self.command} {path}")
            number = len(self.server.requests)
            self._tell(number, False)
            status, content, headers = self._respond(path, body)
            self._tell(number, True)
        if fault and fault.answer_lost:
            return self._cut()
        return self._answer(status, content, headers)

    def _tell(self, number: int, is_done: bool) -> None:
        if self.server.watch is not None:
            self.server.watch(number, is_done)

    def _fault(self, path: str) -> Fault | None:
        with self.server.lock:
            for fault in self.server.faults:
                if fault.times and fault.method == self.command and fault.path in path:
                    fault.times -= 1
                    return fault
        return None

    def _chunked(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().strip(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, content: Any, headers: dict[str, str]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _respond(self, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        server = self.server
        if self.command == "PUT" and path.startswith("/lfs/"):
            sha = hashlib.sha256(body).hexdigest()
            if path != f"/lfs/{sha}":
                return 400, {"error": "another content"}, {}
            server.objects[sha] = body
            server.puts.append(sha)
            return 200, {}, {}
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            # A careless server that says back what it was given.
            said = f"Invalid credentials in Authorization header: {self.headers.get('Authorization')}"
            return 401, {"error": said}, {"X-Error-Message": "Invalid credentials in Authorization header"}
        if path == "/api/whoami-v2":
            return 200, {"name": "tester", "type": "user"}, {}
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body))
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            if repo in server.repos:
                return (
                    409,
                    {"error": "You already created this dataset repo", "url": f"{server.url}/datasets/{repo}"},
                    {},
                )
            private = asked.get("visibility") == "private" or asked.get("private") is True
            server.make(repo, private=private)
            return 200, {"url": f"{server.url}/datasets/{repo}"}, {}
        if found := re.fullmatch(r"/datasets/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self._batch(json.loads(body))
        found = re.match(_REPO, path)
        if found is None or found["repo"] not in server.repos:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        return self._in_repo(found["repo"], path[found.end() :], body)

    def _validate(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        head = asked["content"].split("---\n")
        is_good = len(head) > 2 and "license:" in head[1] and "configs:" in head[1]
        errors = [] if is_good else [{"message": "no metadata"}]
        return (200 if is_good else 400), {"errors": errors, "warnings": []}, {}

    def _batch(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        objects = []
        for one in asked["objects"]:
            answer = dict(one)
            if one["oid"] not in self.server.objects:
                answer["actions"] = {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}", "header": {}}}
            objects.append(answer)
        return 200, {"transfer": "basic", "objects": objects}, {}

    def _in_repo(self, repo: str, rest: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        own = self.server.repos[repo]
        if rest in ("", "/revision/main"):
            return 200, {"id": repo, "sha": own.main, "private": own.private}, {}
        if rest.startswith("/revision/"):
            name = rest.removeprefix("/revision/")
            commit = own.tags.get(name, name)
            return 200, {"id": repo, "sha": commit, "private": own.private}, {}
        if rest == "/refs":
            tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": c} for n, c in own.tags.items()]
            branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": own.main}]
            return 200, {"branches": branches, "converts": [], "tags": tags}, {}
        if rest.startswith("/tree/"):
            return 200, [_entry(p, *c) for p, c in sorted(own.commits[rest.removeprefix("/tree/")].items())], {}
        if rest.startswith("/preupload/"):
            files = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["path"].endswith(".parquet") else "regular",
                    "shouldIgnore": False,
                }
                for f in json.loads(body)["files"]
            ]
            return 200, {"files": files}, {}
        if rest.startswith("/tag/"):
            asked = json.loads(body)
            if asked["tag"] in own.tags:
                return 409, {"error": "Tag reference exists already"}, {}
            own.tags[asked["tag"]] = rest.removeprefix("/tag/")
            return 200, {}, {}
        if rest.startswith("/commit/"):
            return self._commit(repo, own, [json.loads(line) for line in body.splitlines()])
        return 404, {"error": f"no {rest}"}, {}

    def _commit(self, repo: str, own: Repo, lines: list[dict[str, Any]]) -> tuple[int, Any, dict[str, str]]:
        (header,) = (line["value"] for line in lines if line["key"] == "header")
        if header.get("parentCommit", own.main) != own.main:
            return 412, {"error": "A commit has happened since. Please refresh and try again."}, {}
        tree = dict(own.commits[own.main])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                tree[value["path"]] = ("regular", base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.server.objects:
                    return 400, {"error": f"LFS pointer of {value['path']} names a file that does not exist"}, {}
                tree[value["path"]] = ("lfs", self.server.objects[value["oid"]])
            elif line["key"] == "deletedFile":
                del tree[value["path"]]
        commit = self.server._point(own, tree)
        return 200, {"commitUrl": f"{self.server.url}/datasets/{repo}/commit/{commit}", "commitOid": commit}, {}


def _entry(path: str, kind: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob}
    if kind == "lfs":
        sha = hashlib.sha256(content).hexdigest()
        entry |= {"oid": "0" * 40, "lfs": {"oid": sha, "size": len(content), "pointerSize": 130}}
    return entry
