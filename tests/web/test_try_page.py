"""The try page in a browser, story by story, against the engine that reads."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.test_serve import SAMPLE_LINES, Service
from tests.web.conftest import CONTACT, DESK, MILLISECONDS, PHONE, Window
from ziyan.api.server import SAMPLE_PICTURE
from ziyan.ocr.text import join_lines
from ziyan.web import plain_words

Look = Callable[..., Window]
EVIL = "<img src=x onerror=alert(1)>'\"`$(touch evil)`&.png"
BUTTONS = re.compile("copy|save")
LIMIT = 1 << 20


def done(page: Page, count: int = 1) -> None:
    """Wait until so many pictures have been read."""
    expect(page.locator("[data-now=done]")).to_have_count(count, timeout=MILLISECONDS)


def failed(page: Page) -> str:
    """Wait for a refusal; what the card says."""
    expect(page.locator("[data-now=failed]").first).to_be_visible(timeout=MILLISECONDS)
    return page.locator("[data-trouble]:visible").first.inner_text()


def choose(page: Page, *files: tuple[str, bytes] | Path) -> None:
    payload = [
        {"name": file[0], "mimeType": "image/png", "buffer": file[1]} if isinstance(file, tuple) else file
        for file in files
    ]
    page.set_input_files("[data-files]", payload)  # type: ignore[arg-type]


def lines(page: Page) -> list[str]:
    return page.locator(".lines .line").all_inner_texts()


def clipboard(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def developer(page: Page, api: str = "v1") -> None:
    page.locator("[data-dev]").check()
    page.locator(f"[data-api][value={api}]").check()


# --- a newcomer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_newcomer_tries_the_sample(look: Look, width: int) -> None:
    window = look(width)
    page = window.open()
    expect(page.locator("h1")).to_have_text("图片进，文字出")
    window.shoot("start")
    page.click("[data-sample]")
    done(page)
    assert lines(page) == SAMPLE_LINES
    expect(page.locator(".sheet polygon")).to_have_count(len(SAMPLE_LINES))
    calls = [request for request in window.asked if request.method == "POST"]
    assert [request.url.removeprefix(window.address) for request in calls] == ["/v1/ocr"]
    window.shoot("sample")


def test_boxes_stand_where_the_text_stands(look: Look) -> None:
    page = look().open()
    page.click("[data-sample]")
    done(page)
    image = page.locator(".sheet img").bounding_box()
    boxes = [shape.bounding_box() for shape in page.locator(".sheet polygon").all()]
    assert image
    for box in boxes:
        assert box
        assert image["x"] <= box["x"] < box["x"] + box["width"] <= image["x"] + image["width"] + 1
        assert image["y"] <= box["y"] < box["y"] + box["height"] <= image["y"] + image["height"] + 1
    tops = [box["y"] for box in boxes if box]
    assert tops[:4] == sorted(tops[:4])


def test_pointing_at_either_shows_the_other(look: Look) -> None:
    page = look().open()
    page.click("[data-sample]")
    done(page)
    page.locator(".lines .line").nth(2).hover()
    expect(page.locator(".sheet polygon.marked")).to_have_attribute("data-line", "2")
    page.locator(".sheet polygon").nth(4).hover()
    expect(page.locator(".lines .marked")).to_have_text(SAMPLE_LINES[4])
    page.locator(".sheet polygon").nth(6).click()
    expect(page.locator(".lines .line").nth(6)).to_be_focused()


def test_the_keyboard_does_all_of_it(look: Look) -> None:
    page = look().open()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator("[data-sample]").focus()
    page.keyboard.press("Enter")
    done(page)
    page.locator(".lines .line").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".lines .line").nth(1)).to_be_focused()
    expect(page.locator(".sheet polygon").nth(1)).to_have_class("marked")
    page.keyboard.press("End")
    expect(page.locator(".lines .line").last).to_be_focused()
    page.locator(".sheet polygon[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".lines .marked")).to_have_text(SAMPLE_LINES[1])
    page.locator("[data-remove]").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator("[data-files]")).to_be_focused()


def test_both_views_of_ver_copy_and_save(look: Look) -> None:
    page = look().open()
    page.click("[data-sample]")
    done(page)
    page.click("[data-copy]")
    assert clipboard(page) == "\n".join(SAMPLE_LINES)
    page.locator("[data-view][value=joined]").check()
    expect(page.locator(".joined")).to_have_text(join_lines(SAMPLE_LINES))
    page.click("[data-copy]")
    assert clipboard(page) == join_lines(SAMPLE_LINES)
    with page.expect_download() as saved:
        page.click("[data-txt]")
    assert saved.value.suggested_filename == "样图 sample.txt"
    assert Path(saved.value.path()).read_text("utf-8") == join_lines(SAMPLE_LINES)
    with page.expect_download() as saved:
        page.click("[data-json]")
    assert [line["text"] for block in json.loads(Path(saved.value.path()).read_text("utf-8"))["blocks"]
            for line in block["lines"]] == SAMPLE_LINES  # fmt: skip


# --- ways in --------------------------------------------------------------------------------------------------


def test_a_screenshot_is_pasted(look: Look) -> None:
    window = look()
    page = window.open()
    picture = base64.b64encode(SAMPLE_PICTURE.read_bytes()).decode()
    page.evaluate(
        """async (picture) => {
          const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0))
          const blob = new Blob([bytes], { type: 'image/png' })
          await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })])
        }""",
        picture,
    )
    page.keyboard.press("Control+V")
    done(page)
    assert lines(page) == SAMPLE_LINES
    expect(page.locator("[data-name]")).to_have_text("粘贴的图片")


def test_an_address_is_pasted_and_read_without_the_browser_going_there(look: Look, pictures: tuple[int, Path]) -> None:
    window = look()
    page = window.open()
    page.evaluate("(text) => navigator.clipboard.writeText(text)", f"http://127.0.0.1:{pictures[0]}/sample.png")
    page.keyboard.press("Control+V")
    expect(page.locator("#url")).to_be_focused()
    page.keyboard.press("Enter")
    done(page)
    assert lines(page) == SAMPLE_LINES
    assert "本页不访问别的主机" in page.locator("[data-caption]").inner_text()
    expect(page.locator(".sheet text")).to_have_count(len(SAMPLE_LINES))
    window.shoot("by-url")


def test_pictures_are_dropped(look: Look) -> None:
    page = look().open()
    picture = base64.b64encode(SAMPLE_PICTURE.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """(picture) => {
          const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0))
          const transfer = new DataTransfer()
          transfer.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }))
          return transfer
        }""",
        picture,
    )
    page.dispatch_event("[data-drop]", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("[data-drop]")).to_have_class("drop over")
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": transfer})
    done(page)
    expect(page.locator("[data-name]")).to_have_text("dropped.png")


def photo() -> bytes:
    """The sample as a camera would take it: large, grainy, lying on its side with a note of how to turn it."""
    large = Image.open(SAMPLE_PICTURE).convert("RGB").resize((3600, 2400), Image.Resampling.LANCZOS)
    grain = Image.effect_noise(large.size, 30).convert("RGB")
    turned = Image.blend(large, grain, 0.12).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    turned.save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def test_a_photo_is_taken_on_a_phone_on_a_slow_network(look: Look) -> None:
    taken = photo()
    assert len(taken) > 2 * LIMIT
    window = look(PHONE)
    page = window.open()
    expect(page.locator("[data-camera-label]")).to_be_visible()
    assert page.get_attribute("[data-camera]", "capture") == "environment"
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 100, "downloadThroughput": 400_000, "uploadThroughput": 250_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("[data-camera]", {"name": "IMG_1.jpg", "mimeType": "image/jpeg", "buffer": taken})  # type: ignore[arg-type]
    expect(page.locator("[data-state-text]")).to_have_text(re.compile(r"上传 [1-9]\d?%"), timeout=MILLISECONDS)
    done(page)
    assert lines(page) == SAMPLE_LINES
    told = page.locator("[data-shrunk]").inner_text()
    assert re.fullmatch(r"原图 3600 × 2400 · [\d.]+ MB，已在浏览器里缩小", told)
    page.locator("[data-dev]").check()
    sent = re.search(r"([\d,]+) 字节", page.locator("[data-request]").text_content() or "")
    assert sent
    assert LIMIT / 4 < int(sent[1].replace(",", "")) <= LIMIT
    window.shoot("photo")


def test_other_kinds_are_turned_into_what_both_apis_take(look: Look) -> None:
    webp = BytesIO()
    Image.open(SAMPLE_PICTURE).save(webp, "WEBP", lossless=True)
    page = look().open()
    developer(page, "ocr")
    choose(page, ("scan.webp", webp.getvalue()))
    done(page)
    assert lines(page) == SAMPLE_LINES
    assert "转成 JPG" in page.locator("[data-shrunk]").inner_text()


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_five_are_sent_at_once(look: Look, width: int) -> None:
    window = look(width)
    page = window.open()
    choose(page, *((f"{number}.png", SAMPLE_PICTURE.read_bytes()) for number in range(1, 6)))
    done(page, 5)
    expect(page.locator("[data-count]")).to_have_text("共 5 张 · 完成 5")
    shown = page.locator("[data-cards] h3").all_text_contents()
    assert [name.strip() for name in shown] == [f"{number}.png" for number in range(1, 6)]
    page.click("[data-all=copy]")
    whole = "\n".join(SAMPLE_LINES)
    assert clipboard(page) == "\n\n".join(f"【{number}.png】\n{whole}" for number in range(1, 6))
    window.shoot("five")
    page.click("[data-all=clear]")
    expect(page.locator("[data-results]")).to_be_hidden()


def test_a_busy_service_is_asked_again(look: Look, start_site: Callable[..., Service]) -> None:
    """One call a second, three pictures: some are refused at first, and none is lost."""
    window = look(service=start_site(ZIYAN_RATE_APP="1"))
    page = window.open()
    answers: list[int] = []
    page.on("response", lambda response: answers.append(response.status) if "ocr" in response.url else None)
    choose(page, *((f"{number}.png", SAMPLE_PICTURE.read_bytes()) for number in range(3)))
    done(page, 3)
    assert 429 in answers
    assert answers.count(200) == 3


# --- what goes wrong ------------------------------------------------------------------------------------------


def expect_plain(text: str, key: str, page: Page) -> None:
    """A refusal in plain words, in the reader's language, with whom to ask."""
    plain = plain_words.explanation(key)
    assert plain
    language = 0 if page.get_attribute("html", "lang") == "zh-CN" else 1
    assert plain.what[language].replace("`", "") in text
    assert plain.todo[language].replace("`", "") in text
    assert CONTACT in text


