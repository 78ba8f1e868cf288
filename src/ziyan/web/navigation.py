"""What stands in the navigation of those who are signed in: only pages that are there."""

from __future__ import annotations

from typing import Final

#: Pages that are reached from a section and have none of their own → that section.
WITHIN: Final = {"/console/notices": "/console/inbox", "/console/packages": "/console"}
#: Role → address and name of each section, in both languages; the first is where one comes after signing in.
NAVIGATION: Final[dict[str, tuple[tuple[str, tuple[str, str]], ...]]] = {
    "buyer": (
        ("/console", ("总览", "Overview")),
        ("/console/usage", ("用量", "Usage")),
        ("/console/calls", ("失败的调用", "Failed calls")),
        ("/console/keys", ("凭证", "Keys")),
        ("/console/orders", ("购买与订单", "Orders")),
        ("/console/inbox", ("消息", "Inbox")),
        ("/console/statements", ("对账单", "Statements")),
        ("/console/invoices", ("发票", "Invoices")),
    ),
    "operator": (
        ("/admin", ("概览", "Overview")),
        ("/admin/accounts", ("账户", "Accounts")),
        ("/admin/apps", ("应用", "Apps")),
        ("/admin/orders", ("订单", "Orders")),
        ("/admin/invoices", ("发票", "Invoices")),
        ("/admin/catalogue", ("套餐目录", "Catalogue")),
        ("/admin/usage", ("用量", "Usage")),
        ("/admin/notices", ("未送达的通知", "Failed notices")),
        ("/admin/audit", ("审计日志", "Audit log")),
        ("/admin/health", ("服务状态", "Health")),
    ),
}
