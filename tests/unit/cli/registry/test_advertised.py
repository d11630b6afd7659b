"""The address that a process advertises."""

from __future__ import annotations

import pytest

from flusso_cli.registry.advertised import own_address, url


@pytest.mark.parametrize(
    ("listener", "tls", "expected"),
    [
        (("127.0.0.1", 9464), False, "http://127.0.0.1:9464"),
        (("192.0.2.7", 9464), True, "https://192.0.2.7:9464"),
        (("0.0.0.0", 9464), False, "http://worker-1:9464"),
        (("::", 9464), False, "http://worker-1:9464"),
        (("::1", 9464), False, "http://[::1]:9464"),
    ],
)
def test_a_listener_on_all_addresses_advertises_the_address_of_the_machine(
    listener: tuple[str, int], tls: bool, expected: str
) -> None:
    assert url(listener, "worker-1", tls=tls) == expected


def test_an_address_of_version_6_stands_in_brackets() -> None:
    assert url(("::", 1), "2001:db8::1") == "http://[2001:db8::1]:1"


def test_the_address_of_this_machine_is_no_loopback_address() -> None:
    assert not own_address().startswith(("127.", "::1"))
