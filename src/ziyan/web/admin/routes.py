"""Which page lies where, and which scopes it takes."""

from __future__ import annotations

from functools import partial

from starlette.routing import BaseRoute

from ziyan.metering.store import Store
from ziyan.metering.tokens import Scope
from ziyan.web import statements
from ziyan.web.admin import customers, papers, sales, usage, watch
from ziyan.web.admin.doors import needs
from ziyan.web.admin.keys import KEYS
from ziyan.web.admin.watch import Pulse
from ziyan.web.rooms import MOST_FORM_BYTES, Handler, Room

S = Scope
_NAMES = (S.ACCOUNTS_READ, S.APPS_READ)
#: Address, scopes and handler of what is shown.
SHOWN = (
    ("/admin", _NAMES, watch.show_first),
    ("/admin/accounts", (*_NAMES, S.USAGE_READ), customers.show_accounts),
    ("/admin/accounts/{account_id}", _NAMES, customers.show_account),
    ("/admin/apps", _NAMES, customers.show_apps),
    ("/admin/apps/{app_id}", (*_NAMES, S.PACKAGES_READ, S.CATALOGUE_READ), customers.show_app),
    (KEYS.place, _NAMES, KEYS.show),
    ("/admin/accounts/{account_id}/statements/{month}/{kind}", (S.STATEMENTS_READ,), papers.month_file),
    ("/admin/orders/{order_id}/statement/{kind}", (S.STATEMENTS_READ,), statements.order_file),
    ("/admin/catalogue", (S.CATALOGUE_READ,), sales.show_catalogue),
    ("/admin/catalogue/{item_id}", (S.CATALOGUE_READ,), sales.show_item),
    ("/admin/orders", (*_NAMES, S.ORDERS_READ), sales.show_orders),
    ("/admin/orders/{order_id}", (*_NAMES, S.ORDERS_READ, S.PACKAGES_READ), sales.show_order),
    ("/admin/invoices", (*_NAMES, S.INVOICES_READ), papers.show_invoices),
    ("/admin/invoices/{invoice_id}", (*_NAMES, S.INVOICES_READ), papers.show_invoice),
    ("/admin/invoices/{invoice_id}/file", (S.INVOICES_READ,), papers.show_file),
    ("/admin/usage", (*_NAMES, S.USAGE_READ), usage.show_usage),
    ("/admin/notices", _NAMES, watch.show_notices),
    ("/admin/audit", (S.AUDIT_READ,), watch.show_audit),
)
#: Address, scope and handler of what is changed.
CHANGED = (
    ("/admin/accounts/create", S.ACCOUNTS_WRITE, customers.create_account),
    ("/admin/accounts/{account_id}/rename", S.ACCOUNTS_WRITE, customers.rename_account),
    ("/admin/accounts/{account_id}/logins", S.ACCOUNTS_WRITE, customers.create_login),
    ("/admin/accounts/{account_id}/apps", S.APPS_WRITE, customers.create_app),
    ("/admin/logins/{login_id}/reset", S.ACCOUNTS_WRITE, customers.reset_login),
    ("/admin/logins/{login_id}/switch", S.ACCOUNTS_WRITE, customers.switch_login),
    ("/admin/apps/{app_id}/switch", S.APPS_WRITE, customers.switch_app),
    ("/admin/apps/{app_id}/limit", S.APPS_WRITE, customers.limit_app),
    ("/admin/apps/{app_id}/packages", S.PACKAGES_WRITE, customers.top_up),
    ("/admin/apps/{app_id}/orders", S.ORDERS_WRITE, sales.place_order),
    (f"{KEYS.place}/create", S.KEYS_WRITE, KEYS.create),
    (f"{KEYS.place}/{{key_id}}/reveal", S.KEYS_WRITE, KEYS.reveal),
    (f"{KEYS.place}/{{key_id}}/rotate", S.KEYS_WRITE, KEYS.rotate),
    (f"{KEYS.place}/{{key_id}}/revoke", S.KEYS_WRITE, KEYS.revoke),
    ("/admin/notices/{delivery_id}/retry", S.APPS_WRITE, watch.retry_notice),
    ("/admin/catalogue/create", S.CATALOGUE_WRITE, sales.put_item),
    ("/admin/catalogue/{item_id}/put", S.CATALOGUE_WRITE, sales.put_item),
    ("/admin/catalogue/{item_id}/retire", S.CATALOGUE_WRITE, sales.retire_item),
    ("/admin/orders/{order_id}/pay", S.ORDERS_WRITE, sales.pay_order),
    ("/admin/orders/{order_id}/cancel", S.ORDERS_WRITE, sales.cancel_order),
    ("/admin/orders/{order_id}/refund", S.ORDERS_WRITE, sales.refund_order),
    ("/admin/invoices/{invoice_id}/issue", S.INVOICES_WRITE, papers.issue_invoice),
    ("/admin/invoices/{invoice_id}/attach", S.INVOICES_WRITE, papers.attach_file),
    ("/admin/invoices/{invoice_id}/reject", S.INVOICES_WRITE, papers.reject_invoice),
    ("/admin/invoices/{invoice_id}/void", S.INVOICES_WRITE, papers.void_invoice),
)
_UPLOADS = (papers.issue_invoice, papers.attach_file)


def routes(room: Room, pulse: Pulse, store: Store) -> list[BaseRoute]:
    """Every page of the operator."""
    health: Handler = partial(watch.show_health, pulse=pulse, store=store)
    shown = (*SHOWN, ("/admin/health", (S.USAGE_READ,), health))
    pages = {path: needs(scopes, handler) for path, scopes, handler in shown}
    changed = [
        room.route(
            path,
            change=needs((scope,), handler),
            back=pages.get(_page_of(path)) or pages.get(_page_of(_page_of(path))),
            most=papers.MOST_UPLOAD if handler in _UPLOADS else MOST_FORM_BYTES,
        )
        for path, scope, handler in CHANGED
    ]
    # What is changed comes first: /admin/accounts/create is no account.
    return [*changed, *(room.route(path, page) for path, page in pages.items())]


def _page_of(path: str) -> str:
    """The page that a form is on: its address is the page's and a word, at times behind what a row of the page is."""
    return path.rpartition("/")[0]
