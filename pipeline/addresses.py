"""Which internet addresses a download may connect to: those of the public internet.

A list of URLs is other people's text. It must not reach what only this machine or its network
can: services on localhost, a router's page, a cloud machine's metadata at 169.254.169.254.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vocab.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
EVERYTHING: Final = ("0.0.0.0/0", "::/0")

# RFC 6052: an IPv4 address in the last 32 bits, reached through a translator.
_TRANSLATED: Final = (
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("::/96"),  # "IPv4-compatible", long deprecated
)
# What `is_global` lets pass, or once let pass, in some version of Python.
_NEVER: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("192.0.0.0/24", "192.88.99.0/24", "100.64.0.0/10", "198.18.0.0/15"),
            *("64:ff9b:1::/48", "100::/64", "2001:2::/48", "3fff::/20", "5f00::/16"),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Judges resolved addresses; ``allow`` names networks that are permitted all the same."""

    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.networks()

    def networks(self) -> list[Network]:
        """Return the permitted networks.

        Raises:
            InputError: one of them is no network in CIDR form.
        """
        try:
            return [ipaddress.ip_network(text) for text in self.allow]
        except ValueError as error:
            raise InputError(f"--allow-network: {error}; write it as 10.1.0.0/16") from error

    def permits(self, text: str) -> bool:
        """Say whether a connection to the address ``text`` may be made; nonsense may not."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if _within(address, self.networks()):
            return True
        return all(map(_is_public, (address, *_inner(address))))


def _within(address: Address, networks: Iterable[Network]) -> bool:
    # A permitted 127.0.0.1 is permitted in its IPv6 form too, and the reverse is not needed.
    forms = (address, getattr(address, "ipv4_mapped", None))
    return any(form in network for form in forms if form is not None for network in networks)


def _is_public(address: Address) -> bool:
    if next(_inner(address), None) is not None:
        return True  # judged by the IPv4 addresses within
    special = address.is_multicast or address.is_reserved or address.is_private
    special = special or getattr(address, "is_site_local", False)
    return address.is_global and not special and not _within(address, _NEVER)


def _inner(address: Address) -> Iterator[Address]:
    """Yield the IPv4 addresses that an IPv6 one stands for: mapped, 6to4, Teredo, translated."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    yield from address.teredo or ()
    if any(address in network for network in _TRANSLATED) and int(address) > 1:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
