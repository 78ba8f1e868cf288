"""A server that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE: dict[str, Any] = {
    **{"request_id": "ID", "model": "small", "width": 64, "height": 48, "orientation": 0, "angle": -0.5},
    **{"text": "天", "blocks": [], "timings": {"total": 1.5}, "billed": True, "remaining": 49, "later": "unknown"},
}


@dataclass
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """What is answered, one after the other: status, headers, content; None hangs up."""

    answers: list[tuple[int, dict[str, str], bytes] | None]
    asked: list[Asked] = field(default_factory=list)
    address: str = ""
    hold: threading.Event | None = None


def page(**changes: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps({**PAGE, **changes}).encode()


def problem(status: int, code: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    content = {"status": status, "code": code, "title": "Title", "detail": "Title. Do this.", "request_id": "ID"}
    sent = {"Content-Type": "application/problem+json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return status, sent, json.dumps(content).encode()


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], bytes] | None, hold: bool = False) -> Iterator[Script]:
    """Serve a script; with ``hold`` it answers nothing before the end."""
    script = Script(list(answers), hold=threading.Event() if hold else None)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.asked.append(Asked(self.path, dict(self.headers), body))
            if script.hold:
                script.hold.wait(20)
            answer = script.answers.pop(0)
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        script.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield script
        finally:
            if script.hold:
                script.hold.set()
            server.shutdown()
            thread.join()
