"""``scripts/bench fuzz``: short runs against the service, and against servers that must not pass."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ziyan.bench.__main__ import GOOD, MISSED, UNMEASURED, main
from ziyan.bench.fuzzing import answers, attack, run
from ziyan.bench.fuzzing.answers import BrokenAnswerError, http2_statuses, replies, wrong
from ziyan.bench.fuzzing.attack import KEPT, Tally
from ziyan.bench.fuzzing.cases import KINDS, Case, case
from ziyan.bench.fuzzing.frames import call, frame
from ziyan.bench.fuzzing.good import chunked, good
from ziyan.bench.fuzzing.run import FLAT_MIB, SPARE_FILES, Watch, bad_lines, verdicts
from ziyan.bench.instant import fingerprint
from ziyan.bench.memory import MIB

FAKE_SERVER = str(Path(__file__).parent / "fake_server.py")
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Ca-Request-Id: X\r\n\r\nhi"


def figures(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "fuzz.json").read_text("utf-8"))
    return found


def test_the_service_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--minutes", "0.1", "--seed", "5", "--out", str(tmp_path)]) == GOOD, capsys.readouterr().out
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "held"
    found = figures(tmp_path)
    assert found["wrong"] == found["failures"] == found["server"]["log"] == []
    assert found["server"]["exit_status"] == 0
    assert found["witnessed"] > 0
    assert {row["kind"] for row in found["outcomes"]} >= {"HTTP/2", "smuggling", "pipelined", "witness"}


@pytest.fixture
def fuzz_fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """A second of fuzz against a server that misbehaves so."""
    monkeypatch.setattr(attack, "LIMIT", 0.5)
    monkeypatch.setattr(run, "_SETTLE_SECONDS", 0.5)

    def fuzz(misdeed: str) -> dict[str, Any]:
        command = (sys.executable, FAKE_SERVER, misdeed)
        assert not run.run(minutes=1 / 60, seed=1, port=0, out=tmp_path, server=command)
        return figures(tmp_path)

    return fuzz


@pytest.mark.parametrize(
    ("misdeed", "sign"),
    [
        ("500", "status 500"),
        ("wrong", "was well-formed and got 200"),
        ("broken", "broken answer: 100 bytes announced, 3 sent"),
        ("foreign", "without the contract's headers"),
        ("smuggled", "smuggled: `GET /smuggled`"),
        ("hangs", "not closed within 0.5 s"),
        ("dies", "no connection: "),
    ],
)
def test_a_server_that_misbehaves_does_not_hold(
    fuzz_fake: Callable[[str], dict[str, Any]], misdeed: str, sign: str
) -> None:
    found = fuzz_fake(misdeed)
    assert any(sign in failure["what"] for failure in found["failures"])
    assert "the server did not live to the end" in found["wrong"], "its well-formed calls fail as well"


@pytest.mark.parametrize(
    ("misdeed", "sign"),
    [("traces", "1 lines of the log show a fault"), ("fails", "the server ended with status 3")],
)
def test_what_a_server_leaves_behind_is_judged(
    fuzz_fake: Callable[[str], dict[str, Any]], misdeed: str, sign: str
) -> None:
    assert sign in fuzz_fake(misdeed)["wrong"]


def test_a_server_that_does_not_come_up_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(run.BenchError, match="does not come up"):
        run.run(minutes=1, seed=1, port=0, out=tmp_path, server=(sys.executable, FAKE_SERVER, "silent"))


def test_the_verdict_is_an_exit_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(run, "run", lambda **more: bool(seen.append(more)))
    assert main(["fuzz", "--minutes", "3", "--seed", "9", "--port", "8123", "--out", str(tmp_path)]) == MISSED
    assert seen == [{"minutes": 3.0, "seed": 9, "port": 8123, "out": tmp_path}]

    def no_server(**more: object) -> bool:
        raise run.BenchError("the server does not come up")

    monkeypatch.setattr(run, "run", no_server)
    assert main(["fuzz"]) == UNMEASURED


@pytest.mark.parametrize("minutes", ["0", "-1", "1441", "soon"])
def test_minutes_that_are_none_are_explained(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fuzz", f"--minutes={minutes}"])
    assert "--minutes" in capsys.readouterr().err


# --- what must hold -----------------------------------------------------------------------------------------------


def well() -> tuple[Tally, Watch]:
    return Tally(witnessed=1), Watch(memory=[100 * int(MIB)] * 20, alive=True, exit_status=0)


def test_each_thing_that_must_hold_is_judged() -> None:
    assert verdicts(*well()) == []
    for change, sign in (
        ((lambda tally, _: tally.fail("form", 1, "x", b"")), "1 cases or well-formed calls failed"),
        ((lambda tally, _: setattr(tally, "witnessed", 0)), "no well-formed call was made"),
        ((lambda _, watch: setattr(watch, "alive", False)), "the server did not live to the end"),
        ((lambda _, watch: watch.memory.extend([int((101 + FLAT_MIB) * MIB)] * 10)), "memory grew by 33 MiB"),
        ((lambda _, watch: setattr(watch, "files_after", SPARE_FILES + 1)), "11 files or sockets were left open"),
        ((lambda _, watch: watch.log.append("x")), "1 lines of the log show a fault"),
        ((lambda _, watch: setattr(watch, "exit_status", None)), "the server ended with status None"),
    ):
        tally, watch = well()
        change(tally, watch)
        assert verdicts(tally, watch) == [sign]


def test_only_the_first_failures_are_kept_whole() -> None:
    tally = Tally()
    for number in range(KEPT + 5):
        tally.fail("form", number, "x", b"a" * 5000)
    assert (tally.failed, len(tally.failures), len(tally.failures[0].sent)) == (KEPT + 5, KEPT, 4096)


def test_faults_are_found_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = [
        {"level": "info", "event": "call"},
        {"level": "warning", "event": "cause"},
        {"level": "error", "event": "x"},
        {"level": "info", "event": "x", "exception": "Traceback"},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + "Segmentation fault\n[]\n")
    assert [line[:20] for line in bad_lines(log)] == [
        '{"level": "error", "',
        '{"level": "info", "e',
        "Segmentation fault",
        "[]",
    ]


# --- cases and answers --------------------------------------------------------------------------------------------


def test_a_case_depends_on_its_number_and_the_seed_alone() -> None:
    assert [case(3, number, "a") for number in range(60)] == [case(3, number, "a") for number in range(60)]
    assert case(3, 1, "a") != case(4, 1, "a")


def test_every_kind_makes_bytes() -> None:
    for kind, make in KINDS.items():
        for number in range(60):
            made = make(Random(f"{kind} {number}"), "appcode")
            assert b"".join(made.pieces) or kind in {"cut off", "HTTP/2"}


def test_a_dribbled_request_is_whole_in_the_end() -> None:
    made = KINDS["dribble"](Random(1), "appcode")
    head, _, body = b"".join(made.pieces).partition(b"\r\n\r\n")
    assert len(made.pieces) > 2
    assert f"Content-Length: {len(body)}".encode() in head


def test_chunks_hold_the_body() -> None:
    body, sent = bytes(range(256)) * 10, chunked(Random(2), bytes(range(256)) * 10)
    found = b""
    while not sent.startswith(b"0\r\n"):
        size, _, rest = sent.partition(b"\r\n")
        found, sent = found + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    assert found == body


def test_pictures_of_good_calls_have_no_plus_in_front() -> None:
    assert all(b"img=+" not in good(Random(number), "a").body for number in range(200))


def test_whole_answers_are_taken_apart() -> None:
    interim = b"HTTP/1.1 100 \r\ndate: x\r\n\r\n"
    found = list(replies(interim + REPLY + b"HTTP/1.1 204 \r\n\r\n"))
    assert [(reply.status, reply.body) for reply in found] == [(200, b"hi"), (204, b"")]
    assert list(replies(b"HTTP/1.1 101 \r\n\r\nother bytes")) == []
    assert len(list(replies(REPLY + frame(4, 0, 0, b"")))) == 1


@pytest.mark.parametrize(
    "received",
    [
        b"nonsense",
        REPLY[:-1],
        REPLY + b"x",
        b"HTTP/1.1 200 OK\r\nA: b",
        b"HTTP/1.1 200 OK\r\nA b\r\n\r\n",
        b"HTTP/1.1 2",
    ],
)
def test_broken_answers_are_seen(received: bytes) -> None:
    with pytest.raises(BrokenAnswerError):
        list(replies(received))
    assert wrong(Case("form", ()), received).startswith("broken answer")


@pytest.mark.parametrize(
    ("kind", "received", "sign"),
    [
        ("form", REPLY, ""),
        ("form", REPLY.replace(b"200", b"666"), ""),
        ("form", REPLY.replace(b"200", b"503"), "status 503"),
        ("form", b"HTTP/1.1 400 \r\n\r\n", ""),
        ("form", b"HTTP/1.1 403 \r\n\r\n", "403 without the contract's headers: {}"),
        ("upgrade", b"HTTP/1.1 403 \r\n\r\n", "403 without the contract's headers: {}"),
        ("request line", b'HTTP/1.1 200 \r\n\r\n{"status":"live"}', ""),
        ("request line", b"HTTP/1.1 200 \r\n\r\n{}", "200 without the contract's headers: {}"),
        ("form", b"HTTP/1.1 405 \r\nallow: GET\r\n\r\n", ""),
    ],
)
def test_an_answer_is_judged(kind: str, received: bytes, sign: str) -> None:
    assert wrong(Case(kind, ()), received) == sign


def test_owed_answers_must_come_first() -> None:
    body = json.dumps({"ok": 1, "msg": "", "data": "a"}, separators=(",", ":")).encode()
    right = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Ca-Request-Id: X\r\n\r\n" % len(body) + body
    assert wrong(Case("pipelined", (), answers=("a", "a")), right + right + REPLY) == ""
    assert wrong(Case("pipelined", (), answers=("a", "a")), right) == "call 2 was well-formed and got nothing"
    assert wrong(Case("pipelined", (), answers=("b",)), right).startswith("call 1 was well-formed and got 200")


def test_statuses_are_read_from_frames() -> None:
    opening, request = call("appcode", b"picture")
    assert opening.startswith(b"PRI * HTTP/2.0")
    assert base64.urlsafe_b64encode(b"picture") in request
    fault = frame(4, 0, 0, b"") + frame(1, 4, 1, b"\x8e") + frame(0, 1, 1, b"x") + b"cut"
    assert http2_statuses(fault) == ["500"]
    assert wrong(Case("HTTP/2", (), http2=True), fault) == "status 500"
    assert answers.outcome(Case("HTTP/2", (), http2=True), fault) == "500"
    assert answers.outcome(Case("HTTP/2", (), http2=True), b"") == "closed"
    with pytest.raises(BrokenAnswerError):
        http2_statuses(frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff"))


def test_the_engine_that_answers_at_once_tells_pictures_apart() -> None:
    assert fingerprint(b"a") != fingerprint(b"b")
