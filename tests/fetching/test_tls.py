"""https addresses: whom the fetcher believes, and what ``ZIYAN_FETCH_CA`` adds to that."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fetching.authority import Authority, self_signed
from tests.fetching.behaviours import LIMIT, PICTURE, behaviour
from tests.fetching.internet import internet
from tests.fetching.names import name_server
from tests.fetching.test_hostile_network import USUAL_ANSWER, ZONE, outcome_of
from ziyan import fetch
from ziyan.errors import SettingsError
from ziyan.fetch import Fetcher
from ziyan.settings import Settings

FETCHED, REFUSED = "fetched", "refused: unreachable"


@pytest.fixture
def authority() -> Authority:
    return Authority.new("the test's own")


@pytest.fixture
def ca_file(tmp_path: Path, authority: Authority) -> Path:
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.pem)
    return file


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """What becomes of ``https://pics.example/`` with these settings, where the server presents itself so."""

    async def try_it(settings: Settings, server: ssl.SSLContext, url: str = "https://pics.example/") -> str:
        zone = {**ZONE, "a.pics.example": ["A 1.0.0.10"], "a.b.pics.example": ["A 1.0.0.10"]}
        async with name_server(zone) as (_, resolver), internet({"*": behaviour(USUAL_ANSWER)}, server) as (net, web):
            monkeypatch.setattr(fetch.httpcore, "AnyIOBackend", lambda: net)
            monkeypatch.setattr(fetch, "SystemResolver", lambda: resolver)
            found = await outcome_of(Fetcher.from_settings(settings), url)
            assert bool(web.requests) == (found == FETCHED), "nothing is sent to a server that is not believed"
            return found

    return try_it


SERVERS: dict[str, tuple[Callable[[Authority, Path], ssl.SSLContext], str]] = {
    "right": (lambda ca, folder: ca.server(folder, "pics.example"), FETCHED),
    "right, among several names": (lambda ca, folder: ca.server(folder, "a.example", "pics.example"), FETCHED),
    "another host's": (lambda ca, folder: ca.server(folder, "other.example"), REFUSED),
    "a wildcard for all of a top level": (lambda ca, folder: ca.server(folder, "*.example"), REFUSED),
    "a wildcard for deeper names": (lambda ca, folder: ca.server(folder, "*.pics.example"), REFUSED),
    "the address's, not the name's": (lambda ca, folder: ca.server(folder, "1.0.0.10"), REFUSED),
    "expired": (lambda ca, folder: ca.server(folder, "pics.example", days=(-2, -1)), REFUSED),
    "not valid yet": (lambda ca, folder: ca.server(folder, "pics.example", days=(1, 2)), REFUSED),
    "self-signed": (lambda _, folder: self_signed(folder, "pics.example"), REFUSED),
    "an unknown authority's": (lambda _, folder: Authority.new("nobody").server(folder, "pics.example"), REFUSED),
    "an impostor's of the same name": (
        lambda _, folder: Authority.new("the test's own").server(folder, "pics.example"),
        REFUSED,
    ),
}


@pytest.mark.parametrize(("server", "expected"), SERVERS.values(), ids=SERVERS)
async def test_certificate(
    server: Callable[[Authority, Path], ssl.SSLContext],
    expected: str,
    authority: Authority,
    ca_file: Path,
    tmp_path: Path,
    outcome: Callable[..., object],
) -> None:
    assert await outcome(Settings.load(fetch_ca=str(ca_file)), server(authority, tmp_path)) == expected


async def test_an_address_instead_of_a_name_is_verified_too(
    authority: Authority, ca_file: Path, tmp_path: Path, outcome: Callable[..., object]
) -> None:
    settings = Settings.load(fetch_ca=str(ca_file))
    for host, expected in (("1.0.0.10", FETCHED), ("1.0.0.11", REFUSED), ("pics.example", REFUSED)):
        assert await outcome(settings, authority.server(tmp_path, host), "https://1.0.0.10/") == expected


async def test_a_wildcard_is_good_for_one_label(
    authority: Authority, ca_file: Path, tmp_path: Path, outcome: Callable[..., object]
) -> None:
    settings, server = Settings.load(fetch_ca=str(ca_file)), authority.server(tmp_path, "*.pics.example")
    assert await outcome(settings, server, "https://a.pics.example/") == FETCHED
    assert await outcome(settings, server, "https://a.b.pics.example/") == REFUSED


async def test_an_old_protocol_is_refused(
    authority: Authority, ca_file: Path, tmp_path: Path, outcome: Callable[..., object]
) -> None:
    server = authority.server(tmp_path, "pics.example")
    server.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    assert await outcome(Settings.load(fetch_ca=str(ca_file)), server) == REFUSED


async def test_the_environment_adds_no_authority(
    authority: Authority,
    ca_file: Path,
    tmp_path: Path,
    outcome: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_file.parent))
    assert await outcome(Settings.load(), authority.server(tmp_path, "pics.example")) == REFUSED


async def test_a_folder_gives_all_its_authorities(tmp_path: Path, outcome: Callable[..., object]) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    authorities = [Authority.new(f"authority {number}") for number in range(3)]
    for authority, name in zip(authorities, ("a.pem", "b.CRT", "c.cer"), strict=True):
        (folder / name).write_bytes(authority.pem)
    (folder / "README.txt").write_text("no certificate at all")
    settings = Settings.load(fetch_ca=str(folder))
    for authority in authorities:
        assert await outcome(settings, authority.server(tmp_path, "pics.example")) == FETCHED


def test_the_public_authorities_stay(ca_file: Path) -> None:
    public = set(_believed(Fetcher()))
    assert len(public) > 50
    assert public < set(_believed(Fetcher.from_settings(Settings.load(fetch_ca=str(ca_file)))))


def _believed(fetcher: Fetcher) -> list[bytes]:
    assert fetcher._ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert fetcher._ssl_context.check_hostname
    return fetcher._ssl_context.get_ca_certs(binary_form=True)


def test_authorities_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pem").write_text("no certificate")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "a.pem").write_bytes(Authority.new("good").pem)
    (mixed / "b.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for unusable in ("missing.pem", "empty", "text.pem", "mixed"):
        with pytest.raises(SettingsError, match=f"ZIYAN_FETCH_CA: Input should be a PEM file .*{unusable}'$"):
            Settings.load(fetch_ca=str(tmp_path / unusable))


def test_authorities_that_vanish_after_the_settings_were_read_are_told_too(ca_file: Path) -> None:
    settings = Settings.load(fetch_ca=str(ca_file))
    ca_file.unlink()
    with pytest.raises(SettingsError, match="ZIYAN_FETCH_CA"):
        Fetcher.from_settings(settings)


async def test_what_is_believed_is_also_fetched_whole(
    authority: Authority, ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name in the certificate is asked for (SNI), without the root's dot."""
    server = authority.server(tmp_path, "pics.example")
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with name_server(ZONE) as (_, resolver), internet({"*": behaviour(USUAL_ANSWER)}, server) as (net, _):
        monkeypatch.setattr(fetch.httpcore, "AnyIOBackend", lambda: net)
        fetcher = Fetcher(resolver=resolver, ssl_context=authority.client())
        for url in ("https://pics.example/", "https://PICS.example./"):
            assert await fetcher.fetch(url, max_bytes=LIMIT) == PICTURE
    assert asked == ["pics.example"] * 2
