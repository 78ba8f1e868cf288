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


@pytest.mark.parametrize("action", ["show", "disable", "enable"])
def test_an_app_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str], action: str) -> None:
    status, out, err = run(capsys, action, "nobody")
    assert (status, out) == (66, "")
    assert "There is no app nobody" in err


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "two\nlines", "\x1b[31mred"])
def test_a_name_is_one_line_for_people(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "create", name)
    assert "printable characters" in capsys.readouterr().err
