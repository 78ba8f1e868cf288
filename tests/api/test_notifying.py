from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.metering.sinks import http_sink, mail_sink
from ziyan.api.notifying import sending
from ziyan.fetch import Fetcher
from ziyan.metering.credentials import register_app
from ziyan.metering.notices import add_target, send_test
from ziyan.metering.store import Store
from ziyan.settings import Settings


async def test_the_service_sends_notices_as_the_settings_say(tmp_path: Path) -> None:
    with http_sink() as sink:
        async with mail_sink() as mails:
            settings = Settings.load(
                data_dir=tmp_path,
                fetch_allow="127.0.0.1",
                fetch_ports=str(sink.port),
                mail_server=f"smtp://127.0.0.1:{mails.port}",
                mail_from="ziyan@example.org",
            )
            store = Store.open(settings)
            app = register_app(store, "app").app
            for kind, url in (("mail", "me@example.com"), ("webhook", sink.url)):
                target = add_target(store, app.account_id, kind, url)  # type: ignore[arg-type]
                send_test(store, app.account_id, target.id)
            async with sending(settings, store, Fetcher.from_settings(settings)), asyncio.timeout(60):
                while not (mails.mails and sink.received):  # noqa: ASYNC110 - servers of other threads
                    await asyncio.sleep(0.02)
            store.close()
    assert mails.mails[0]["From"] == "ziyan@example.org"
    assert json.loads(sink.received[0].body)["type"] == "test"
