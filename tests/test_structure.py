"""House rules that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ziyan

PACKAGE = Path(ziyan.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
#: What is open to all of ``ziyan.ocr``; the rest is the engine's, and the benchmark's, which measures it.
OPEN = {"types", "models"}
INSIDERS = {"ocr", "engine", "bench"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=module_name)


@each(MODULES)
def test_files_and_functions_stay_small(path: Path) -> None:
    source = path.read_text("utf-8")
    assert source.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert (node.end_lineno or 0) - first.lineno < MAX_FUNCTION_LINES, node.name


@each([path for path in MODULES if path.relative_to(PACKAGE).parts[0] not in INSIDERS])
def test_only_the_engine_reaches_into_the_reading_pipeline(path: Path) -> None:
    inside = {name.split(".")[2] for name in imported(path) if name.startswith("ziyan.ocr.")}
    assert inside <= OPEN


def imported(path: Path) -> Iterator[str]:
    """Dotted names that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


IMPORT_EVERYTHING = """
import importlib, logging, sys

def refuse(event, args):
    if event in ("socket.connect", "subprocess.Popen", "os.fork", "os.mkdir"):
        raise RuntimeError(f"importing does {event} {args}")
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise RuntimeError(f"importing writes {args[0]}")

sys.addaudithook(refuse)
for name in sys.argv[1:]:
    importlib.import_module(name)
assert not logging.getLogger().handlers, "importing sets logging up"
"""


def test_importing_does_nothing() -> None:
    """No file is written, nothing is started or asked for, and no setting is looked at, even an unusable one."""
    # Alembic runs its own scripts, and __main__ is there to be run.
    names = [name for name in map(module_name, MODULES) if not re.search(r"\.migrations\.|\.__main__$", name)]
    environment = {**os.environ, "ZIYAN_PORT": "unusable", "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, *names], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