BROKEN = SAMPLE_PICTURE.read_bytes()[:3000]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("api", ["v1", "ocr"])
def test_each_refusal_is_explained(
    look: Look, site: Service, pictures: tuple[int, Path], api: str, language: str
) -> None:
    window = look(PHONE if language == "zh" else DESK)
    page = window.open(f"/?lang={language}")
    developer(page, api)
    web = f"http://127.0.0.1:{pictures[0]}"
    native = api == "v1"
    by_url = {
        f"{web}/nothing.png": "fetch_failed" if native else "url图片错误: 下载失败",
        "http://192.168.0.1/a.png": "fetch_failed" if native else "url图片错误: 下载失败",
        f"{web}/page.html": "unsupported_image" if native else "url图片错误: 不支持的文件格式",
    }
    for url, key in by_url.items():
        page.fill("#url", url)
        page.press("#url", "Enter")
        expect_plain(failed(page), key, page)
        page.click("[data-remove]")
    choose(page, ("broken.png", BROKEN))
    expect_plain(failed(page), "undecodable_image" if native else "img图像错误: 无法处理图片信息", page)
    window.shoot(f"refusal-{api}-{language}")
    page.click("[data-remove]")
    for appcode, keys in (("0" * 32, ("credential_invalid", "A400AC")), ("", ("credential_missing", "I400MH"))):
        page.fill("#appcode", appcode)
        page.click("[data-sample]")
        expect_plain(failed(page), keys[0 if native else 1], page)
        page.fill("#appcode", site.appcode)
        page.click("[data-retry]")
        done(page)
        page.click("[data-remove]")


