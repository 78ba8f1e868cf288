"""Everything that can go wrong with a call to the native API, as RFC 9457 has it: one table, stable codes.

Answers, ``/openapi.json`` and the documentation are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ziyan.api import refusals
from ziyan.api.refusals import GatewayError, GatewayRefusedError
from ziyan.errors import FetchError, ZiyanError

_RETRY_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """A row of the table.

    Attributes:
        code: Stable identifier; the classes of ``ziyan.errors`` keep theirs.
        status: HTTP status.
        title: What is wrong, in English; the same each time.
        advice: What to do next, in English.
        title_zh: What is wrong, in Chinese.
        advice_zh: What to do next, in Chinese.
        retry_after: Seconds for ``Retry-After``, if the same call may be answered then.
    """

    code: str
    status: int
    title: str
    advice: str
    title_zh: str
    advice_zh: str
    retry_after: int | None = None

    @property
    def type(self) -> str:
        """Where the documentation explains it."""
        return f"/docs/errors#{self.code}"


CREDENTIAL_MISSING: Final = Problem(
    "credential_missing",
    401,
    "No credential was sent",
    "Send the header `Authorization: APPCODE <AppCode>`.",
    "请求没有携带凭证",
    "请加上请求头 `Authorization: APPCODE <AppCode>`。",
)
CREDENTIAL_INVALID: Final = Problem(
    "credential_invalid",
    401,
    "The credential is not valid",
    "Check the AppCode, or the AppKey and what was signed.",
    "凭证无效",
    "请核对 AppCode；若用 AppKey 签名，请核对 AppKey 与签名内容。",
)
SIGNATURE_EXPIRED: Final = Problem(
    "signature_expired",
    401,
    "The signature is too old, or from the future",
    "Set the clock, and sign each call anew.",
    "签名已过期，或时间超前",
    "请校准本机时间，并为每次调用重新签名。",
)
NONCE_USED: Final = Problem(
    "nonce_used",
    401,
    "The X-Ca-Nonce was used before",
    "Sign each call with a nonce of its own.",
    "X-Ca-Nonce 已被使用",
    "每次调用请使用新的随机串并重新签名。",
)
APP_DISABLED: Final = Problem(
    "app_disabled",
    403,
    "The app is disabled",
    "Ask whoever runs this service to enable it.",
    "应用已停用",
    "请联系本服务的管理员启用该应用。",
)
QUOTA_EXHAUSTED: Final = Problem(
    "quota_exhausted",
    403,
    "No call is left",
    "Buy another package, or wait until calls under way have ended.",
    "调用次数已用完",
    "请购买新的套餐；若有调用正在进行，也可稍后再试。",
)
SUBSCRIPTION_EXPIRED: Final = Problem(
    "subscription_expired",
    403,
    "All packages have expired",
    "Buy another package.",
    "套餐均已过期",
    "请购买新的套餐。",
)
IDEMPOTENCY_KEY_REUSED: Final = Problem(
    "idempotency_key_reused",
    422,
    "The Idempotency-Key was used for another request",
    "Give each call a key of its own; only a repetition of the very same request keeps its key: the same picture, sent "
    "the same way, with the same options and `Accept`.",
    "Idempotency-Key 已用于其他请求",
    "每次调用请使用新的 Idempotency-Key；只有重发同一请求（图片、发送方式、选项、`Accept` 都相同）时才沿用原来的。",
)
MALFORMED_REQUEST: Final = Problem(
    "malformed_request",
    400,
    "The body or the query string cannot be parsed",
    "Check that it is complete, and what its Content-Type says.",
    "请求体或查询串无法解析",
    "请检查请求体是否完整、是否与 Content-Type 一致。",
)
CONTENT_MD5_MISMATCH: Final = Problem(
    "content_md5_mismatch",
    400,
    "The body is not the one that Content-MD5 is of",
    "Send the base64 of the MD5 of the body, or leave the header out.",
    "请求体与 Content-MD5 不符",
    "请发送请求体 MD5 的 base64 值，或去掉该请求头。",
)
PICTURE_MISSING: Final = Problem(
    "picture_missing",
    400,
    "There is no picture",
    "Send it as the body, as `image` in a form or in JSON, or its address as `url`.",
    "没有图片",
    "请把图片作为请求体发送，或放在表单、JSON 的 `image` 中，或用 `url` 给出地址。",
)
PICTURE_AMBIGUOUS: Final = Problem(
    "picture_ambiguous",
    400,
    "There is more than one picture",
    "Send either a picture or a `url`, not both.",
    "图片不止一个",
    "图片与 `url` 只能给出一个。",
)
NOT_BASE64: Final = Problem(
    "not_base64",
    400,
    "`image` is not base64",
    "Encode the file's bytes as base64, with or without `data:…;base64,` before it.",
    "`image` 不是 base64",
    "请把文件内容编码为 base64，前面可带 `data:…;base64,`。",
)
BAD_OPTION: Final = Problem(
    "bad_option",
    400,
    "An option is not known, or not its value",
    "The documentation lists the options and what they take.",
    "选项或其取值有误",
    "请对照文档中的选项及取值。",
)
MODEL_NOT_OFFERED: Final = Problem(
    "model_not_offered",
    400,
    "This service does not offer that model",
    "Name another one, or leave `model` out. Whoever runs the service can offer more: `ZIYAN_MODELS`.",
    "本服务未提供该模型",
    "请改用其他模型，或不传 `model`；管理员可用 `ZIYAN_MODELS` 增加可选的模型。",
)
NOT_FOUND: Final = Problem(
    "not_found",
    404,
    "Nothing is served under this path",
    "Pictures are read by `POST /v1/ocr`.",
    "路径不存在",
    "识别图片请调用 `POST /v1/ocr`。",
)
METHOD_NOT_ALLOWED: Final = Problem(
    "method_not_allowed",
    405,
    "The method is not POST",
    "Send a POST request.",
    "请求方法不是 POST",
    "请使用 POST 请求。",
)
NOT_ACCEPTABLE: Final = Problem(
    "not_acceptable",
    406,
    "There is no answer of the kind that Accept asks for",
    "Accept `application/json` or `text/plain`.",
    "没有 Accept 所要求的回答格式",
    "Accept 请使用 `application/json` 或 `text/plain`。",
)
BODY_TOO_LARGE: Final = Problem(
    "body_too_large",
    413,
    "The body is too large",
    "Make the picture smaller, or send it as it is rather than as base64.",
    "请求体过大",
    "请缩小图片；直接发送文件比 base64 更省空间。",
)
UNSUPPORTED_CONTENT_TYPE: Final = Problem(
    "unsupported_content_type",
    415,
    "Bodies of this Content-Type are not taken",
    "Send the picture itself (`image/*`, `application/octet-stream`), `multipart/form-data` or `application/json`.",
    "不支持该 Content-Type",
    "请直接发送图片（`image/*`、`application/octet-stream`），或使用 `multipart/form-data`、`application/json`。",
)
UNSUPPORTED_IMAGE: Final = Problem(
    "unsupported_image",
    415,
    "It is not a picture of a kind that is read",
    "Send JPEG, PNG, GIF, WebP, BMP, TIFF, AVIF or, where its decoder is installed, HEIC.",
    "不是可识别的图片格式",
    "请发送 JPEG、PNG、GIF、WebP、BMP、TIFF、AVIF；装有解码器时也可用 HEIC。",
)
IMAGE_TOO_LARGE: Final = Problem(
    "image_too_large",
    413,
    "The picture is too large",
    "Make it smaller: letters 20 pixels high are enough.",
    "图片过大",
    "请缩小图片：文字高 20 像素即可。",
)
UNDECODABLE_IMAGE: Final = Problem(
    "undecodable_image",
    422,
    "The picture is damaged",
    "Save or export it anew.",
    "图片已损坏",
    "请重新保存或导出图片。",
)
BAD_IMAGE: Final = Problem(
    "bad_image",
    422,
    "The picture cannot be read",
    "Save or export it anew, as PNG or JPEG.",
    "图片无法识别",
    "请重新保存或导出为 PNG 或 JPEG。",
)
FETCH_FAILED: Final = Problem(
    "fetch_failed",
    422,
    "The picture at `url` could not be fetched",
    "The address must be public, answer 200 within 5 seconds, and hold the picture itself.",
    "无法下载 `url` 处的图片",
    "地址须可公开访问，5 秒内返回 200，且内容就是图片本身。",
)
RATE_LIMITED: Final = Problem(
    "rate_limited",
    429,
    "Too many calls a second",
    "Try again after as many seconds as Retry-After says.",
    "调用过于频繁",
    "请按 Retry-After 给出的秒数稍后重试。",
    _RETRY_SECONDS,
)
INTERNAL_ERROR: Final = Problem(
    "internal_error",
    500,
    "Something is wrong with the service",
    "Tell whoever runs it the request_id: the log says more under it.",
    "服务内部错误",
    "请把 request_id 告诉服务管理员，日志中有详情。",
)
ENGINE_FAILED: Final = Problem(
    "engine_failed",
    500,
    "The picture could not be read because of a fault in the service",
    "Tell whoever runs it the request_id: the log says more under it.",
    "服务故障，未能识别图片",
    "请把 request_id 告诉服务管理员，日志中有详情。",
)
READER_CRASHED: Final = Problem(
    "reader_crashed",
    500,
    "The reading process died under this picture",
    "Send it once more; if that fails too, save it anew, for something about it is unusual.",
    "识别进程在处理该图片时崩溃",
    "请重试一次；仍失败则请重新保存图片，它可能有异常之处。",
)
ENGINE_BUSY: Final = Problem(
    "engine_busy",
    503,
    "Too many pictures are waiting",
    "Try again after as many seconds as Retry-After says.",
    "排队的图片过多",
    "请按 Retry-After 给出的秒数稍后重试。",
    _RETRY_SECONDS,
)
SERVICE_BUSY: Final = Problem(
    "service_busy",
    503,
    "Requests take all the memory they may",
    "Try again after as many seconds as Retry-After says.",
    "服务繁忙，请求占用的内存已满",
    "请按 Retry-After 给出的秒数稍后重试。",
    _RETRY_SECONDS,
)
ENGINE_CLOSED: Final = Problem(
    "engine_closed",
    503,
    "The service is starting or stopping",
    "Try again after as many seconds as Retry-After says.",
    "服务正在启动或停止",
    "请按 Retry-After 给出的秒数稍后重试。",
    _RETRY_SECONDS,
)
MODEL_UNAVAILABLE: Final = Problem(
    "model_unavailable",
    503,
    "The weights of the model are missing or damaged",
    "Whoever runs the service can install them: `ziyan models install`.",
    "模型权重缺失或损坏",
    "请服务管理员安装权重：`ziyan models install`。",
)
STORE_UNAVAILABLE: Final = Problem(
    "store_unavailable",
    503,
    "The database does not answer",
    "Try again after as many seconds as Retry-After says.",
    "数据库无响应",
    "请按 Retry-After 给出的秒数稍后重试。",
    _RETRY_SECONDS,
)
ENGINE_TIMEOUT: Final = Problem(
    "engine_timeout",
    504,
    "Reading took too long and was stopped",
    "Try again later, or send a smaller picture or less of the page.",
    "识别超时，已停止",
    "请稍后重试，或缩小图片、截取部分页面。",
)

#: Every row, in the order of statuses.
PROBLEMS: Final[tuple[Problem, ...]] = tuple(
    sorted((row for row in list(vars().values()) if isinstance(row, Problem)), key=lambda row: row.status)
)

_BY_CODE: Final = {row.code: row for row in PROBLEMS}
#: What the gateway's rows of ``/ocr`` are here.  A wrong signature is told as an unknown AppKey is, so that nobody can
#: find out which AppKeys exist.
_BY_GATEWAY_CODE: Final = {
    refusals.NO_CREDENTIAL.code: CREDENTIAL_MISSING,
    refusals.UNKNOWN_APPCODE.code: CREDENTIAL_INVALID,
    refusals.UNKNOWN_APPKEY.code: CREDENTIAL_INVALID,
    refusals.bad_signature("").code: CREDENTIAL_INVALID,
    refusals.TIMESTAMP_EXPIRED.code: SIGNATURE_EXPIRED,
    refusals.NONCE_USED.code: NONCE_USED,
    refusals.WRONG_MD5.code: CONTENT_MD5_MISMATCH,
    refusals.APP_DISABLED.code: APP_DISABLED,
    refusals.QUOTA_EXHAUSTED.code: QUOTA_EXHAUSTED,
    refusals.SUBSCRIPTION_EXPIRED.code: SUBSCRIPTION_EXPIRED,
    refusals.THROTTLED.code: RATE_LIMITED,
    refusals.SERVICE_BUSY.code: SERVICE_BUSY,
    refusals.STORE_AWAY.code: STORE_UNAVAILABLE,
    refusals.WRONG_METHOD.code: METHOD_NOT_ALLOWED,
    refusals.INVALID_BODY.code: MALFORMED_REQUEST,
    refusals.BODY_TOO_LARGE.code: BODY_TOO_LARGE,
    refusals.ENGINE_TIMEOUT.code: ENGINE_TIMEOUT,
    refusals.INTERNAL_ERROR.code: INTERNAL_ERROR,
    refusals.wrong_path("GET", b"/").code: NOT_FOUND,
}
#: What of a failed fetch the caller is told.  All others are one and the same: what can be reached from here, and which
#: names mean something, is nobody's business.
_FETCH_TOLD: Final = frozenset({"malformed", "port", "status", "compressed", "too_large", "redirects"})


class ProblemError(ZiyanError):
    """The call is refused for a reason that only the native API knows."""

    def __init__(self, problem: Problem, what: str = "", *, internal: str = "") -> None:
        """Refuse for ``problem``; ``what`` says more of this very call than its title."""
        super().__init__(what or f"{problem.title}.", internal=internal)
        self.problem = problem
        self.code = problem.code


def problem_of(error: Exception) -> Problem:
    """The row that an exception becomes; what nobody foresaw is our own fault."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, GatewayRefusedError):
        return _BY_GATEWAY_CODE.get(error.row.code, INTERNAL_ERROR)
    codes = [kind.code for kind in type(error).__mro__ if issubclass(kind, ZiyanError)]
    return next((_BY_CODE[code] for code in codes if code in _BY_CODE), INTERNAL_ERROR)


def told_of(error: Exception) -> str:
    """What was wrong with this very call, as its caller may know it: a sentence."""
    problem = problem_of(error)
    row: GatewayError | None = error.row if isinstance(error, GatewayRefusedError) else None
    foreseen = isinstance(error, ZiyanError) and row is None and problem.status != INTERNAL_ERROR.status
    if not foreseen or (isinstance(error, FetchError) and error.reason not in _FETCH_TOLD):
        return f"{problem.title}."
    text = str(error)
    return text if text.endswith((".", "!")) else f"{text}."


def retry_after(error: Exception) -> int | None:
    """Seconds after which the same call may be answered, if it may."""
    if isinstance(error, GatewayRefusedError):
        return error.row.retry_after
    return problem_of(error).retry_after
