from __future__ import annotations

import shlex
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests import postgresql
from tests.desk import operator
from ziyan import cli
from ziyan.errors import ConflictError, InputError, SettingsError, StoreError
from ziyan.metering import ledger, selling
from ziyan.metering.backup import back_up, dump_command, restore, restore_command
from ziyan.metering.credentials import appcodes, list_apps, register_app
from ziyan.metering.keys import KEY_FILE
from ziyan.metering.packages import Settlement, reserve, settle
from ziyan.metering.store import Store
from ziyan.metering.store.usage import Event
from ziyan.metering.times import now_ms
from ziyan.settings import Settings


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    return sqlite_settings


async def sell(store: Store, name: str, calls: int = 3) -> str:
    """An app that has made some calls."""
    registered = register_app(store, name)
    operator(store).do(lambda desk: selling.grant_package(desk, registered.app.id, 10))
    for number in range(calls):
        call = f"{name}-{number}"
        package = await reserve(store, registered.app.id, call, until=now_ms() + 60_000)
        event = Event(now_ms(), call, registered.app.id, package, 200, "ok", True, 1, 1)
        await settle(store, Settlement(event))
    return registered.appcode


def elsewhere(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={"data_dir": folder})


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def tables(settings: Settings) -> dict[str, list[object]]:
    with closing(sqlite3.connect(settings.data_dir / "ziyan.db")) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608


async def test_a_backup_is_restored_on_another_machine(settings: Settings, store: Store, tmp_path: Path) -> None:
    appcode = await sell(store, "app")
    file, other = tmp_path / "b.db", elsewhere(settings, tmp_path / "other")
    key = back_up(settings, file, with_key=True, overwrite=False)
    assert key == tmp_path / "b.db.key"
    assert {stat.S_IMODE(each.stat().st_mode) for each in (file, key)} == {0o600}
    assert names_in(tmp_path) == {"b.db", "b.db.key", "data 50%"}
    restored = restore(other, file, overwrite=False)
    assert (restored.report.consumed, restored.report.events, restored.report.differences) == (3, 3, ())
    assert restored.replaced is None
    assert tables(other) == tables(settings)
    assert stat.S_IMODE((other.data_dir / KEY_FILE).stat().st_mode) == 0o600
    again = Store.open(other)
    try:
        assert [appcodes(again, app.id) for app in list_apps(again)] == [[appcode]]
        assert ledger.check(again).differences == ()
    finally:
        again.close()


