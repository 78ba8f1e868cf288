from __future__ import annotations

import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw, ImageFont

from ziyan.errors import ModelIntegrityError, ModelNotInstalledError
from ziyan.ocr.models import MODELS, NAMES, WEIGHTS, HubSource, Weight, WheelSource, locate, verify
from ziyan.ocr.types import ModelName

INSTALLED: list[ModelName] = ["tiny", "small"]
PAGE = Path(__file__).parents[2] / "docs/models.md"


@pytest.fixture
def own_models(models_dir: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    folder = tmp_path / "models"
    folder.mkdir()
    for weight in MODELS["small"].weights:
        shutil.copy(models_dir / weight.file, folder)
    return folder


def test_the_manifest_names_every_model_and_each_file_once() -> None:
    assert tuple(MODELS) == NAMES
    assert len({weight.file for weight in WEIGHTS}) == len(WEIGHTS)
    assert len({weight.sha256 for weight in WEIGHTS}) == len(WEIGHTS)


@pytest.mark.parametrize("weight", WEIGHTS, ids=lambda weight: weight.file)
def test_every_file_is_pinned_and_licensed(weight: Weight) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", weight.sha256)
    assert weight.size > 0
    assert weight.licence == "Apache-2.0"
    assert Path(weight.file).name == weight.file
    if isinstance(weight.source, HubSource):
        assert re.fullmatch(r"[0-9a-f]{40}", weight.source.revision)
    else:
        assert isinstance(weight.source, WheelSource)
        assert re.fullmatch(r"\w+==[\d.]+", weight.source.requirement)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_needs_its_own_files_and_its_drafts(name: ModelName) -> None:
    model = MODELS[name]
    kinds = {weight.what for weight in model.weights}
    assert kinds == {"detector", "recognizer", "charset"}
    if model.draft:
        assert set(MODELS[model.draft].weights) <= set(model.weights)


def test_installed_weights_are_the_manifests(models_dir: Path) -> None:
    states = verify(models_dir, MODELS["small"].weights)
    assert set(states.values()) == {"installed"}


@pytest.mark.parametrize("name", INSTALLED)
def test_a_located_model_has_all_its_files(name: ModelName, models_dir: Path) -> None:
    files = locate(models_dir, name)
    assert files.name == name
    for path in (files.detector, files.recognizer):
        assert path.is_file()
    assert (files.draft.name if files.draft else None) == MODELS[name].draft


@pytest.mark.parametrize(
    ("name", "held", "missing"),
    [
        ("small", "简體字かなカナÀÿßŠžŁłŐűĞışĀųșțǎǜ¿", "ẞ¡ạếộά한жאกعअ"),
        ("tiny", "简體字ÀÿßŠžŁłŐűĞışĀų¿", "かナșțǎǐǒǔǚơưẞ¡ếộά한жאกعअ"),
    ],
)
def test_the_charset_holds_what_the_weights_page_says(
    name: ModelName, held: str, missing: str, models_dir: Path
) -> None:
    charset = set(locate(models_dir, name).charset)
    assert set(held) <= charset
    assert not set(missing) & charset
    told = re.search(r"^\| Chinese characters.*?\| ([\d,]+) \| ([\d,]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    count = sum(unicodedata.name(character, "").startswith("CJK ") for character in charset if character)
    assert f"{count:,}" == told[1 if name == "small" else 2]


@pytest.mark.parametrize("name", INSTALLED)
def test_the_charset_is_blank_then_dictionary_then_space(name: ModelName, models_dir: Path) -> None:
    charset = locate(models_dir, name).charset
    assert charset[0] == ""
    assert charset[-1] == " "
    assert all(len(entry) == 1 for entry in charset[1:])
    assert len(set(charset)) == len(charset) == MODELS[name].classes
    assert not {"\n", "\r", "\t"} & set(charset)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_charset_is_as_long_as_the_recognisers_output(name: ModelName, models_dir: Path) -> None:
    files = locate(models_dir, name)
    session = onnxruntime.InferenceSession(files.recognizer, providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].shape[-1] == len(files.charset)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_charset_is_in_the_recognisers_order(name: ModelName, models_dir: Path) -> None:
    """The first, the last and the classes between: a shift by one would spell something else."""
    files = locate(models_dir, name)
    crop = Image.new("RGB", (330, 48), "white")
    ImageDraw.Draw(crop).text((8, 2), "Hello World 2026", fill="black", font=ImageFont.load_default(size=36))
    pixels = np.asarray(crop, dtype=np.float32)[:, :, ::-1].transpose(2, 0, 1)[None] / 127.5 - 1
    session = onnxruntime.InferenceSession(files.recognizer, providers=["CPUExecutionProvider"])
    best = session.run(None, {session.get_inputs()[0].name: pixels})[0][0].argmax(axis=1)
    text = "".join(files.charset[index] for before, index in zip([0, *best[:-1]], best, strict=True) if index != before)
    assert text.strip() == "Hello World 2026"


def test_a_missing_file_says_which_command_installs_it(own_models: Path) -> None:
    (own_models / MODELS["tiny"].recognizer.file).unlink()
    with pytest.raises(ModelNotInstalledError, match="run: ziyan models install small") as caught:
        locate(own_models, "small")
    assert str(own_models) not in str(caught.value)


def test_a_model_that_was_never_installed_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalledError, match="ziyan models install medium"):
        locate(tmp_path / "nowhere", "medium")


def test_a_truncated_file_is_noticed_without_reading_it(own_models: Path) -> None:
    path = own_models / MODELS["small"].detector.file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelIntegrityError, match=r"PP-OCRv6_tiny_det\.onnx is damaged"):
        locate(own_models, "small")


def test_a_charset_with_another_number_of_lines_is_noticed(own_models: Path) -> None:
    path = own_models / MODELS["small"].charset.file
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n\n", 1))
    with pytest.raises(ModelIntegrityError, match=r"PP-OCRv6_charset\.txt is damaged"):
        locate(own_models, "small")


def test_verify_notices_a_single_changed_bit(own_models: Path) -> None:
    weight = MODELS["small"].recognizer
    content = bytearray((own_models / weight.file).read_bytes())
    content[len(content) // 2] ^= 1
    (own_models / weight.file).write_bytes(content)
    (own_models / MODELS["tiny"].charset.file).unlink()
    assert weight.state(own_models) == "installed"
    states = verify(own_models, MODELS["small"].weights)
    assert states.pop(weight) == "damaged"
    assert states.pop(MODELS["tiny"].charset) == "missing"
    assert set(states.values()) == {"installed"}