def test_what_is_no_picture_is_told_without_a_call(look: Look) -> None:
    window = look()
    page = window.open()
    page.set_input_files("[data-files]", {"name": "a.docx", "mimeType": "application/msword", "buffer": b"PK.."})  # type: ignore[arg-type]
    assert "这不是图片" in failed(page)
    assert not [request for request in window.asked if request.method == "POST"]


def test_a_service_that_is_gone_is_told_and_tried_again(look: Look) -> None:
    page = look().open()
    page.context.set_offline(True)
    choose(page, SAMPLE_PICTURE)
    assert "连不上服务" in failed(page)
    page.context.set_offline(False)
    page.click("[data-retry]")
    done(page)


def test_a_picture_without_text_is_a_success(look: Look) -> None:
    blank = BytesIO()
    Image.new("RGB", (300, 200), "white").save(blank, "PNG")
    page = look().open()
    choose(page, ("blank.png", blank.getvalue()))
    done(page)
    expect(page.locator("[data-nothing]")).to_be_visible()
    expect(page.locator("[data-copy]")).to_be_disabled()


def test_hostile_names_and_addresses_stay_text(look: Look) -> None:
    window = look()
    page = window.open()
    page.on("dialog", lambda dialog: window.said.append(f"dialog {dialog.message}"))
    choose(page, (EVIL, SAMPLE_PICTURE.read_bytes()))
    done(page)
    assert page.locator("[data-name]").inner_text() == EVIL
    page.fill("#url", "javascript:alert(1)//<script>alert(1)</script>")
    page.press("#url", "Enter")
    failed(page)
    assert page.locator("main img").count() == 1
    assert page.locator("main script").count() == 0


