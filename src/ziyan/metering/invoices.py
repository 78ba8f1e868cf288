"""Requests for invoices (发票): buyers ask, an operator issues, rejects or voids, and writes the invoices elsewhere.

An account can ask for invoices over what it has paid and has no invoice of, and not a fen more: the amount is compared
and the request is stored in one transaction that nobody else's request of the account can come between.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Final, Literal
from uuid import uuid4

from sqlalchemy import Connection

from ziyan.errors import ConflictError, InvalidRequestError, NotFoundError
from ziyan.metering.store import Store
from ziyan.metering.store import invoices as table
from ziyan.metering.store.invoices import Invoice, InvoiceFile
from ziyan.metering.tax_numbers import is_tax_number, normalized
from ziyan.metering.times import now_ms

__all__ = [
    "MAX_PDF_BYTES",
    "Invoice",
    "InvoiceFile",
    "Wanted",
    "attach_pdf",
    "cancel_invoice",
    "invoice_file",
    "invoiceable_fen",
    "issue_invoice",
    "list_invoices",
    "reject_invoice",
    "request_invoice",
]

MAX_PDF_BYTES: Final = 5 << 20
_PDF_BEGINS: Final = re.compile(rb"%PDF-[12]\.[0-9]")
_PDF_TAIL: Final = 1024
_NUMBER: Final = re.compile(r"[0-9A-Za-z-]{6,40}")
_EMAIL: Final = re.compile(r"[^@\s<>,;:\"()]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,120}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a buyer wants on an invoice.

    Attributes:
        kind: ``normal`` (普通发票) or ``special`` (专用发票).
        title: In whose name (抬头).
        amount_fen: Over how much.
        tax_number: Theirs; a person's normal invoice needs none.
        order_id: For which order; None for anything that was paid.
        registered: A special one needs it: registered address and telephone.
        bank: A special one needs it: bank and its account.
        email: Where the operator is to mail a copy.
    """

    kind: Literal["normal", "special"]
    title: str
    amount_fen: int
    tax_number: str = ""
    order_id: str | None = None
    registered: str = ""
    bank: str = ""
    email: str = ""


def invoiceable_fen(store: Store, account_id: str) -> int:
    """What an account has paid and can ask an invoice for."""
    return store.transact(lambda connection: max(0, table.left_fen(connection, account_id)))


def request_invoice(store: Store, account_id: str, wanted: Wanted) -> Invoice:
    """Ask for an invoice.

    Raises:
        NotFoundError: There is no such account.
        InvalidRequestError: Something is missing or malformed.
        ConflictError: Less was paid and not invoiced.
    """
    return store.transact(lambda connection: request_invoice_in(connection, account_id, wanted), write=True)


def request_invoice_in(connection: Connection, account_id: str, wanted: Wanted) -> Invoice:
    """As ``request_invoice``, inside a transaction that has begun."""
    invoice = _checked(account_id, wanted)
    if not table.lock_account(connection, account_id):
        raise NotFoundError(f"There is no account {account_id}")
    left = _left_fen(connection, account_id, wanted.order_id)
    if wanted.amount_fen > left:
        raise ConflictError(f"Of what was paid, {max(0, left)} fen have no invoice yet, not {wanted.amount_fen}")
    table.add(connection, invoice)
    return invoice


def _left_fen(connection: Connection, account_id: str, order_id: str | None) -> int:
    """What is left of what an account paid, and no more than of the order, where one is named: not another's money."""
    return min(table.left_fen(connection, account_id, each) for each in {None, order_id})


def issue_invoice(
    store: Store, invoice_id: str, number: str, *, pdf: bytes | None = None, name: str = "invoice.pdf"
) -> Invoice:
    """Note that an invoice was issued.

    Args:
        store: The database.
        invoice_id: Of the request.
        number: Of the invoice.
        pdf: The invoice itself; it can be attached later as well.
        name: Of that file.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It was decided already, the number is none, the file is no PDF of at most 5 MiB, or what it is
            for was paid back since.
    """
    return store.transact(lambda connection: issue_invoice_in(connection, invoice_id, number, pdf, name), write=True)


