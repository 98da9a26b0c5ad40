"""One URL over HTTP, from a server on loopback that does everything wrong in turn."""

from __future__ import annotations

import datetime
import email.utils
import ipaddress
import math
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import connections, fetch
from pipeline.addresses import AddressGuard
from pipeline.connections import FetchError
from pipeline.fetch import Fetcher, FetchSettings, _opted_out, _retry_after
from pipeline.reasons import is_reason
from tests import image_server
from tests.image_server import ImageServer, ImageServer6, dead_hosts, serving
from tests.pictures import picture
from vocab.errors import InputError

TIMEOUT = 0.3
LOCAL = AddressGuard(allow=("127.0.0.1/32",))


@pytest.fixture(scope="module")
def server() -> Iterator[ImageServer]:
    image_server.gzip_bomb()  # made once, which takes a while
    with serving(ImageServer()) as running:
        yield running


@pytest.fixture(scope="module")
def fetcher() -> Iterator[Fetcher]:
    with new_fetcher() as made:
        yield made


def new_fetcher(guard: AddressGuard = LOCAL, max_bytes: int = 1 << 20) -> Fetcher:
    return Fetcher(FetchSettings(timeout=TIMEOUT, max_bytes=max_bytes, guard=guard))


def failure(fetcher: Fetcher, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(url)
    assert is_reason(caught.value.reason)
    assert " 0x" not in caught.value.detail
    return caught.value


@pytest.mark.parametrize(
    "how", ["ok", "redirect", "hops/5", "chunked", "no-length", "gzip", "noai-others"]
)
def test_what_comes_is_the_picture(server: ImageServer, fetcher: Fetcher, how: str) -> None:
    assert fetcher.fetch(server.url(f"{how}/1.jpg")) == picture()


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("status/404", "http_404"),
        ("status/410", "http_410"),
        ("status/403", "http_403"),
        ("status/500", "http_500"),
        ("status/204", "http_204"),
        ("status/300", "http_300"),
        ("busy/7", "http_429"),
        ("loop", "too_many_redirects"),
        ("hops/6", "too_many_redirects"),
        ("other", "forbidden_address"),
        ("metadata", "forbidden_address"),
        ("ftp", "bad_url"),
        ("nowhere", "bad_url"),
        ("stall", "timeout"),
        ("silent", "timeout"),
        ("drip", "timeout"),
        ("drip-headers", "timeout"),
        ("drip-chunks", "timeout"),
        ("cut", "connection_lost"),
        ("chunked-cut", "connection_lost"),
        ("reset", "connection_lost"),
        ("garbage", "bad_answer"),
        ("endless", "too_many_bytes"),
        ("huge-length", "too_many_bytes"),
        ("gzip-bomb", "too_many_bytes"),
        ("noai", "opted_out"),
    ],
)
def test_what_goes_wrong_has_its_word(
    server: ImageServer, fetcher: Fetcher, how: str, reason: str
) -> None:
    begin = time.monotonic()
    assert failure(fetcher, server.url(f"{how}/1.jpg")).reason == reason
    assert time.monotonic() - begin < 6 * TIMEOUT + 1


