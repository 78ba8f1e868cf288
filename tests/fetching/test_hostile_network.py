"""docs/contract.md §6, tried on a hostile network: every row of ``tests/fetch_guard.jsonl``, fetched or not as it says.

A row has a ``name``, a ``url`` and an ``outcome``: ``fetched``, ``fetched: not a picture`` (check 5 then refuses it),
or ``refused: `` and the reason.  ``dns`` adds names to the zone (see ``names.py``), ``answer`` is what servers say, for
any path or for each (see ``behaviours.py``), ``connects`` how many connections are made where that is not one for what
is fetched and none for what is refused for its address, and ``slow`` that a time limit is waited for.

The rows are written by us; public lists of such attempts and other projects' tests were read for ideas.
"""

from __future__ import annotations

import json
import re
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.fetching.authority import Authority
from tests.fetching.behaviours import LIMIT, PICTURE, behaviour
from tests.fetching.internet import internet
from tests.fetching.names import name_server
from ziyan import fetch
from ziyan.errors import FetchError, UnsupportedImageError
from ziyan.fetch import Fetcher
from ziyan.ocr.decode import decode
from ziyan.ocr.types import ImageLimits

ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent.parent / "fetch_guard.jsonl").read_text("utf-8").splitlines()
]
ZONE = {
    "pics.example": ["A 1.0.0.10", "AAAA 2606:4700::10"],
    "other.example": ["A 1.0.0.20"],
    "inside.example": ["A 10.0.0.5"],
}
NOBODY_THERE = {"9.9.9.9", "2620:fe::fe"}
USUAL_ANSWER = "HTTP/1.1 200 OK\nContent-Type: image/png\nContent-Length: {size}\n\n{picture}"
#: Refused for what the address is: nobody is connected to.
FOR_THE_ADDRESS = {"malformed", "port", "private_address", "unknown_host"}
#: All that a request may hold.
HEADERS = {"host", "user-agent", "accept", "accept-encoding", "connection"}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.new("the test's own")


@pytest.fixture(scope="module")
def tls(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    return authority.server(folder, "pics.example", "other.example", "1.0.0.10", "2606:4700::10")


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
async def test_row(
    row: dict[str, Any], authority: Authority, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    if row.get("slow"):
        monkeypatch.setattr(fetch, "TOTAL_SECONDS", 0.3)
    answer = row.get("answer", USUAL_ANSWER)
    answers = answer if isinstance(answer, dict) else {"*": answer}
    behaviours = {path: behaviour(text) for path, text in answers.items()}
    async with name_server({**ZONE, **row.get("dns", {})}) as (_, resolver), internet(behaviours, tls) as (net, web):
        net.unreachable = NOBODY_THERE
        monkeypatch.setattr(fetch.httpcore, "AnyIOBackend", lambda: net)
        fetcher = Fetcher(resolver=resolver, ssl_context=authority.client())
        outcome = await outcome_of(fetcher, row["url"])
    assert outcome == row["outcome"]
    assert net.open == 0, "a connection is left behind"
    reason = outcome.partition("refused: ")[2]
    assert len(net.connected) == row.get("connects", 0 if reason in FOR_THE_ADDRESS else 1), net.connected
    for address, port in net.connected:
        assert ip_address(address).is_global, "the standard library's opinion, which is not ours"
        assert port in {80, 443}
    for request in web.requests:
        line, *headers = request.decode("latin-1").split("\r\n")[:-2]
        assert line.startswith("GET /")
        assert {header.partition(":")[0].lower() for header in headers} == HEADERS


async def outcome_of(fetcher: Fetcher, url: str) -> str:
    try:
        content = await fetcher.fetch(url, max_bytes=LIMIT)
    except FetchError as error:
        return f"refused: {error.reason}"
    try:
        decode(content, ImageLimits(max_bytes=LIMIT))
    except UnsupportedImageError:
        return "fetched: not a picture"
    assert content == PICTURE
    return "fetched"


def test_the_list_is_long_and_tries_every_reason() -> None:
    assert len(ROWS) >= 150
    assert len({row["name"] for row in ROWS}) == len(ROWS)
    reasons = {row["outcome"].partition("refused: ")[2] for row in ROWS} - {""}
    assert reasons == {
        *FOR_THE_ADDRESS, "redirects", "unreachable", "timeout", "status", "compressed", "too_large"
    }  # fmt: skip


def test_the_page_about_fetching_names_every_block_that_is_refused() -> None:
    page = (Path(fetch.__file__).parents[2] / "docs/fetching.md").read_text("utf-8")
    told = set(re.findall(r"[0-9a-f.:]+/\d+", page.split("Not public are")[1].split("A request is")[0]))
    assert told == {str(block) for block in (*fetch._REFUSED_V4, *fetch._REFUSED_V6, fetch._GLOBAL_V6)}


def test_a_fetch_takes_five_seconds_at_most() -> None:
    assert fetch.TOTAL_SECONDS == 5.0


async def test_the_far_end_is_held_against_the_judged_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the system ever connect to another address than it was told, no byte is sent there."""
    behaviours = {"*": behaviour(USUAL_ANSWER)}
    async with name_server(ZONE) as (_, resolver), internet(behaviours) as (net, web):
        monkeypatch.setattr(fetch.httpcore, "AnyIOBackend", lambda: net)
        for peer in ("127.0.0.1", "1.0.0.11", "::ffff:1.0.0.10", ""):
            net.peers["1.0.0.10"] = peer
            with pytest.raises(FetchError) as refused:
                await Fetcher(resolver=resolver).fetch("http://pics.example/", max_bytes=LIMIT)
            assert refused.value.reason == "private_address"
        assert web.requests == []
        allowed = Fetcher(resolver=resolver, allow=["pics.example"])
        assert await allowed.fetch("http://pics.example/", max_bytes=LIMIT) == PICTURE


async def test_an_allowed_name_does_not_open_the_way_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    behaviours = {
        "/": behaviour("HTTP/1.1 302 Found\nLocation: http://intranet.example/a.png\n\n"),
        "/a.png": behaviour(USUAL_ANSWER),
    }
    zone = {**ZONE, "intranet.example": ["A 10.0.0.6"]}
    async with name_server(zone) as (_, resolver), internet(behaviours) as (net, _):
        monkeypatch.setattr(fetch.httpcore, "AnyIOBackend", lambda: net)
        for allow, outcome in (
            ({"inside.example"}, "refused: private_address"),
            ({"inside.example", "intranet.example"}, "fetched"),
            ({"example"}, "refused: private_address"),
            ({"10.0.0.5"}, "refused: private_address"),
        ):
            assert await outcome_of(Fetcher(resolver=resolver, allow=allow), "http://inside.example/") == outcome
