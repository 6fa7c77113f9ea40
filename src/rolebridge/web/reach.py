"""Which addresses the bridge may call when a URL comes from somebody else: public ones, and networks that are allowed.

Whoever names a URL would otherwise have the bridge knock where only it can: at its neighbours, at itself, at the
metadata service of its cloud (server-side request forgery).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Final

from rolebridge.core.networks import Network, read_network
from rolebridge.web.addresses import Address, is_within

_NEVER: Final[tuple[Network, ...]] = (
    IPv4Network("0.0.0.0/8"),  # "this host": connecting to it reaches oneself (RFC 1122 §3.2.1.3)
    IPv4Network("169.254.0.0/16"),  # link-local; the metadata services of clouds
    IPv4Network("168.63.129.16/32"),  # the one metadata service with an address that looks public
    IPv4Network("100.100.100.200/32"),  # another cloud's, in the space of carriers
    IPv6Network("fd00:ec2::254/128"),  # and one over IPv6
    IPv4Network("224.0.0.0/3"),  # multicast, reserved, broadcast
    IPv6Network("::/128"),
    IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
)
"""What no setting opens: nothing that one would log in with is there."""

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_ODD: Final[tuple[Network, ...]] = (
    IPv6Network("::/8"),  # reserved; among them addresses with an IPv4 one in their last bits (RFC 4291 §2.5.5.1)
    IPv6Network("64:ff9b:1::/48"),  # translation within a site (RFC 8215)
    IPv6Network("fec0::/10"),  # what used to be private (RFC 3879)
    IPv6Network("100::/64"),  # a hole (RFC 6666)
    IPv6Network("5f00::/16"),  # segments of routes (RFC 9602)
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
    IPv4Network("192.0.0.0/24"),  # protocol assignments (RFC 6890); the metadata of a cloud
    IPv4Network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526)
)
"""What `is_global` of some Python versions takes for public."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where one may call: public addresses, `allowed` networks, and this machine if `loopback`."""

    allowed: tuple[Network, ...] = ()
    loopback: bool = False

    @classmethod
    def read(cls, allowed: Iterable[str], *, loopback: bool) -> Reach:
        """Read networks as a setting holds them. Raises `Invalid`."""
        return cls(tuple(read_network(text) for text in allowed), loopback)

    def forbids(self, address: Address) -> str | None:
        """Return why an address may not be called, in words that do not repeat it; None if it may."""
        return next((why for one in _meant(address) if (why := self._forbids(one))), None)

    def _forbids(self, address: Address) -> str | None:
        if is_within(address, _NEVER):
            return "an address that nothing outside may be called at (link-local, multicast, metadata of a cloud)"
        if is_within(address, self.allowed) or (self.loopback and address.is_loopback):
            return None
        if address.is_loopback:
            return "an address of this machine"
        return None if _is_public(address) else "an address that is not public"


def read_address(text: str) -> Address:
    """Read an address as a resolver gives it, with or without the interface that it belongs to. Raises ValueError."""
    return ip_address(text.partition("%")[0])


def _meant(address: Address) -> tuple[Address, ...]:
    """Return the address, and every IPv4 address that it stands for: packets to the one arrive at the other."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:  # how a network without IPv4 reaches all of it
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    inner = (address.sixtofour, *(address.teredo or ()))
    return (address, *(one for one in inner if one is not None))


def _is_public(address: Address) -> bool:
    if address.is_private or address.is_multicast or address.is_reserved or is_within(address, _ODD):
        return False
    return address.is_global
