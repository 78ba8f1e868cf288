"""A real browser before a real service: Debian's Chromium, driven by Playwright, and the engine that reads."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from tests.api.conftest import Service as Server
from tests.api.conftest import running_service
from tests.metering.conftest import postgresql_database
from tests.test_serve import QuietHandler, Service, serving

__all__ = ["postgresql_database"]

ROOT = Path(__file__).parents[2]
#: Kept by continuous integration, for people to look at.
SCREENSHOTS = ROOT / "build" / "screenshots"
CONTACT = "文字组 <help@example.com>"
DESK, PHONE = 1440, 390
#: Reading on a busy machine; a test that waits this long has failed.
MILLISECONDS = 30_000


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Both databases, one after the other: makes empty ones, and gives what ZIYAN_DATABASE_URL is to be."""
    if request.param == "sqlite":
        return lambda: ""
    create: Callable[[], str] = request.getfixturevalue("postgresql_database")
    return create


@pytest.fixture(scope="module")
def both_services(tmp_path_factory: pytest.TempPathFactory, database_url: Callable[[], str]) -> Iterator[Server]:
    """A service on each database, with an engine that answers at once."""
    with running_service(tmp_path_factory.mktemp("service"), database_url=database_url()) as service:
        yield service


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    assert found, "these tests need a browser: apt install chromium fonts-noto-cjk"
    with sync_playwright() as playwright:
        # Root, which containers run as, gets no sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A web server on this machine: its port and its folder."""
    folder = tmp_path_factory.mktemp("pictures")
    shutil.copy(ROOT / "src/ziyan/resources/sample.png", folder)
    (folder / "page.html").write_text("<p>no picture</p>", "utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, folder
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def start_site(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, pictures: tuple[int, Path]
) -> Iterator[Callable[..., Service]]:
    """Starts services as people do, each with an own folder of data, and stops them at the end."""
    with ExitStack() as running:

        def start(**settings: str) -> Service:
            folder = tmp_path_factory.mktemp("data")
            (folder / "models").symlink_to(models_dir)
            allowed = {"ZIYAN_FETCH_ALLOW": "127.0.0.1", "ZIYAN_FETCH_PORTS": str(pictures[0])}
            defaults = {"ZIYAN_SUPPORT_CONTACT": CONTACT, "ZIYAN_TRIAL_CALLS": "10000", "ZIYAN_WORKERS": "1"}
            return running.enter_context(serving(folder, 0, **{**allowed, **defaults, **settings}))

        yield start


@pytest.fixture(scope="session")
def site(start_site: Callable[..., Service]) -> Service:
    return start_site()


@dataclass
class Window:
    """A browser's window on a service, and what it asked and said."""

    page: Page
    address: str
    width: int
    asked: list[Request] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.address + path)
        return self.page

    def shoot(self, name: str) -> None:
        """Keep what can be seen for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("document.querySelector('.top').style.position = 'static'")
        self.page.screenshot(path=SCREENSHOTS / f"{name}-{self.width}.png", full_page=True, animations="disabled")
        self.page.evaluate("document.querySelector('.top').style.position = ''")

    def icons(self) -> list[float]:
        """How wide the icons are that can be seen."""
        found = self.page.locator(".icon").evaluate_all("all => all.map(each => each.getBoundingClientRect().width)")
        return [float(width) for width in found if width]

    def check(self) -> None:
        """Nobody else was asked, nothing was refused by the policy, and no script failed."""
        own = urlsplit(self.address).netloc
        hosts = {urlsplit(request.url).netloc for request in self.asked if not request.url.startswith("blob:")}
        assert hosts <= {own}
        # That an answer is an error is told by the browser too; the pages explain it.
        assert [text for text in self.said if not text.startswith("Failed to load resource")] == []


@pytest.fixture
def look(browser: Browser, site: Service) -> Iterator[Callable[..., Window]]:
    """Opens windows; what every page keeps to is checked when the test is over."""
    windows: list[tuple[BrowserContext, Window]] = []

    def open_window(width: int = DESK, service: Service | None = None, **more: object) -> Window:
        phone = width == PHONE
        context = browser.new_context(
            viewport={"width": width, "height": 844 if phone else 900},
            has_touch=phone,
            is_mobile=phone,
            permissions=["clipboard-read", "clipboard-write"],
            **more,  # type: ignore[arg-type]
        )
        context.set_default_timeout(MILLISECONDS)
        page = context.new_page()
        window = Window(page, f"http://127.0.0.1:{(service or site).port}", width)
        page.on("request", lambda request: window.asked.append(request))
        page.on("console", lambda message: window.said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: window.said.append(str(error)))
        windows.append((context, window))
        return window

    yield open_window
    for _, window in windows:
        window.check()
    for context, _ in windows:
        context.close()
