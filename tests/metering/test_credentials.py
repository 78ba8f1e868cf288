from __future__ import annotations

import asyncio
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.desk import (
    add_credential,
    remove_credential,
    rotate_credential,
    set_app_disabled,
    set_app_rate,
    set_app_sources,
)
from ziyan.errors import SettingsError, StoreError
from ziyan.metering.credentials import (
    Kind,
    app_of_appcode,
    appcodes,
    credentials,
    ensure_trial_app,
    find_credential,
    get_app,
    is_hmac_appid,
    list_apps,
    register_app,
)
from ziyan.metering.keys import KEY_FILE, Keyring
from ziyan.metering.store import Store, apps, database
from ziyan.settings import Settings


def trial_appcode(settings: Settings) -> str:
    store = Store.open(settings)
    try:
        return ensure_trial_app(store).appcode
    finally:
        store.close()


# --- apps ---------------------------------------------------------------------------------------------------------


async def test_an_app_is_found_by_its_appcode_and_by_no_other(store: Store) -> None:
    first, second = register_app(store, "first"), register_app(store, "second")
    assert await app_of_appcode(store, first.appcode) == first.app
    assert await app_of_appcode(store, second.appcode) == second.app
    for wrong in ("", "0" * 32, first.appcode.upper(), first.appcode[:-1], first.app.id, "字眼", "'\x00\udcff"):
        assert await app_of_appcode(store, wrong) is None


def test_an_appcode_is_32_hex_digits(store: Store) -> None:
    appcode = register_app(store, "app").appcode
    assert len(appcode) == 32
    assert set(appcode) <= set("0123456789abcdef")


async def test_disabling_keeps_the_app_and_says_so(store: Store) -> None:
    registered = register_app(store, "app")
    assert set_app_disabled(store, registered.app.id, disabled=True)
    found = await app_of_appcode(store, registered.appcode)
    assert found is not None
    assert found.disabled
    assert set_app_disabled(store, registered.app.id, disabled=False)
    assert get_app(store, registered.app.id) == registered.app
    assert not set_app_disabled(store, "nobody", disabled=True)


def test_apps_are_listed_oldest_first_and_show_their_appcodes_again(store: Store) -> None:
    registered = [register_app(store, name) for name in ("b", "a")]
    assert [app.name for app in list_apps(store)] == ["b", "a"]
    assert [appcodes(store, each.app.id) for each in registered] == [[each.appcode] for each in registered]
    assert (get_app(store, "nobody"), appcodes(store, "nobody")) == (None, [])


async def test_an_app_has_a_credential_of_each_kind_and_is_found_by_it(store: Store) -> None:
    registered = register_app(store, "app")
    for credential in (registered.appkey, registered.appid):
        assert await find_credential(store, credential.kind, credential.identifier) == (registered.app, credential)
        assert (len(credential.identifier), len(credential.secret)) == (16, 32)
        assert set(credential.identifier + credential.secret) <= set("0123456789abcdef")
    assert await find_credential(store, Kind.APPID, registered.appkey.identifier) is None
    assert await find_credential(store, Kind.APPKEY, registered.appid.identifier) is None
    assert await app_of_appcode(store, registered.appkey.identifier) is None
    assert await find_credential(store, Kind.APPKEY, "'\x00\udcff") is None


async def test_an_app_may_have_several_credentials_and_lose_one(store: Store) -> None:
    registered = register_app(store, "app")
    added = [add_credential(store, registered.app.id, kind) for kind in Kind for _ in range(2)]
    assert len({(each.kind, each.identifier) for each in credentials(store, registered.app.id)}) == 9
    for each in added:
        assert each is not None
        found = await find_credential(store, each.kind, each.identifier)
        assert found == (registered.app, each)
    assert added[0] is not None
    assert remove_credential(store, registered.app.id, added[0].identifier)
    assert not remove_credential(store, registered.app.id, added[0].identifier)
    assert await app_of_appcode(store, added[0].identifier) is None
    assert await app_of_appcode(store, registered.appcode) == registered.app
    another = register_app(store, "another")
    assert not remove_credential(store, another.app.id, registered.appcode)
    assert add_credential(store, "nobody", Kind.APPKEY) is None


def test_an_appid_tells_what_it_signs_with(store: Store) -> None:
    weak, strong = register_app(store, "weak"), register_app(store, "strong", hmac=True)
    assert [is_hmac_appid(each.appid.identifier) for each in (weak, strong)] == [False, True]
    assert len(strong.appid.identifier) <= 32
    assert not is_hmac_appid(strong.appkey.identifier)


def test_nothing_shows_a_credential_by_accident(store: Store) -> None:
    registered = register_app(store, "app")
    for secret in (registered.appcode, registered.appkey.secret, registered.appid.secret):
        assert secret not in repr(registered)


