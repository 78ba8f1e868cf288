"""Answers that are given again to whoever sends the same request with the same Idempotency-Key.

They are encrypted under a key that follows from the Idempotency-Key, which is not stored: whoever has the database, and
even the key of the credentials, cannot read them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection

from ziyan.errors import KeyReusedError
from ziyan.metering.store import Store
from ziyan.metering.store import answers as table
from ziyan.metering.times import DAY_MS, now_ms

#: How long an answer is kept.
KEPT_MS: Final = DAY_MS
_KIND: Final = "idempotency-key"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one Idempotency-Key of one app.

    Attributes:
        lookup: Keyed hash of both.
        key: The Idempotency-Key; secret.
        body_hash: Of the request, 32 bytes.
    """

    lookup: bytes
    key: str = field(repr=False)
    body_hash: bytes

    def seal(self, content: bytes) -> bytes:
        """Encrypt an answer."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, content, self.lookup)

    def unseal(self, sealed: bytes) -> bytes:
        """Undo ``seal``."""
        return self._cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self.lookup)

    def _cipher(self) -> AESGCM:
        # The keyed hash is the salt: it differs between apps, and says nothing without the master key.
        derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=self.lookup, info=b"ziyan: kept answer, 1")
        return AESGCM(derived.derive(self.key.encode("utf-8", "surrogatepass")))


def slot(store: Store, app_id: str, key: str, body_hash: bytes) -> Slot:
    """The place of an Idempotency-Key."""
    return Slot(store.keyring.lookup(_KIND, f"{app_id}:{key}"), key, body_hash)


async def begin(store: Store, place: Slot, holder: str, *, until: int) -> bytes | None:
    """Be the call that is made for a key, or learn the answer of the one that was.

    Args:
        store: The database.
        place: Of the key.
        holder: Identifier of the call.
        until: When its place is given up if it does not end.

    Returns:
        The kept answer; empty where another call with this key is under way; None where this call is to be made.

    Raises:
        KeyReusedError: The key was used for another request.
        StoreError: The database is away.
    """

    def work(connection: Connection) -> bytes | None:
        now = now_ms()
        table.sweep(connection, now)
        if table.begin(connection, place.lookup, holder, place.body_hash, now=now, until=until):
            return None
        kept = table.find(connection, place.lookup, now)
        if kept is None:
            return b""  # it has ended this very moment
        if kept.body_hash != place.body_hash:
            raise KeyReusedError("The Idempotency-Key was used for another request")
        if kept.sealed is None or not table.hand_over(connection, place.lookup, kept.holder, holder):
            return b""
        return place.unseal(kept.sealed)

    return await store.run(work, write=True, light=True)
