"""What the audit log says was done, in words."""

from __future__ import annotations

from typing import Final

#: Action of an entry → what was done, in both languages.
DEEDS: Final[dict[str, tuple[str, str]]] = {
    "account.create": ("开通账户", "Opened an account"),
    "account.rename": ("账户改名", "Renamed an account"),
    "app.create": ("登记应用", "Registered an app"),
    "app.change": ("修改应用", "Changed an app"),
    "delivery.retry": ("重发通知", "Sent a notice again"),
    "invoice.attach": ("上传发票文件", "Attached an invoice's file"),
    "invoice.cancel": ("撤回开票申请", "Took a request for an invoice back"),
    "invoice.issue": ("开具发票", "Issued an invoice"),
    "invoice.reject": ("驳回开票申请", "Rejected a request for an invoice"),
    "invoice.request": ("申请发票", "Asked for an invoice"),
    "invoice.void": ("作废发票", "Voided an invoice"),
    "item.put": ("上架或修改套餐", "Put an item up for sale, or changed it"),
    "item.retire": ("下架套餐", "Retired an item"),
    "key.create": ("生成凭证", "Made a key"),
    "key.reveal": ("查看凭证", "Looked at a key"),
    "key.revoke": ("吊销凭证", "Revoked a key"),
    "key.rotate": ("轮换凭证", "Rotated a key"),
    "login.create": ("添加登录", "Added a login"),
    "login.disable": ("停用登录", "Disabled a login"),
    "login.enable": ("启用登录", "Enabled a login"),
    "login.password": ("修改密码", "Changed a password"),
    "login.reset": ("重设密码", "Reset a password"),
    "order.cancel": ("取消订单", "Cancelled an order"),
    "order.pay": ("确认付款", "Marked an order paid"),
    "order.place": ("下单", "Placed an order"),
    "order.refund": ("退款", "Refunded an order"),
    "package.create": ("订单的次数到账", "Gave an order's calls"),
    "package.grant": ("充入次数", "Topped up"),
    "target.add": ("添加通知去处", "Added a target of notices"),
    "target.remove": ("移除通知去处", "Removed a target of notices"),
    "token.create": ("生成令牌", "Made a token"),
    "token.revoke": ("吊销令牌", "Revoked a token"),
    "token.rotate": ("轮换令牌", "Rotated a token"),
}


def deed(action: str) -> tuple[str, str]:
    """What was done; the action itself where a later version had others."""
    return DEEDS.get(action, (action, action))