@pytest.mark.parametrize(
    "url",
    ["", "a.jpg", "ftp://127.0.0.1/a", "file:///etc/passwd", "http://", "http://[::1/a", "http:///a",
     "http://a b/c", "http://127.0.0.1:99999/a", "javascript:alert(1)", "data:image/png;base64,AA"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused_as_such(fetcher: Fetcher, url: str) -> None:
    assert failure(fetcher, url).reason in ("bad_url", "dns")


@pytest.mark.parametrize(
    "path", ["a picture.jpg", "ünïcode.jpg", "a%20b.jpg", "q.jpg?x=1&y=ä#part"]
)
def test_untidy_urls_reach_the_server(server: ImageServer, fetcher: Fetcher, path: str) -> None:
    assert fetcher.fetch(f"  {server.url(f'ok/{path}')}\n") == picture()


def test_a_redirect_to_a_name_in_utf_8_asks_for_these_bytes(
    server: ImageServer, fetcher: Fetcher
) -> None:
    assert fetcher.fetch(server.url("utf-8-location")) == picture()
    assert server.requests["/ok/%C3%BC%20b%21.jpg"] == 1


def test_a_short_length_cuts_the_picture(server: ImageServer, fetcher: Fetcher) -> None:
    assert picture().startswith(fetcher.fetch(server.url("short-length/1.jpg")))


def test_nobody_listens(fetcher: Fetcher) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and never listens
        port = bound.getsockname()[1]
        assert failure(fetcher, f"http://127.0.0.1:{port}/").reason == "refused"


def test_a_host_that_never_answers(fetcher: Fetcher) -> None:
    with dead_hosts(1) as (url,):
        assert failure(fetcher, f"{url}/1.jpg").reason == "timeout"


def test_a_name_that_nobody_has(fetcher: Fetcher) -> None:
    assert failure(fetcher, "http://no-such-host.invalid/1.jpg").reason in (
        "dns",
        "dns_unavailable",  # where there is no name server at all
    )


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "0"]
)
def test_loopback_is_forbidden_by_any_name(server: ImageServer, host: str) -> None:
    port = server.server_address[1]
    with new_fetcher(AddressGuard()) as guarded:
        before = server.requests.total()
        assert failure(guarded, f"http://{host}:{port}/ok/1.jpg").reason == "forbidden_address"
        assert server.requests.total() == before


