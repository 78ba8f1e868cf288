"""SQL on requests for invoices and on the invoices' files.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, update

from ziyan.metering.store.schema import accounts, invoice_files, invoice_requests, orders


@dataclass(frozen=True, slots=True)
class Invoice:
    """A request for an invoice, and what became of it.

    Attributes:
        id: Identifier.
        account_id: Who asks.
        order_id: For which order; None for anything that was paid.
        kind: ``normal`` (普通发票) or ``special`` (专用发票).
        title: In whose name (抬头).
        tax_number: Theirs; empty for a person's normal invoice.
        amount_fen: Over how much.
        registered: Of a special one: registered address and telephone.
        bank: Of a special one: bank and its account.
        email: Where the operator is to mail a copy; may be empty.
        state: ``requested``, ``issued``, ``rejected``, ``cancelled`` or ``voided``.
        created_at: When it was asked for.
        decided_at: When it got another state than ``requested``.
        invoice_number: Of the invoice that was issued.
        reason: Why it was rejected, or voided.
        voided_at: When an issued one was voided.
    """

    id: str
    account_id: str
    order_id: str | None
    kind: str
    title: str
    tax_number: str
    amount_fen: int
    registered: str
    bank: str
    email: str
    state: str
    created_at: int
    decided_at: int | None = None
    invoice_number: str = ""
    reason: str = ""
    voided_at: int | None = None


@dataclass(frozen=True, slots=True)
class InvoiceFile:
    """The PDF of an issued invoice."""

    name: str
    content: bytes
    sha256: str
    attached_at: int


_C = invoice_requests.c
#: What has become of a request, as ``Invoice.state`` has it.
STATE: Final[ColumnElement[str]] = case((_C.voided_at.is_not(None), "voided"), else_=_C.state)
COLUMNS: Final = tuple(STATE.label(name) if name == "state" else _C[name] for name in Invoice.__dataclass_fields__)
#: States in which a request has its amount.
_STANDING: Final = STATE.in_(("requested", "issued"))
_FILE = tuple(invoice_files.c[name] for name in InvoiceFile.__dataclass_fields__)


def lock_account(connection: Connection, account_id: str) -> bool:
    """Keep others from asking for invoices of an account until the transaction ends; False where there is none."""
    statement = select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)
    return connection.execute(statement).scalar() is not None


def left_fen(connection: Connection, account_id: str, order_id: str | None = None) -> int:
    """What was paid, less what was paid back and what invoices were asked for; negative after a late refund.

    Args:
        connection: Of the transaction.
        account_id: Whose.
        order_id: Of this order and the requests that name it alone; None for all.
    """
    paid: list[ColumnElement[bool]] = [orders.c.account_id == account_id, orders.c.state.in_(("paid", "refunded"))]
    asked: list[ColumnElement[bool]] = [_C.account_id == account_id, _STANDING]
    if order_id is not None:
        paid.append(orders.c.id == order_id)
        asked.append(_C.order_id == order_id)
    came = select(func.coalesce(func.sum(orders.c.price_fen - orders.c.refunded_fen), 0)).where(*paid)
    went = select(func.coalesce(func.sum(_C.amount_fen), 0)).where(*asked)
    return int(connection.execute(came).scalar_one()) - int(connection.execute(went).scalar_one())


def add(connection: Connection, invoice: Invoice) -> None:
    """Store a new request."""
    values = {name: getattr(invoice, name) for name in Invoice.__dataclass_fields__}
    connection.execute(insert(invoice_requests).values(values))


def by_id(connection: Connection, invoice_id: str) -> Invoice | None:
    """The request of this identifier, locked until the transaction ends."""
    row = connection.execute(select(*COLUMNS).where(_C.id == invoice_id).with_for_update()).one_or_none()
    return Invoice(*row) if row else None


def found(connection: Connection, *, account_id: str | None, state: str | None) -> list[Invoice]:
    """Every request, newest first; of one account, in one state, where that is named."""
    statement = select(*COLUMNS).order_by(_C.created_at.desc(), _C.id)
    if account_id is not None:
        statement = statement.where(_C.account_id == account_id)
    if state is not None:
        statement = statement.where(STATE.in_((state,)))
    return [Invoice(*row) for row in connection.execute(statement)]


def standing(connection: Connection, account_id: str, order_id: str | None) -> list[Invoice]:
    """Requests that nobody decided and invoices that were issued, oldest first: for an order, or for none by name."""
    statement = select(*COLUMNS).where(_C.account_id == account_id, _STANDING, _C.order_id == order_id)
    return [Invoice(*row) for row in connection.execute(statement.order_by(_C.created_at, _C.id))]


def decide(connection: Connection, invoice: Invoice) -> None:
    """Store what has become of a request."""
    decided = ("state", "decided_at", "invoice_number", "reason")
    values = {name: getattr(invoice, name) for name in decided}
    connection.execute(update(invoice_requests).where(_C.id == invoice.id).values(values))


def void(connection: Connection, invoice: Invoice) -> None:
    """Store that an issued invoice was voided, and why."""
    values = {"voided_at": invoice.voided_at, "reason": invoice.reason}
    connection.execute(update(invoice_requests).where(_C.id == invoice.id).values(values))


def put_file(connection: Connection, invoice_id: str, file: InvoiceFile) -> None:
    """Attach a file, in the place of an earlier one."""
    connection.execute(delete(invoice_files).where(invoice_files.c.invoice_id == invoice_id))
    values = {name: getattr(file, name) for name in InvoiceFile.__dataclass_fields__}
    connection.execute(insert(invoice_files).values(invoice_id=invoice_id, **values))


def with_files(connection: Connection, invoice_ids: Iterable[str]) -> set[str]:
    """Those of some requests that a file is attached to."""
    c = invoice_files.c.invoice_id
    return set(connection.execute(select(c).where(c.in_(list(invoice_ids)))).scalars())


def file_of(connection: Connection, invoice_id: str, account_id: str | None) -> InvoiceFile | None:
    """The file of an invoice; None where it has none, or is not of the account that is named."""
    statement = select(*_FILE).join(invoice_requests).where(invoice_files.c.invoice_id == invoice_id)
    if account_id is not None:
        statement = statement.where(_C.account_id == account_id)
    row = connection.execute(statement).one_or_none()
    return InvoiceFile(*row) if row else None
