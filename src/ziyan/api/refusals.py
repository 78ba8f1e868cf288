"""Everything that can go wrong with a call to ``/ocr``, as the caller is told (``docs/contract.md`` §1 and §4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ziyan.errors import (
    EngineBusyError,
    EngineClosedError,
    EngineTimeoutError,
    QuotaError,
    StoreError,
    SubscriptionExpiredError,
    ZiyanError,
)

_RETRY_SECONDS: Final = 1
#: The ``msg`` of a 666 where an Idempotency-Key comes with another request than the first time.
KEY_REUSED: Final = "Idempotency-Key已用于其他请求"


class Check(StrEnum):
    """What a request can be refused for, in the order it is looked at; each is the ``msg`` of a 666."""

    VER = "版本参数ver传入有误"
    BOTH = "img或url只能传入一个"
    NEITHER = "img或url必传一个"
    URL_DOWNLOAD = "url图片错误: 下载失败"
    URL_FORMAT = "url图片错误: 不支持的文件格式"
    IMG = "img图像错误: 无法处理图片信息"


class SignInCheck(StrEnum):
    """What an own-platform caller can be refused for, in the order it is looked at; each is the ``msg`` of a 666."""

    APPID_MISSING = "未传入开发者账号appid"
    APPID_LENGTH = "传入开发者账号appid字符串长度超限"
    SENDTIME_MISSING = "未传入查询时间sendtime"
    SENDTIME_LENGTH = "传入查询时间sendtime字符串长度超限"
    SENDTIME_EXPIRED = "时间戳超时, 请重新请求"
    SIGN_MISSING = "未传入签名sign"
    SIGN_LENGTH = "传入签名sign字符串长度超限"
    SIGN_WRONG = "签名校验失败"
    APPID_DISABLED = "appid:{appid}接口已停用"
    ASTERISK = "存在*字符, 视为调试数据。止于当前结果。"
    SOURCE = "非法来源"


@dataclass(frozen=True, slots=True)
class GatewayError:
    """A row of the contract's §4: an answer without a body, told by its status and two headers.

    Attributes:
        status: HTTP status.
        code: ``X-Ca-Error-Code``.
        message: ``X-Ca-Error-Message``; clients compare it exactly.
        retry_after: Seconds for ``Retry-After``, if sent.
        allow: Value of ``Allow``, if sent.
        echo: What follows the message in the header but not in the log: it is the caller's own data.
    """

    status: int
    code: str
    message: str
    retry_after: int | None = None
    allow: str = ""
    echo: str = ""


NO_CREDENTIAL: Final = GatewayError(400, "I400MH", "Header `X-Ca-Key` is Required")
UNKNOWN_APPCODE: Final = GatewayError(400, "A400AC", "Invalid AppCode `not exists`")
UNKNOWN_APPKEY: Final = GatewayError(400, "A400IK", "Invalid AppKey")
TIMESTAMP_EXPIRED: Final = GatewayError(403, "S403TE", "X-Ca-Timestamp is expired")
NONCE_USED: Final = GatewayError(403, "S403NU", "Nonce Used")
WRONG_MD5: Final = GatewayError(400, "I400I5", "Invalid Content-MD5")
APP_DISABLED: Final = GatewayError(403, "I403AA", "Unauthorized")
QUOTA_EXHAUSTED: Final = GatewayError(403, "B403MQ", "Quota Exhausted")
SUBSCRIPTION_EXPIRED: Final = GatewayError(403, "B403ME", "Api Market Subscription expired")
THROTTLED: Final = GatewayError(429, "T429SR", "Throttled by SUBSCRIPTION Flow Control", _RETRY_SECONDS)
SERVICE_BUSY: Final = GatewayError(503, "X503BZ", "Service Busy", _RETRY_SECONDS)
STORE_AWAY: Final = GatewayError(503, "X503DB", "Service Unavailable", _RETRY_SECONDS)
WRONG_METHOD: Final = GatewayError(405, "I405UM", "Unsupported Method", allow="POST")
INVALID_BODY: Final = GatewayError(400, "I400BD", "Invalid Body")
BODY_TOO_LARGE: Final = GatewayError(413, "I413RL", "Request body too Large")
ENGINE_TIMEOUT: Final = GatewayError(504, "D504TO", "Backend service request timeout")
INTERNAL_ERROR: Final = GatewayError(500, "X500ER", "Internal Error")


def bad_signature(string_to_sign: str) -> GatewayError:
    """The row that shows what ought to have been signed, for the caller to compare with."""
    return GatewayError(403, "A403IS", "Invalid Signature", echo=f", Server StringToSign:`{string_to_sign}`")


def wrong_path(method: str, raw_path: bytes) -> GatewayError:
    """The row whose message repeats the request line; the query stays out, it may hold an AppCode."""
    path = "".join(chr(byte) if 0x21 <= byte <= 0x7E else "?" for byte in raw_path[:256])
    return GatewayError(404, "I404NF", f"API not found with `{method[:32]} {path}`")


class CheckError(ZiyanError):
    """The request did not pass a check; a 666."""

    code = "bad_request"
    status = 666

    def __init__(self, check: Check | SignInCheck, *, cause: str = "", internal: str = "", appid: str = "") -> None:
        """Refuse for ``check``; ``cause`` tells the operator more than the caller, in stable words joined by ``_``."""
        super().__init__(check.value.format(appid=appid), internal=internal)
        self.check = check
        self.cause = cause or check.name.lower()


class GatewayRefusedError(ZiyanError):
    """The call was turned away before its content was looked at."""

    code = "gateway_refused"
    status = 400

    def __init__(self, row: GatewayError, *, internal: str = "") -> None:
        """Refuse as ``row`` says."""
        super().__init__(row.message, internal=internal)
        self.row = row


class ClientGoneError(Exception):
    """The caller hung up; there is nobody to answer."""


def gateway_error(error: Exception) -> GatewayError:
    """The row of §4 that an exception other than ``CheckError`` becomes; what nobody foresaw is our own fault."""
    match error:
        case GatewayRefusedError():
            return error.row
        case SubscriptionExpiredError():
            return SUBSCRIPTION_EXPIRED
        case QuotaError():
            return QUOTA_EXHAUSTED
        case EngineBusyError() | EngineClosedError():
            return SERVICE_BUSY
        case EngineTimeoutError():
            return ENGINE_TIMEOUT
        case StoreError():
            return STORE_AWAY
        case _:
            return INTERNAL_ERROR
