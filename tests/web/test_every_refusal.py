"""Every row of the tables of refusals, earned in a browser: plain words, what to do, what it cost, whom to ask."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.api.wire import Connection, request
from tests.test_serve import SAMPLE_LINES, Service
from tests.web.conftest import DESK, MILLISECONDS, PHONE, Window
from tests.web.refusals import (
    HUGE,
    NATIVE,
    NATIVE_BEYOND_REACH,
    NATIVE_UNDER_STRAIN,
    OCR,
    OCR_UNDER_STRAIN,
    Act,
    Callers,
    altered,
    filler,
    target_of,
)
from tests.web.test_try_page import choose, developer, done, expect_plain, lines
from ziyan.api.problems import PROBLEMS
from ziyan.api.refusals import KEY_REUSED, Check, SignInCheck
from ziyan.api.server import SAMPLE_PICTURE
from ziyan.metering.store import Store
from ziyan.settings import Settings
from ziyan.web import plain_words

Look = Callable[..., Window]
Start = Callable[..., Service]
WAITS = 60_000


def test_every_row_is_earned_or_said_to_be_beyond_reach() -> None:
    ours = {*map(str, Check), *map(str, SignInCheck), KEY_REUSED, *plain_words.rows()}
    assert {str(key) for key in OCR} | OCR_UNDER_STRAIN == ours
    assert not set(OCR) & OCR_UNDER_STRAIN
    groups = [set(NATIVE), set(NATIVE_UNDER_STRAIN), set(NATIVE_BEYOND_REACH)]
    assert set.union(*groups) == {row.code for row in PROBLEMS}
    assert sum(map(len, groups)) == len(PROBLEMS)


# --- what a call is refused for ---------------------------------------------------------------------------------------


def folder_of(service: Service) -> Path:
    return Path(psutil.Process(service.process.pid).environ()["ZIYAN_DATA_DIR"])


@contextmanager
def callers_of(service: Service, web: str = "") -> Iterator[Callers]:
    store = Store.open(Settings.load(data_dir=folder_of(service)))
    try:
        yield Callers(store, web)
    finally:
        store.close()


@pytest.fixture(scope="module")
def small(start_site: Start) -> Service:
    """A service whose queue is soon full; it writes no lines for each call, since nobody reads them meanwhile."""
    return start_site(ZIYAN_LOG_LEVEL="error", ZIYAN_QUEUE="1", ZIYAN_RATE_APP="0", ZIYAN_RATE_ADDRESS="0")


@pytest.fixture
def callers(small: Service, pictures: tuple[int, Path]) -> Iterator[Callers]:
    with callers_of(small, f"http://127.0.0.1:{pictures[0]}") as found:
        yield found


def perform(page: Page, act: Act, service: Service, good: str) -> None:
    """Do it; what goes out may be another request, what comes back is what the service answers to that."""
    address = f"http://127.0.0.1:{service.port}"

    def send(route: Route) -> None:
        route.continue_(url=address + target_of(act.instead), **altered(act.instead))  # type: ignore[arg-type]

    if act.before:
        with Connection(service.port) as other:
            other.send(act.before)
            assert other.read_reply().status == 200
    page.fill("#appcode", good if act.appcode is None else act.appcode)
    if act.instead:
        page.route("**/*ocr", send)
    if act.url:
        page.fill("#url", act.url)
        page.press("#url", "Enter")
    else:
        choose(page, ("picture.png", act.file))


def expect_told(page: Page, key: str) -> None:
    """The newest card's trouble: what, what to do, whom to ask, that it cost nothing, and one click to try again."""
    card = page.locator(".card").first
    expect(card).to_have_attribute("data-now", "failed", timeout=MILLISECONDS)
    told = card.locator("[data-trouble]").inner_text()
    expect_plain(told, key, page)
    zh = page.get_attribute("html", "lang") == "zh-CN"
    assert ("这次没有计费" if zh else "This was not billed") in told, key
    assert ("未计费" if zh else "Not billed") in card.locator("[data-billed]").inner_text(), key
    expect(card.locator("[data-retry]")).to_be_visible()


