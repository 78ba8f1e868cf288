"""Wiring of the console."""

from __future__ import annotations

from typing import Final

from starlette.routing import BaseRoute

from ziyan.web import statements
from ziyan.web.console import buying, messages, overview, papers
from ziyan.web.console.holdings import account_apps
from ziyan.web.keys import Keys
from ziyan.web.rooms import Room

KEYS: Final = Keys("console/keys.html", "/console/keys", lambda _ask, desk: account_apps(desk))


def console_routes(room: Room) -> list[BaseRoute]:
    """Every address of the console, in the room of buyers."""
    keys, route = KEYS, room.route
    key = f"{KEYS.place}/{{app_id}}/{{key_id}}"
    target = f"{messages.NOTICES}/targets/{{target_id}}"
    return [
        route("/console", overview.show_overview),
        route("/console/packages", overview.show_packages),
        route("/console/usage", overview.show_usage),
        route("/console/calls", overview.show_failures),
        route(KEYS.place, keys.show),
        route(f"{KEYS.place}/{{app_id}}", change=keys.create),
        route(f"{key}/reveal", change=keys.reveal),
        route(f"{key}/rotate", change=keys.rotate),
        route(f"{key}/revoke", change=keys.revoke),
        route(buying.PATH, buying.show_orders, buying.place_order, back=buying.show_orders),
        route(f"{buying.PATH}/{{order_id}}", buying.show_order),
        route(f"{buying.PATH}/{{order_id}}/cancel", change=buying.cancel_order, back=buying.show_order),
        route(messages.INBOX, messages.show_inbox),
        route(f"{messages.INBOX}/read", change=messages.mark_read),
        route(messages.NOTICES, messages.show_notices),
        route(f"{messages.NOTICES}/targets", change=messages.add_target),
        route(f"{target}/test", change=messages.test_target),
        route(f"{target}/remove", change=messages.remove_target),
        route(
            f"{messages.NOTICES}/deliveries/{{delivery_id}}/retry",
            change=messages.retry_delivery,
            back=messages.show_notices,
        ),
        route(f"{messages.NOTICES}/apps/{{app_id}}", change=messages.change_thresholds),
        route(papers.STATEMENTS, papers.show_statements),
        route(f"{papers.STATEMENTS}/months/{{month}}/{{kind}}", papers.month_file),
        route(f"{papers.STATEMENTS}/orders/{{order_id}}/{{kind}}", statements.order_file),
        route(papers.INVOICES, papers.show_invoices, papers.request_invoice),
        route(f"{papers.INVOICES}/{{invoice_id}}/cancel", change=papers.cancel_invoice, back=papers.show_invoices),
        route(f"{papers.INVOICES}/{{invoice_id}}/file", papers.invoice_file),
    ]
