"""Why a URL gave no image: a closed set of words, and which of them a later try may change."""

from __future__ import annotations

import re
from typing import Final

SUCCESS: Final = "success"
REASONS: Final = {
    "bad_url": "not an http or https address",
    "dns": "no such host",
    "dns_unavailable": "the name server gave no answer",
    "forbidden_address": "the host is on a private, local or reserved address",
    "refused": "nothing listens there",
    "unreachable": "no way to that address",
    "timeout": "no connection, or no whole answer, within the time allowed",
    "tls": "the certificate or the handshake is no good",
    "connection_lost": "closed before the whole answer was there",
    "bad_answer": "what answers does not speak HTTP",
    "too_many_redirects": "more redirects than allowed, or a circle of them",
    "http_<status>": "any status but 200, in three digits",
    "opted_out": "the answer asks not to be used (X-Robots-Tag)",
    "host_given_up": "not tried: the host failed too often in this shard, or wants a long rest",
    "empty_file": "no bytes",
    "too_many_bytes": "larger than allowed, as sent or unpacked",
    "not_an_image": "neither JPEG, PNG, WebP, GIF, BMP nor TIFF by its content",
    "truncated": "an image without its end",
    "broken_image": "an image that cannot be decoded",
    "too_many_pixels": "width times height is more than allowed; never decoded",
    "too_small": "the shorter side is below the least size",
    "too_elongated": "the aspect ratio is above the largest",
    "too_large": "above img2dataset's max_image_area",
    "no_image": "no such file below --image-root",
    "outside_root": "a path that leads out of --image-root",
}
"""Every reason and its meaning; ``http_404`` and so on stand under ``http_<status>``."""

_TRANSIENT: Final = re.compile(
    "timeout|refused|unreachable|dns_unavailable|connection_lost|host_given_up|forbidden_address"
    "|http_(408|425|429|5[0-9][0-9])"
)


def is_transient(reason: str) -> bool:
    """Say whether the same URL may give an image later (``--retry-failed``).

    A forbidden address may be permitted by then (``--allow-network``).
    """
    return _TRANSIENT.fullmatch(reason) is not None


def is_reason(text: str) -> bool:
    """Say whether a word belongs to the closed set."""
    return text in REASONS or re.fullmatch(r"http_[1-9][0-9][0-9]", text) is not None