@pytest.mark.parametrize(
    ("api", "language", "width", "scheme"),
    [
        ("ocr", "zh", PHONE, "light"),
        ("ocr", "en", DESK, "dark"),
        ("v1", "zh", DESK, "light"),
        ("v1", "en", PHONE, "dark"),
    ],
)
def test_every_refusal_is_explained(
    look: Look, small: Service, callers: Callers, api: str, language: str, width: int, scheme: str
) -> None:
    window = look(width, small, color_scheme=scheme)
    page = window.open(f"/?lang={language}")
    developer(page, api)
    for key, made in (OCR if api == "ocr" else NATIVE).items():
        perform(page, made(callers), small, callers.good.appcode)
        code = str(key).replace("{appid}", callers.disabled.appid.identifier)
        expect_told(page, code)
        raw = page.locator(".card").first.locator("[data-raw-message]").inner_text()
        assert code in raw
        page.unroute("**/*ocr")
    window.shoot(f"every-refusal-{api}-{language}-{scheme}")


# --- what the service has to bear -------------------------------------------------------------------------------------


def readers_of(service: Service) -> list[psutil.Process]:
    family = psutil.Process(service.process.pid).children(recursive=True)
    return [process for process in family if "spawn_main" in " ".join(command_of(process))]


def command_of(process: psutil.Process) -> list[str]:
    """Nothing of one that has just ended."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def gauge(service: Service, name: str) -> float:
    with urlopen(f"http://127.0.0.1:{service.port}/metrics") as answer:
        text = answer.read().decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"ziyan_{name} "))


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MILLISECONDS / 1000
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def full(service: Service, appcode: str) -> Iterator[Callable[[], None]]:
    """Other callers have the reader and every place in the queue; yields what lets the reader go on."""
    (reader,) = readers_of(service)
    reader.suspend()
    resumed = False

    def resume() -> None:
        nonlocal resumed
        reader.resume()
        resumed = True

    with ExitStack() as connections:
        try:
            for name in ("engine_busy", "engine_queued"):
                connections.enter_context(Connection(service.port)).send(filler(appcode))
                until(lambda name=name: gauge(service, name) == 1)  # type: ignore[misc]
            yield resume
        finally:
            if not resumed:
                reader.resume()
    until(lambda: gauge(service, "engine_busy") + gauge(service, "engine_queued") == 0)


def skip_waits(page: Page) -> None:
    """Let the page's own waits before it tries again be over at once."""
    card = page.locator(".card").first

    def told() -> bool:
        page.clock.fast_forward(WAITS)
        return card.get_attribute("data-now") == "failed"

    until(told)


KEYS = {"ocr": 0, "v1": 1}


@pytest.mark.parametrize("api", KEYS)
@pytest.mark.parametrize(("width", "language", "scheme"), [(PHONE, "zh", "light"), (DESK, "en", "dark")])
def test_a_full_queue_is_waited_for_then_told_and_one_click_reads(
    look: Look, small: Service, callers: Callers, api: str, width: int, language: str, scheme: str
) -> None:
    window = look(width, small, color_scheme=scheme)
    window.page.clock.install()
    page = window.open(f"/?lang={language}")
    developer(page, api)
    with full(small, callers.good.appcode) as resume:
        perform(page, Act(), small, callers.good.appcode)
        state = page.locator("[data-state-text]")
        expect(state).to_contain_text("服务正忙，1 秒后自动再试" if language == "zh" else "trying again in 1 s")
        expect(page.locator("[data-progress]")).to_be_visible()
        window.shoot(f"full-waiting-{api}-{language}-{scheme}")
        skip_waits(page)
        expect_told(page, ("X503BZ", "engine_busy")[KEYS[api]])
        window.shoot(f"full-told-{api}-{language}-{scheme}")
        resume()
        until(lambda: gauge(small, "engine_queued") == 0)
    page.click("[data-retry]")
    done(page)
    assert lines(page) == SAMPLE_LINES


def test_a_queue_that_empties_meanwhile_ends_in_text_by_itself(look: Look, small: Service, callers: Callers) -> None:
    page = look(PHONE, small).open()
    with full(small, callers.good.appcode) as resume:
        perform(page, Act(), small, callers.good.appcode)
        expect(page.locator("[data-state-text]")).to_contain_text("服务正忙")
        resume()
        done(page)
    assert lines(page) == SAMPLE_LINES


