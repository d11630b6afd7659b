"""The address under which other machines reach a listener of this process."""

from __future__ import annotations

import ipaddress
import socket


def url(listener: tuple[str, int], own_address: str, *, tls: bool = False) -> str:
    """The URL of a listener.  One on all addresses (`0.0.0.0`, `::`) is reached under `own_address`."""
    host, port = listener
    reached = own_address if ipaddress.ip_address(host).is_unspecified else host
    shown = f"[{reached}]" if ":" in reached else reached
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def own_address() -> str:
    """An address of this machine: what its host name leads to, or the name where that is a loopback address.

    In a container the name leads to the address of the container, which others reach; the name itself often is known
    to the container alone.  May wait for a name server.
    """
    name = socket.gethostname()
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return name
    addresses = [str(item[4][0]) for item in found]
    others = [each for each in addresses if not _is_local(each)]
    return others[0] if others else name


def _is_local(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    return found.is_loopback or found.is_link_local