def test_the_judged_address_is_the_one_connected_to(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers otherwise the second time finds nobody asking."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *args: object, **kwargs: object) -> object:
        if host == "rebinding.test":
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **kwargs)  # type: ignore[arg-type]
        assert host == "127.0.0.1"  # the socket module takes an address as it is
        return real(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with new_fetcher() as fetcher:
        url = f"http://rebinding.test:{server.server_address[1]}/"
        assert fetcher.fetch(f"{url}ok/1.jpg") == picture()
        assert failure(fetcher, f"{url}reset/1.jpg").reason == "connection_lost"
        assert fetcher.fetch(f"{url}ok/2.jpg") == picture()  # over a new connection
    assert asked == ["rebinding.test"]


def test_proxies_of_the_environment_are_not_asked(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.2:9/")
    with new_fetcher() as fetcher:
        assert fetcher.fetch(server.url("ok/1.jpg")) == picture()


def test_ipv6() -> None:
    try:
        server = ImageServer6("::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with serving(server), new_fetcher(AddressGuard(allow=("::1/128",))) as fetcher:
        assert fetcher.fetch(server.url("ok/1.jpg")) == picture()
        assert failure(fetcher, "http://127.0.0.1:1/").reason == "forbidden_address"


def test_connections_are_kept(server: ImageServer) -> None:
    with new_fetcher() as fetcher:
        opened = []
        connect = fetcher._pools.connection_from_url(server.url("")).ConnectionCls._new_conn

        def counting(connection: object) -> socket.socket:
            opened.append(connection)
            return connect(connection)  # type: ignore[arg-type, no-any-return]

        kind = fetcher._pools.connection_from_url(server.url("")).ConnectionCls
        kind._new_conn = counting  # type: ignore[method-assign]
        try:
            for path in ("ok/1", "status/404", "redirect/1", "ok/2", "chunked/1", "ok/3"):
                try:
                    fetcher.fetch(server.url(path))
                except FetchError as error:
                    assert error.reason == "http_404"
        finally:
            kind._new_conn = connect  # type: ignore[method-assign]
    assert len(opened) == 1


def test_a_large_picture_is_refused_at_its_length(server: ImageServer) -> None:
    with new_fetcher(max_bytes=len(picture()) - 1) as fetcher:
        for how in ("ok", "no-length", "chunked", "gzip"):
            assert failure(fetcher, server.url(f"{how}/1.jpg")).reason == "too_many_bytes"
    with new_fetcher(max_bytes=len(picture())) as fetcher:
        assert fetcher.fetch(server.url("no-length/1.jpg")) == picture()


def test_large_pictures_take_turns(server: ImageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_LARGE_BODY", len(picture()) - 1)
    with new_fetcher() as fetcher:
        for _ in range(fetch._LARGE_AT_ONCE):
            fetcher._large.acquire()
        for how in ("ok", "no-length", "gzip"):
            error = failure(fetcher, server.url(f"{how}/1.jpg"))
            assert (error.reason, error.detail) == (
                "timeout",
                "while other large pictures were read",
            )
        fetcher._large.release()
        for how in ("ok", "no-length", "gzip"):  # one after the other: each gives its turn back
            assert fetcher.fetch(server.url(f"{how}/1.jpg")) == picture()
        monkeypatch.setattr(fetch, "_LARGE_BODY", len(picture()))
        fetcher._large.acquire()
        assert fetcher.fetch(server.url("ok/1.jpg")) == picture()


def test_who_asks_says_so(server: ImageServer, fetcher: Fetcher) -> None:
    assert fetcher.fetch(server.url("agent")).startswith(b"tag2text/")
    with Fetcher(FetchSettings(user_agent="mybot/1 (me@example.org)", guard=LOCAL)) as mine:
        assert mine.fetch(server.url("agent")) == b"mybot/1 (me@example.org)"


def test_opting_out_can_be_ignored(server: ImageServer) -> None:
    with Fetcher(FetchSettings(guard=LOCAL, honour_opt_out=False)) as fetcher:
        assert fetcher.fetch(server.url("noai/1.jpg")) == picture()


@pytest.mark.parametrize(
    ("values", "out"),
    [
        ([], False),
        (["all"], False),
        (["noai"], True),
        (["NoIndex"], True),
        (["nofollow", "noimageindex"], True),
        (["nofollow, noimageai"], True),
        (["otherbot: noai"], False),
        (["otherbot: noai, noindex"], False),
        (["tag2text: noai"], True),
        (["otherbot: noai, tag2text: noindex"], True),
        (["*: noai"], True),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], True),
        (["noairplane"], False),
    ],
)
def test_what_x_robots_tag_asks_for(values: list[str], out: bool) -> None:
    assert _opted_out(values, "Tag2Text/1.0 (x)") == out


def test_retry_after_in_both_forms() -> None:
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=30)
    assert _retry_after("7") == 7
    assert _retry_after("9" * 400) == math.inf
    assert _retry_after("Fri, 31 Dec 9999 23:59:59 -9999") is None
    assert _retry_after(email.utils.format_datetime(later)) == pytest.approx(30, abs=2)
    assert _retry_after("Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert _retry_after("soon") is None
    assert _retry_after("-7") is None
    assert _retry_after(None) is None


def test_a_host_says_how_long_it_wants_to_be_left_alone(
    server: ImageServer, fetcher: Fetcher
) -> None:
    assert failure(fetcher, server.url("busy/9/long")).retry_after == 9
    assert failure(fetcher, server.url("status/404")).retry_after is None


def test_certificates_are_checked(
    tmp_path: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path / "cert.pem")
    with serving(image_server.with_tls(ImageServer(), certificate)) as server:
        found = failure(fetcher, server.url("ok/1.jpg"))
        assert (found.reason, found.detail) == ("tls", "self-signed certificate")
        plain = server.url("ok/1.jpg").replace("https", "http")
        assert failure(fetcher, plain).reason in ("bad_answer", "connection_lost")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setattr(connections, "tls_context", ssl.create_default_context)
        with new_fetcher() as trusting:
            assert trusting.fetch(server.url("ok/1.jpg")) == picture()
            assert failure(trusting, server.url("drip/1.jpg")).reason == "timeout"
            name = server.url("ok/1.jpg").replace("127.0.0.1", "localhost")
            assert failure(trusting, name).reason == "tls"  # not the name it is made out to


def self_signed(path: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1 that nobody but itself vouches for."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime(2020, 1, 1)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls_to_what_speaks_none(server: ImageServer, fetcher: Fetcher) -> None:
    url = server.url("ok/1.jpg").replace("http:", "https:")
    assert failure(fetcher, url).reason == "tls"


@pytest.mark.parametrize(
    ("setting", "flag"),
    [
        ({"timeout": 0}, "--timeout"),
        ({"max_bytes": 0}, "--max-bytes"),
        ({"max_redirects": -1}, "--max-redirects"),
        ({"user_agent": "a\nb"}, "--user-agent"),
    ],
)
def test_settings_that_make_no_sense(setting: dict[str, float], flag: str) -> None:
    with pytest.raises(InputError, match=flag):
        FetchSettings(**setting)  # type: ignore[arg-type]
