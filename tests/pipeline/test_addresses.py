"""Which addresses a download may connect to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import EVERYTHING, AddressGuard
from vocab.errors import InputError

PUBLIC = ("8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.0.1",
          "172.32.0.1", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:80e::2004",
          "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
          "2001:0:5ef5:79fb:0:0:f7f7:f7f7")  # fmt: skip
FORBIDDEN = {
    "loopback": ("127.0.0.1", "127.255.255.254", "::1"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1"),
    "link-local, where clouds keep their metadata": ("169.254.169.254", "fe80::1", "fe80::1%eth0"),
    "a cloud's metadata over IPv6": ("fd00:ec2::254",),
    "shared between carriers": ("100.64.0.1", "100.127.255.255"),
    "unspecified": ("0.0.0.0", "0.1.2.3", "::"),
    "multicast": ("224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"),
    "reserved": ("240.0.0.1", "255.255.255.255", "192.0.0.1", "192.0.0.170", "192.88.99.1"),
    "documentation and tests": ("192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1",
                                "2001:db8::1", "3fff::1", "2001:2::1", "100::1"),
    "site-local": ("fec0::1",),
    "mapped": ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe"),
    "compatible": ("::127.0.0.1", "::10.0.0.1", "::a9fe:a9fe"),
    "6to4": ("2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::"),
    "translated": ("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    "Teredo, server or client": ("2001:0:7f00:1::f7f7:f7f7", "2001:0:808:808::80ff:fffe"),
    "no address at all": ("", "localhost", "127.0.0.1:80", "[::1]", "1.2.3", "0x7f.0.0.1"),
}  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert AddressGuard().permits(address)


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, a) for kind, addresses in FORBIDDEN.items() for a in addresses]
)
def test_addresses_of_other_ranges_are_not(kind: str, address: str) -> None:
    assert not AddressGuard().permits(address), kind


def test_a_network_can_be_permitted_without_its_neighbours() -> None:
    guard = AddressGuard(allow=("127.0.0.1/32", "fd00::/8"))
    assert guard.permits("127.0.0.1")
    assert guard.permits("::ffff:127.0.0.1")
    assert guard.permits("fd12::1")
    assert not guard.permits("127.0.0.2")
    assert not guard.permits("::1")


def test_everything_is_everything() -> None:
    guard = AddressGuard(allow=EVERYTHING)
    for address in ("127.0.0.1", "::1", "169.254.169.254", "fe80::1", "::ffff:10.0.0.1"):
        assert guard.permits(address)


def test_a_network_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"10\.1\.2\.3/16"):
        AddressGuard(allow=("10.1.2.3/16",))


@given(st.ip_addresses(v=4))
def test_no_disguise_makes_an_address_public(address: ipaddress.IPv4Address) -> None:
    guard, number = AddressGuard(), int(address)
    plain = guard.permits(str(address))
    assert guard.permits(f"::ffff:{address}") == plain
    assert guard.permits(f"64:ff9b::{address}") == plain
    sixtofour = ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)
    assert guard.permits(str(sixtofour)) == plain