async def test_an_app_keeps_where_it_may_be_called_from(store: Store) -> None:
    registered = register_app(store, "app")
    assert (registered.app.allowed_sources, registered.app.denied_sources) == ((), ())
    assert set_app_sources(store, registered.app.id, allowed=("192.0.2.0/24", "a.example"), denied=("192.0.2.1",))
    found = await app_of_appcode(store, registered.appcode)
    assert found is not None
    assert (found.allowed_sources, found.denied_sources) == (("192.0.2.0/24", "a.example"), ("192.0.2.1",))
    assert not set_app_sources(store, "nobody", allowed=(), denied=())


def test_a_trial_app_of_an_earlier_version_is_completed(store: Store) -> None:
    before = ensure_trial_app(store)
    for credential in (before.appkey, before.appid):
        remove_credential(store, "trial", credential.identifier)
    after = ensure_trial_app(store)
    assert (after.app, after.appcode) == (before.app, before.appcode)
    assert after.appkey.identifier != before.appkey.identifier
    assert ensure_trial_app(store) == after


def test_the_trial_app_is_the_same_at_every_start(settings: Settings) -> None:
    assert trial_appcode(settings) == trial_appcode(settings)


def test_a_trial_app_that_another_process_registers_first_is_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ensure_trial_app(store)
    find, seen = apps.app_by_id, iter([None])
    monkeypatch.setattr(apps, "app_by_id", lambda *args: next(seen, find(*args)))
    assert ensure_trial_app(store) == first


def test_services_that_start_together_agree_on_everything(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(trial_appcode, [settings] * 8))) == 1


@pytest.mark.parametrize("hmac", [False, True])
async def test_a_rotated_credential_is_taken_beside_the_new_one_for_a_while(store: Store, hmac: bool) -> None:
    registered = register_app(store, "app", hmac=hmac)
    old = registered.appid
    new = rotate_credential(store, registered.app.id, old.identifier, grace_seconds=60)
    assert new is not None
    assert (new.kind, is_hmac_appid(new.identifier)) == (Kind.APPID, hmac)
    both = [each for each in credentials(store, registered.app.id) if each.kind == Kind.APPID]
    assert [(each.identifier, each.expires_at is None) for each in both] == [
        (old.identifier, False),
        (new.identifier, True),
    ]
    for each in both:
        assert await find_credential(store, Kind.APPID, each.identifier) == (registered.app, each)
    assert rotate_credential(store, registered.app.id, "nothing", grace_seconds=60) is None


async def test_after_its_grace_a_rotated_credential_is_unknown(store: Store) -> None:
    registered = register_app(store, "app")
    new = rotate_credential(store, registered.app.id, registered.appcode, grace_seconds=0)
    assert new is not None
    assert await app_of_appcode(store, registered.appcode) is None
    assert await app_of_appcode(store, new.identifier) == registered.app
    assert appcodes(store, registered.app.id) == [new.identifier]


async def test_an_app_may_have_a_rate_of_its_own(store: Store) -> None:
    registered = register_app(store, "app")
    assert registered.app.rate is None
    assert set_app_rate(store, registered.app.id, 2.5)
    found = await app_of_appcode(store, registered.appcode)
    assert found is not None
    assert found.rate == 2.5
    assert not set_app_rate(store, "nobody", 1)


# --- at rest ------------------------------------------------------------------------------------------------------


