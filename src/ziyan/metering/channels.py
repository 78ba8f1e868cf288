"""Ways that a notice reaches people and programs: mail, webhook, robot.

What each can promise when a sender dies between sending and noting it down, and the notice is sent once more:

- webhook: both carry the same ``webhook-id``, by which a receiver tells (Standard Webhooks);
- mail: both have the same ``Message-ID``; many mail systems drop the second, none must;
- robot: nothing; a group may see it twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import smtplib
import ssl
import sys
import threading
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from secrets import token_bytes
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from standardwebhooks import Webhook

from ziyan.errors import InvalidRequestError, ZiyanError
from ziyan.metering.invoices import is_mail_address
from ziyan.metering.notice_texts import Message, event
from ziyan.metering.store.notices import Notice
from ziyan.metering.times import now_ms

#: Address, headers, body → HTTP status.  It guards what may be called, and raises a ``ZiyanError`` where it may not.
Post = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]

#: Notices that are delivered at once.
THREADS: Final = 8
_SMTP_SECONDS: Final = 10.0
_MAX_URL_CHARS: Final = 1_000
_WEBHOOK: Final = re.compile(r"https?://[!-~]+")
#: How DingTalk, WeCom and Feishu show a robot's address.  Nothing else is let through: a robot's host is never the
#: buyer's choice.
_ROBOTS: Final = {
    "dingtalk": re.compile(r"https://oapi\.dingtalk\.com/robot/send\?access_token=([0-9A-Za-z]{16,128})"),
    "wecom": re.compile(r"https://qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=([0-9A-Za-z-]{16,128})"),
    "feishu": re.compile(r"https://open\.feishu\.cn/open-apis/bot/v2/hook/([0-9A-Za-z-]{16,128})"),
}
_ROBOT_SECRET: Final = re.compile(r"[0-9A-Za-z]{0,128}")
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Address:
    """Where to, and what it is signed with; both secret.

    Attributes:
        url: A mail address, or the address of a webhook or robot.
        secret: A webhook's ``whsec_…``, or a DingTalk robot's; empty for none.
    """

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)

    def to_json(self) -> str:
        """As it is sealed."""
        return json.dumps({"url": self.url, "secret": self.secret})

    @classmethod
    def from_json(cls, text: str) -> Address:
        """Undo ``to_json``."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to.

    Attributes:
        error: What went wrong, in words that hold no secret; empty where the far end took it.
        gone: The far end wants no more, ever.
    """

    error: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class MailServer:
    """Who takes mail for others.

    Attributes:
        url: ``smtp://`` (encrypted if it offers that) or ``smtps://``, ``user:password@host:port``.
        sender: Address that mail comes from.
    """

    url: str = field(repr=False)
    sender: str


def checked_address(kind: str, url: str, secret: str) -> Address:
    """An address that notices of this kind can be sent to; a webhook's comes with a new secret.

    Raises:
        InvalidRequestError: It is none.
    """
    url, secret = url.strip(), secret.strip()
    if kind == "mail" and is_mail_address(url):
        return Address(url)
    if kind == "webhook" and len(url) <= _MAX_URL_CHARS and _WEBHOOK.fullmatch(url):
        return Address(url, f"whsec_{b64encode(token_bytes(24)).decode()}")
    if kind == "robot" and _ROBOT_SECRET.fullmatch(secret) and _robot(Address(url, secret)):
        return Address(url, secret)
    hints = {
        "mail": "A mail address is wanted, name@example.com",
        "webhook": "An address is wanted that begins with https:// or http://",
        "robot": "The address of a robot of DingTalk, WeCom or Feishu is wanted, as they show it; "
        "only DingTalk's takes a secret",
    }
    raise InvalidRequestError(hints.get(kind, "Notices go to a mail, webhook or robot"))


class Channels:
    """Delivers notices.  Holds nothing of any of them."""

    def __init__(self, *, post: Post, mail: MailServer | None, ssl_context: ssl.SSLContext | None = None) -> None:
        """Say how.

        Args:
            post: Sends to webhooks.
            mail: Takes mail; None where there is none, and mail waits until it is given up.
            ssl_context: How the mail server's certificate is verified; None takes the public authorities.
        """
        self._post = post
        self._mail = mail
        self._ssl_context = ssl_context
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="notices")

    async def deliver(self, delivery_id: str, kind: str, address: Address, notice: Notice, told: Message) -> Outcome:
        """Bring one notice to one target.

        Args:
            delivery_id: The same at every attempt.
            kind: ``mail``, ``webhook`` or ``robot``.
            address: Where to.
            notice: For programs.
            told: For people.
        """
        if kind == "webhook":
            return await self._to_webhook(delivery_id, address, notice)
        loop = asyncio.get_running_loop()
        if kind == "robot":
            return await loop.run_in_executor(self._threads, _to_robot, address, told)
        if self._mail is None:
            return Outcome("no mail server is set: ZIYAN_MAIL_SERVER")
        mail = _mail(self._mail.sender, address, delivery_id, notice, told)
        return await loop.run_in_executor(self._threads, _to_mail, self._mail, mail, self._ssl_context)

    async def _to_webhook(self, delivery_id: str, address: Address, notice: Notice) -> Outcome:
        body, webhook_id = event(notice), f"msg_{delivery_id}"
        moment = datetime.fromtimestamp(now_ms() // 1000, UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": Webhook(address.secret).sign(webhook_id, moment, body),
        }
        try:
            status = await self._post(address.url, headers, body.encode())
        except ZiyanError as error:
            return Outcome(str(error))
        if 200 <= status < 300:
            return Outcome()
        return Outcome(f"status {status}", gone=status == _GONE)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _mail(sender: str, address: Address, delivery_id: str, notice: Notice, told: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = told.title
    mail["From"], mail["To"] = sender, address.url
    mail["Date"] = format_datetime(datetime.fromtimestamp(notice.created_at // 1000, UTC))
    mail["Message-ID"] = f"<{delivery_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence notice answers
    mail.set_content(told.text)
    return mail


def _to_mail(server: MailServer, mail: EmailMessage, context: ssl.SSLContext | None) -> Outcome:
    parts = urlsplit(server.url)
    context = context or ssl.create_default_context()
    try:
        with _connected(parts.scheme, parts.hostname or "", parts.port or 0, context) as connection:
            if parts.username:
                if not isinstance(connection.sock, ssl.SSLSocket):
                    return Outcome("the mail server offers no encryption, and gets no password without")
                connection.login(unquote(parts.username), unquote(parts.password or ""))
            connection.send_message(mail)
    except smtplib.SMTPResponseException as error:
        return Outcome(f"the mail server says {error.smtp_code}")
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        return Outcome(f"the mail server refuses the recipient: {', '.join(map(str, codes))}")
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        return Outcome(f"the mail server does not take it: {type(error).__name__}")
    return Outcome()


def _connected(scheme: str, host: str, port: int, context: ssl.SSLContext) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=_SMTP_SECONDS, context=context)
    connection = smtplib.SMTP(host, port, timeout=_SMTP_SECONDS)
    try:
        connection.ehlo()
        if connection.has_extn("starttls"):
            connection.starttls(context=context)
    except BaseException:
        connection.close()
        raise
    return connection


def _robot(address: Address) -> tuple[str, str] | None:
    """Whose robot it is, and its token; None where it is none, or has a secret that its service does not know."""
    for service, pattern in _ROBOTS.items():
        if match := pattern.fullmatch(address.url):
            return (service, match[1]) if service == "dingtalk" or not address.secret else None
    return None


def _to_robot(address: Address, told: Message) -> Outcome:
    # Only what is needed, and only now: Apprise by itself loads over a hundred services.
    from apprise.plugins.dingtalk import NotifyDingTalk
    from apprise.plugins.feishu import NotifyFeishu
    from apprise.plugins.wecombot import NotifyWeComBot

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings name the address
    service, token = _robot(address) or ("", "")
    robots: dict[str, tuple[Any, dict[str, str]]] = {
        "dingtalk": (NotifyDingTalk, {"token": token, "secret": address.secret}),
        "wecom": (NotifyWeComBot, {"key": token}),
        "feishu": (NotifyFeishu, {"token": token}),
    }
    kind, given = robots[service]
    robot = kind(**{name: value for name, value in given.items() if value})
    if address.secret:
        robot.get_signature = _encoded_once(robot.get_signature)
    _listen(sys.modules[kind.__module__])
    _heard.code = 0
    taken = robot.notify(title=told.title, body=told.text)
    if _heard.code:
        return Outcome(f"the robot's service refuses it: {_heard.code}")
    return Outcome() if taken else Outcome("the robot's service does not take it")


class _Listening:
    """``requests`` as a plugin of Apprise sees it, which looks at the status alone; here the body is read too."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def post(self, *args: Any, **kwargs: Any) -> Any:
        answer = self._real.post(*args, **kwargs)
        _heard.code = _code_of(answer.content)
        return answer


#: What the body of the answer says to the message that this thread sends; 0: it was taken.
_heard: Final = threading.local()


def _listen(plugin: Any) -> None:
    if not isinstance(plugin.requests, _Listening):
        plugin.requests = _Listening(plugin.requests)


def _code_of(body: bytes) -> int:
    """``errcode`` of DingTalk and WeCom, ``code`` of Feishu; 0 where there is none."""
    try:
        said = json.loads(body)
        return int(said.get("errcode") or said.get("code") or 0)
    except (ValueError, TypeError, AttributeError):
        return 0


def _encoded_once(sign: Callable[[], tuple[str, str]]) -> Callable[[], tuple[str, str]]:
    """Apprise 2.3 percent-encodes DingTalk's signature, and the HTTP client then does so once more."""

    def signed() -> tuple[str, str]:
        moment, signature = sign()
        return moment, unquote(signature)

    return signed