def issue_invoice_in(connection: Connection, invoice_id: str, number: str, pdf: bytes | None, name: str) -> Invoice:
    """As ``issue_invoice``, inside a transaction that has begun."""
    invoice = _requested(connection, invoice_id)
    if not _NUMBER.fullmatch(number):
        raise ConflictError("An invoice's number has 6 to 40 letters and digits")
    if _left_fen(connection, invoice.account_id, invoice.order_id) < 0:
        raise ConflictError(f"What request {invoice_id} is for was paid back since; reject it")
    issued = _decided(connection, replace(invoice, state="issued", invoice_number=number))
    if pdf is not None:
        table.put_file(connection, invoice_id, _file(name, pdf))
    return issued


def attach_pdf(store: Store, invoice_id: str, name: str, pdf: bytes) -> InvoiceFile:
    """Attach the PDF of an issued invoice, in the place of an earlier one.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It is not issued, or the file is no PDF of at most 5 MiB.
    """
    return store.transact(lambda connection: attach_pdf_in(connection, invoice_id, name, pdf), write=True)


def attach_pdf_in(connection: Connection, invoice_id: str, name: str, pdf: bytes) -> InvoiceFile:
    """As ``attach_pdf``, inside a transaction that has begun."""
    _require(_known(connection, invoice_id), "issued")
    file = _file(name, pdf)
    table.put_file(connection, invoice_id, file)
    return file


def reject_invoice(store: Store, invoice_id: str, reason: str) -> Invoice:
    """Refuse a request; its amount can be asked for again.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It was decided already, or no reason is given.
    """
    return store.transact(lambda connection: reject_invoice_in(connection, invoice_id, reason), write=True)


def reject_invoice_in(connection: Connection, invoice_id: str, reason: str) -> Invoice:
    """As ``reject_invoice``, inside a transaction that has begun."""
    invoice = _requested(connection, invoice_id)
    return _decided(connection, replace(invoice, state="rejected", reason=_reason(reason)))


def void_invoice_in(connection: Connection, invoice_id: str, reason: str) -> Invoice:
    """Note that an issued invoice was voided (作废, 红冲) where it was made; its amount can be asked for again.

    Its number and its PDF stay.  Inside a transaction that has begun.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It is not issued, or no reason is given.
    """
    invoice = _known(connection, invoice_id)
    _require(invoice, "issued")
    voided = replace(invoice, state="voided", reason=_reason(reason), voided_at=now_ms())
    table.void(connection, voided)
    return voided


def cancel_invoice(store: Store, account_id: str, invoice_id: str) -> Invoice:
    """Take a request back, as its buyer may until it is decided.

    Raises:
        NotFoundError: The account has no such request.
        ConflictError: It was decided already.
    """
    return store.transact(lambda connection: cancel_invoice_in(connection, account_id, invoice_id), write=True)


def cancel_invoice_in(connection: Connection, account_id: str, invoice_id: str) -> Invoice:
    """As ``cancel_invoice``, inside a transaction that has begun."""
    invoice = _known(connection, invoice_id)
    if invoice.account_id != account_id:
        raise _no_such(invoice_id)
    _require(invoice, "requested")
    return _decided(connection, replace(invoice, state="cancelled"))


def list_invoices(store: Store, *, account_id: str | None = None, state: str | None = None) -> list[Invoice]:
    """Every request, newest first; of one account, in one state, where that is named."""
    return store.transact(lambda connection: table.found(connection, account_id=account_id, state=state))