def test_nothing_in_the_data_folder_shows_an_appcode(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    registered = register_app(store, "app")
    store.close()
    for file in sqlite_settings.data_dir.iterdir():
        content = file.read_bytes()
        for pair in (registered.appkey, registered.appid):
            for part in (registered.appcode, pair.identifier, pair.secret):
                assert part.encode() not in content
                assert bytes.fromhex(part) not in content


def test_the_database_is_for_its_owner_alone(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    register_app(store, "app")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in sqlite_settings.data_dir.glob("ziyan.db*")}
    store.close()
    assert modes == dict.fromkeys(("ziyan.db", "ziyan.db-wal", "ziyan.db-shm"), 0o600)


def test_the_key_file_is_for_its_owner_alone(store: Store, settings: Settings) -> None:
    assert stat.S_IMODE((settings.data_dir / KEY_FILE).stat().st_mode) == 0o600
    assert [file.name for file in settings.data_dir.glob(f"{KEY_FILE}*")] == [KEY_FILE]


def test_a_key_that_is_set_is_used_and_none_is_made(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, secret_key="correct horse battery staple")
    assert trial_appcode(settings) == trial_appcode(settings)
    assert not (tmp_path / KEY_FILE).exists()


def test_another_key_is_told_not_guessed(settings: Settings) -> None:
    trial_appcode(settings)
    (settings.data_dir / KEY_FILE).write_text("00" * 32)
    with pytest.raises(SettingsError, match="another key"):
        trial_appcode(settings)


def test_a_credential_cannot_be_moved_to_another_row(store: Store) -> None:
    first, second = register_app(store, "first"), register_app(store, "second")

    def swap(connection: Connection) -> None:
        statement = text("UPDATE credentials SET app_id = :to WHERE app_id = :this")
        connection.execute(statement, {"this": first.app.id, "to": second.app.id})
        connection.execute(
            text("UPDATE credentials SET sealed = (SELECT sealed FROM credentials ORDER BY sealed LIMIT 1)")
        )

    store.transact(swap, write=True)
    with pytest.raises(SettingsError, match="another key"):
        appcodes(store, second.app.id)


@pytest.mark.parametrize("content", ["", "00", "zz" * 32, "00" * 33, "\udcff"])
def test_a_damaged_key_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / KEY_FILE).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError, match=KEY_FILE):
        Keyring.load(Settings.load(data_dir=tmp_path))


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 16"):
        Keyring.load(Settings.load(data_dir=tmp_path, secret_key="swordfish"))


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="data folder"):
        Store.open(Settings.load(data_dir=tmp_path / "file" / "data"))
    with pytest.raises(StoreError):
        Store.open(Settings.load(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path}/file/ziyan.db"))


def test_the_derived_keys_differ_with_the_master_and_the_purpose() -> None:
    one, other = Keyring(b"one"), Keyring(b"other")
    assert one.lookup("appcode", "a") == Keyring(b"one").lookup("appcode", "a")
    assert len({one.lookup("appcode", "a"), one.lookup("appkey", "a"), other.lookup("appcode", "a")}) == 3
    assert one.unseal(one.seal("secret", "row"), "row") == "secret"
    assert one.seal("secret", "row") != one.seal("secret", "row")
    for keyring, sealed in ((other, one.seal("secret", "row")), (one, one.seal("secret", "another row")), (one, b"")):
        with pytest.raises(SettingsError):
            keyring.unseal(sealed, "row")


# --- the database -------------------------------------------------------------------------------------------------


def test_sqlite_writes_ahead_and_keeps_foreign_keys(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    pragmas = [
        store.transact(lambda c, n=name: c.execute(text(f"PRAGMA {n}")).scalar())
        for name in ("journal_mode", "foreign_keys", "synchronous")
    ]
    store.close()
    assert pragmas == ["wal", 1, 2]


def test_what_raises_is_rolled_back(store: Store) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("INSERT INTO accounts (id, name, created_at) VALUES ('a', 'a', 0)"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(fail, write=True)
    assert store.transact(lambda connection: connection.execute(text("SELECT count(*) FROM accounts")).scalar()) == 0


async def test_a_locked_database_is_a_store_error_and_readers_do_not_mind(
    sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0)
    store = Store.open(sqlite_settings)
    registered = register_app(store, "app")
    with sqlite3.connect(sqlite_settings.data_dir / "ziyan.db", isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert await app_of_appcode(store, registered.appcode) == registered.app
        with pytest.raises(StoreError):
            await asyncio.to_thread(register_app, store, "another")
        writer.execute("ROLLBACK")
    writer.close()
    await store.ping()
    store.close()


def test_switching_to_write_ahead_waits_for_another_process(
    sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_settings.data_dir.mkdir()
    with sqlite3.connect(sqlite_settings.data_dir / "ziyan.db", isolation_level=None) as other:
        other.execute("CREATE TABLE something (x)")
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(database, "_BUSY_SECONDS", 0)
        monkeypatch.setattr(database, "_SWITCH_SECONDS", -1)
        with pytest.raises(StoreError):
            Store.open(sqlite_settings)
        monkeypatch.setattr(database, "_SWITCH_SECONDS", 60)
        monkeypatch.setattr(database.time, "sleep", lambda _: other.execute("ROLLBACK"))
        Store.open(sqlite_settings).close()
    other.close()


async def test_a_damaged_database_is_a_store_error(sqlite_settings: Settings) -> None:
    Store.open(sqlite_settings).close()
    (sqlite_settings.data_dir / "ziyan.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError):
        Store.open(sqlite_settings)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "not an address"),
        ("mysql://u:p@h/d", "sqlite or postgresql"),
        ("oracle+none://h/d", "sqlite"),
        ("sqlite://", "a file"),
        ("sqlite:///:memory:", "a file"),
    ],
)
def test_a_database_address_that_is_none_is_told(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Store.open(Settings.load(data_dir=tmp_path, database_url=url))


async def test_a_connection_that_postgresql_cut_is_replaced(postgresql_settings: Settings) -> None:
    store = Store.open(postgresql_settings)
    registered = register_app(store, "app")
    with pytest.raises(StoreError):
        store.transact(lambda connection: connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())")))
    assert await app_of_appcode(store, registered.appcode) == registered.app
    store.close()


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_an_unreachable_postgresql_is_a_store_error(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(StoreError):
        Store.open(Settings.load(data_dir=tmp_path, database_url=f"{scheme}://user:pass@127.0.0.1:1/name"))


def test_a_driver_that_is_not_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="psycopg2"):
        Store.open(Settings.load(data_dir=tmp_path, database_url="postgresql+psycopg2://h/d"))
