"""One URL over HTTP: guarded, capped in bytes, seconds and redirects, or one word why not."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import ssl
import string
import threading
import time
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, cast

import urllib3
from urllib3 import exceptions

from pipeline.addresses import AddressGuard
from pipeline.connections import FetchError, GuardedPools, connection_reason
from pipeline.politeness import Step, host_of
from vocab.errors import InputError
from vocab.version import __version__

USER_AGENT: Final = f"tag2text/{__version__} (image dataset; honours X-Robots-Tag: noai)"
OPT_OUT: Final = frozenset(("noai", "noimageai", "noindex", "noimageindex"))
_BLOCK = 1 << 16
_SMALL_BODY = 1 << 15
_LEAVE_SECONDS = 1.0
_TIMEOUTS_IN_ALL = 6
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
# A hundred threads with a picture of the largest size each would not fit a worker's memory.
_LARGE_BODY = 4 << 20
_LARGE_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """How far a fetch may go.

    ``timeout`` seconds may pass until a host is connected, until its headers are there, and
    without a byte of the body; three times as many until its name is looked up, six times for all
    that one host is asked for a picture.
    """

    timeout: float = 4.0
    max_bytes: int = 32 << 20
    max_redirects: int = 5
    user_agent: str = USER_AGENT
    honour_opt_out: bool = True
    guard: AddressGuard = field(default_factory=AddressGuard)

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise InputError(f"--timeout {self.timeout:g}: give a number of seconds above 0")
        if self.max_bytes < 1:
            raise InputError(f"--max-bytes {self.max_bytes}: at least one byte is needed")
        if self.max_redirects < 0:
            raise InputError(f"--max-redirects {self.max_redirects}: 0 or more")
        if not self.user_agent.isprintable() or not self.user_agent.isascii():
            raise InputError("--user-agent: a header holds printable ASCII only")


class Fetcher:
    """Fetches URLs, from many threads at once; close it when done.

    ``hosts`` is to how many hosts connections are kept open, ``per_host`` how many to each.
    """

    def __init__(self, settings: FetchSettings, *, hosts: int = 64, per_host: int = 4) -> None:
        self._settings = settings
        self._headers = {
            "User-Agent": settings.user_agent,
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",
        }
        self._pools = GuardedPools(
            guard=settings.guard, hosts=hosts, per_host=per_host, seconds=settings.timeout
        )
        self._large = threading.BoundedSemaphore(_LARGE_AT_ONCE)

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pools.watchdog.close()
        self._pools.clear()

    def fetch(self, url: str) -> bytes:
        """Return the bytes that a URL leads to, whichever hosts it leads over.

        Raises:
            FetchError: there are none; the reason is a word of ``pipeline.reasons``.
        """
        found: bytes | Step = Step(url.strip())
        while isinstance(found, Step):
            found = self.follow(found)
        return found

    def follow(self, step: Step) -> bytes | Step:
        """Return the bytes that a URL leads to, or where it leads once that is another host.

        Raises:
            FetchError: as :meth:`fetch` does.
        """
        end = time.monotonic() + _TIMEOUTS_IN_ALL * self._settings.timeout
        host = host_of(step.url)
        while host_of(step.url) == host:
            with self._answer(step.url) as response, _in_our_words():
                location = response.get_redirect_location()
                if not location:
                    return self._content(response, end)
                step = self._redirected(step, location)
            if time.monotonic() > end:
                raise FetchError("timeout", "while redirected")
        return step

    def _redirected(self, step: Step, location: str) -> Step:
        if step.redirects >= self._settings.max_redirects:
            raise FetchError("too_many_redirects")
        # A header is read as Latin-1: this gives back the very bytes that were sent.
        location = urllib.parse.quote(location, safe=string.punctuation, encoding="latin-1")
        return Step(urllib.parse.urljoin(step.url, location), step.redirects + 1)

    @contextlib.contextmanager
    def _answer(self, url: str) -> Iterator[urllib3.HTTPResponse]:
        """Open a URL, redirects not followed; keep its connection where that is cheap."""
        if not url.lower().startswith(("http://", "https://")):
            raise FetchError("bad_url")
        with _in_our_words():
            opened = self._pools.urlopen(
                *("GET", url), headers=self._headers, redirect=False, preload_content=False
            )
        response = cast(urllib3.HTTPResponse, opened)
        try:
            yield response
        finally:
            self._leave(response)

    def _leave(self, response: urllib3.HTTPResponse) -> None:
        """Give a connection back, or end it where the rest of the body is not worth the wait."""
        with contextlib.suppress(Exception):  # what is left of it is of no interest
            left = response.length_remaining
            if response.isclosed():
                pass
            elif left is None or left > _SMALL_BODY:
                response.close()
            else:
                sock = getattr(response.connection, "answering", None)
                with self._pools.watchdog.limit(sock, time.monotonic() + _LEAVE_SECONDS):
                    response.drain_conn()
        response.release_conn()

    def _content(self, response: urllib3.HTTPResponse, end: float) -> bytes:
        headers, limit = response.headers, self._settings.max_bytes
        if response.status != 200:
            asked = _retry_after(headers.get("Retry-After"))
            raise FetchError(f"http_{response.status}", retry_after=asked)
        if self._settings.honour_opt_out and _opted_out(
            headers.getlist("X-Robots-Tag"), self._settings.user_agent
        ):
            raise FetchError("opted_out", ", ".join(headers.getlist("X-Robots-Tag")))
        if (response.length_remaining or 0) > limit:
            raise FetchError("too_many_bytes", f"{response.length_remaining} bytes")
        sock = getattr(response.connection, "answering", None)
        with _Room(self._large, end) as room, self._pools.watchdog.limit(sock, end):
            content = _read(response, limit, end, room)
            if content.startswith(_GZIP_MAGIC):
                room.need(limit)
                content = _unpacked(content, limit)
            return content


class _Room:
    """Room for a body: at once for a small one, in turns for a large one."""

    def __init__(self, large: threading.BoundedSemaphore, end: float) -> None:
        self._large, self._end, self._taken = large, end, False

    def need(self, size: int) -> None:
        """Wait for the room that a body of so many bytes needs."""
        if size <= _LARGE_BODY or self._taken:
            return
        self._taken = self._large.acquire(timeout=max(0.0, self._end - time.monotonic()))
        if not self._taken:
            raise FetchError("timeout", "while other large pictures were read")

    def __enter__(self) -> _Room:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._taken:
            self._large.release()


def _read(response: urllib3.HTTPResponse, limit: int, end: float, room: _Room) -> bytes:
    """Return the body as it was sent."""
    length = response.length_remaining
    if length is not None:  # in one go, whose end the watchdog sees to
        room.need(length)
        content = response.read(length, decode_content=False)
        if len(content) < length:
            raise FetchError("connection_lost")
        return content
    blocks, size = [], 0
    while block := response.read1(_BLOCK, decode_content=False):
        blocks.append(block)
        size += len(block)
        if size > limit:
            raise FetchError("too_many_bytes", f"more than {limit} bytes")
        room.need(size)
        if time.monotonic() > end:
            response.close()  # not worth waiting for the rest
            raise FetchError("timeout", "while it was read")
    return b"".join(blocks)


def _unpacked(content: bytes, limit: int) -> bytes:
    """Return the content of a gzip file; some send it though nobody asked."""
    try:
        plain = zlib.decompressobj(_GZIP_WINDOW).decompress(content, limit + 1)
    except zlib.error:
        return content  # no gzip after all: the look at the image says what it is
    if len(plain) > limit:
        raise FetchError("too_many_bytes", f"more than {limit} bytes unpacked")
    return plain


def _opted_out(values: Iterable[str], user_agent: str) -> bool:
    """Say whether X-Robots-Tag headers keep an image out of data sets.

    A directive may be meant for one agent only: ``otherbot: noai, noindex``.
    """
    ours = user_agent.partition("/")[0].strip().lower()
    for value in values:
        agent = "*"
        for part in value.lower().split(","):
            name, colon, directive = part.partition(":")
            if colon and name.strip() != "unavailable_after":
                agent = name.strip()
            if agent in ("*", ours) and (directive or name).strip() in OPT_OUT:
                return True
    return False


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, whichever its form."""
    if value is None:
        return None
    if value.strip().isdecimal():  # however many digits
        return float(value)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    """Turn what urllib3 and the sockets raise into a ``FetchError``."""
    try:
        yield
    except FetchError:
        raise
    except exceptions.SSLError as error:
        raise FetchError("tls", _tls_detail(error)) from error
    except (exceptions.LocationValueError, exceptions.LocationParseError, UnicodeError) as error:
        raise FetchError("bad_url") from error
    except (exceptions.TimeoutError, TimeoutError) as error:
        raise FetchError("timeout") from error
    except exceptions.ProtocolError as error:
        raise _protocol_failure(error) from error
    except (exceptions.HTTPError, OSError, ValueError) as error:
        raise FetchError("bad_answer", type(error).__name__) from error


def _tls_detail(error: exceptions.SSLError) -> str:
    """Return what OpenSSL says, without the line of its source where it says so."""
    inner = error.args[0] if error.args else error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return str(inner.verify_message)
    return str(getattr(inner, "reason", None) or type(inner).__name__)


def _protocol_failure(error: exceptions.ProtocolError) -> FetchError:
    inner = error.args[-1]
    cut = http.client.IncompleteRead, http.client.RemoteDisconnected
    if isinstance(inner, http.client.HTTPException) and not isinstance(inner, cut):
        return FetchError("bad_answer", type(inner).__name__)
    return FetchError(connection_reason(inner))
