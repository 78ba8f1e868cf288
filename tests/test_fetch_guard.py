"""docs/contract.md §6: where the guard lets nobody be sent to.  No name is resolved, nothing is connected to."""

from __future__ import annotations

import pytest

from tests.test_fetch import LIMIT, Names
from ziyan.errors import FetchError
from ziyan.fetch import Fetcher, is_public

# --- addresses ----------------------------------------------------------------------------------------------------

REFUSED_ADDRESSES = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2002:808:808::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ff0e::1",
    "2606:4700::1111%1.1.1.1:80",
    "1.2.3",
    "1",
    "0x7f.1",
    "localhost",
]
PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2400:3200::1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "3ffe::1",
]


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [a for a in REFUSED_ADDRESSES if "%" not in a and a[0] in "0123456789:f"])
async def test_a_name_that_leads_there_is_refused(address: str) -> None:
    names = Names(evil_example=["1.1.1.1", address])
    with pytest.raises(FetchError):
        await Fetcher(resolver=names).fetch("http://evil.example/", max_bytes=LIMIT)
    assert names.asked == ["evil.example"]


# --- urls ---------------------------------------------------------------------------------------------------------

REFUSED_URLS = [
    "",
    "picture.jpg",
    "/picture.jpg",
    "//a.example/",
    "http",
    "http:",
    "http://",
    "http:///a",
    "http:a.example",
    "http://?a",
    "ftp://a.example/",
    "file:///etc/passwd",
    "gopher://a.example/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "http://user@a.example/",
    "http://user:pass@a.example/",
    "http://@a.example/",
    "http://a.example@127.0.0.1/",
    "http://127.0.0.1#@a.example/",
    "http://127.0.0.1?@a.example/",
    "http://a.example\\@127.0.0.1/",
    "http://127.0.0.1\\@a.example/",
    "http://a.example\\a",
    "http:\\\\a.example/",
    "http://a.example/a b",
    "http://a.example/\r\nX: y",
    "http://a.example\t/",
    "http://a.exa\nmple/",
    "http://a.example/\x00",
    "http://a.example/\u3000",
    " http://a.example/",
    "http://a.example:22/",
    "http://a.example:0/",
    "http://a.example:8080/",
    "http://a.example:65536/",
    "http://a.example:-1/",
    "http://a.example:80:80/",
    "http://a.example:8o/",
    "http://%61.example/",
    "http://a%00.example/",
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0x7f000001/",
    "http://0x7F.0.0.1/",
    "http://0x7f.1/",
    "http://0x/",
    "http://127.0.0.0x1/",
    "http://1.1.1.1.1/",
    "http://256.1.1.1/",
    "http://１２７.０.０.１/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fd00:ec2::254]/",
    "http://[127.0.0.1]/",
    "http://[v1.a]/",
    "http://[::1/",
    "http://::1/",
    "http://[a.example]/",
    "http://unknown.example/",
    "http://localhost/",
    "http://xn--a-ecp.ru/",
    "http://" + "a" * 300,
    "http://a.example/" + "a" * 239,
    "http://a.example/\udcff",
]


@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_url_is_refused(url: str) -> None:
    names = Names(a_example=["127.0.0.1"], localhost=["127.0.0.1", "::1"])
    with pytest.raises(FetchError):
        await Fetcher(resolver=names).fetch(url, max_bytes=LIMIT)
