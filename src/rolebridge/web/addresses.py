"""Whose address a request comes from: the peer's, or what a proxy that the installation trusts says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from rolebridge.core.networks import Network, read_network

Address: TypeAlias = IPv4Address | IPv6Address

_LONGEST: Final = 2_000  # characters of X-Forwarded-For: more than any chain of proxies writes
_IPV6_SITE: Final = 64  # bits that one customer's machines share


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from. `address` is None when what was said of it is no address; `text` is then "".

    `certain` is False when a proxy stands in between that the installation does not trust: then the address is the
    proxy's, and everybody behind it shares it.
    """

    address: Address | None
    certain: bool = True
    text: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", "" if self.address is None else str(self.address))

    def __str__(self) -> str:
        return self.text or "an address that cannot be read"

    @property
    def site(self) -> str:
        """Return what stands for the origin where attempts are counted: an address, of IPv6 its network."""
        if isinstance(self.address, IPv6Address):
            return str(IPv6Network((self.address, _IPV6_SITE), strict=False))
        return str(self.address)


class Origins:
    """Tells origins of requests, given which peers are proxies whose `X-Forwarded-For` is believed."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        """`trusted` are the proxies' networks in CIDR notation. Raises `Invalid`."""
        self._trusted = tuple(read_network(text) for text in trusted)

    def of(self, peer: str | None, forwarded: str | None) -> Origin:
        """Return the origin of a request from its peer's address and its `X-Forwarded-For`.

        Each proxy adds at the right whom it was called by; so the address is the rightmost one that is not a trusted
        proxy's own, and whatever a client wrote further left says nothing.
        """
        if forwarded is None:
            return _peer(peer or "")
        address = _address(peer or "")
        if address is None or not is_within(address, self._trusted):
            return Origin(address, certain=False)
        for hop in reversed(forwarded[-_LONGEST:].split(",")):
            address = _address(hop.strip())
            if address is None or not is_within(address, self._trusted):
                break
        return Origin(address)


@lru_cache(maxsize=1_024)
def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return stored networks, read once."""
    return tuple(read_network(text) for text in texts)


def is_within(address: Address, allowed: Sequence[Network]) -> bool:
    """Return whether an address is in one of the networks."""
    return any(address in network for network in allowed)


@lru_cache(maxsize=1_024)
def _peer(text: str) -> Origin:
    return Origin(_address(text))


@lru_cache(maxsize=1_024)
def _address(text: str) -> Address | None:
    """Read an address, also as some proxies write one: with a port, in brackets."""
    bare = text
    if text.startswith("["):
        bare = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        bare = text.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
