"""Checks of one device from the machine, independent of a running gateway."""

import socket
from collections.abc import Iterator

from drivers.links.link import Action
from gateway.api.models import DeviceView, Finding
from gateway.config import DeviceSettings
from gateway.delivery.mqtt.connect import describe_connect_error
from gateway.diagnostics.checks.accounts import Account
from gateway.diagnostics.checks.addresses import Address, find_addresses
from gateway.diagnostics.checks.device_nodes import check_device_nodes
from gateway.diagnostics.checks.libraries import check_libraries, check_licence
from gateway.diagnostics.checks.smart_card_service import check_smart_card_service
from gateway.diagnostics.checks.trust_stores import check_trust_stores
from gateway.diagnostics.findings import make_finding
from gateway.diagnostics.host import HostView

ANSWER_S = 2.0


def check_from_host(
    position: str, device: DeviceSettings, view: DeviceView | None, account: Account, host: HostView
) -> Iterator[Finding]:
    """Check libraries, licence, addresses and trust stores.

    `view` is the device in the running gateway, if any.
    """
    yield from check_libraries(position, device.driver, device.settings)
    yield from check_licence(position, device.licence_expires, host.now().date())
    for address in find_addresses(device.settings):
        match address.kind:
            case "node" | "usb":
                worker = view.pid if view is not None else None
                yield from check_device_nodes(position, address, account, host, worker)
            case "network":
                # An online device is connected already, and many boards accept only one connection.
                if view is None or view.state.state not in ("online", "busy", "degraded"):
                    yield from _network(position, address)
            case "smartcard":
                yield from check_smart_card_service(position, str(address), host)
    yield from check_trust_stores(position, device, host.now())


def _network(position: str, address: Address) -> Iterator[Finding]:
    endpoint = address.endpoint
    if endpoint is None:
        return
    try:
        socket.create_connection(endpoint, ANSWER_S).close()
    except OSError as error:
        host, port = endpoint
        yield make_finding(
            "no_response",
            "error",
            position,
            f"No response from {host}:{port}, the address in `{address.key}`: "
            f"{describe_connect_error(error)}.",
            Action.REPLUG,
            f"Check that it is switched on and its cable connected: ping {host}; check the address.",
        )
