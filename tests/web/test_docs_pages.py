"""The documentation in a browser, and what both kinds of pages promise everybody."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect

from tests.test_serve import SAMPLE_LINES
from tests.web.conftest import DESK, PHONE, ROOT, Window
from ziyan.api.own_platform import make_sign
from ziyan.api.server import SAMPLE_PICTURE
from ziyan.ocr.text import join_lines
from ziyan.web.docs import PAGES, path_of

Look = Callable[..., Window]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
VECTORS = json.loads((ROOT / "tests/resources/signature-vectors.json").read_text("utf-8"))["own_platform"]


def serious(page: Page) -> list[str]:
    """What axe finds to be serious or worse."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(("width", "scheme", "language"), [(DESK, "light", "zh"), (PHONE, "dark", "en")])
def test_every_page_can_be_used_by_everybody(look: Look, width: int, scheme: str, language: str) -> None:
    """Axe finds nothing serious, and nothing has to be scrolled sideways."""
    window = look(width, color_scheme=scheme)
    for name, *_ in PAGES:
        page = window.open(f"{path_of(name)}?lang={language}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert serious(page) == [], name
        window.shoot(f"docs-{name}-{scheme}-{language}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_the_try_page_can_be_used_by_everybody(look: Look, width: int, scheme: str) -> None:
    window = look(width, color_scheme=scheme)
    page = window.open("/" if scheme == "light" else "/?lang=en")
    assert serious(page) == []
    page.locator("[data-dev]").check()
    page.click("[data-sample]")
    expect(page.locator("[data-now=done]")).to_have_count(1, timeout=60_000)
    page.click(".wire summary")
    page.set_input_files("[data-files]", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"text"})  # type: ignore[arg-type]
    expect(page.locator("[data-now=failed]")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == []
    window.shoot(f"all-{scheme}")


# --- the calculator -------------------------------------------------------------------------------------------


def sign_of(page: Page) -> tuple[str, str]:
    return page.locator("[data-base]").inner_text(), page.locator("[data-sign]").inner_text()


def test_the_calculator_signs_as_the_service_does(look: Look) -> None:
    page = look().open("/docs/signing")
    assert sign_of(page) == (VECTORS["base_string"], VECTORS["md5"])
    parameters = {
        "appid": "h0123",
        "sendtime": "1700000000",
        "名": "值 & = +",
        "ver": "1",
        "blank": " ",
        "a": "😀",
        "ｱ": "1",
    }
    secret = "密钥" * 40
    page.fill("[name=appid]", parameters["appid"])
    page.fill("[name=sendtime]", parameters["sendtime"])
    page.fill("[name=secret]", secret)
    others = "\n".join(f"{name}={value}" for name, value in parameters.items() if name not in {"appid", "sendtime"})
    page.fill("[name=others]", f"{others}\nsign=old\nempty=\nnonsense")
    text, sign = sign_of(page)
    encoded = {name: value.encode() for name, value in parameters.items()}
    assert sign == make_sign(encoded, secret, hmac_sha256=True)
    assert sign == hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    page.locator("[name=algorithm][value=md5]").check()
    assert sign_of(page)[1] == make_sign(encoded, secret)


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000])
def test_hashes_are_right_at_every_edge_of_a_block(look: Look, length: int) -> None:
    page = look().open("/docs/signing")
    text, secret = "é" * length, "k" * length
    script = """async ([text, secret]) => {
      const style = document.querySelector('link[rel=stylesheet]').href
      const { md5, hmacSha256 } = await import(style.replace('ziyan.css', 'hashes.js'))
      return [md5(text), hmacSha256(text, secret)]
    }"""
    expected = [
        hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
    ]
    assert page.evaluate(script, [text, secret]) == expected


# --- search and samples ---------------------------------------------------------------------------------------


def test_the_search_answers_while_somebody_types(look: Look) -> None:
    window = look()
    page = window.open("/docs")
    page.locator("[data-query]").press_sequentially("计算器")
    first = page.locator("[data-found] a").first
    expect(first).to_contain_text("签名计算器")
    window.page.screenshot(path=ROOT / "build/screenshots/search-1440.png")
    page.keyboard.press("ArrowDown")
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/signing#calculator")
    page.locator("[data-query]").fill("qwertyuiop")
    expect(page.locator("[data-found]")).to_have_text("没有找到")
    page.keyboard.press("Escape")
    expect(page.locator("[data-found]")).to_be_hidden()
    page.locator("[data-query]").fill("Nonce")
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/search?q=Nonce")


@pytest.mark.parametrize(
    ("sample", "program"),
    [("curl.sh", "bash"), ("sample_urllib.py", sys.executable), ("sample.mjs", "node"), ("sample.php", "php")],
)
def test_a_copied_sample_runs_as_it_is(look: Look, sample: str, program: str, tmp_path: Path) -> None:
    page = look().open("/docs/samples")
    anchor = sample.replace(".", "-").replace("_", "-").lower()
    page.locator(f"#{anchor} ~ .snippet [data-copy-from]").first.click()
    file = tmp_path / sample
    file.write_text(page.evaluate("navigator.clipboard.readText()"), "utf-8")
    ran = subprocess.run([program, str(file), str(SAMPLE_PICTURE)], capture_output=True, text=True, encoding="utf-8")
    assert (ran.stdout, ran.stderr) == (join_lines(SAMPLE_LINES) + "\n", "")


def test_the_first_page_has_a_call_that_can_be_pasted(look: Look, tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(SAMPLE_PICTURE.read_bytes())
    page = look().open("/docs")
    page.locator("#send ~ .snippet [data-copy-from]").first.click()
    command = page.evaluate("navigator.clipboard.readText()")
    ran = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert json.loads(ran.stdout)["data"] == join_lines(SAMPLE_LINES)
