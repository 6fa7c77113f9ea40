"""Networks of IP addresses, as people write them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias

from rolebridge.core.errors import Invalid

Network: TypeAlias = IPv4Network | IPv6Network


def read_network(text: str) -> Network:
    """Read `203.0.113.0/24`, `2001:db8::/32` or a single address. Raises `Invalid`."""
    try:
        return ip_network(text)
    except ValueError as error:
        example = "`203.0.113.0/24` or `2001:db8::/32`"
        raise Invalid(f"`{text}` is no network such as {example}: {error}", "network") from None
