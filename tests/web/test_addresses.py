"""Origins: whom a request comes from, with and without proxies that are trusted."""

from __future__ import annotations

import pytest

from rolebridge.core.errors import Invalid
from rolebridge.core.networks import read_network
from rolebridge.web.addresses import Origins, is_within, networks

DIRECT = [
    ("203.0.113.7", "203.0.113.7"),
    ("2001:db8::1", "2001:db8::1"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("", None),
    ("unix", None),
]


@pytest.mark.parametrize(("peer", "address"), DIRECT)
def test_a_peer_speaks_for_itself(peer: str, address: str | None) -> None:
    """Without a proxy the peer is the origin; one that has no address has none."""
    origin = Origins().of(peer, None)
    assert origin.certain
    assert (str(origin.address) if origin.address else None) == address


FORWARDED = [
    ("198.51.100.1", "198.51.100.1"),
    ("1.2.3.4, 198.51.100.1", "198.51.100.1"),  # the client's own words are left of the proxy's
    ("10.0.0.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),  # a second trusted proxy is passed over
    ("198.51.100.1:50123", "198.51.100.1"),
    ("[2001:db8::9]:443", "2001:db8::9"),
    ("2001:db8::9", "2001:db8::9"),
    ("10.0.0.2", "10.0.0.2"),  # nobody but proxies: the first of them
    ("198.51.100.1, unknown", None),
    ("198.51.100.1,", None),
    ("", None),
    ("_hidden", None),
    ("1.2.3.4," * 5000 + "198.51.100.1", "198.51.100.1"),
]


@pytest.mark.parametrize(("forwarded", "address"), FORWARDED)
def test_a_trusted_proxy_is_believed(forwarded: str, address: str | None) -> None:
    """The rightmost address that is no trusted proxy's is the origin; what cannot be read is nobody's address."""
    origin = Origins(["10.0.0.0/8"]).of("10.0.0.1", forwarded)
    assert origin.certain
    assert (str(origin.address) if origin.address else None) == address


@pytest.mark.parametrize("trusted", [[], ["192.0.2.0/24"]])
def test_nobody_else_is_believed(trusted: list[str]) -> None:
    """A peer that is no trusted proxy says what it likes: the origin is the peer, and that is not certain."""
    origin = Origins(trusted).of("10.0.0.1", "198.51.100.1")
    assert str(origin) == "10.0.0.1"
    assert not origin.certain


def test_networks_of_both_families() -> None:
    """An address is in a network of its own family only."""
    allowed = networks(("203.0.113.0/24", "2001:db8::/32"))
    for text, inside in (("203.0.113.255", True), ("203.0.114.0", False), ("2001:db8::1", True), ("2001:db9::", False)):
        address = Origins().of(text, None).address
        assert address is not None
        assert is_within(address, allowed) is inside


@pytest.mark.parametrize("text", ["", "x", "203.0.113.7/24", "1.2.3", "203.0.113.0/33", "2001:db8::/129"])
def test_what_is_no_network(text: str) -> None:
    """A network with bits behind its mask, or none at all, is refused with an example."""
    with pytest.raises(Invalid, match="is no network such as"):
        read_network(text)


def test_a_site_of_ipv6_is_a_network() -> None:
    """Attempts are counted for a /64 of IPv6, whose addresses one machine can change at will."""
    assert Origins().of("2001:db8::1", None).site == Origins().of("2001:db8::2", None).site == "2001:db8::/64"
    assert Origins().of("203.0.113.7", None).site == "203.0.113.7"
