"""A web server on loopback that serves pictures and misbehaves on demand: ``/<how>/<anything>``.

    python -m tests.image_server --folder IMAGES --port-file FILE

serves a folder under ``/files/<name>`` as well, for benchmarks that want a process of its own,
until its standard input ends; with ``--hosts N`` on N ports, which are hosts of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from tests.pictures import picture

STALL_SECONDS = 3.0
OTHER_LOOPBACK = "127.0.0.2"


class Handler(BaseHTTPRequestHandler):
    """Answers by the first part of the path."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet
    server: ImageServer

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests[self.path] += 1
        how = self.path.split("/")[1]
        with contextlib.suppress(OSError):  # the client has had enough
            ANSWERS.get(how, not_found)(self)

    def send(
        self, body: bytes, *, status: int = 200, kind: str = "image/jpeg", **headers: str
    ) -> None:
        """Send a whole answer; ``Retry_After="1"`` is a header, an empty one is left out."""
        self.send_response(status)
        given = {"Content_Type": kind, "Content_Length": str(len(body)), **headers}
        for name, value in given.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def seen(self) -> int:
        """Return how often this path has been asked for."""
        return self.server.requests[self.path]

    def end(self) -> None:
        """Close the connection after this answer."""
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class ImageServer(ThreadingHTTPServer):
    """The server; ``requests`` counts the requests by path."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, host: str = "127.0.0.1", *, port: int = 0, folder: Path | None = None):
        super().__init__((host, port), Handler)
        self.lock, self.requests = threading.Lock(), Counter[str]()
        self.files = {p.name: p.read_bytes() for p in folder.iterdir()} if folder else {}
        self.scheme = "http"

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        host, port = self.server_address[:2]
        host = f"[{host}]" if ":" in str(host) else host
        return f"{self.scheme}://{host}:{port}/{path}"

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are what this server is for."""


class ImageServer6(ImageServer):
    """The same on IPv6."""

    address_family = socket.AF_INET6


@contextlib.contextmanager
def serving(server: ImageServer) -> Iterator[ImageServer]:
    """Serve in a thread while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def with_tls(server: ImageServer, certificate: Path) -> ImageServer:
    """Make a server speak TLS with the certificate and key of a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.scheme = "https"
    return server


@contextlib.contextmanager
def dead_hosts(count: int, host: str = "127.0.0.1") -> Iterator[list[str]]:
    """Give the URLs of listeners that take connections and never answer."""
    with contextlib.ExitStack() as stack:
        urls = []
        for _ in range(count):
            listener = stack.enter_context(socket.socket())
            listener.bind((host, 0))
            listener.listen(1024)
            urls.append(f"http://{host}:{listener.getsockname()[1]}")
        yield urls


