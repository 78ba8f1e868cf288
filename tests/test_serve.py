"""The service as a newcomer meets it: started by its command, tried with the line that it prints, stopped by Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from ziyan.api.server import SAMPLE_PICTURE

#: What stands on the sample, as the page beside it says.
SAMPLE_LINES = (SAMPLE_PICTURE.parent / "README.md").read_text("utf-8").split("```\n")[1].splitlines()
LAST_LINE = "Ctrl-C stops it.\n"
ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
#: Far more than it ever takes; a test that waits this long has failed.
SECONDS = 120


@dataclass
class Service:
    """A service that has said it is ready.  Its processes are a group of their own, as in a terminal."""

    process: subprocess.Popen[str]
    printed: str

    @property
    def curl_line(self) -> str:
        return re.search(r"^  (curl .+)$", self.printed, re.MULTILINE)[1]

    @property
    def port(self) -> int:
        return int(re.search(r"ready at http://127\.0\.0\.1:(\d+)", self.printed)[1])

    @property
    def appcode(self) -> str:
        return re.search(r"^Trial AppCode: ([0-9a-f]{32})$", self.printed, re.MULTILINE)[1]

    def interrupt(self) -> str:
        """Press Ctrl-C, which reaches every process of the group, and give back what went to standard error."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.communicate(timeout=SECONDS)[1]


@contextmanager
def serving(data_dir: Path, port: int, **settings: str) -> Iterator[Service]:
    process = subprocess.Popen(
        [sys.executable, "-m", "ziyan", "serve", "--port", str(port)],
        env={**os.environ, "ZIYAN_DATA_DIR": str(data_dir), "ZIYAN_WORKERS": "2", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        printed = ""
        while not printed.endswith(LAST_LINE):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            printed += line
        yield Service(process, printed)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def data_dir(tmp_path: Path, models_dir: Path) -> Path:
    """Empty but for the weights; its name is one that a shell would take apart."""
    folder = tmp_path / "Ziyan's data"
    folder.mkdir()
    (folder / "models").symlink_to(models_dir)
    return folder


def shell(command: str) -> str:
    """Paste a line into a shell."""
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, encoding="utf-8", cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_printed_line_reads_the_sample_and_ctrl_c_ends_every_process(data_dir: Path) -> None:
    with serving(data_dir, 0) as service:
        assert (
            shell(service.curl_line)
            == json.dumps(
                {"ok": 1, "msg": "查询成功", "data": "".join(SAMPLE_LINES)}, ensure_ascii=False, separators=(",", ":")
            )
            + "\n"
        )
        blocks = json.loads(shell(f"{service.curl_line} -F ver=1"))
        assert blocks["data"] == [{"words": line} for line in SAMPLE_LINES]
        family = psutil.Process(service.process.pid).children(recursive=True)
        errors = service.interrupt()
    assert service.process.returncode == 0
    assert len(family) >= 2
    assert psutil.wait_procs(family, timeout=SECONDS)[1] == []
    logged = [json.loads(line) for line in errors.splitlines()]
    assert {line["level"] for line in logged} == {"info"}
    assert [line["status"] for line in logged if line["event"] == "call"] == [200, 200]


def test_a_second_service_takes_another_port_and_shows_the_same_appcode(data_dir: Path) -> None:
    with serving(data_dir, 0) as first, serving(data_dir, first.port) as second:
        assert second.port not in {0, first.port}
        assert f"(port {first.port} is taken)" in second.printed
        assert second.appcode == first.appcode
        assert json.loads(shell(second.curl_line))["ok"] == 1
    with socket.socket() as other:  # the port is free again, and a later start gets it
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    with serving(data_dir, free) as third:
        assert (third.port, third.appcode) == (free, first.appcode)
        assert "taken" not in third.printed


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web_port() -> Iterator[int]:
    """A web server on this machine that holds the sample."""
    handler = partial(QuietHandler, directory=str(SAMPLE_PICTURE.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def readme_samples() -> list[tuple[str, str | None]]:
    """The README's calls, each with the answer that it shows."""
    blocks = re.findall(r"```sh\n([^`]*curl[^`]*)```(?:\n\n```json\n([^`]*)\n```)?", README.read_text("utf-8"))
    return [(command, answer or None) for command, answer in blocks]


def test_the_calls_in_the_readme_are_answered_as_it_shows(data_dir: Path, web_port: int) -> None:
    samples = readme_samples()
    assert [answer is not None for _, answer in samples] == [True, True, False, False, False, False]
    with serving(data_dir, 0, ZIYAN_FETCH_ALLOW="127.0.0.1", ZIYAN_FETCH_PORTS=str(web_port)) as service:
        for command, answer in samples:
            there = command.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{service.port}")
            for picture in ("https://example.com/notice.png", "http://127.0.0.1:9000/sample.png"):
                there = there.replace(picture, f"http://127.0.0.1:{web_port}/{SAMPLE_PICTURE.name}")
            usual = "\n".join(SAMPLE_LINES) if "text/plain" in command else samples[0][1]
            assert shell(f"APPCODE={service.appcode}; {there}").rstrip("\n") == (answer or usual)


def test_the_calls_on_the_native_apis_page_are_answered_as_it_says(data_dir: Path) -> None:
    page = (ROOT / "docs/native.md").read_text("utf-8")
    commands = re.findall(r"```sh\n(curl.*?)\n```", page, re.DOTALL)
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    example, problem = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    with serving(data_dir, 0) as service:

        def here(text: str) -> str:
            text = text.replace("0123456789abcdef0123456789abcdef", service.appcode)
            return text.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{service.port}")

        whole, text = (shell(f"APPCODE={service.appcode}; {here(command)}") for command in commands)
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", here(program)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
        )
        refused = shell(f"APPCODE={service.appcode}; {here(commands[0])}?model=medium")
    found = json.loads(whole)
    assert list(found) == list(example)
    assert list(found["timings"]) == list(example["timings"])
    assert list(found["blocks"][0]) == list(example["blocks"][0])
    assert list(found["blocks"][0]["lines"][0]) == list(example["blocks"][0]["lines"][0])
    assert [line["text"] for block in found["blocks"] for line in block["lines"]] == SAMPLE_LINES
    assert [line for line in text.split("\n") if line] == SAMPLE_LINES
    assert [line.partition("] ")[2] for line in ran.stdout.splitlines()] == SAMPLE_LINES, ran.stderr
    told = json.loads(refused)
    assert {**told, "request_id": ""} == {**problem, "request_id": ""}


def test_the_read_command_prints_the_lines_of_the_sample(data_dir: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "ziyan", "read", str(SAMPLE_PICTURE)],
        env={**os.environ, "ZIYAN_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (ran.returncode, ran.stdout.splitlines(), ran.stderr) == (0, SAMPLE_LINES, "")