def invoice_file(store: Store, invoice_id: str, *, account_id: str | None = None) -> InvoiceFile:
    """The PDF of an invoice.

    Args:
        store: The database.
        invoice_id: Of the request.
        account_id: Who asks, if it is a buyer.

    Raises:
        NotFoundError: It has none, or is another account's.
    """
    file = store.transact(lambda connection: table.file_of(connection, invoice_id, account_id))
    if file is None:
        raise NotFoundError(f"Request {invoice_id} has no invoice's file")
    return file


def _checked(account_id: str, wanted: Wanted) -> Invoice:
    tax_number = normalized(wanted.tax_number)
    special = wanted.kind == "special"
    problems = {
        "The kind of an invoice is normal or special": wanted.kind not in {"normal", "special"},
        "The amount must be at least 1 fen": wanted.amount_fen < 1,
        "The title needs 1 to 200 printable characters": not _is_line(wanted.title.strip(), 1, 200),
        "This is no tax number (纳税人识别号): a character is wrong or missing": bool(tax_number)
        and not is_tax_number(tax_number),
        "A special invoice needs the tax number": special and not tax_number,
        "A special invoice needs the registered address and telephone": special and not wanted.registered.strip(),
        "A special invoice needs the bank and its account": special and not wanted.bank.strip(),
        "Address and bank have at most 300 printable characters": not (
            _is_line(wanted.registered, 0, 300) and _is_line(wanted.bank, 0, 300)
        ),
        "The mail address is malformed": bool(wanted.email) and not is_mail_address(wanted.email),
    }
    for problem, there in problems.items():
        if there:
            raise InvalidRequestError(problem)
    return Invoice(
        id=uuid4().hex,
        account_id=account_id,
        order_id=wanted.order_id,
        kind=wanted.kind,
        title=wanted.title.strip(),
        tax_number=tax_number,
        amount_fen=wanted.amount_fen,
        registered=wanted.registered.strip(),
        bank=wanted.bank.strip(),
        email=wanted.email,
        state="requested",
        created_at=now_ms(),
    )


def is_mail_address(text: str) -> bool:
    """Whether mail can be sent there: one plain address, without a name around it."""
    return len(text) <= 200 and text.isascii() and text.isprintable() and _EMAIL.fullmatch(text) is not None


def _is_line(text: str, least: int, most: int) -> bool:
    return least <= len(text) <= most and text.isprintable()


def _file(name: str, pdf: bytes) -> InvoiceFile:
    if len(pdf) > MAX_PDF_BYTES:
        raise ConflictError(f"An invoice's file has at most {MAX_PDF_BYTES >> 20} MiB")
    if not _PDF_BEGINS.match(pdf) or b"%%EOF" not in pdf[-_PDF_TAIL:]:
        raise ConflictError("The file is no PDF, or not a whole one")
    if not _is_line(name, 5, 200) or not name.lower().endswith(".pdf") or set(name) & set('/\\"'):
        raise ConflictError("A file's name ends in .pdf and has no slashes")
    return InvoiceFile(name, pdf, hashlib.sha256(pdf).hexdigest(), now_ms())


def _reason(text: str) -> str:
    if not text.strip():
        raise ConflictError("A reason is needed, one that the buyer can read")
    return text.strip()


def _requested(connection: Connection, invoice_id: str) -> Invoice:
    invoice = _known(connection, invoice_id)
    _require(invoice, "requested")
    return invoice


def _known(connection: Connection, invoice_id: str) -> Invoice:
    invoice = table.by_id(connection, invoice_id)
    if invoice is None:
        raise _no_such(invoice_id)
    return invoice


def _no_such(invoice_id: str) -> NotFoundError:
    return NotFoundError(f"There is no request for an invoice {invoice_id}")


def _require(invoice: Invoice, state: str) -> None:
    if invoice.state != state:
        raise ConflictError(f"Request {invoice.id} is {invoice.state}, not {state}")


def _decided(connection: Connection, invoice: Invoice) -> Invoice:
    decided = replace(invoice, decided_at=now_ms())
    table.decide(connection, decided)
    return decided
