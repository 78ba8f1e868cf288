from __future__ import annotations

import os
from pathlib import Path

import pydantic
import pytest

from ziyan.errors import SettingsError
from ziyan.settings import Settings, cores, default_data_dir, unknown_settings


def test_every_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIYAN_PORT", "9000")
    monkeypatch.setenv("ZIYAN_MODEL", "tiny")
    monkeypatch.setenv("ZIYAN_WORKERS", "3")
    settings = Settings.load()
    assert (settings.port, settings.model, settings.workers) == (9000, "tiny", 3)


def test_further_models_are_listed_once_and_without_the_one_that_reads() -> None:
    assert Settings.load(models=" medium,tiny, medium, small").further_models == ("medium", "tiny")
    assert Settings.load().further_models == ()


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIYAN_PORT", "9000")
    assert Settings.load(port=9001).port == 9001


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIYAN_WORKERS", "")
    assert Settings.load().workers == "auto"


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(pydantic.ValidationError):
        Settings.load().port = 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZIYAN_PORT", "65536"),
        ("ZIYAN_PORT", "http"),
        ("ZIYAN_MODEL", "large"),
        ("ZIYAN_MODELS", "large"),
        ("ZIYAN_MODELS", "tiny medium"),
        ("ZIYAN_RUNTIME", "torch"),
        ("ZIYAN_WORKERS", "0"),
        ("ZIYAN_WORKERS", "many"),
        ("ZIYAN_THREADS", "-1"),
        ("ZIYAN_QUEUE", "0"),
        ("ZIYAN_DEADLINE", "0"),
        ("ZIYAN_TRIAL_CALLS", "-1"),
        ("ZIYAN_MODELS_MIRROR", "file:///etc"),
        ("ZIYAN_FETCH_PORTS", "80,https"),
        ("ZIYAN_FETCH_PORTS", "80 443"),
        ("ZIYAN_FETCH_PORTS", "-80"),
        ("ZIYAN_FETCH_PORTS", ","),
        ("ZIYAN_FETCH_CA", "/nowhere/ca.pem"),
        ("ZIYAN_VER_SEMANTICS", "both"),
        ("ZIYAN_TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
        ("ZIYAN_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("ZIYAN_RATE_APP", "-1"),
        ("ZIYAN_RATE_ADDRESS", "nan"),
        ("ZIYAN_RATE_ADDRESS", "inf"),
        ("ZIYAN_BODY_MEMORY", "7"),
        ("ZIYAN_LOG_LEVEL", "loud"),
    ],
)
def test_an_unusable_value_is_named_once_with_what_was_given(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value).startswith(f"{name}: ")
    assert str(caught.value).count(name) == 1
    assert str(caught.value).endswith(f"not {value!r}")


def test_every_unusable_value_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIYAN_PORT", "x")
    monkeypatch.setenv("ZIYAN_MODEL", "x")
    with pytest.raises(SettingsError, match=r"ZIYAN_PORT.*; ZIYAN_MODEL"):
        Settings.load()


def test_the_data_folder_is_absolute_whatever_was_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Settings.load(data_dir="here").data_dir == tmp_path / "here"
    assert Settings.load(data_dir="~/there").data_dir == Path("/home/somebody/there")


def test_the_default_data_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/var/lib")
    assert default_data_dir() == Path("/var/lib/ziyan")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_data_dir() == Path("/home/somebody/.local/share/ziyan")


def test_the_database_is_a_file_in_the_data_folder_unless_set(tmp_path: Path) -> None:
    assert Settings.load(data_dir=tmp_path).store_url == f"sqlite:///{tmp_path}/ziyan.db"
    assert Settings.load(database_url="postgresql://db/ziyan").store_url == "postgresql://db/ziyan"


@pytest.mark.parametrize(
    ("count", "workers", "threads", "expected"),
    [
        (1, "auto", "auto", (1, 1)),
        (2, "auto", "auto", (1, 2)),
        (8, "auto", "auto", (4, 2)),
        (8, 1, "auto", (1, 8)),
        (8, 3, "auto", (3, 2)),
        (2, 4, "auto", (4, 1)),
        (8, "auto", 5, (4, 5)),
        (8, 2, 3, (2, 3)),
    ],
)
def test_workers_and_threads_share_the_cores(
    count: int, workers: int | str, threads: int | str, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ziyan.settings.cores", lambda: count)
    settings = Settings.load(workers=workers, threads=threads)
    assert (settings.worker_count, settings.thread_count) == expected


def test_cores_are_those_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 5, 7}, raising=False)
    assert cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_the_secret_key_is_not_printed() -> None:
    assert "hunter2" not in repr(Settings.load(secret_key="hunter2"))


def test_what_looks_like_a_setting_and_is_none_is_found_with_the_most_similar_one() -> None:
    given = ["ZIYAN_PORT", "ziyan_host", "ZIYAN_URL", "ZIYAN_POTR", "ziyan_worker", "ZIYAN_XYZZY", "ZIYANPORT", "PORT"]
    assert unknown_settings(dict.fromkeys(given, "x")) == {
        "ZIYAN_POTR": "ZIYAN_PORT",
        "ZIYAN_XYZZY": "",
        "ziyan_worker": "ZIYAN_WORKERS",
    }


def test_an_unusable_secret_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="ZIYAN_MAIL_SERVER") as raised:
        Settings.load(mail_server="me:password@example.com")
    assert "password" not in str(raised.value)