@lru_cache(maxsize=1)
def png_bomb() -> bytes:
    """Return a small PNG of 400 million black pixels."""
    side = 20_000
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    chunks = (b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", rows)
    png = b"\x89PNG\r\n\x1a\n"
    for name, body in (*chunks, (b"IEND", b"")):
        png += (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )
    return png


@lru_cache(maxsize=1)
def gzip_bomb() -> bytes:
    """Return a small gzip file of 100 MB."""
    return gzip.compress(bytes(100_000_000), mtime=0)


def rotated_picture() -> bytes:
    """Return a JPEG that lies on its side: 40 x 30 as stored, upright 30 x 40."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(exif=exif.tobytes())


def not_found(h: Handler) -> None:
    h.send(b"no such page", status=404, kind="text/html")


def _status(h: Handler) -> None:
    h.send(b"sorry", status=int(h.path.split("/")[2]), kind="text/html")


def _file(h: Handler) -> None:
    body = h.server.files.get(h.path.split("/")[2].partition("?")[0])
    not_found(h) if body is None else h.send(body)


def _busy(h: Handler) -> None:
    """429 the first time, with the wish to be left alone for a second."""
    wait = h.path.split("/")[2]
    h.send(picture()) if h.seen() > 1 else h.send(b"", status=429, Retry_After=wait)


def _recovers(h: Handler) -> None:
    h.send(picture()) if h.seen() > 1 else h.send(b"oops", status=500)


def _redirect(h: Handler, location: str) -> None:
    h.send(b"", status=302, Location=location)


def _hops(h: Handler) -> None:
    left = int(h.path.split("/")[2])
    _redirect(h, f"/hops/{left - 1}" if left > 1 else "/ok/end.jpg")


def _silence(h: Handler) -> None:
    h.wfile.flush()
    time.sleep(STALL_SECONDS)
    h.end()


def _stall(h: Handler) -> None:
    """Half a body and then nothing."""
    body = picture()
    h.send(body[: len(body) // 2], Content_Length=str(len(body)))
    _silence(h)


def _cut(h: Handler) -> None:
    body = picture()
    h.send(body[: len(body) // 2], Content_Length=str(len(body)))
    h.end()


def _drip(h: Handler) -> None:
    """A byte now and then, for ever: no single wait is long."""
    h.send(b"", Content_Length="1000")
    for _ in range(1000):
        h.wfile.write(b"x")
        h.wfile.flush()
        time.sleep(0.05)


def _drip_headers(h: Handler) -> None:
    h.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        h.wfile.write(b"X-%d: x\r\n" % number if number % 2 else b"Y: ")
        h.wfile.flush()
        time.sleep(0.05)


def _drip_chunks(h: Handler) -> None:
    """The length of a chunk, digit by digit."""
    h.send(b"", Content_Length="", Transfer_Encoding="chunked")
    for _ in range(1000):
        h.wfile.write(b"0")
        h.wfile.flush()
        time.sleep(0.05)


def _chunked(h: Handler) -> None:
    body = picture()
    h.send(
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), Content_Length="", Transfer_Encoding="chunked"
    )


def _chunked_cut(h: Handler) -> None:
    body = picture()
    h.send(b"%x\r\n%s" % (2 * len(body), body), Content_Length="", Transfer_Encoding="chunked")
    h.end()


def _endless(h: Handler) -> None:
    h.send(b"", Content_Length="")
    h.end()
    while True:
        h.wfile.write(bytes(1 << 16))


def _no_length(h: Handler) -> None:
    h.send(picture(), Content_Length="")
    h.end()


def _raw(h: Handler, answer: bytes) -> None:
    h.wfile.write(answer)
    h.end()


def _reset(h: Handler) -> None:
    """Hang up as a crashed server does."""
    h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    h.connection.close()
    h.end()


def _other(h: Handler) -> None:
    _redirect(h, f"http://{OTHER_LOOPBACK}:{h.server.server_address[1]}/ok/1.jpg")


def _to(h: Handler) -> None:
    """``/to/<host>/<name>``: there is the picture."""
    host, name = h.path.split("/")[2:4]
    _redirect(h, f"http://{host}/ok/{name}")


def _short_length(h: Handler) -> None:
    body = picture()
    h.send(body, Content_Length=str(len(body) // 2))
    h.end()


ANSWERS: dict[str, Callable[[Handler], None]] = {
    "ok": lambda h: h.send(picture()),
    "files": _file,
    "status": _status,
    "busy": _busy,
    "recovers": _recovers,
    "redirect": lambda h: _redirect(h, "/ok/moved.jpg"),
    "hops": _hops,
    "loop": lambda h: _redirect(h, h.path),
    "other": _other,
    "to": _to,
    "metadata": lambda h: _redirect(h, "http://169.254.169.254/latest/meta-data/"),
    "ftp": lambda h: _redirect(h, "ftp://127.0.0.1/a.jpg"),
    "utf-8-location": lambda h: _raw(
        h, "HTTP/1.1 302 Found\r\nLocation: /ok/ü b%21.jpg\r\nConnection: close\r\n\r\n".encode()
    ),
    "nowhere": lambda h: _redirect(h, "http://:80/"),
    "stall": _stall,
    "silent": _silence,
    "cut": _cut,
    "drip": _drip,
    "drip-headers": _drip_headers,
    "drip-chunks": _drip_chunks,
    "chunked": _chunked,
    "chunked-cut": _chunked_cut,
    "endless": _endless,
    "no-length": _no_length,
    "short-length": _short_length,
    "huge-length": lambda h: h.send(picture(), Content_Length=str(1 << 40)),
    "negative-length": lambda h: h.send(picture(), Content_Length="-1", Connection="close"),
    "garbage": lambda h: _raw(h, b"\x16\x03\x01 hello\r\n\r\n"),
    "reset": _reset,
    "html": lambda h: h.send(b"<!DOCTYPE html><html>not here</html>"),
    "svg": lambda h: h.send(b'<svg xmlns="http://www.w3.org/2000/svg"/>', kind="image/svg+xml"),
    "empty": lambda h: h.send(b""),
    "half": lambda h: h.send(picture()[:-20]),
    "tiny": lambda h: h.send(picture("GIF", size=(1, 1)), kind="image/gif"),
    "long": lambda h: h.send(picture(size=(400, 20))),
    "bomb": lambda h: h.send(png_bomb(), kind="image/png"),
    "cmyk": lambda h: h.send(picture(mode="CMYK")),
    "rotated": lambda h: h.send(rotated_picture()),
    "webp": lambda h: h.send(picture("WEBP"), kind="image/webp"),
    "animated": lambda h: h.send(
        picture("GIF", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")])
    ),
    "gzip": lambda h: h.send(gzip.compress(picture()), Content_Encoding="gzip"),
    "gzip-bomb": lambda h: h.send(gzip_bomb(), Content_Encoding="gzip"),
    "noai": lambda h: h.send(picture(), X_Robots_Tag="noai, noimageai"),
    "noai-others": lambda h: h.send(picture(), X_Robots_Tag="otherbot: noai, noindex"),
    "agent": lambda h: h.send(h.headers["User-Agent"].encode()),
}


def main() -> None:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--hosts", type=int, default=1)
    flags = parser.parse_args()
    with contextlib.ExitStack() as stack:
        first = ImageServer(folder=flags.folder)
        servers = [first, *(ImageServer() for _ in range(flags.hosts - 1))]
        for server in servers:
            server.files = first.files
            stack.enter_context(serving(server))
        flags.port_file.write_text(" ".join(str(s.server_address[1]) for s in servers))
        sys.stdin.read()


if __name__ == "__main__":
    main()
