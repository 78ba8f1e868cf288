"""Walks docs/contract.md itself: what the page says of a refusal is provoked over a socket and compared to the byte,
and every other rule of its sections 1, 2, 3 and 6 names the tests that hold it.

A rule without a test fails here, and so does one that is listed as not built yet and is.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.api.conftest import Service
from tests.api.wire import Reply, request
from tests.desk import set_app_disabled
from ziyan.errors import EngineBusyError, EngineTimeoutError
from ziyan.metering.packages import grant
from ziyan.metering.store.schema import packages

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/contract.md").read_text("utf-8")
FORM = b"img=QUJD"
MIB = 1 << 20

Start = Callable[..., Service]


def section(number: int) -> str:
    return re.split(r"^## \d\. .*$", PAGE, flags=re.MULTILINE)[number]


def rows(text: str) -> list[list[str]]:
    """Cells of a table's rows, without its head."""
    lines = [re.split(r" ?(?<!\\)\| ?", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return lines[2:]


# --- section 1, the checks ----------------------------------------------------------------------------------------


def checks() -> dict[str, str]:
    """Message by condition, in the page's order; the one in parentheses belongs to both of its neighbours."""
    text = section(1).split("### Checks")[1]
    return {match[1].strip(): match[2] for match in re.finditer(r"^\d\. (.+?) → `(.+?)`$", text, re.MULTILINE)}


CHECKS: dict[str, list[bytes]] = {
    "`ver` not 0/1": [b"ver=2&img=QUJD", b"ver=01&img=!&url=!"],
    "both given": [b"img=QUJD&url=http://a.example/", b"img=!&url=!"],
    "neither": [b"", b"img=+&url=%0A", b"ver=1"],
    "url: malformed, over 255 characters, refused by the fetch guard, timed out, non-200, over the size limit": [
        b"url=picture.jpg",
        b"url=http://example.com/" + b"a" * 300,
        b"url=http://169.254.169.254/",
    ],
    "url: downloaded, but not JPG/PNG/GIF by its content": [],  # needs a server of pictures
    "img: not base64, over the size limit, not JPG/PNG/GIF, cannot be decoded, over the pixel limit": [
        b"img=%21",
        b"img=" + b"QUJD" * (MIB // 3 + 1),
    ],
}
CHECKS_ELSEWHERE = {
    "url: downloaded, but not JPG/PNG/GIF by its content": (
        "test_ocr_url::test_check_5_is_anything_there_that_cannot_be_read"
    )
}


def test_every_check_of_the_page_is_made() -> None:
    assert list(checks()) == list(CHECKS)
    assert {name for name, bodies in CHECKS.items() if not bodies} == set(CHECKS_ELSEWHERE)
    for test in CHECKS_ELSEWHERE.values():
        assert_exists(test)


@pytest.mark.parametrize("condition", checks())
def test_check(service: Service, condition: str) -> None:
    for body in CHECKS[condition]:
        reply = service.post(body)
        assert (reply.status, reply.body) == (666, f'{{"ok":0,"msg":"{checks()[condition]}"}}'.encode())


def test_the_checks_are_made_in_the_pages_order(service: Service) -> None:
    """A request that fails several is told of the first."""
    messages = list(checks().values())
    for body, first in [
        (b"ver=9&img=!&url=!", 0),
        (b"ver=9", 0),
        (b"img=!&url=!", 1),
        (b"url=!", 3),
        (b"img=!", 5),
    ]:
        assert service.post(body).body == f'{{"ok":0,"msg":"{messages[first]}"}}'.encode()


# --- section 4 ----------------------------------------------------------------------------------------------------


def provoke_disabled(start: Start) -> Reply:
    service = start()
    set_app_disabled(service.store, service.caller.app.id, disabled=True)
    return service.post(FORM)


def provoke_rate(start: Start) -> Reply:
    service = start(rate_app=0.01)
    service.post(FORM)
    return service.post(FORM)


def provoke_failure(error: Exception) -> Callable[[Start], Reply]:
    def provoke(start: Start) -> Reply:
        service = start()
        service.engine.outcome = error
        return service.post(FORM)

    return provoke


def provoke_database(start: Start) -> Reply:
    service = start()
    service.lose_database()
    return service.post(FORM)


def provoke_size(start: Start) -> Reply:
    service = start()
    head = request(appcode=service.caller.appcode).replace(b"Content-Length: 0", b"Content-Length: 8388609")
    return service.send(head)


def provoke_expired(start: Start) -> Reply:
    service = start(calls=0)
    package = grant(service.store, service.caller.app.id, 10)
    in_the_past = update(packages).where(packages.c.id == package.id).values(valid_from=1, valid_to=2)
    service.store.transact(lambda connection: connection.execute(in_the_past), write=True)
    return service.post(FORM)


PROVOKED: dict[str, Callable[[Start], Reply]] = {
    "no credential": lambda start: start().send(request(FORM)),
    "unknown AppCode": lambda start: start().send(request(FORM, appcode="0" * 32)),
    "app disabled": provoke_disabled,
    "**no calls left**": lambda start: start(calls=0).post(FORM),
    "all packages expired": provoke_expired,
    "rate limit": provoke_rate,
    "engine queue full": provoke_failure(EngineBusyError("full")),
    "database away": provoke_database,
    "wrong path": lambda start: start().send(request(method="GET", target="/x")),
    "wrong method on /ocr": lambda start: start().send(request(method="GET")),
    "malformed body": lambda start: start().post(b"{", content_type="application/json"),
    "body too large": provoke_size,
    "engine took too long": provoke_failure(EngineTimeoutError("late")),
    "our own fault": provoke_failure(ZeroDivisionError("ours")),
}
#: Rows that tests of their own hold: name of the row → name of the test.
GATEWAY_ELSEWHERE = {
    "unknown AppKey": "test_signed_calls::test_unknown_appkey_is_refused_before_the_body_is_read",
    "bad signature": "test_signed_calls::test_bad_signature_shows_what_ought_to_have_been_signed",
    "timestamp off": "test_signed_calls::test_timestamp_off",
    "nonce reused": "test_signed_calls::test_nonce_reused",
    "wrong Content-MD5": "test_signed_calls::test_wrong_content_md5",
}


def gateway_rows() -> dict[str, tuple[int, str, str, bool]]:
    """When → status, code, message, whether ``Retry-After`` comes along."""
    found = {}
    for when, what in rows(section(4)):
        status, code, message = re.match(r"(\d{3}) `(\w+)` (`` ?.+?``|`.+?`)(?:[ ,]|$)", what).groups()
        inner = re.fullmatch(r"``(.+)``|`(.+)`", message)
        found[when] = (int(status), code, (inner[1] or inner[2]).strip(), "`Retry-After`" in what)
    return found


def test_every_gateway_error_of_the_page_is_provoked() -> None:
    listed = [*PROVOKED, *GATEWAY_ELSEWHERE]
    assert sorted(listed) == sorted(gateway_rows())
    for test in GATEWAY_ELSEWHERE.values():
        assert_exists(test)


@pytest.mark.parametrize("when", PROVOKED)
def test_gateway_error(service_with: Start, when: str) -> None:
    status, code, message, retry = gateway_rows()[when]
    reply = PROVOKED[when](service_with)
    assert (reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]) == (status, code, message)
    assert (reply.body, reply["Content-Type"], reply["X-Ziyan-Billed"]) == (b"", "text/plain", "0")
    assert ("Retry-After" in reply.names()) == retry


# --- section 3, own-platform mode ---------------------------------------------------------------------------------

CHECK = "test_own_platform::test_check"
#: Messages of the own-platform table → the tests that hold them.
PLATFORM: dict[str, str] = {
    "未传入开发者账号appid": f"{CHECK}[1 no appid]",
    "传入开发者账号appid字符串长度超限": f"{CHECK}[2 appid of 33 characters]",
    "未传入查询时间sendtime": f"{CHECK}[3 no sendtime]",
    "传入查询时间sendtime字符串长度超限": f"{CHECK}[4 sendtime of 14 characters]",
    "时间戳超时, 请重新请求": f"{CHECK}[5 no number]",
    "未传入签名sign": f"{CHECK}[6 no sign]",
    "传入签名sign字符串长度超限": f"{CHECK}[7 sign of 33 characters]",
    "签名校验失败": f"{CHECK}[8 unknown appid]",
    "appid:XXXXXXX接口已停用": f"{CHECK}_9_app_disabled",
    "存在*字符, 视为调试数据。止于当前结果。": f"{CHECK}_10_asterisk",
    "非法来源": f"{CHECK}_11_source",
}


def test_every_message_of_the_own_platform_table_names_its_test() -> None:
    assert [message.strip("`") for message, _ in rows(section(3))] == list(PLATFORM)
    for test in PLATFORM.values():
        assert_exists(test)


# --- sections 1, 2 and 3, the rules in words -------------------------------------------------------------------------

FORMS, TOLERANCE = "test_ocr_requests::test_request_form_is_read", "test_ocr_requests::test_base64_tolerance_in_a_form"
SIGNED_HEADERS, RESOURCE = "test_signature::test_signed_headers", "test_signature::test_path_and_parameters"
BUG = "test_signature::test_a_known_bug_is_taken"
#: Beginning of a rule → the tests that hold it; a name in brackets is that of one parameter.
RULES: dict[str, list[str]] = {
    "`img` | base64 of the picture": [
        f"{FORMS}[form]",
        "test_ocr_requests::test_a_picture_of_exactly_1_mib_is_read_and_one_byte_more_is_not",
    ],
    "`url` | `http://` or `https://` address": ["test_ocr_url::test_the_picture_at_an_address_is_read"],
    "`ver` | answer shape": ["test_ocr_answers::test_a_success_is_these_bytes"],
    "Body: `application/x-www-form-urlencoded`, in any letter case, with or without charset, also the sloppy": [
        f"{FORMS}[form, any letter case]",
        f"{FORMS}[form with charset]",
        f"{FORMS}[form, sloppy type of the PHP sample]",
    ],
    "no Content-Type at all": [f"{FORMS}[form without a type]"],
    'JSON `{"img": …}` with or without': [
        f"{FORMS}[JSON]",
        f"{FORMS}[JSON without a type]",
        f"{FORMS}[JSON under the form's type]",
    ],
    "`multipart/form-data` with `img`": [f"{FORMS}[multipart field]", f"{FORMS}[multipart file]"],
    "Parameters in the query string count too": ["test_ocr_requests::test_the_query_counts_and_the_form_wins"],
    "Split forms on `&` only": [
        "test_form::test_a_form_is_split_on_ampersands_alone",
        f"{TOLERANCE}[data URI, raw]",
    ],
    "`img` tolerances: strip a `data:*;base64,` prefix": [f"{TOLERANCE}[data URI]", f"{TOLERANCE}[data URI, raw]"],
    "spaces back to `+`": [f"{TOLERANCE}[spaces for +]", f"{TOLERANCE}[not percent-encoded: + arrives as space]"],
    "drop CR/LF/tabs": [f"{TOLERANCE}[MIME lines]", f"{TOLERANCE}[raw line ends]", f"{TOLERANCE}[tabs]"],
    "accept `-_` for `+/`": [f"{TOLERANCE}[URL alphabet]"],
    "repair missing padding": [
        f"{TOLERANCE}[no padding]",
        "test_ocr_requests::test_missing_padding_is_repaired_for_every_length",
    ],
    "if `%2F`/`%2B`/`%3D` remain": [f"{TOLERANCE}[percent-encoded twice]"],
    "Anything else that is not base64": ["test_ocr_requests::test_anything_else_is_not_base64"],
    "An empty or blank `img`/`url` counts as absent": [
        f"{FORMS}[form with blank url, as many send it]",
        "test_ocr_requests::test_check[3 both blank]",
    ],
    "A 1 MiB picture makes a form body": [
        "test_connections::test_a_body_of_8_mib_is_taken",
        "test_connections::test_a_declared_length_over_8_mib_is_refused_before_the_body_is_read",
        "test_connections::test_more_than_8_mib_without_a_length_is_refused_before_its_end",
    ],
    "`Expect: 100-continue`": [
        "test_connections::test_expect_100_continue",
        "test_connections::test_the_connection_ends_where_the_client_wants_it",
    ],
    "The page's own code samples send `img` and `url`": ["test_ocr_requests::test_check[2 both]"],
    "`Content-Type: application/json; charset=UTF-8` on every": [
        "test_ocr_answers::test_a_whole_answer_is_these_bytes",
    ],
    "Success is exactly HTTP 200": ["test_ocr_answers::test_a_whole_answer_is_these_bytes"],
    "`ver=0`:": ["test_ocr_answers::test_a_success_is_these_bytes"],
    "`ver=1`:": ["test_ocr_answers::test_a_success_is_these_bytes"],
    "No text in the picture": ["test_ocr_answers::test_a_success_is_these_bytes"],
    "The page's parameter table names the versions": ["test_ocr_answers::test_labels_semantics_turns_ver_round"],
    "Failure of the request itself is HTTP **666**": [
        "test_ocr_answers::test_a_whole_answer_is_these_bytes",
        "test_http2::test_a_666_over_http_2_has_lower_case_names",
        "test_http2::test_a_666_over_tls_with_alpn",
    ],
    "Every answer carries `X-Ca-Request-Id`": [
        "test_ocr_answers::test_every_call_has_a_request_id_of_its_own",
        "test_ocr_answers::test_a_whole_answer_is_these_bytes",
        "test_http2::test_a_666_over_http_2_has_lower_case_names",
    ],
    "Ours besides: `X-Ziyan-Billed: 0|1`": [
        "test_billing::test_every_answer_says_whether_it_was_billed_and_what_is_left",
        "test_billing::test_what_is_held_by_another_call_is_not_left",
        "test_ocr_answers::test_a_whole_answer_is_these_bytes",
        "test_operations::test_an_app_that_calls_too_often_is_throttled",
    ],
    "Tried in this order": ["test_sign_in::test_the_first_credential_present_decides"],
    "**APPCODE.** `Authorization`": [
        "test_ocr_requests::test_appcode_header_in_every_spelling",
        "test_ocr_requests::test_appcode_in_the_query_in_any_letter_case",
        "test_ocr_requests::test_appcode_in_the_query_can_be_switched_off",
    ],
    "**AppKey + signature**": [
        "test_signature::test_the_first_lines_are_verbatim",
        f"{SIGNED_HEADERS}[spelled as listed]",
        f"{RESOURCE}[query and form together]",
        "test_signed_calls::test_a_signed_call_is_served[HmacSHA1]",
        "test_signed_calls::test_a_signed_call_is_served[HmacSHA256, named]",
        "test_signature::test_an_unknown_method_is_refused",
    ],
    "Sort the names ourselves, ASCII": [f"{SIGNED_HEADERS}[sorted by us]"],
    "drop X-Ca-Signature": [f"{SIGNED_HEADERS}[names that never count]"],
    "Parameters: query ∪ form": [
        f"{RESOURCE}[query and form together]",
        f"{RESOURCE}[decoded]",
        f"{RESOURCE}[base64 as it is]",
        f"{RESOURCE}[sorted by name, upper case first]",
    ],
    "empty value → the key alone": [f"{RESOURCE}[empty value]"],
    "duplicate key in one source": [
        f"{RESOURCE}[twice in the query: the first]",
        f"{RESOURCE}[twice, the first empty]",
    ],
    "in both → the form's": [f"{RESOURCE}[in both: the form's]"],
    "empty key skipped": [f"{RESOURCE}[empty name]"],
    "The form counts when Content-Type contains": [
        "test_signed_calls::test_a_signed_call_is_served[form, sloppy type of the PHP sample]",
        "test_signed_calls::test_json_under_the_forms_type_is_signed_as_the_form_that_it_says_it_is",
    ],
    "any other body stays out": [
        "test_signed_calls::test_a_signed_call_is_served[JSON, left out]",
        "test_signed_calls::test_a_signed_multipart_call_is_served",
    ],
    "`Content-MD5` = base64(md5(raw body))": ["test_signature::test_the_golden_content_md5_is_that_of_the_body"],
    "verified when present": [
        "test_signed_calls::test_wrong_content_md5",
        "test_signed_calls::test_content_md5_is_verified_whichever_way_a_caller_signs_in",
    ],
    "Non-ASCII header values": ["test_signed_calls::test_a_header_in_chinese_is_signed_as_utf_8"],
    "`Date` is opaque": ["test_signed_calls::test_a_signed_call_is_served[Date is opaque]"],
    "`X-Ca-Timestamp` (ms, optional)": [
        "test_signed_calls::test_timestamp_off",
        "test_signed_calls::test_a_signed_call_is_served[14 minutes late]",
        "test_signed_calls::test_a_signed_call_is_served[no moment]",
    ],
    "`X-Ca-Nonce` (optional) once per AppKey": [
        "test_signed_calls::test_a_nonce_belongs_to_its_appkey",
        "test_signed_calls::test_a_nonce_is_remembered_only_after_the_signature_has_verified",
        "test_signed_calls::test_a_signed_call_is_served[no nonce]",
        "tests.metering.test_once::test_of_stores_that_race_for_one_exactly_one_wins",
    ],
    "Known client bugs to accept": [f"{BUG}[k= for an empty value]"],
    "names in listed order or lower-cased": [f"{BUG}[names in listed order]", f"{BUG}[names in lower case]"],
    "no X-Ca-Signature-Headers": [f"{BUG}[no list]", f"{BUG}[no list, but the key is signed]"],
    "`Accept: */*` signed as empty": [f"{BUG}[Accept: */* signed as empty]", f"{BUG}[no Accept signed as */*]"],
    "Accept/Content-MD5/Content-Type/Date all blank": [f"{BUG}[four blank lines, as PHP's demo without Accept]"],
    "Each alone and the combinations": [
        "test_signature::test_at_most_eight_texts_are_tried_no_two_alike_the_rule_first",
        "test_signature::test_with_every_bug_possible_each_alone_is_tried",
    ],
    "A request that signs no headers": ["test_signed_calls::test_calls_that_can_be_replayed_are_refused_by_a_setting"],
    "Compare in constant time": ["test_signature::test_signatures_are_compared_in_constant_time"],
    "Golden vectors are in": ["test_signature::test_a_golden_signature_is_made_and_verified"],
    "**Own-platform mode.**": [
        "test_own_platform::test_a_call_is_served",
        "test_own_platform::test_parameters_count_wherever_they_are",
        "test_own_platform::test_with_hmac_sha256",
        f"{CHECK}[1 no appid]",
    ],
    "A captured request must not be replayable": [
        "test_replay::test_a_billed_sign_is_taken_once",
        "test_replay::test_a_sign_whose_first_call_still_runs_is_refused",
        "test_replay::test_a_sign_is_free_again_after_an_unbilled_outcome",
    ],
}


def rules() -> list[str]:
    """Rows, list items and paragraphs of sections 1 to 3; what an item says of several things apart."""
    one, two = section(1), section(2)
    words, checks_ = one.split("### Checks")
    found = [" | ".join(row) for row in rows(words)]
    for item in re.split(r"^- ", words, flags=re.MULTILINE)[1:]:
        text = " ".join(item.split())
        parts = re.split(r"; |(?<=\))\. ", text) if text.startswith(("Body:", "`img` tolerances")) else [text]
        found += [part for whole in parts for part in re.split(r"\. (?=Anything else|Parameters in)", whole)]
    found.append(" ".join(checks_.strip().split("\n\n")[-1].split()))
    for block in two.strip().split("\n\n"):
        head, *items = re.split(r"^- ", block, flags=re.MULTILINE)
        found += [" ".join(text.split()) for text in (head, *items) if text.strip()]
    for block in re.sub(r"^```.*?^```|^\|[^\n]*", "\n\n", section(3), flags=re.MULTILINE | re.DOTALL).split("\n\n"):
        head, *items = re.split(r"^- ", block, flags=re.MULTILINE)
        found += [" ".join(head.split())] if head.strip() else []
        found += [part for item in items for part in re.split(r"; |(?<=[a-z`])\. (?=[A-Z`])", " ".join(item.split()))]
    return found


def test_every_rule_in_words_names_its_tests() -> None:
    for rule in rules():
        assert [begin for begin in RULES if rule.startswith(begin)], f"no test is named for: {rule}"
    for begin, tests in RULES.items():
        assert [rule for rule in rules() if rule.startswith(begin)], f"the page does not say: {begin}"
        for test in tests:
            assert_exists(test)


# --- section 5 ----------------------------------------------------------------------------------------------------

BILLING, PACKAGES = "test_billing", "tests.metering.test_packages"
#: Beginning of each sentence, in the page's order → the tests that hold it.
BILLED: dict[str, list[str]] = {
    "Only 2xx is billed": [
        f"{BILLING}::test_every_answer_says_whether_it_was_billed_and_what_is_left",
        f"{BILLING}::test_an_answer_whose_commit_hangs_is_not_given_nor_billed_when_it_is_done_after_all",
        f"{BILLING}::test_a_client_that_leaves_in_the_middle_of_its_answer_is_not_billed",
    ],
    "One call is reserved before the engine runs": [
        f"{BILLING}::test_ten_times_too_many_at_once_are_sold_exactly_what_there_is",
        f"{PACKAGES}::test_ten_times_too_many_at_once_are_sold_exactly_what_there_is[three packages]",
        f"{PACKAGES}::test_a_call_that_is_free_is_let_go_of",
        f"{PACKAGES}::test_what_lapses_comes_back_by_itself",
        "tests.metering.test_crashes::test_gateways_that_are_killed_sell_exactly_what_there_is",
    ],
    "Packages are consumed by earliest expiry": [f"{PACKAGES}::test_earliest_expiry_is_consumed_first_then_the_oldest"],
    "`Idempotency-Key` (ours, optional)": [
        f"{BILLING}::test_a_repeated_call_is_answered_again_and_billed_once",
        f"{BILLING}::test_of_a_thousand_with_one_key_one_is_billed",
        f"{BILLING}::test_a_key_with_another_request_is_refused[body]",
        f"{BILLING}::test_the_same_parts_between_other_boundaries_are_the_same_request",
        "tests.metering.test_answers::test_after_its_time_the_request_is_made_anew",
    ],
    "The answer kept for that is encrypted": [
        "tests.metering.test_answers::test_neither_key_nor_answer_lies_in_the_database",
        "tests.metering.test_usage::test_what_is_over_is_cleared_away",
    ],
    "No picture and no recognised text is stored otherwise": [
        f"{BILLING}::test_neither_picture_nor_text_lies_in_the_data_folder"
    ],
}


def test_every_rule_of_billing_names_its_tests() -> None:
    sentences = re.split(r"(?<=[.`)])\. ?(?=[A-Z`])|(?<=[a-z])\. (?=[A-Z`])", " ".join(section(5).split()))
    assert len(sentences) == len(BILLED)
    for sentence, (begin, tests) in zip(sentences, BILLED.items(), strict=True):
        assert sentence.startswith(begin), sentence
        for test in tests:
            assert_exists(test)


# --- section 6 ----------------------------------------------------------------------------------------------------

FETCH, GUARD = "tests.test_fetch", "tests.fetching.test_hostile_network"
#: What the page says of fetching, in its order → the tests that hold it.
FETCHING: dict[str, list[str]] = {
    "http/https only": [f"{GUARD}::test_row[scheme ftp]", f"{GUARD}::test_row[scheme file]"],
    "ports 80/443 and a setting": [
        f"{GUARD}::test_row[port 8080]",
        f"{FETCH}::test_hosts_and_ports_are_allowed_by_settings",
    ],
    "name resolved by us": [f"{GUARD}::test_row[rebinding: public, then private]"],
    "**every** resolved address checked at connect time and again on each redirect (at most 3)": [
        f"{GUARD}::test_row[one private address among many]",
        f"{GUARD}::test_row[rebinding between a redirect and its target]",
        f"{GUARD}::test_row[three redirects]",
        f"{GUARD}::test_row[four redirects]",
        f"{GUARD}::test_the_far_end_is_held_against_the_judged_address",
    ],
    "private": [f"{GUARD}::test_row[address: private, 192.168]", f"{GUARD}::test_row[IPv6 address: unique local]"],
    "loopback": [f"{GUARD}::test_row[address: loopback]", f"{GUARD}::test_row[IPv6 address: loopback]"],
    "link-local": [f"{GUARD}::test_row[address: link-local]", f"{GUARD}::test_row[IPv6 address: link-local]"],
    "CGNAT 100.64/10 (holds a cloud metadata address)": [f"{GUARD}::test_row[address: metadata in CGNAT]"],
    "198.18/15": [f"{GUARD}::test_row[address: benchmarks]", f"{GUARD}::test_row[address: the end of benchmarks]"],
    "240/4": [f"{GUARD}::test_row[address: reserved]", f"{GUARD}::test_row[address: broadcast]"],
    "multicast": [f"{GUARD}::test_row[address: multicast]", f"{GUARD}::test_row[IPv6 address: global multicast]"],
    "IPv4-mapped and 6to4/NAT64 IPv6": [
        f"{GUARD}::test_row[IPv6 address: mapped metadata]",
        f"{GUARD}::test_row[IPv6 address: 6to4 of a private address]",
        f"{GUARD}::test_row[IPv6 address: NAT64 of metadata]",
    ],
    "unspecified": [f"{GUARD}::test_row[address: unspecified]", f"{GUARD}::test_row[IPv6 address: unspecified]"],
    "all refused": [f"{GUARD}::test_the_page_about_fetching_names_every_block_that_is_refused"],
    "Bytes capped while streaming": [
        f"{GUARD}::test_row[more than 1 MiB without a length]",
        f"{GUARD}::test_row[a server that does this: endless body]",
    ],
    "total time ≤ 5 s": [
        f"{GUARD}::test_a_fetch_takes_five_seconds_at_most",
        f"{GUARD}::test_row[a server that does this: drips its body]",
    ],
    "no proxy from the environment": [f"{FETCH}::test_no_proxy_of_the_environment_is_used"],
    "no credentials in the URL": [f"{GUARD}::test_row[a user and a password]"],
    "no decompression beyond the cap": [f"{GUARD}::test_row[a gzip bomb that says so]"],
    "Tests and closed networks allow named hosts by a setting (`ZIYAN_FETCH_ALLOW`).": [
        f"{FETCH}::test_hosts_and_ports_are_allowed_by_settings",
        f"{GUARD}::test_an_allowed_name_does_not_open_the_way_to_others",
    ],
}


def test_every_rule_of_fetching_names_its_tests() -> None:
    assert re.split(r", |; |: |\. (?=[A-Z])| — ", " ".join(section(6).split())) == list(FETCHING)
    for tests in FETCHING.values():
        for test in tests:
            assert_exists(test)


def assert_exists(test: str) -> None:
    """A test of this name, and of this parameter, is there to be run."""
    module, name, parameter = re.fullmatch(r"([\w.]+)::(\w+)(?:\[(.+)\])?", test).groups()
    function = getattr(importlib.import_module(module if "." in module else f"tests.api.{module}"), name)
    if parameter:
        marks = [mark for mark in function.pytestmark if mark.name == "parametrize"]
        assert parameter in [name for mark in marks for name in mark.kwargs.get("ids", ())], test
