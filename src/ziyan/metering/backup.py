"""Copies of the whole database: made while it is in use, and put in its place again."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from ziyan.errors import ConflictError, InputError, SettingsError, StoreError
from ziyan.metering import ledger
from ziyan.metering.keys import KEY_FILE, Keyring
from ziyan.metering.ledger import Report
from ziyan.metering.store import Store, sqlite_files
from ziyan.settings import Settings

KEY_SUFFIX: Final = ".key"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore.

    Attributes:
        report: What the ledger's check found in what was restored.
        replaced: Where the database lies that was there before; None where there was none.
    """

    report: Report
    replaced: Path | None


def back_up(settings: Settings, file: Path, *, with_key: bool, overwrite: bool) -> Path | None:
    """Copy the database into a file, whether a service runs on it or not.

    Args:
        settings: Which database.
        file: Where to.
        with_key: Copy the key file too, beside it.
        overwrite: Replace what is there.

    Returns:
        Where the key was copied to, if it was.

    Raises:
        ConflictError: The file is there; or the database is PostgreSQL, whose own tool the text names.
        InputError: The file cannot be written.
        SettingsError: The key is to be copied and is not in a file.
        StoreError: There is no database, or it cannot be read.
    """
    source = _sqlite_file(settings, "backs it up while the service runs", dump_command(settings, file))
    if not source.exists():
        raise StoreError("There is no database yet; the first start of the service makes it")
    key = settings.data_dir / KEY_FILE
    if with_key and (settings.secret_key or not key.exists()):
        raise SettingsError("The key is not in a file, so there is none to be copied: save ZIYAN_SECRET_KEY elsewhere")
    beside = file.with_name(file.name + KEY_SUFFIX)
    with _draft(file, overwrite=overwrite) as draft:
        sqlite_files.copy(source, draft)
        sqlite_files.require_whole(draft)
    if not with_key:
        return None
    with _draft(beside, overwrite=overwrite) as draft:
        shutil.copyfile(key, draft)
    return beside


def restore(settings: Settings, file: Path, *, overwrite: bool) -> Restored:
    """Put a backup in the place of the database, after it was brought up to date and its ledger checked.

    Args:
        settings: Which database.
        file: A backup; its key beside it is taken where the data folder has none that fits.
        overwrite: Replace the database that is there, which is kept under another name.

    Raises:
        ConflictError: A database is there, or a service runs on it; or it is PostgreSQL, whose own tool the text names.
        InputError: The file is missing, or no whole backup.
        SettingsError: There is no key that fits, or a newer version made the backup.
        StoreError: The database cannot be written.
    """
    target = _sqlite_file(settings, "restores it", restore_command(settings, file))
    if not file.is_file():
        raise InputError("The backup is not there, or no file")
    sqlite_files.require_whole(file)
    if target.exists():
        if not overwrite:
            raise ConflictError("A database is there; --force puts it aside and the backup in its place")
        sqlite_files.require_unused(target)
    _install_key(settings, file)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _draft(target, overwrite=True) as draft:
        sqlite_files.copy(file, draft)
        report = _checked(settings, draft)
        replaced = _put_aside(target)
        for left in (*sqlite_files.side_files(target), *sqlite_files.side_files(draft)):
            left.unlink(missing_ok=True)
    return Restored(report, replaced)


def dump_command(settings: Settings, file: Path) -> str:
    """What backs PostgreSQL up while it serves; its password is not shown, ``PGPASSWORD`` or ``~/.pgpass`` has it."""
    return shlex.join(["pg_dump", "--format=custom", f"--file={file}", _server(settings)])


def restore_command(settings: Settings, file: Path) -> str:
    """What puts a dump into a PostgreSQL database, which is emptied of what it has, in one transaction."""
    words = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction"]
    return shlex.join([*words, f"--dbname={_server(settings)}", str(file)])


def _server(settings: Settings) -> str:
    url = make_url(settings.store_url).difference_update_query(["password"])
    return url._replace(drivername="postgresql", password=None).render_as_string()  # set() takes None for "as it is"


def _sqlite_file(settings: Settings, does: str, command: str) -> Path:
    url = make_url(settings.store_url)
    if url.get_backend_name() != "sqlite":
        raise ConflictError(f"The database is PostgreSQL, whose own tool {does}: {command}")
    return Path(str(url.database))


def _install_key(settings: Settings, file: Path) -> None:
    """See to it that the key that sealed the backup's credentials is the one in use."""
    sample = sqlite_files.sealed_sample(file)
    own, beside = settings.data_dir / KEY_FILE, file.with_name(file.name + KEY_SUFFIX)
    if settings.secret_key or own.exists():
        keyring = Keyring.load(settings)
    elif beside.exists():
        keyring = Keyring.from_file(beside)
    elif sample is None:
        return
    else:
        raise SettingsError(
            f"The key of the backup is missing: put {KEY_FILE} of that time into the data folder, "
            f"or beside the backup as {beside.name}, or set ZIYAN_SECRET_KEY"
        )
    if sample is not None:
        keyring.unseal(sample[1], sample[0])
    if not settings.secret_key and not own.exists():
        own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _draft(own, overwrite=False) as draft:
            shutil.copyfile(beside, draft)


def _checked(settings: Settings, draft: Path) -> Report:
    store = Store.open(settings.model_copy(update={"database_url": f"sqlite:///{draft}"}))
    try:
        return ledger.check(store)
    finally:
        store.close()


def _put_aside(target: Path) -> Path | None:
    if not target.exists():
        return None
    aside = target.with_name(f"{target.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    os.link(target, aside)
    return aside


@contextmanager
def _draft(file: Path, *, overwrite: bool) -> Iterator[Path]:
    """A file that becomes ``file``, whole or not at all, once the block is done; only its owner may read it.

    Raises:
        ConflictError: ``file`` is there and must stay.
        InputError: It cannot be written.
    """
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        if file.exists() and not overwrite:
            raise ConflictError(f"{file.name} is there; --force replaces it")
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            yield draft
            _sync(draft)
            draft.replace(file)
            _sync(file.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{file.name} cannot be written: {error.strerror}", internal=repr(error)) from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
