"""The samples of the documentation, each run as it stands."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Service
from tests.api.wire import fingerprint
from tests.clients.runtimes import Ran, Workshop, run
from tests.test_serve import SAMPLE_LINES, serving
from ziyan.api.server import SAMPLE_PICTURE
from ziyan.ocr.types import Page

FOLDER = Path(__file__).parent.parent.parent / "docs" / "samples"
SAMPLES = sorted(path for path in FOLDER.iterdir() if path.suffix != ".md")
#: What spoils answers that are put together or taken apart by hand.
AWKWARD = "他说：\"好\\\"；<b>&amp;</b> %2B+ 𠮷 é\t'$HOME' `id`\n第二行"

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)


def call(command: list[str], picture: Path, port: int, appcode: str, folder: Path) -> Ran:
    address = f"http://127.0.0.1:{port}"
    return run([*command, picture], folder, ZIYAN_URL=address, ZIYAN_APPCODE=appcode)


@each_sample
def test_a_picture_as_large_as_may_be_arrives_whole(
    sample: Path, workshop: Workshop, service: Service, picture: Path, tmp_path: Path
) -> None:
    ran = call(workshop.command(sample), picture, service.port, service.caller.appcode, tmp_path)
    assert ran == Ran(0, fingerprint(picture.read_bytes()) + "\n", "")


@each_sample
def test_any_text_is_printed_as_it_is(
    sample: Path, workshop: Workshop, service: Service, picture: Path, tmp_path: Path
) -> None:
    service.engine.outcome = Page(lines=(), text=AWKWARD, width=1, height=1)
    ran = call(workshop.command(sample), picture, service.port, service.caller.appcode, tmp_path)
    assert ran == Ran(0, AWKWARD + "\n", "")


@each_sample
def test_a_refusal_is_told_by_its_message(
    sample: Path, workshop: Workshop, service: Service, picture: Path, tmp_path: Path
) -> None:
    picture.write_bytes(picture.read_bytes() + b"!")
    ran = call(workshop.command(sample), picture, service.port, service.caller.appcode, tmp_path)
    assert ran == Ran(1, "", "666: img图像错误: 无法处理图片信息\n")


@each_sample
def test_an_error_of_the_gateway_is_told_by_its_header(
    sample: Path, workshop: Workshop, service: Service, picture: Path, tmp_path: Path
) -> None:
    ran = call(workshop.command(sample), picture, service.port, "nobody", tmp_path)
    assert ran == Ran(1, "", "400: Invalid AppCode `not exists`\n")


@each_sample
def test_no_answer_at_all_is_a_failure_too(sample: Path, workshop: Workshop, picture: Path, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        ran = call(workshop.command(sample), picture, nobody.getsockname()[1], "any", tmp_path)
    assert ran.status != 0
    assert ran.output == ""
    assert ran.errors != ""


@pytest.fixture(scope="module")
def real_service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[tuple[int, str]]:
    """Port and AppCode of a service that reads."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "models").symlink_to(models_dir)
    with serving(folder, 0) as service:
        yield service.port, service.appcode
        service.interrupt()


@pytest.mark.parametrize("name", ["Sample.java", "curl.sh", "sample.go"])
def test_the_sample_picture_is_read(
    name: str, workshop: Workshop, real_service: tuple[int, str], tmp_path: Path
) -> None:
    ran = call(workshop.command(FOLDER / name), SAMPLE_PICTURE, *real_service, tmp_path)
    assert ran == Ran(0, "".join(SAMPLE_LINES) + "\n", "")


def test_the_page_lists_every_sample() -> None:
    listed = [line.split("`")[1] for line in (FOLDER / "README.md").read_text("utf-8").splitlines() if "| [`" in line]
    assert sorted(listed) == [sample.name for sample in SAMPLES]
