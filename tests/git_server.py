"""Repositories behind URLs, served on this machine's loopback only."""

import base64
import os
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class GitServer(ThreadingHTTPServer):
    """Serves the repositories of a folder with `git http-backend`; notes what clients sent.

    Faults are planned by a test: `server.faults["/o/n.git/info/refs"] = [503, 200]` answers the first request so.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.password, self.redirect, self.answer = folder, "", "", b""
        self.authorizations: list[str | None] = []
        self.faults: dict[str, list[int]] = {}  # path that is asked for -> statuses of the next answers
        self.asked: list[str] = []  # repositories, a path for each time one was asked for its refs
        self.sent: dict[str, int] = {}  # bytes of packs, by path
        self.busy, self.most_busy = 0, 0  # requests under way
        self.hanging = threading.Event()  # an answer of status 0 waits for it
        self.hangs = threading.Semaphore(0)  # released when one begins to wait
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: GitServer

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.busy += 1
            self.server.most_busy = max(self.server.most_busy, self.server.busy)
        self._answer()

    def _answer(self) -> None:
        sent = self.headers.get("Authorization")
        self.server.authorizations.append(sent)
        if self.server.redirect:
            return self._reply(302, {"Location": self.server.redirect + self.path}, b"")
        if self.server.password and sent != "Basic " + base64.b64encode(self.server.password.encode()).decode():
            return self._reply(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
        if self.server.answer:
            return self._reply(200, {"Content-Type": "application/x-git-upload-pack-advertisement"}, self.server.answer)
        path, _, query = self.path.partition("?")
        repository = path.partition("/info/refs")[0]
        if repository != path:
            self.server.asked.append(repository)
        faults = self.server.faults.get(path, [])
        if faults and (status := faults.pop(0)) != 200:
            if status == 0:
                self.server.hangs.release()
                self.server.hanging.wait()
            return self._reply(status or 500, {}, b"")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        out = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        if path.endswith("/git-upload-pack"):
            self.server.sent[path] = self.server.sent.get(path, 0) + len(content)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return self._reply(int(fields.pop("Status", "200").split()[0]), fields, content)

    do_POST = do_GET

    def _reply(self, status: int, fields: dict[str, str], content: bytes) -> None:
        with self.server.lock:
            self.server.busy -= 1  # before the client can have all of it, and ask again
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # of a client that was ended meanwhile
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass
