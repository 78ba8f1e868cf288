"""Every refusal in plain words: what happened, and what to do.  Chinese and English stand side by side.

The messages themselves come from ``ziyan.api.refusals``; a test holds that none is without an explanation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ziyan.api import problems, refusals
from ziyan.api.problems import PROBLEMS, Problem
from ziyan.api.refusals import Check, GatewayError, SignInCheck
from ziyan.errors import ConflictError, InvalidRequestError, ScopeError, SignInError, TooManyTriesError, ZiyanError

#: Chinese, English.
Text = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Plain:
    """One refusal in plain words, in Chinese and English.

    Attributes:
        what: What happened.
        todo: What to do about it.
    """

    what: Text
    todo: Text


_ENABLE: Final[Text] = (
    "请联系服务方恢复。（运营人员：ziyan apps enable）",
    "Ask whoever runs the service to enable it. (Operators: ziyan apps enable)",
)
MESSAGES: Final[dict[str, Plain]] = {
    Check.VER: Plain(
        ("参数 ver 填错了", "The parameter ver has a wrong value"),
        ("ver 只能是 0 或 1，也可以不传。", "Send 0 or 1, or leave it out."),
    ),
    Check.BOTH: Plain(
        ("同时传了图片和网址", "Both a picture and an address were sent"),
        (
            "img 和 url 只留一个；空着的那个留空或不传。",
            "Send either img or url. The other one may be empty or left out.",
        ),
    ),
    Check.NEITHER: Plain(
        ("没有收到图片", "No picture was received"),
        (
            "选择一张图片，或填写图片网址。如果用的是代码，检查字段名是不是 img 或 url。",
            "Choose a picture or enter its address. From code: check that the field is called img or url.",
        ),
    ),
    Check.URL_DOWNLOAD: Plain(
        ("这个网址的图片下载不下来", "The picture at this address could not be downloaded"),
        (
            "在浏览器里打开它试试：要能直接看到图片、不用登录、不超过 1 MB、5 秒内下载完。"
            "内网地址一律拒绝。下载不了就把图片存下来，直接上传。",
            "Open it in a browser: the picture itself must appear, without signing in, within 5 seconds, at most 1 MB. "
            "Private addresses are refused. If in doubt, save the picture and upload it.",
        ),
    ),
    Check.URL_FORMAT: Plain(
        ("这个网址打开后不是能识别的图片", "What lies at this address is not a picture that can be read"),
        (
            "要填图片本身的地址（通常以 .jpg、.png、.gif 结尾），不是包含图片的网页地址。",
            "Give the address of the picture itself, which mostly ends in .jpg, .png or .gif, not of a page around it.",
        ),
    ),
    Check.IMG: Plain(
        ("图片无法处理", "The picture cannot be processed"),
        (
            "检查文件能否正常打开。支持 JPG、PNG、GIF，不超过 1 MB；截一张图、或另存为 JPG 再传，通常就好了。"
            "如果用的是代码，检查 base64 是否完整。",
            "Check that the file opens. JPG, PNG and GIF up to 1 MB are read; a screenshot of it, or saving it as JPG, "
            "mostly helps. From code: check that the base64 is complete.",
        ),
    ),
    SignInCheck.APPID_MISSING: Plain(
        ("没有传 appid", "appid is missing"),
        ("自有平台方式要传 appid、sendtime、sign 三个参数。", "Own-platform calls send appid, sendtime and sign."),
    ),
    SignInCheck.APPID_LENGTH: Plain(
        ("appid 太长", "appid is too long"),
        ("appid 不超过 32 个字符，检查是否填错。", "It has at most 32 characters; check it."),
    ),
    SignInCheck.SENDTIME_MISSING: Plain(
        ("没有传 sendtime", "sendtime is missing"),
        (
            "传当前时间：10 位的秒数或 13 位的毫秒数。",
            "Send this moment: seconds (10 digits) or milliseconds (13 digits).",
        ),
    ),
    SignInCheck.SENDTIME_LENGTH: Plain(
        ("sendtime 太长", "sendtime is too long"),
        (
            "用 10 位的秒数或 13 位的毫秒数，不要用微秒或带小数。",
            "Use seconds (10 digits) or milliseconds (13 digits), no microseconds and no fraction.",
        ),
    ),
    SignInCheck.SENDTIME_EXPIRED: Plain(
        ("时间对不上", "The moment is too far off"),
        (
            "sendtime 与服务器时间相差不能超过 5 分钟。校准发送方的时钟，每次调用都重新取当前时间。",
            "sendtime may be off by 5 minutes. Set the caller's clock, and take the current time for every call.",
        ),
    ),
    SignInCheck.SIGN_MISSING: Plain(
        ("没有传 sign", "sign is missing"),
        (
            "按“签名”一页的方法算出 sign，和其他参数一起发送。",
            "Compute it as the page on signing says, and send it along.",
        ),
    ),
    SignInCheck.SIGN_LENGTH: Plain(
        ("sign 太长", "sign is too long"),
        (
            "MD5 签名是 32 位十六进制；appid 以 h 开头的用 HMAC-SHA256，64 位。",
            "An MD5 sign has 32 hex digits; appids that begin with h sign with HMAC-SHA256, 64 digits.",
        ),
    ),
    SignInCheck.SIGN_WRONG: Plain(
        ("签名不对", "The sign is wrong"),
        (
            "用“签名”一页的计算器核对待签名文本和结果。同一个签名成功一次后不能再用。",
            "Compare text and result with the calculator on the page on signing. A sign works once only.",
        ),
    ),
    SignInCheck.APPID_DISABLED: Plain(
        ("这个应用已停用", "This app is disabled"),
        _ENABLE,
    ),
    SignInCheck.ASTERISK: Plain(
        ("参数里有星号 *", "A parameter holds an asterisk"),
        (
            "带 * 的参数被当作调试数据。换成真实的值再发。",
            "Such values are taken for test data. Send the real value.",
        ),
    ),
    SignInCheck.SOURCE: Plain(
        ("不允许从这里调用", "Calls from here are not allowed"),
        (
            "这个应用限制了来源地址或网页。请联系服务方，把你的地址加进去。（运营人员：ziyan apps restrict）",
            "The app may be called from certain places only. Ask whoever runs the service to add yours. "
            "(Operators: ziyan apps restrict)",
        ),
    ),
    "Idempotency-Key已用于其他请求": Plain(
        ("这个 Idempotency-Key 已用于另一张图片", "This Idempotency-Key belongs to another request"),
        (
            "每张图片用一个新的值；只有重发同一次请求时才用原来的。",
            "Use a new one for every picture; repeat it only when you send the very same request again.",
        ),
    ),
}

GATEWAY: Final[dict[str, Plain]] = {
    "I400MH": Plain(
        ("没有带凭证", "No credential was sent"),
        (
            "请求头加上 Authorization: APPCODE 你的AppCode。网页上就是填好 AppCode。",
            "Add the header Authorization: APPCODE your-AppCode. On the try page: fill in the AppCode.",
        ),
    ),
    "A400AC": Plain(
        ("AppCode 不对", "The AppCode is unknown"),
        (
            "重新复制一遍，前后不要有空格，也不要少字符。服务启动时会打印试用 AppCode。",
            "Copy it again, whole and without blanks around it. The service prints a trial AppCode when it starts.",
        ),
    ),
    "A400IK": Plain(
        ("AppKey 不对", "The AppKey is unknown"),
        ("检查请求头 X-Ca-Key。", "Check the header X-Ca-Key."),
    ),
    "A403IS": Plain(
        ("签名不对", "The signature is wrong"),
        (
            "错误信息后面跟着服务器算出的待签名文本（换行显示为 #），与你的逐字对比。",
            "The text that ought to have been signed follows the message, line ends as #. Compare it with yours.",
        ),
    ),
    "S403TE": Plain(
        ("时间对不上", "The moment is too far off"),
        (
            "X-Ca-Timestamp 与服务器时间相差不能超过 15 分钟，校准时钟。",
            "X-Ca-Timestamp may be off by 15 minutes. Set the clock.",
        ),
    ),
    "S403NU": Plain(
        ("X-Ca-Nonce 用过了", "The nonce was used before"),
        ("每次调用（包括重试）都换一个新的。", "Make a new one for each call, also when you try again."),
    ),
    "I400I5": Plain(
        ("Content-MD5 与内容不符", "Content-MD5 does not belong to this body"),
        (
            "它是请求体 MD5（16 个字节）的 base64，不是十六进制文本的 base64。",
            "It is the base64 of the body's 16 MD5 bytes, not of hex digits.",
        ),
    ),
    "I403AA": Plain(
        ("这个应用已停用", "This app is disabled"),
        _ENABLE,
    ),
    "B403MQ": Plain(
        ("次数用完了", "No calls are left"),
        ("购买新的套餐，或请管理员增加次数。失败的调用没有扣次数。", "Get a new package. Failed calls cost none."),
    ),
    "B403ME": Plain(
        ("套餐都过期了", "All packages have expired"),
        ("购买新的套餐，或请管理员延期。", "Get a new package, or ask for an extension."),
    ),
    "T429SR": Plain(
        ("调用太快了", "Too many calls a second"),
        (
            "等 Retry-After 说的秒数再试。批量处理时降低并发。",
            "Wait as many seconds as Retry-After says. Send fewer at once.",
        ),
    ),
    "X503BZ": Plain(
        ("服务正忙", "The service is busy"),
        (
            "排队已满，等 Retry-After 说的秒数再试。没有扣次数。",
            "The queue is full. Try again after as many seconds as Retry-After says; nothing was billed.",
        ),
    ),
    "X503DB": Plain(
        ("服务暂时不可用", "The service is not available"),
        (
            "数据库连不上，过一会儿再试；如果一直这样，请联系管理员。",
            "Its database is away. Try again in a while; if it stays so, tell whoever runs the service.",
        ),
    ),
    "I404NF": Plain(
        ("地址不对", "There is nothing at this path"),
        ("路径应为 /ocr 或 /v1/ocr，检查域名后面的部分。", "The path is /ocr or /v1/ocr; check what follows the host."),
    ),
    "I405UM": Plain(("请求方法不对", "The method is wrong"), ("用 POST，不是 GET。", "Use POST, not GET.")),
    "I400BD": Plain(
        ("请求体格式不对", "The body is malformed"),
        (
            "检查 Content-Type 与内容是否一致：表单、JSON 或 multipart。",
            "Check that Content-Type and content agree: form, JSON or multipart.",
        ),
    ),
    "I413RL": Plain(
        ("请求太大", "The request is too large"),
        (
            "图片不超过 1 MB。网页会自动缩小；如果用代码，先压缩再发。",
            "Pictures have at most 1 MB. The try page shrinks them; from code, compress it first.",
        ),
    ),
    "D504TO": Plain(
        ("识别超时，已中止", "Reading took too long and was stopped"),
        (
            "把图片裁小一些，或分成几张。没有扣次数。",
            "Crop the picture, or cut it into several. Nothing was billed.",
        ),
    ),
    "X500ER": Plain(
        ("服务自身出错", "Something went wrong in the service"),
        (
            "再试一次；如果还不行，把请求编号告诉管理员。没有扣次数。",
            "Try again; if it stays so, tell whoever runs the service the request's id. Nothing was billed.",
        ),
    ),
}
#: Codes of the native API → the same cause on ``/ocr``: people read one name for it.
_SAME: Final[dict[str, Plain]] = {
    problems.NONCE_USED.code: GATEWAY["S403NU"],
    problems.APP_DISABLED.code: GATEWAY["I403AA"],
    problems.QUOTA_EXHAUSTED.code: GATEWAY["B403MQ"],
    problems.SUBSCRIPTION_EXPIRED.code: GATEWAY["B403ME"],
    problems.RATE_LIMITED.code: GATEWAY["T429SR"],
    problems.ENGINE_TIMEOUT.code: GATEWAY["D504TO"],
    problems.FETCH_FAILED.code: MESSAGES[Check.URL_DOWNLOAD],
}


def _native(row: Problem) -> Plain:
    """The native API's own table has both languages."""
    same = _SAME.get(row.code)
    return Plain(same.what if same else (row.title_zh, row.title), (row.advice_zh, row.advice))


NATIVE: Final[dict[str, Plain]] = {row.code: _native(row) for row in PROBLEMS}

#: What else the APIs of buyers and operators refuse for.
MANAGEMENT: Final[dict[type[ZiyanError], Plain]] = {
    SignInError: Plain(
        ("没有携带令牌，或令牌无效", "No token was sent, or one that does not work"),
        ("加上请求头 `Authorization: Bearer zyt_…`。", "Send the header `Authorization: Bearer zyt_…`."),
    ),
    ScopeError: Plain(
        ("令牌没有这项权限", "The token may not do this"),
        ("请管理员发一个权限合适的令牌。", "Ask whoever runs the service for a token with the scope that is named."),
    ),
    ConflictError: Plain(
        ("与当前状态不符，什么也没有改动", "It does not go with the state that the thing is in; nothing was changed"),
        ("`detail` 写明了现在的状态，先查看再决定。", "`detail` says what stands against it. Look at the thing anew."),
    ),
    InvalidRequestError: Plain(
        ("参数或请求体不合要求", "A parameter or the body is not as it must be"),
        (
            "`detail` 写明哪里不对，按 `openapi.json` 改正。",
            "`detail` says what is wrong; `openapi.json` what is taken.",
        ),
    ),
    TooManyTriesError: Plain(
        ("请求太多，或错误的令牌太多", "Too many requests, or too many wrong tokens"),
        ("过 `Retry-After` 秒再试。", "Try again after as many seconds as Retry-After says."),
    ),
}

#: What each parameter of ``/ocr`` is.
PARAMETERS: Final[dict[str, Text]] = {
    "img": (
        "图片的 base64，前面可以带 data:…;base64,；也可以直接传文件（multipart）。JPG、PNG、GIF，不超过 1 MB。",
        "Base64 of the picture, behind data:…;base64, or not; in multipart the file itself. JPG, PNG, GIF, up to 1 MB.",
    ),
    "url": (
        "图片的 http 或 https 地址，不超过 255 个字符。与 img 二选一。",
        "http or https address of the picture, at most 255 characters. Give either img or url.",
    ),
    "ver": (
        "返回的样式，0 或 1，可以不传，见下。",
        "Shape of the answer, 0 or 1; may be left out. See below.",
    ),
}


def explanation(key: str) -> Plain | None:
    """What a ``msg``, an ``X-Ca-Error-Code`` or a native code means; None where nobody foresaw it."""
    if found := MESSAGES.get(key) or GATEWAY.get(key) or NATIVE.get(key):
        return found
    before, after = (re.escape(part) for part in SignInCheck.APPID_DISABLED.split("{appid}"))
    return MESSAGES[SignInCheck.APPID_DISABLED] if re.fullmatch(f"{before}.+{after}", key) else None


#: What becomes of calls besides what is refused: words that events are counted under.
OUTCOMES: Final[dict[str, Plain]] = {
    "ok": Plain(("成功", "Read"), ("", "")),
    "replayed": Plain(
        ("重复请求，给的是原来的回答", "Repeated; the former answer was given"),
        ("没有再扣次数。", "It was not billed again."),
    ),
    "gone": Plain(
        ("回答送到之前，调用方就断开了", "The caller hung up before its answer came"),
        (
            "把客户端的超时放宽到 30 秒以上。没有扣次数。",
            "Give clients a timeout of over 30 seconds. Nothing was billed.",
        ),
    ),
    "idempotency_key_reused": Plain(
        ("同一个 Idempotency-Key 用在了不同的请求上", "An Idempotency-Key was used for another request"),
        (
            "每个新请求用新的 Idempotency-Key；重试才用原来的。",
            "Take a new one for each request; the same for a retry.",
        ),
    ),
}


def outcome_name(code: str) -> Text:
    """What became of a call, for places where code cannot be marked: legends, files."""
    chinese, english = of_outcome(code).what
    return chinese.replace("`", ""), english.replace("`", "")


def of_outcome(code: str) -> Plain:
    """What became of a call, by the word that it is counted under."""
    for checks in (Check, SignInCheck):
        if code.upper() in checks.__members__:
            return MESSAGES[checks[code.upper()]]
    return OUTCOMES.get(code) or explanation(code) or Plain((code, code), ("", ""))


def rows() -> dict[str, GatewayError]:
    """The rows of the contract's section 4 that the service can answer with, by code."""
    fixed = [row for row in vars(refusals).values() if isinstance(row, GatewayError)]
    made = [refusals.wrong_path("GET", b"/x"), refusals.bad_signature("…")]
    return {row.code: row for row in [*fixed, *made]}