async def test_what_is_backed_up_while_calls_are_billed_adds_up(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    await sell(store, "before")
    stop, made = threading.Event(), []

    def work() -> None:
        import asyncio

        async def call() -> None:
            while not stop.is_set():
                made.append(await sell(store, f"app{len(made)}", 2))

        asyncio.run(call())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(5):
            seen = len(made)
            back_up(settings, tmp_path / f"{number}.db", with_key=False, overwrite=False)
            other = elsewhere(settings, tmp_path / f"data {number}")
            other.data_dir.mkdir()
            (other.data_dir / KEY_FILE).write_bytes((settings.data_dir / KEY_FILE).read_bytes())
            report = restore(other, tmp_path / f"{number}.db", overwrite=False).report
            assert report.differences == ()
            assert report.consumed >= 3 + 2 * seen
            while len(made) == seen and thread.is_alive():
                stop.wait(0.01)
    finally:
        stop.set()
        thread.join()


async def test_a_backup_replaces_nothing_unless_told(settings: Settings, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "b.db"
    back_up(settings, file, with_key=True, overwrite=False)
    before = file.read_bytes()
    await sell(store, "app")
    with pytest.raises(ConflictError, match="--force"):
        back_up(settings, file, with_key=True, overwrite=False)
    assert file.read_bytes() == before
    back_up(settings, file, with_key=True, overwrite=True)
    assert file.read_bytes() != before
    with pytest.raises(InputError, match="cannot be written"):
        back_up(settings, tmp_path / "no folder" / "b.db", with_key=False, overwrite=False)


async def test_a_restore_replaces_nothing_unless_told_and_keeps_what_it_replaced(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    await sell(store, "old")
    file = tmp_path / "b.db"
    back_up(settings, file, with_key=False, overwrite=False)
    await sell(store, "new")
    with pytest.raises(ConflictError, match="A database is there"):
        restore(settings, file, overwrite=False)
    with pytest.raises(ConflictError, match="in use"):
        restore(settings, file, overwrite=True)
    assert [app.name for app in list_apps(store)] == ["old", "new"]
    store.close()
    replaced = restore(settings, file, overwrite=True).replaced
    assert replaced is not None
    names = {}
    for path in (settings.data_dir / "ziyan.db", replaced):
        with closing(sqlite3.connect(path)) as database:
            names[path.name] = [row[0] for row in database.execute("SELECT name FROM apps ORDER BY created_at")]
    assert list(names.values()) == [["old"], ["old", "new"]]
    assert names_in(settings.data_dir) == {"ziyan.db", replaced.name, KEY_FILE}


async def test_a_damaged_database_is_replaced_with_what_lies_beside_it(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    await sell(store, "app")
    file, database = tmp_path / "b.db", settings.data_dir / "ziyan.db"
    back_up(settings, file, with_key=False, overwrite=False)
    store.close()
    database.write_bytes(b"no database at all" * 1000)
    database.with_name("ziyan.db-wal").write_bytes(b"changes of another")
    assert restore(settings, file, overwrite=True).report.consumed == 3
    assert not database.with_name("ziyan.db-wal").exists()


async def test_a_ledger_that_does_not_add_up_is_told_after_the_restore(
    settings: Settings, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await sell(store, "app")
    file = tmp_path / "b.db"
    back_up(settings, file, with_key=True, overwrite=False)
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE packages SET consumed = consumed + 1")
        database.commit()
    other = tmp_path / "other"
    status = cli_run(other, "restore", str(file))
    out, err = capsys.readouterr()
    assert status == 1
    assert "4 calls consumed" in out
    assert "package " in err
    assert (other / "ziyan.db").exists()


# --- keys ---------------------------------------------------------------------------------------------------------


async def test_a_backup_is_not_restored_without_its_key(settings: Settings, store: Store, tmp_path: Path) -> None:
    await sell(store, "app")
    file, other = tmp_path / "b.db", elsewhere(settings, tmp_path / "other")
    back_up(settings, file, with_key=False, overwrite=False)
    with pytest.raises(SettingsError, match="key of the backup is missing"):
        restore(other, file, overwrite=False)
    assert not other.data_dir.exists()
    other.data_dir.mkdir()
    (other.data_dir / KEY_FILE).write_text("00" * 32)
    with pytest.raises(SettingsError, match="another key"):
        restore(other, file, overwrite=False)
    assert names_in(other.data_dir) == {KEY_FILE}


def test_a_backup_without_credentials_needs_no_key(settings: Settings, store: Store, tmp_path: Path) -> None:
    file, other = tmp_path / "b.db", elsewhere(settings, tmp_path / "other")
    back_up(settings, file, with_key=False, overwrite=False)
    assert restore(other, file, overwrite=False).report.packages == 0
    third = elsewhere(settings, tmp_path / "third")
    (tmp_path / "b.db.key").write_text("11" * 32)
    restore(third, file, overwrite=False)
    assert (third.data_dir / KEY_FILE).read_text() == "11" * 32


async def test_a_key_of_a_setting_is_to_be_kept_by_its_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIYAN_SECRET_KEY", "0123456789abcdef")
    settings = Settings.load(data_dir=tmp_path / "one")
    store = Store.open(settings)
    appcode = await sell(store, "app")
    store.close()
    with pytest.raises(SettingsError, match="save ZIYAN_SECRET_KEY"):
        back_up(settings, tmp_path / "b.db", with_key=True, overwrite=False)
    assert cli_run(tmp_path / "one", "backup", str(tmp_path / "b.db")) == 0
    assert "Save ZIYAN_SECRET_KEY too" in capsys.readouterr().err
    assert cli_run(tmp_path / "two", "restore", str(tmp_path / "b.db")) == 0
    other = Store.open(Settings.load(data_dir=tmp_path / "two"))
    assert [appcodes(other, app.id) for app in list_apps(other)] == [[appcode]]
    other.close()


# --- what is no backup --------------------------------------------------------------------------------------------


def test_what_is_no_backup_is_not_restored(settings: Settings, store: Store, tmp_path: Path) -> None:
    other = elsewhere(settings, tmp_path / "other")
    good = tmp_path / "good.db"
    back_up(settings, good, with_key=False, overwrite=False)
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as database:
        database.execute("CREATE TABLE other (id)")
    nonsense = tmp_path / "nonsense.db"
    nonsense.write_bytes(b"no database at all" * 1000)
    damaged = tmp_path / "damaged.db"
    content = good.read_bytes()
    damaged.write_bytes(content[:-4096] + b"\xff" * 4096)  # the last page, which something points at
    cut = tmp_path / "cut.db"
    cut.write_bytes(content[: len(content) // 2])
    for file in (foreign, nonsense, damaged, cut, tmp_path / "missing.db", tmp_path):
        with pytest.raises(InputError):
            restore(other, file, overwrite=False)
    assert not other.data_dir.exists()


def test_a_backup_of_a_newer_version_changes_nothing(settings: Settings, store: Store, tmp_path: Path) -> None:
    file, other = tmp_path / "b.db", elsewhere(settings, tmp_path / "other")
    back_up(settings, file, with_key=False, overwrite=False)
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    with pytest.raises(SettingsError, match="newer version"):
        restore(other, file, overwrite=False)
    assert not (other.data_dir / "ziyan.db").exists()


def test_where_there_is_no_database_there_is_no_backup(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(StoreError, match="no database yet"):
        back_up(settings, tmp_path / "b.db", with_key=False, overwrite=False)
    settings.data_dir.mkdir()
    (settings.data_dir / "ziyan.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError, match="cannot be copied"):
        back_up(settings, tmp_path / "b.db", with_key=False, overwrite=False)
    assert not (tmp_path / "b.db").exists()


# --- the commands -------------------------------------------------------------------------------------------------


def cli_run(data_dir: Path, *words: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIYAN_DATA_DIR", str(data_dir))
        return cli.main(list(words))


async def test_the_commands_say_what_they_did(
    settings: Settings, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await sell(store, "app")
    store.close()
    file = tmp_path / "b.db"
    assert cli_run(settings.data_dir, "backup", str(file)) == 0
    out, err = capsys.readouterr()
    assert str(file) in out
    assert f"Save {settings.data_dir / KEY_FILE} too" in err
    assert cli_run(settings.data_dir, "backup", "--with-key", "--force", str(file)) == 0
    assert f"{file}.key" in capsys.readouterr().out
    assert cli_run(settings.data_dir, "restore", str(file)) == 65
    assert "--force" in capsys.readouterr().err
    assert cli_run(settings.data_dir, "restore", "--force", str(file)) == 0
    assert "1 packages, 3 calls consumed, 3 billed events" in capsys.readouterr().out


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


async def test_postgresqls_own_tools_do_what_the_commands_say(
    postgresql_settings: Settings, postgresql_database: Callable[[], str], tmp_path: Path
) -> None:
    store = Store.open(postgresql_settings)
    appcode = await sell(store, "app")
    file = tmp_path / "b.dump"
    with pytest.raises(ConflictError, match="pg_dump") as told:
        back_up(postgresql_settings, file, with_key=False, overwrite=False)
    command = dump_command(postgresql_settings, file)
    assert str(told.value).endswith(command)
    ran(command)
    await sell(store, "later")
    store.close()

    other = postgresql_settings.model_copy(update={"database_url": postgresql_database()})
    for target in (postgresql_settings, other):
        with pytest.raises(ConflictError, match="pg_restore") as told:
            restore(target, file, overwrite=True)
        command = restore_command(target, file)
        assert str(told.value).endswith(command)
        ran(command)
        again = Store.open(target)
        assert [appcodes(again, app.id) for app in list_apps(again)] == [[appcode]]
        report = ledger.check(again)
        assert (report.consumed, report.differences) == (3, ())
        again.close()


def ran(command: str) -> None:
    program, *words = shlex.split(command)
    done = subprocess.run([postgresql.program(program), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_password_is_shown(settings: Settings) -> None:
    remote = settings.model_copy(
        update={"database_url": "postgresql+psycopg://ziyan:geheim@db.example/ziyan?password=geheim"}
    )
    command = dump_command(remote, Path("b.dump"))
    assert command == "pg_dump --format=custom --file=b.dump postgresql://ziyan@db.example/ziyan"
