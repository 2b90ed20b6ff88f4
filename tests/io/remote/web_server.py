"""A local web server of a folder, with faults."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

Fault = Callable[["Handler"], bool]


class Handler(SimpleHTTPRequestHandler):
    """Files with entity tags and, if the server supports them, ranges; a fault may answer instead."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        server: Any = self.server
        server.requests.append((self.command, self.path, self.headers.get("Range")))
        if server.fault is not None and server.fault(self):
            return
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.reply(404, b"not here")
            return
        content = path.read_bytes()
        tag = {"ETag": f'"{path.stat().st_mtime_ns}-{len(content)}"'} if server.tags else {}
        part = self.headers.get("Range")
        if part is None or not server.ranges:
            self.reply(200, content, tag)
            return
        first, _, last = part.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(content) - int(last))
        stop = min(len(content), int(last) + 1) if first and last else len(content)
        where = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
        self.reply(206, content[start:stop], tag | where)

    def reply(self, status: int, content: bytes, headers: dict[str, str] | None = None, length: int | None = None):
        """Answer; `length` replaces the true length in the header."""
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(content) if length is None else length),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def cut(self) -> bool:
        """Answer with half of the file, and close the connection."""
        content = Path(self.translate_path(self.path)).read_bytes()
        self.reply(200, content[: len(content) // 2], length=len(content))
        self.close_connection = True
        return True

    def reset(self) -> bool:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        return True

    def hang(self, seconds: float) -> bool:
        """Do not answer for a while, then close the connection."""
        time.sleep(seconds)
        self.close_connection = True
        return True

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):  # a connection that was reset
            self.connection.close()


class Server(ThreadingHTTPServer):
    """Attributes: `fault` answers a request instead of the server if it returns True; `requests` were received."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.fault: Fault | None = None
        self.requests: list[tuple[str, str, str | None]] = []
        self.ranges = self.tags = True
        self.connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        """Keep the connection, to close it with the server."""
        self.connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, *arguments: Any) -> None:
        """Ignore broken connections."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def chunks(self) -> list[str]:
        """Return the paths of the chunks of which data were requested."""
        return [path for command, path, _ in self.requests if command == "GET" and "/c/" in path]


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    with Server(folder) as server:
        thread = Thread(target=partial(server.serve_forever, poll_interval=0.02), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            for connection in server.connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def once(fault: Fault, times: int = 1, where: str = "/c/") -> Fault:
    """Return a fault of the first GET requests whose path contains `where`."""
    left = [times]

    def answer(handler: Handler) -> bool:
        if handler.command == "GET" and where in handler.path and left[0]:
            left[0] -= 1
            return fault(handler)
        return False

    return answer


def always(fault: Fault, where: str = "/c/") -> Fault:
    return lambda handler: where in handler.path and fault(handler)
