from __future__ import annotations

import re

import pytest

from ziyan import cli


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(["apps", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_an_app_is_created_listed_shown_disabled_and_enabled(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list") == (0, "", "")
    status, created, _ = run(capsys, "create", " 发票 archive ")
    assert status == 0
    app_id = re.search(r"^id: +([0-9a-f]{32})$", created, re.MULTILINE)[1]
    assert re.search(r"^AppCode: +[0-9a-f]{32}$", created, re.MULTILINE)
    assert re.search(r"^name: +发票 archive$", created, re.MULTILINE)

    assert run(capsys, "show", app_id) == (0, created, "")
    assert run(capsys, "disable", app_id) == (0, f"{app_id}: disabled\n", "")
    assert re.fullmatch(rf"{app_id}  [-0-9]+ [:0-9]+  disabled  发票 archive\n", run(capsys, "list")[1])
    assert run(capsys, "enable", app_id) == (0, f"{app_id}: enabled\n", "")
    assert run(capsys, "show", app_id) == (0, created, "")


def created(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    found: str = re.search(r"^id: +(\w+)$", run(capsys, "create", *words, "app")[1], re.MULTILINE)[1]
    return found


def labelled(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^(AppCode|AppKey|AppSecret|appid|secret|sign): +(\S+)$", text, re.MULTILINE)


def test_a_new_app_signs_in_in_every_way(capsys: pytest.CaptureFixture[str]) -> None:
    shown = labelled(run(capsys, "show", created(capsys))[1])
    assert [name for name, _ in shown] == ["AppCode", "AppKey", "AppSecret", "appid", "secret", "sign"]
    assert shown[-1] == ("sign", "md5")
    stronger = labelled(run(capsys, "show", created(capsys, "--hmac"))[1])
    assert stronger[-1] == ("sign", "HMAC-SHA256")


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (("appcode",), ["AppCode"]),
        (("appkey",), ["AppKey", "AppSecret"]),
        (("appid",), ["appid", "secret", "sign"]),
        (("appid", "--hmac"), ["appid", "secret", "sign"]),
    ],
)
def test_a_credential_is_added_and_removed(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], labels: list[str]
) -> None:
    app_id = created(capsys)
    before = run(capsys, "show", app_id)
    status, out, _ = run(capsys, "add", app_id, *words)
    added = labelled(out)
    assert (status, [name for name, _ in added]) == (0, labels)
    assert set(added) <= set(labelled(run(capsys, "show", app_id)[1]))
    for _ in range(2):
        assert run(capsys, "revoke", app_id, added[0][1]) == (0, f"{app_id}: revoked\n", "")
    assert run(capsys, "show", app_id) == before
    status, out, err = run(capsys, "revoke", app_id, "0" * 16)
    assert (status, out) == (66, "")
    assert f"ziyan apps show {app_id}" in err


def test_an_app_is_restricted_to_sources(capsys: pytest.CaptureFixture[str]) -> None:
    app_id = created(capsys)
    assert "allowed" not in run(capsys, "show", app_id)[1]
    lists = ("allowed:    192.0.2.7, *.example.com\n", "denied:     2001:db8::/32\n")
    assert run(capsys, "restrict", app_id, "--allow", "192.0.2.7, *.example.com,192.0.2.7")[1] == (
        lists[0] + "denied:     nowhere\n"
    )
    assert run(capsys, "restrict", app_id, "--deny", "2001:db8::/32")[1] == "".join(lists)
    assert "".join(lists) in run(capsys, "show", app_id)[1]
    assert run(capsys, "restrict", app_id, "--allow", "")[1] == "allowed:    anywhere\n" + lists[1]
    with pytest.raises(SystemExit):
        run(capsys, "restrict", app_id, "--deny", "https://example.com")
    assert "'https://example.com' is no IP address" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("show",), ("disable",), ("enable",), ("add", "appkey"), ("restrict",)], ids=lambda words: words[0]
)
def test_an_app_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    status, out, err = run(capsys, words[0], "nobody", *words[1:])
    assert (status, out) == (66, "")
    assert "There is no app nobody" in err


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "two\nlines", "\x1b[31mred"])
def test_a_name_is_one_line_for_people(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "create", name)
    assert "printable characters" in capsys.readouterr().err
