from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from tests.metering.calls import event, free
from ziyan.errors import KeyReusedError
from ziyan.metering import answers
from ziyan.metering.answers import Slot
from ziyan.metering.credentials import register_app
from ziyan.metering.packages import Settlement, grant, list_packages, remaining, reserve, settle
from ziyan.metering.store import Store
from ziyan.metering.store import answers as table
from ziyan.metering.times import now_ms
from ziyan.settings import Settings

MINUTE = 60_000
SECRET = "识别出的文字".encode()


@pytest.fixture
def app_id(store: Store) -> str:
    app_id = register_app(store, "app").app.id
    grant(store, app_id, 10)
    return app_id


def place_of(store: Store, app_id: str, key: str = "key", body: bytes = b"1" * 32) -> Slot:
    return answers.slot(store, app_id, key, body)


async def begin(store: Store, place: Slot, call: str, *, lasting: int = MINUTE) -> bytes | None:
    return await answers.begin(store, place, call, until=now_ms() + lasting)


async def answer(store: Store, app_id: str, place: Slot, call: str = "first", *, lasting: int = MINUTE) -> Settlement:
    """A whole call with a key."""
    assert await begin(store, place, call) is None
    package = await reserve(store, app_id, call, until=now_ms() + MINUTE)
    settlement = Settlement(
        event(app_id, package, call=call),
        holds=True,
        key=place.lookup,
        sealed=place.seal(SECRET),
        keep_until=now_ms() + lasting,
    )
    await settle(store, settlement)
    return settlement


def freed(settlement: Settlement) -> Settlement:
    return Settlement(free(settlement.event), holds=True, key=settlement.key)


async def test_the_same_request_gets_the_answer_again(store: Store, app_id: str) -> None:
    place = place_of(store, app_id)
    await answer(store, app_id, place)
    for call in ("second", "third"):
        assert await begin(store, place, call) == SECRET
    assert await remaining(store, app_id) == 9


async def test_another_request_with_the_key_is_refused_also_while_the_first_is_under_way(
    store: Store, app_id: str
) -> None:
    await begin(store, place_of(store, app_id), "first")
    with pytest.raises(KeyReusedError):
        await begin(store, place_of(store, app_id, body=b"2" * 32), "second")
    assert await begin(store, place_of(store, app_id), "second") == b""


async def test_keys_of_two_apps_do_not_meet(store: Store, app_id: str) -> None:
    await answer(store, app_id, place_of(store, app_id))
    another = register_app(store, "another").app.id
    assert await begin(store, place_of(store, another), "second") is None


async def test_after_its_time_the_request_is_made_anew(store: Store, app_id: str) -> None:
    place = place_of(store, app_id)
    await answer(store, app_id, place, lasting=-1)
    assert store.transact(lambda c: table.find(c, place.lookup, now_ms())) is None
    assert await begin(store, place, "second") is None


async def test_after_a_free_end_the_request_is_made_anew(store: Store, app_id: str) -> None:
    place = place_of(store, app_id)
    await begin(store, place, "first")
    await settle(store, Settlement(event(app_id, call="first"), holds=True, key=place.lookup))
    assert await begin(store, place, "second") is None


async def test_a_call_whose_answer_was_not_taken_is_forgotten_and_free(store: Store, app_id: str) -> None:
    place = place_of(store, app_id)
    settlement = await answer(store, app_id, place)
    await settle(store, freed(settlement))
    assert await remaining(store, app_id) == 10
    assert await begin(store, place, "second") is None


async def test_an_answer_that_a_later_call_got_stays_billed(store: Store, app_id: str) -> None:
    place = place_of(store, app_id)
    settlement = await answer(store, app_id, place)
    assert await begin(store, place, "second") == SECRET
    await settle(store, freed(settlement))
    assert await remaining(store, app_id) == 9
    assert await begin(store, place, "third") == SECRET


async def test_a_place_that_vanishes_while_it_is_looked_at_is_looked_at_again(
    store: Store, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(store, app_id)
    await answer(store, app_id, place)
    monkeypatch.setattr(table, "hand_over", lambda *_: False)
    assert await begin(store, place, "second") == b""
    monkeypatch.setattr(table, "find", lambda *_: None)
    assert await begin(store, place, "second") == b""


async def test_neither_key_nor_answer_lies_in_the_database(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    app_id = register_app(store, "app").app.id
    grant(store, app_id, 10)
    place = place_of(store, app_id, "a telling key")
    await answer(store, app_id, place)
    store.close()
    for file in sqlite_settings.data_dir.iterdir():
        content = file.read_bytes()
        assert b"a telling key" not in content
        assert SECRET not in content
    assert "a telling key" not in repr(place)


async def test_an_answer_opens_with_its_own_key_alone(store: Store, app_id: str) -> None:
    place, other = place_of(store, app_id), place_of(store, app_id, "other")
    sealed = place.seal(SECRET)
    assert place.unseal(sealed) == SECRET
    assert sealed != place.seal(SECRET)
    with pytest.raises(InvalidTag):
        other.unseal(sealed)
    assert list_packages(store, app_id)[0].consumed == 0
