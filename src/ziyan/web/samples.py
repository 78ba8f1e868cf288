"""The samples of ``docs/samples``, with the reader's own address and AppCode where they ask the environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import ziyan

#: Where documents lie that pages show: inside an installed package, beside it in a checkout.
_INSTALLED: Final = Path(__file__).parent / "docs"
_CHECKOUT: Final = Path(ziyan.__file__).parent.parent.parent / "docs"

#: Stand for the reader's own values until a page is sent; letters alone, so that nothing takes them apart.
URL_MARK: Final = "ZIYANADDRESSOFTHEREADER"
APPCODE_MARK: Final = "ZIYANAPPCODEOFTHEREADER"

_NAMES: Final = {"ZIYAN_URL": URL_MARK, "ZIYAN_APPCODE": APPCODE_MARK}
#: How each language asks its environment, as an expression and inside a string.
_ASKING: Final = (
    (re.compile(r'os\.environ\["(ZIYAN_\w+)"\]'), '"{}"'),
    (re.compile(r'os\.Getenv\("(ZIYAN_\w+)"\)'), '"{}"'),
    (re.compile(r'System\.getenv\("(ZIYAN_\w+)"\)'), '"{}"'),
    (re.compile(r'Environment\.GetEnvironmentVariable\("(ZIYAN_\w+)"\)'), '"{}"'),
    (re.compile(r"getenv\('(ZIYAN_\w+)'\)"), "'{}'"),
    (re.compile(r"\$\{process\.env\.(ZIYAN_\w+)\}"), "{}"),
    (re.compile(r"\$(ZIYAN_\w+)"), "{}"),
)
#: The line at the top that says what to set; with the values in place there is nothing to set.
_EXPORT: Final = re.compile(r"^[^\w\n]*export ZIYAN_\w+=.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample.

    Attributes:
        file: Its name in ``docs/samples``.
        title: Language and what it needs.
        lexer: What its language is called by Pygments.
        code: With marks for what is the reader's own.
    """

    file: str
    title: str
    lexer: str
    code: str


_FILES: Final = (
    ("curl.sh", "Shell · curl, jq", "bash"),
    ("sample_requests.py", "Python · requests", "python"),
    ("sample_httpx.py", "Python · httpx", "python"),
    ("sample_urllib.py", "Python · urllib", "python"),
    ("sample.mjs", "JavaScript · Node.js", "javascript"),
    ("sample.php", "PHP · curl", "php"),
    ("SampleJdk.java", "Java 11 · HttpClient, Gson", "java"),
    ("Sample.java", "Java · Apache HttpClient 4, Gson", "java"),
    ("Sample.cs", "C# · .NET, Mono", "csharp"),
    ("sample.go", "Go", "go"),
)


def document(name: str) -> str:
    """The text of a file of ``docs``, wherever the package is installed."""
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return (folder / name).read_text("utf-8")


@cache
def samples() -> tuple[Sample, ...]:
    """Every sample, in the order of the page."""
    return tuple(Sample(file, title, lexer, _own(document(f"samples/{file}"))) for file, title, lexer in _FILES)


def _own(code: str) -> str:
    code = _EXPORT.sub("", code)
    for asking, shape in _ASKING:
        code = asking.sub(lambda found, shape=shape: shape.format(_NAMES[found[1]]), code)  # type: ignore[misc]
    return code