def test_memory_that_others_take_or_that_there_never_is_is_told(look: Look, start_site: Start) -> None:
    narrow = start_site(ZIYAN_BODY_MEMORY="8")
    window = look(DESK, narrow)
    window.page.clock.install()
    page = window.open()
    developer(page)
    most = (8 << 20) - 4000
    begun = request(b"x" * (8 << 20), appcode=narrow.appcode)
    with Connection(narrow.port) as slow:
        slow.send(begun[: most + begun.index(b"\r\n\r\n")])
        until(lambda: gauge(narrow, "body_bytes") > most - 5000)
        perform(page, Act(), narrow, narrow.appcode)
        skip_waits(page)
        expect_told(page, "service_busy")
    huge = request(HUGE, content_type="image/png", target="/v1/ocr", appcode=narrow.appcode)
    perform(page, Act(instead=huge), narrow, narrow.appcode)
    expect_told(page, "body_too_large")


@pytest.mark.parametrize("api", KEYS)
def test_a_database_that_fails_is_told(look: Look, small: Service, callers: Callers, api: str) -> None:
    """Its tables have other names for a while."""
    window = look(PHONE, small)
    window.page.clock.install()
    page = window.open()
    developer(page, api)
    database = sqlite3.connect(folder_of(small) / "ziyan.db", isolation_level=None)
    try:
        database.execute("ALTER TABLE packages RENAME TO elsewhere")
        perform(page, Act(), small, callers.good.appcode)
        skip_waits(page)
        expect_told(page, ("X503DB", "store_unavailable")[KEYS[api]])
    finally:
        database.execute("ALTER TABLE elsewhere RENAME TO packages")
        database.close()
    page.click("[data-retry]")
    done(page)


def dense() -> bytes:
    """The sample many times over: it is read for seconds."""
    sample = Image.open(SAMPLE_PICTURE).convert("L")
    sheet = Image.new("L", (sample.width * 4, sample.height * 6))
    for number in range(24):
        sheet.paste(sample, (number % 4 * sample.width, number // 4 * sample.height))
    file = BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def test_a_reader_that_dies_under_a_picture_is_told(look: Look, small: Service, callers: Callers) -> None:
    page = look(DESK, small).open()
    developer(page)
    page.fill("#appcode", callers.good.appcode)
    choose(page, ("dense.png", dense()))
    card = page.locator(".card").first

    def died() -> bool:
        if gauge(small, "engine_busy") == 1:
            for reader in readers_of(small):
                reader.kill()
        return card.get_attribute("data-now") == "failed"

    until(died)
    expect_told(page, "reader_crashed")
    page.click("[data-retry]")
    done(page)


@pytest.mark.parametrize("api", KEYS)
def test_what_takes_too_long_or_comes_too_often_is_told(look: Look, hasty: Service, api: str) -> None:
    with callers_of(hasty) as callers:
        page = look(PHONE, hasty).open()
        developer(page, api)
        for keys in (("D504TO", "engine_timeout"), ("T429SR", "rate_limited")):
            perform(page, Act(), hasty, callers.good.appcode)
            expect_told(page, keys[KEYS[api]])
        assert re.search(r"约 \d+ 秒后可以再试", page.locator("[data-todo]").first.inner_text())


@pytest.fixture(scope="module")
def hasty(start_site: Start) -> Service:
    """A service that gives up at once, and that each app may call every hundred seconds."""
    return start_site(ZIYAN_DEADLINE="0.001", ZIYAN_RATE_APP="0.01", ZIYAN_RATE_ADDRESS="0")


def test_weights_that_are_gone_are_told(look: Look, start_site: Start) -> None:
    """The reader has died, and another does not come up."""
    service = start_site()
    window = look(DESK, service)
    window.page.clock.install()
    page = window.open()
    (folder_of(service) / "models").unlink()
    for reader in readers_of(service):
        reader.kill()
    for api, key in (("ocr", "X500ER"), ("v1", "model_unavailable")):
        developer(page, api)
        perform(page, Act(), service, service.appcode)
        skip_waits(page)
        expect_told(page, key)