# --- credential -----------------------------------------------------------------------------------------------


def test_an_appcode_is_kept_in_the_browser_and_forgotten_with_one_click(look: Look, site: Service) -> None:
    page = look().open()
    expect(page.locator("#appcode")).to_have_value(site.appcode)
    expect(page.locator("[data-key-trial]")).to_be_visible()
    expect(page.locator("[data-forget]")).to_be_hidden()
    assert "localStorage" in page.locator("#key-note").inner_text()
    page.fill("#appcode", "f" * 32)
    page.reload()
    expect(page.locator("#appcode")).to_have_value("f" * 32)
    page.goto(page.url + "docs")
    assert "f" * 32 in page.locator("main").inner_text()
    page.go_back()
    page.click("[data-forget]")
    assert "f" * 32 not in page.evaluate("JSON.stringify(localStorage)")
    page.reload()
    expect(page.locator("#appcode")).to_have_value(site.appcode)
    assert page.context.cookies() == []


# --- developers -----------------------------------------------------------------------------------------------

PROGRAMS = {
    "curl": ["bash", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
    "php": ["php", "-r"],
}


@pytest.mark.parametrize("source", ["file", "url"])
@pytest.mark.parametrize("api", ["v1", "ocr"])
def test_the_code_shown_makes_the_same_call(
    look: Look, api: str, source: str, tmp_path: Path, pictures: tuple[int, Path]
) -> None:
    """Also with a name that every language would like to take apart."""
    (tmp_path / EVIL.replace("/", "_")).write_bytes(SAMPLE_PICTURE.read_bytes())
    page = look().open()
    developer(page, api)
    if source == "file":
        choose(page, (EVIL, SAMPLE_PICTURE.read_bytes()))
    else:
        page.fill("#url", f"http://127.0.0.1:{pictures[0]}/sample.png?{quote(EVIL)}&it's")
        page.press("#url", "Enter")
    done(page)
    page.click(".wire summary")
    answer = page.locator("[data-answer]").inner_text()
    assert re.match(r"HTTP 200\b", answer)
    billed = re.search(r"^x-ziyan-billed: ([01])$", answer, re.MULTILINE | re.IGNORECASE)
    assert billed
    expect(page.locator("[data-billed]")).to_contain_text("已计费" if billed[1] == "1" else "未计费")
    request = page.locator("[data-request]").inner_text()
    assert request.startswith(f"POST {'/v1/ocr' if api == 'v1' else '/ocr'}\n")
    for language, program in PROGRAMS.items():
        page.select_option("[data-language]", language)
        code = page.locator("[data-code]").text_content()
        assert code
        code = code.removeprefix("<?php") if language == "php" else code
        ran = subprocess.run([*program, code], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
        assert ran.returncode == 0, ran.stderr
        said = json.loads(ran.stdout[ran.stdout.index("{") :])
        found = [block["words"] for block in said["data"]] if api == "ocr" else [
            line["text"] for block in said["blocks"] for line in block["lines"]
        ]  # fmt: skip
        assert found == SAMPLE_LINES, language
    assert not (tmp_path / "evil").exists()


def test_another_model_of_the_service_is_chosen(look: Look) -> None:
    window = look(PHONE)
    page = window.open()
    expect(page.locator("[data-model]")).to_be_hidden()
    developer(page, "ocr")
    expect(page.locator("[data-model]")).to_be_hidden()
    developer(page)
    assert page.locator("[data-model] option").all_inner_texts() == ["small · 均衡（默认）", "tiny · 最快"]
    page.select_option("[data-model]", "tiny")
    page.click("[data-sample]")
    done(page)
    page.click(".wire summary")
    assert '"model":"tiny"' in page.locator("[data-answer]").inner_text()
    assert page.locator("[data-request]").inner_text().startswith("POST /v1/ocr?model=tiny\n")
    assert "/v1/ocr?model=tiny" in page.locator("[data-code]").inner_text()
    window.shoot("model")


def test_developer_mode_is_remembered_and_shown(look: Look) -> None:
    window = look()
    page = window.open()
    developer(page)
    page.click("[data-sample]")
    done(page)
    page.click(".wire summary")
    for language in ("java", "go", "csharp", "curl"):
        page.select_option("[data-language]", language)
        assert window.address in page.locator("[data-code]").inner_text()
    window.shoot("developer")
    page.reload()
    expect(page.locator("[data-dev]")).to_be_checked()


# --- language, theme, no scripts ------------------------------------------------------------------------------


def test_the_language_is_switched_and_stays(look: Look) -> None:
    window = look(PHONE, color_scheme="dark")
    page = window.open()
    page.get_by_role("link", name="English").click()
    expect(page.locator("h1")).to_have_text("Picture in, text out")
    page.click("[data-sample]")
    done(page)
    assert re.fullmatch(r"9 lines in [\d.]+ s", page.locator("[data-state-text]").inner_text())
    assert not re.search("[\u4e00-\u9fff]", page.locator(".intake").inner_text())
    window.shoot("english-dark")
    window.open("/docs/errors")
    expect(page.locator("h1")).to_have_text("Errors")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("h1")).to_have_text("错误与处理")


def test_the_theme_follows_the_system_until_it_is_chosen(look: Look) -> None:
    page = look(color_scheme="dark").open()
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.click("[data-theme-switch]")
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == light


def test_without_scripts_the_form_reads_a_picture(look: Look, site: Service) -> None:
    window = look(java_script_enabled=False)
    page = window.open()
    expect(page.locator("#appcode")).to_have_value(site.appcode)
    page.set_input_files("[name=img]", SAMPLE_PICTURE)
    page.click("button[type=submit]")
    assert page.locator("pre.plain").inner_text().splitlines() == SAMPLE_LINES
    window.page.screenshot(path=Path("build/screenshots/no-scripts-1440.png"))
    page.click("button[type=submit]")
    assert "没有收到图片" in page.locator(".trouble").inner_text()


def test_text_is_set_as_chinese_is(look: Look) -> None:
    page = look().open("/docs")
    names = ("lineHeight", "fontSize", "textAutospace")
    style = {name: page.evaluate(f"getComputedStyle(document.body).{name}") for name in names}
    assert float(style["lineHeight"][:-2]) >= 1.7 * float(style["fontSize"][:-2])
    assert "normal" in style["textAutospace"]
    slanted = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).fontStyle !== 'normal').length"
    assert page.evaluate(slanted) == 0
    assert unicodedata.is_normalized("NFC", page.locator("main").inner_text())
