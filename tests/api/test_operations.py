"""Addresses, rate limits, metrics, TLS files: what operating needs besides the contract."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.api.certificates import Certificate, certificate, make_certificate
from tests.api.conftest import Service
from tests.api.signers import error_of, form, msg_of, own_call, own_parameters, signed, was_read
from tests.api.wire import FakeEngine, request
from tests.desk import set_app_disabled, set_app_sources
from ziyan.api import rates
from ziyan.api.address import caller_address
from ziyan.api.rates import Rate, address_block
from ziyan.api.refusals import GatewayRefusedError
from ziyan.api.tls import tls_context
from ziyan.engine.base import EngineStatus
from ziyan.errors import EngineBusyError, SettingsError
from ziyan.ocr.types import Page
from ziyan.settings import Settings

__all__ = ["certificate"]

PROXIES = tuple(ip_network(text) for text in ("10.0.0.0/8", "2001:db8::/32"))
THROTTLED = (429, "T429SR", "Throttled by SUBSCRIPTION Flow Control")


# --- the caller's address -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["1.2.3.4"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4", "10.9.9.9"], "1.2.3.4"),
        ("10.0.0.1", ["10.1.1.1,10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", ["1.2.3.4, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4:4567"], "1.2.3.4"),
        ("10.0.0.1", ["[2001:db9::7]:4567"], "2001:db9::7"),
        ("10.0.0.1", [" 2001:DB9:0::7 "], "2001:db9::7"),
        ("2001:db8::1", ["1.2.3.4"], "1.2.3.4"),
        ("::ffff:10.0.0.1", ["::ffff:1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [",".join(["1.2.3.4", *["10.9.9.9"] * 1000])], "10.9.9.9"),
    ],
)
def test_the_rightmost_hop_that_is_not_trusted_is_the_caller(peer: str, forwarded: list[str], address: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert caller_address({"type": "http", "client": (peer, 1), "headers": headers}, PROXIES) == address


def test_without_trusted_proxies_the_header_is_not_looked_at() -> None:
    scope = {"type": "http", "client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", b"1.2.3.4")]}
    assert caller_address(scope) == "10.0.0.1"


@pytest.mark.parametrize(("client", "address"), [(None, ""), (("/run/socket", 0), "/run/socket")])
def test_a_caller_without_an_ip_address(client: object, address: str) -> None:
    assert caller_address({"type": "http", "client": client, "headers": []}, PROXIES) == address


# --- rate limits --------------------------------------------------------------------------------------------------


def admitted(rate: Rate, caller: str) -> int:
    """Seconds to wait; 0 if the call was let through."""
    try:
        rate.admit(caller)
    except GatewayRefusedError as error:
        assert (error.row.status, error.row.code, error.row.message) == THROTTLED
        return error.row.retry_after or 0
    return 0


def test_a_rate_lets_a_seconds_worth_through_at_once_and_then_so_many_a_second() -> None:
    now = [100.0]
    rate = Rate(4, clock=lambda: now[0])
    assert [admitted(rate, "a") for _ in range(6)] == [0, 0, 0, 0, 1, 1]
    assert admitted(rate, "b") == 0, "callers do not share"
    now[0] += 0.25
    assert [admitted(rate, "a") for _ in range(2)] == [0, 1]
    now[0] += 3600
    assert [admitted(rate, "a") for _ in range(5)] == [0, 0, 0, 0, 1]


def test_a_rate_below_one_says_how_long_to_wait() -> None:
    now = [100.0]
    rate = Rate(0.1, clock=lambda: now[0])
    assert [admitted(rate, "a"), admitted(rate, "a")] == [0, 10]
    now[0] += 8.5
    assert admitted(rate, "a") == 2
    now[0] += 1.5
    assert admitted(rate, "a") == 0


def test_no_rate_lets_everything_through_and_remembers_nobody() -> None:
    rate = Rate(0)
    assert {admitted(rate, str(number)) for number in range(1000)} == {0}
    assert not rate._buckets


def test_callers_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_MAX_CALLERS", 3)
    rate = Rate(1, clock=lambda: 0.0)
    for caller in "abcabd":
        admitted(rate, caller)
    assert list(rate._buckets) == ["a", "b", "d"], "the one that had not called for longest is forgotten"


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_caller_has_64_bits(address: str, block: str) -> None:
    assert address_block(address) == block


def test_an_app_that_calls_too_often_is_throttled(service_with: Callable[..., Service]) -> None:
    service = service_with(rate_app=0.01)
    assert service.post(b"ver=7").status == 666
    reply = service.post(b"ver=7")
    assert (reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]) == THROTTLED
    assert (reply.body, reply["X-Ziyan-Billed"]) == (b"", "0")
    assert 90 <= int(reply["Retry-After"]) <= 100
    assert service.send(request(b"", appcode="unknown"))["X-Ca-Error-Code"] == "A400AC", "others are served"


def test_an_address_that_calls_too_often_is_throttled_before_it_signs_in(service_with: Callable[..., Service]) -> None:
    service = service_with(rate_address=0.01, trusted_proxies="127.0.0.0/8, ::1")
    for caller, code in [("1.2.3.4", "A400AC"), ("1.2.3.4", "T429SR"), ("5.6.7.8", "A400AC"), ("1.2.3.4", "T429SR")]:
        headers = (f"X-Forwarded-For: 6.6.6.6, {caller}",)
        assert service.send(request(b"", appcode="unknown", headers=headers))["X-Ca-Error-Code"] == code


def test_signed_calls_are_throttled_like_others(service_with: Callable[..., Service]) -> None:
    service = service_with(rate_app=0.01)
    assert service.post(b"ver=7").status == 666
    for sent in (own_call(service.caller.appid), signed(service.caller.appkey)):
        assert error_of(service.send(sent)) == THROTTLED


def test_a_call_that_comes_too_often_may_be_sent_again_as_it_is(
    service_with: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_with(rate_app=0.01)
    assert service.post(b"ver=7").status == 666
    calls = [signed(service.caller.appkey), own_call(service.caller.appid)]
    for sent in calls:
        assert error_of(service.send(sent)) == THROTTLED
    monkeypatch.setattr(Rate, "admit", lambda *_: None)  # as if time had passed
    for sent in calls:
        assert was_read(service.send(sent))
    assert error_of(service.send(calls[0]))[1] == "S403NU"
    assert msg_of(service.send(calls[1])) == "签名校验失败"


def test_lists_of_sources_see_the_caller_behind_a_trusted_proxy(service_with: Callable[..., Service]) -> None:
    service = service_with(trusted_proxies="127.0.0.1")
    set_app_sources(service.store, service.caller.app.id, allowed=("5.6.7.8",), denied=())
    for address, answer in [("5.6.7.8", was_read), ("5.6.7.9", lambda reply: msg_of(reply) == "非法来源")]:
        parameters = own_parameters(service.caller.appid)
        assert answer(service.send(form(parameters, headers=(f"X-Forwarded-For: {address}",))))


# --- metrics ------------------------------------------------------------------------------------------------------


class BusyEngine(FakeEngine):
    def status(self) -> EngineStatus:
        return EngineStatus(ready=True, workers=2, busy=1, queued=3, queue_limit=8, restarts=5)


def scrape(service: Service) -> dict[str, float]:
    reply = service.send(request(method="GET", target="/metrics", content_type=None))
    assert reply.status == 200
    assert {name.lower(): value for name, value in reply.headers}["content-type"].startswith("text/plain")
    lines = [line for line in reply.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_calls_stages_bytes_and_the_engine(service_with: Callable[..., Service]) -> None:
    engine = BusyEngine()
    service = service_with(engine=engine)
    assert scrape(service)['ziyan_bytes_total{direction="sent"}'] == 0
    engine.outcome = Page(lines=(), text="abc", width=1, height=1, timings={"detect": 20.0, "recognize": 60.0})
    first = service.post(b"img=QUJD")
    service.post(b"ver=7")
    service.send(request(b"", appcode="unknown"))
    engine.outcome = EngineBusyError("full")
    service.post(b"img=QUJD")
    service.send(request(method="GET", target="/any/path"))
    figures = scrape(service)
    for status, outcome in [(200, "ok"), (666, "ver"), (400, "A400AC"), (503, "X503BZ"), (404, "I404NF")]:
        assert figures[f'ziyan_calls_total{{outcome="{outcome}",status="{status}"}}'] == 1
    assert figures['ziyan_bytes_total{direction="received"}'] == 8 + 5 + 8
    assert figures['ziyan_bytes_total{direction="sent"}'] > len(first.body)
    assert figures['ziyan_call_seconds_count{stage="total"}'] == 5
    assert figures['ziyan_call_seconds_count{stage="queue"}'] == 1
    assert figures['ziyan_call_seconds_sum{stage="recognize"}'] == pytest.approx(0.06)
    assert figures['ziyan_call_seconds_bucket{le="0.025",stage="detect"}'] == 1
    engine_figures = {name.removeprefix("ziyan_engine_"): value for name, value in figures.items() if "engine" in name}
    assert engine_figures == {
        "ready": 1,
        "workers": 2,
        "busy": 1,
        "queued": 3,
        "queue_limit": 8,
        "restarts_total": 5,
    }
    assert figures["process_resident_memory_bytes"] > 0


def test_no_label_depends_on_a_caller(service_with: Callable[..., Service]) -> None:
    service = service_with()
    for number in range(20):
        service.send(request(b"x", target=f"/path/{number}"))
        service.send(request(b"x", appcode=f"secret{number}"))
        service.send(request(b"x", method=f"METHOD{number}"))
        service.post(b"img=" + base64.b64encode(str(number).encode()))
    figures = scrape(service)
    labels = {label for name in figures for label in re.findall(r'(\w+)="', name)}
    assert labels == {"status", "outcome", "stage", "direction", "le"}
    assert len(figures) < 150
    assert not any(word in name for name in figures for word in ("path", "secret", "METHOD", service.caller.app.id))


def test_a_refusal_that_names_an_appid_is_counted_by_a_word(service_with: Callable[..., Service]) -> None:
    service = service_with()
    set_app_disabled(service.store, service.caller.app.id, disabled=True)
    assert service.caller.appid.identifier in msg_of(service.send(own_call(service.caller.appid)))
    figures = scrape(service)
    assert figures['ziyan_calls_total{outcome="appid_disabled",status="666"}'] == 1
    assert not any(service.caller.appid.identifier in name for name in figures)


# --- TLS files ----------------------------------------------------------------------------------------------------


def tls_of(folder: Path, cert: str, key: str) -> None:
    tls_context(Settings.load(data_dir=folder, tls_cert=cert, tls_key=key))


def test_unusable_tls_files_are_told(tmp_path: Path, certificate: Certificate) -> None:
    other, locked = tmp_path / "other", tmp_path / "locked"
    other.mkdir()
    locked.mkdir()
    file, key = str(certificate.file), str(certificate.key)
    for cert_file, key_file, why in [
        (file, "", "both are needed"),
        ("", key, "both are needed"),
        (file, str(make_certificate(other).key), "MISMATCH"),
        (file, str(make_certificate(locked, b"a password").key), "no password"),
        (key, file, "not a certificate"),
        (str(tmp_path / "missing.pem"), key, "No such file"),
        (str(tmp_path), key, "TLS_CERT"),
    ]:
        with pytest.raises(SettingsError, match=why) as caught:
            tls_of(tmp_path, cert_file, key_file)
        assert str(caught.value).startswith("ZIYAN_TLS_CERT, ZIYAN_TLS_KEY: ")


def test_a_chain_and_its_key_are_taken(tmp_path: Path, certificate: Certificate) -> None:
    tls_of(tmp_path, str(certificate.file), str(certificate.key))
