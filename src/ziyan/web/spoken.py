"""What the metering package refuses, in plain words of both languages.

Its errors are written in English, for the APIs and the command line too.  A sentence that is not here is shown as it
is: better English than nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: English, as a pattern → Chinese.  What a group holds is put in its place.
_SENTENCES: Final = (
    (r"An identifier has 1 to 32 letters, digits and hyphens", "编号是 1 到 32 位字母、数字和连字符"),
    (r"There are 1 to (\d+) calls, 1 to (\d+) months, and prices .*", "次数最多 {0}，月数最多 {1}，价格不能再高了"),
    (r"A password has (\d+) to (\d+) characters", "密码需要 {0} 到 {1} 个字符"),
    (r"A password must not be the name", "密码不能和登录名一样"),
    (r"A login's name is a mail address or one word, of at most 200 characters", "登录名是邮箱或一个词，最多 200 字"),
    (r"There is a login named (\S+) already", "登录名 {0} 已经有人用了"),
    (r"A buyer's login belongs to an account, an operator's to none", "买家的登录要属于一个账户，运营的不要"),
    (r"App \S+ has (\d+) keys; revoke one that is not used any more", "一个应用最多有 {0} 个凭证，请先吊销不再使用的"),
    (r"Key \S+ does not work any more; create another one", "这个凭证已失效，请新建一个"),
    (r"Key \S+ was rotated before; the one that took its place can be", "这个凭证已经轮换过了，请轮换接替它的那一个"),
    (r"A grace period has between 0 and (\d+) hours", "宽限期应在 0 到 {0} 小时之间"),
    (r"The item \S+ is not for sale any more", "这个套餐已经下架"),
    (
        r"The item \S+ is free: an account has it once, and this one ordered it already",
        "免费套餐每个账户只能领一次，这个账户已经领过或下过单了",
    ),
    (r"Order \S+ is (\w+), not pending", "这个订单已不是待付款状态，不能取消"),
    (r"Order \S+ is (\w+), not paid", "这个订单没有付款，或已退款"),
    (r"Request \S+ is (\w+), not requested", "这个申请已经处理过了"),
    (r"Request \S+ is (\w+), not issued", "这张发票还没有开具，或已作废"),
    (r"Of what was paid, (\d+) fen have no invoice yet, not (\d+)", "可开票金额不足：已付款且未开票的不到所填金额"),
    (r"The amount must be at least 1 fen", "金额至少 0.01 元"),
    (r"The title needs 1 to 200 printable characters", "请填写发票抬头，最多 200 个字符"),
    (r"This is no tax number .*: a character is wrong or missing", "税号不对：有字符错误或缺失"),
    (r"A special invoice needs the tax number", "专用发票需要税号"),
    (r"A special invoice needs the registered address and telephone", "专用发票需要注册地址和电话"),
    (r"A special invoice needs the bank and its account", "专用发票需要开户行和账号"),
    (r"Address and bank have at most 300 printable characters", "地址、开户行各最多 300 个字符"),
    (r"The mail address is malformed", "邮箱地址不对"),
    (r"A mail address is wanted, name@example.com", "请填写邮箱地址，如 name@example.com"),
    (r"An address is wanted that begins with https:// or http://", "请填写以 https:// 或 http:// 开头的地址"),
    (r"The address of a robot of DingTalk, .*", "请填写钉钉、企业微信或飞书给出的机器人地址；只有钉钉的需要密钥"),
    (r"An account has at most (\d+) targets", "一个账户最多设 {0} 个通知去处"),
    (
        r"Only what was given up is sent again, and only where its target was not removed",
        "只有已放弃的通知才能重发，而且它的去处必须还在",
    ),
    (r"A name has 1 to 200 printable characters", "名称需要 1 到 200 个字符"),
    (r"Percents are between 0 and 100", "百分比应在 0 到 100 之间"),
    (r"Days are between 1 and 366", "天数应在 1 到 366 之间"),
    (r"Thresholds are 0 to 100 percent and 1 to (\d+) days", "阈值应是 0 到 100 的百分比和 1 到 {0} 天"),
    (r"At most (\d+) thresholds can be set", "最多设 {0} 个阈值"),
    (r"Between 0 and (\d+) fen can be paid back, not (\d+)", "退款金额应不超过已付金额"),
    (r"An invoice's number has 6 to 40 letters and digits", "发票号码是 6 到 40 位字母和数字"),
    (r"What request \S+ is for was paid back since; reject it", "这笔款项之后已退款，请驳回申请"),
    (r"A reason is needed, one that the buyer can read", "需要写明买家看得懂的理由"),
    (r"An invoice's file has at most (\d+) MiB", "发票文件最大 {0} MiB"),
    (r"The file is no PDF, or not a whole one", "文件不是 PDF，或不完整"),
    (r"A file's name ends in \.pdf and has no slashes", "文件名应以 .pdf 结尾，且不含斜杠"),
    (r"'(.*)' is no IP address, network or host name", "{0} 不是 IP 地址、网段或主机名"),
    (r"A rate is between 0 and 1000000 calls a second", "限速应在每秒 0 到 1000000 次之间"),
)  # fmt: skip


#: Why a notice did not arrive, as ``metering.channels`` and the guard say it → Chinese.
_NOT_SENT: Final = (
    (r"the host's name was not found", "找不到这个主机名"),
    (r"the target was disabled", "这个去处已移除"),
    (r"status (\d+)", "对方回答的状态码是 {0}"),
    (r"no mail server is set: .*", "这台服务没有设置邮件服务器"),
    (r"the mail server offers no encryption, and gets no password without", "邮件服务器不加密，所以没有登录"),
    (r"the mail server says (\d+)", "邮件服务器回答 {0}"),
    (r"the mail server refuses the recipient: (.*)", "邮件服务器拒收这个收件人：{0}"),
    (r"the mail server does not take it: (.*)", "邮件服务器不收：{0}"),
    (r"the robot's service does not take it", "机器人的服务不收"),
    (r"an error of our own; see the log", "服务自己出错了，原因在日志里"),
    (r"The address's host is not known", "找不到这个主机名"),
    (r"The address took too long to answer", "对方太久没有回答"),
    (r"The address cannot be fetched", "连不上这个地址"),
    (r"The address redirects .*", "这个地址转到了不能去的地方"),
    (r"The address names a port that is not allowed", "这个端口不允许访问"),
    (r"The address is malformed", "地址写错了"),
    (r"The address leads into a private network", "这个地址是内部网络，不允许访问"),
)  # fmt: skip


def why_not_sent(english: str) -> tuple[str, str]:
    """Why a notice did not arrive, in Chinese and in English."""
    return _said(_NOT_SENT, english) or english, english


def spoken(english: str) -> tuple[str, str]:
    """A sentence in Chinese and in English."""
    chinese = _said(_SENTENCES, english)
    return (f"{chinese}。", f"{english}.") if chinese else (english, english)


def _said(sentences: Sequence[tuple[str, str]], english: str) -> str:
    for pattern, chinese in sentences:
        if found := re.fullmatch(pattern, english):
            return chinese.format(*found.groups())
    return ""
