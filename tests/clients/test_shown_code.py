"""The code that the try page's developer mode shows, in every language, compiled and run against a server."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

import ziyan.web
from tests.api.conftest import Service, running_service
from tests.clients.runtimes import Workshop, program, run
from tests.test_serve import QuietHandler
from ziyan.api.server import SAMPLE_PICTURE

MODULES = Path(ziyan.web.__file__).parent / "static"
#: A name that every language would like to take apart.
EVIL = 'it\'s a "picture" $(touch evil)`%&+.png'
#: The file that each language's code is put into.
FILES = {
    "curl": "shown.sh",
    "python": "shown.py",
    "javascript": "shown.mjs",
    "php": "shown.php",
    "java": "Read.java",
    "go": "shown.go",
    "csharp": "shown.cs",
}
CALLS = ("v1", "v1?model=tiny", "ocr")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A web server that has the picture."""
    folder = tmp_path_factory.mktemp("web")
    shutil.copy(SAMPLE_PICTURE, folder / "picture.png")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def fetching(web: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    allowed = {"fetch_allow": "127.0.0.1", "fetch_ports": str(web)}
    with running_service(tmp_path_factory.mktemp("service"), **allowed) as service:
        yield service


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's own modules, where Node takes them for modules."""
    folder = tmp_path_factory.mktemp("modules")
    for name in ("code.js", "api.js"):
        shutil.copy(MODULES / name, folder)
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    (folder / "show.js").write_text(
        "import { LANGUAGES } from './code.js'\n"
        "const made = Object.entries(LANGUAGES).map(([key, { make }]) => [key, make(JSON.parse(process.argv[2]))])\n"
        "console.log(JSON.stringify(Object.fromEntries(made)))\n",
        "utf-8",
    )
    return folder


def shown(modules: Path, what: dict[str, object]) -> dict[str, str]:
    """The code for one call, by language."""
    ran = run([program("node"), modules / "show.js", json.dumps(what)], modules)
    assert ran.status == 0, ran.errors
    made: dict[str, str] = json.loads(ran.output)
    return made


def test_every_language_of_the_page_is_run(modules: Path) -> None:
    made = shown(modules, {"api": "v1", "origin": "http://x", "appcode": "a", "name": "a.png"})
    assert set(made) == set(FILES)


@pytest.mark.parametrize("source", ["file", "url"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("language", FILES)
def test_the_code_shown_makes_the_call(
    language: str, call: str, source: str, modules: Path, fetching: Service, web: int, tmp_path: Path
) -> None:
    api, _, model = call.partition("?model=")
    what: dict[str, object] = {
        **{"api": api, "model": model, "blocks": api == "ocr", "appcode": fetching.caller.appcode},
        "origin": f"http://127.0.0.1:{fetching.port}",
    }
    if source == "file":
        shutil.copy(SAMPLE_PICTURE, tmp_path / EVIL)
        what["name"] = EVIL
    else:
        what["url"] = f'http://127.0.0.1:{web}/picture.png?it\'s&"{EVIL[:4]}"&a=$(b)%20'
    code = tmp_path / FILES[language]
    code.write_text(shown(modules, what)[language], "utf-8")
    fetching.engine.seen = b""
    ran = run(Workshop(tmp_path).command(code), tmp_path)
    assert ran.status == 0, ran.errors
    assert fetching.engine.seen == SAMPLE_PICTURE.read_bytes(), ran.output + ran.errors
    assert fetching.engine.options is not None
    assert fetching.engine.options.model == (model or None)
    answer = json.loads(ran.output[ran.output.index("{") :])
    assert answer["ok"] == 1 if api == "ocr" else answer["billed"] is True
    assert not (tmp_path / "evil").exists()
