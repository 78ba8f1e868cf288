"""Key material: what is stored of a credential is encrypted, and found again by a keyed hash.

One master key, two keys derived from it (HKDF-SHA256), so that neither use weakens the other.  The hash is keyed
because an AppCode must be found without decrypting every row, while a stolen database must not allow guesses to be
tested.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ziyan.errors import SettingsError
from ziyan.settings import Settings

KEY_FILE = "secret.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_LEAST_SECRET = 16


class Keyring:
    """The derived keys.  Immutable, safe to share between threads.

    Attributes:
        decoy: Something sealed that belongs to nobody, under the context ``decoy``.
    """

    def __init__(self, master: bytes) -> None:
        """Derive the keys from ``master``."""
        self._cipher = AESGCM(_derive(master, b"ziyan: credentials at rest, 1"))
        self._lookup_key = _derive(master, b"ziyan: credential lookup, 1")
        self.decoy = self.seal(f"{'0' * 16}:{'0' * 32}", "decoy")

    @classmethod
    def load(cls, settings: Settings) -> Keyring:
        """Take ``ZIYAN_SECRET_KEY``, else the key file of the data folder, made on first use.

        Raises:
            SettingsError: The setting is too short to be a key, or the key file is damaged or unreadable.
        """
        if not settings.secret_key:
            return cls.from_file(settings.data_dir / KEY_FILE)
        if len(settings.secret_key) < _LEAST_SECRET:
            raise SettingsError(f"ZIYAN_SECRET_KEY: needs at least {_LEAST_SECRET} characters, better 32 random ones")
        return cls(settings.secret_key.encode())

    @classmethod
    def from_file(cls, path: Path) -> Keyring:
        """Take a key file, made if it is not there.

        Raises:
            SettingsError: It is damaged or unreadable, or cannot be made.
        """
        return cls(_key_from_file(path))

    def lookup(self, kind: str, identifier: str) -> bytes:
        """32 bytes under which a credential of this kind and identifier is found."""
        return hmac.digest(self._lookup_key, f"{kind}:{identifier}".encode("utf-8", "surrogatepass"), hashlib.sha256)

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt ``text``; ``context`` (the row's own id) must be given again, so rows cannot be swapped."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def unseal(self, sealed: bytes, context: str) -> str:
        """Undo ``seal``.

        Raises:
            SettingsError: The key is not the one that sealed it.
        """
        try:
            text = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError):  # the latter for bytes too few to have been sealed at all
            raise SettingsError(
                f"The stored credentials were encrypted with another key; "
                f"give back the former ZIYAN_SECRET_KEY or the former {KEY_FILE} of the data folder"
            ) from None
        return text.decode()


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose).derive(master)


def _key_from_file(path: Path) -> bytes:
    with suppress(FileExistsError):
        if not path.exists():
            _make_key_file(path)
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{KEY_FILE} in the data folder cannot be read as a key", internal=repr(error)) from None
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{KEY_FILE} in the data folder is damaged: {len(key)} bytes, not {_KEY_BYTES}")
    return key


def _make_key_file(path: Path) -> None:
    """Write a new key whole or not at all; of two processes doing so at once, the first one's key stands.

    Raises:
        FileExistsError: Another process was first.
        SettingsError: The folder cannot be written.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename, it never replaces a key that is already in use
        finally:
            draft.unlink()
    except FileExistsError:
        raise
    except OSError as error:
        raise SettingsError(f"The data folder cannot hold {KEY_FILE}: {error.strerror}", internal=repr(error)) from None
