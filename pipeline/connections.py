"""Connections of urllib3 that go nowhere but to permitted addresses and cannot wait for ever.

A name is resolved once, its addresses are judged, and the socket is opened to the very address
that was judged: no second look-up can slip another one in. Proxies of the environment are not
used, since they would connect on their own judgement.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import Future
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pipeline.addresses import AddressGuard

_TRIES = 3
_TICK_SECONDS = 0.25
_TIMEOUTS_FOR_A_NAME = 3  # the system asks again after five seconds, of a packet that was lost
_UNREACHABLE: Final = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EACCES}


class FetchError(Exception):
    """A URL that gave no image: one word of ``pipeline.reasons`` and a detail.

    ``retry_after`` is how many seconds the host asked to be left alone.
    """

    def __init__(self, reason: str, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail, self.retry_after = reason, detail, retry_after


class Resolver:
    """Looks names up, each once, and keeps what may be connected to; safe to share by threads.

    Nothing cuts a look-up of the system, which may take minutes. So each has a thread of its own,
    and nobody waits more than ``seconds`` for it; an answer that comes later serves who asks then.
    """

    def __init__(self, guard: AddressGuard, seconds: float) -> None:
        self._guard, self._seconds = guard, seconds
        self._lookups: dict[tuple[str, int], Future[list[str] | FetchError]] = {}
        self._starting = threading.Lock()

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the permitted addresses of a host, in the system's order of preference.

        Raises:
            FetchError: ``dns``, ``dns_unavailable`` or ``forbidden_address``.
        """
        try:
            found = self._lookup(host, port).result(self._seconds)
        except futures.TimeoutError:
            detail = f"{host}: nothing within {self._seconds:g} seconds"
            raise FetchError("dns_unavailable", detail) from None
        if isinstance(found, FetchError):
            raise FetchError(found.reason, found.detail)
        return found

    def _lookup(self, host: str, port: int) -> Future[list[str] | FetchError]:
        with self._starting:
            lookup = self._lookups.get((host, port))
            if lookup is None:
                lookup = self._lookups[host, port] = Future()
                threading.Thread(
                    target=lambda: lookup.set_result(self._found(host, port)), daemon=True
                ).start()
        return lookup

    def _found(self, host: str, port: int) -> list[str] | FetchError:
        """Return the addresses, or why there are none: that, too, is worth remembering."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                return FetchError("dns_unavailable", host)
            return FetchError("dns", host)
        except (UnicodeError, ValueError, OSError):  # a name that no host can have
            return FetchError("dns", host)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        permitted = [address for address in addresses if self._guard.permits(address)]
        return permitted or FetchError("forbidden_address", f"{host} is {', '.join(addresses)}")


class Watchdog:
    """Cuts connections whose time is up: a peer that sends a byte now and then never times out."""

    def __init__(self) -> None:
        self._ends: dict[int, tuple[float, socket.socket]] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @contextlib.contextmanager
    def limit(self, sock: socket.socket | None, end: float) -> Iterator[None]:
        """Shut ``sock`` down at ``end`` (``time.monotonic``) unless the block has ended by then.

        Raises:
            FetchError: ``timeout``, in place of whatever the block made of the cut.
        """
        if sock is None:
            yield
            return
        self._ends[id(sock)] = (end, sock)
        try:
            yield
        finally:
            if self._ends.pop(id(sock), None) is None:
                raise FetchError("timeout")

    def close(self) -> None:
        """End the watching thread."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(_TICK_SECONDS):
            now = time.monotonic()
            for number, (end, sock) in list(self._ends.items()):
                if end <= now and self._ends.pop(number, None) is not None:
                    with contextlib.suppress(OSError):
                        # Below any TLS, whose own shutdown would talk to the peer.
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Guarded:
    """What both kinds of connection do: connect to judged addresses, wait for headers in time."""

    host: str
    port: int
    timeout: Any
    sock: socket.socket | None
    answering: socket.socket | None = None  # also once http.client has handed `sock` on

    def __init__(self, *args: Any, resolver: Resolver, watchdog: Watchdog, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._resolver, self._watchdog = resolver, watchdog

    def _new_conn(self) -> socket.socket:
        addresses = self._resolver.addresses(self.host, self.port)
        return _connect(addresses[:_TRIES], self.port, self.timeout)

    def getresponse(self) -> Any:
        """Read status line and headers."""
        self.answering = self.sock
        with self._watchdog.limit(self.sock, time.monotonic() + self.timeout):
            return super().getresponse()  # type: ignore[misc]


class _Http(_Guarded, HTTPConnection):
    pass


class _Https(_Guarded, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


@functools.lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return one context for all: loading the certificates takes longer than a handshake."""
    return ssl.create_default_context()


class GuardedPools(urllib3.PoolManager):
    """Keeps connections to the hosts that were asked last; see the module's text."""

    def __init__(self, *, guard: AddressGuard, hosts: int, per_host: int, seconds: float) -> None:
        super().__init__(
            num_pools=hosts,
            maxsize=per_host,
            timeout=urllib3.Timeout(connect=seconds, read=seconds),
            retries=False,
            ssl_context=tls_context(),
        )
        self.watchdog = Watchdog()
        guarded: dict[str, Any] = {
            "resolver": Resolver(guard, _TIMEOUTS_FOR_A_NAME * seconds),
            "watchdog": self.watchdog,
        }
        pools: dict[str, Any] = {"http": _HttpPool, "https": _HttpsPool}
        self.pool_classes_by_scheme = {
            scheme: functools.partial(pool, **guarded)  # type: ignore[misc]
            for scheme, pool in pools.items()
        }


def _connect(addresses: list[str], port: int, seconds: float) -> socket.socket:
    """Return a socket to the first address that answers within the time for all of them."""
    end = time.monotonic() + seconds
    error: OSError = TimeoutError()
    for address in addresses:
        try:
            return socket.create_connection((address, port), max(end - time.monotonic(), 0.001))
        except OSError as failure:
            error = failure
    raise FetchError(connection_reason(error))


def connection_reason(error: BaseException) -> str:
    """Return the word for what went wrong on a socket."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return "unreachable"
    return "connection_lost"
