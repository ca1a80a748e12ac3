"""Pull-point subscriptions: created, renewed in time, and cancelled at the end.

Sources: ONVIF Core Specification, *Real-time pull-point notification interface*; OASIS Web Services
BaseNotification 1.3; WS-Addressing 1.0, SOAP binding: a subscription's reference parameters are copied into
the header of each request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from drivers.camera.onvif.addresses import ServiceAddress
from drivers.camera.onvif.clock import parse_timestamp
from drivers.camera.onvif.device import OnvifDevice
from drivers.camera.onvif.soap import ADDRESSING, NAMESPACES, child, find_all, local_name, serialise, text
from drivers.clock import boot_ns

ACTIONS = {
    "tev:PullMessages": f"{NAMESPACES['tev']}/PullPointSubscription/PullMessagesRequest",
    "wsnt:Renew": "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest",
    "wsnt:Unsubscribe": "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest",
}
MESSAGE_LIMIT = 100
"""Upper limit of events in one response."""
UNSUBSCRIBE_TIMEOUT_S = 1.0
"""Time limit for the cancellation of a subscription."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One event of a camera."""

    topic: str
    """Without prefixes of namespaces: `VideoSource/GlobalSceneChange/ImagingService`."""
    source: Mapping[str, str]
    data: Mapping[str, str]
    is_deleted: bool
    """True if the source of the event no longer exists."""


@dataclass(frozen=True, slots=True)
class PullResult:
    """Result of one pull."""

    notices: tuple[Notification, ...]
    camera_time: datetime | None


class PullPointSubscription:
    """A subscription of the gateway."""

    def __init__(self, device: OnvifDevice, place: ServiceAddress, header: str, lasts_s: float) -> None:
        self._device = device
        self._place = place
        self._header = header
        self._asked_s = lasts_s
        self._renew_ns = 0
        """Time of the renewal, at half of the duration, by CLOCK_BOOTTIME."""

    @classmethod
    async def create(cls, device: OnvifDevice, lasts_s: float) -> "PullPointSubscription":
        """Subscribe to all events; raises LinkError, or FaultError.

        Not to some: filters are poorly supported by cameras, and there are few events.
        """
        lasting = f"<tev:InitialTerminationTime>PT{lasts_s:g}S</tev:InitialTerminationTime>"
        response = await device.call(device.services["tev"], "tev:CreatePullPointSubscription", lasting)
        reference = child(response, "SubscriptionReference")
        given = text(child(reference, "Address"))
        to = f"<a:To>{escape(given)}</a:To>"
        parameters = child(reference, "ReferenceParameters")
        for parameter in parameters if parameters is not None else ():
            parameter.set(f"{{{ADDRESSING}}}IsReferenceParameter", "true")
            to += serialise(parameter)
        place = device.addresses.service(given) or device.services["tev"]
        subscription = cls(device, place, to, lasts_s)
        subscription._lasts(response)
        return subscription

    @property
    def is_renewal_due(self) -> bool:
        """True if it should be renewed."""
        return boot_ns() >= self._renew_ns

    async def pull(self, wait_s: float, timeout_s: float) -> PullResult:
        """Pull events, waiting for the first up to `wait_s`; raises LinkError, or FaultError."""
        request = (
            f"<tev:Timeout>PT{wait_s:g}S</tev:Timeout><tev:MessageLimit>{MESSAGE_LIMIT}</tev:MessageLimit>"
        )
        response = await self._ask("tev:PullMessages", request, timeout_s)
        notices = tuple(_notice(each) for each in find_all(response, "NotificationMessage"))
        return PullResult(notices, parse_timestamp(text(child(response, "CurrentTime"))))

    async def renew(self) -> None:
        """Renew the subscription; raises LinkError, or FaultError."""
        lasting = f"<wsnt:TerminationTime>PT{self._asked_s:g}S</wsnt:TerminationTime>"
        self._lasts(await self._ask("wsnt:Renew", lasting))

    async def unsubscribe(self) -> None:
        """Cancel the subscription: a camera has few; raises LinkError, or FaultError."""
        await self._ask("wsnt:Unsubscribe", "", UNSUBSCRIBE_TIMEOUT_S)

    async def _ask(self, operation: str, arguments: str, timeout_s: float | None = None) -> Element:
        header = f"<a:Action>{ACTIONS[operation]}</a:Action>{self._header}"
        return await self._device.call(self._place, operation, arguments, header, timeout_s)

    def _lasts(self, response: Element) -> None:
        """Take the granted duration, which may be shorter than the requested one."""
        now, ends = (
            parse_timestamp(text(child(response, name))) for name in ("CurrentTime", "TerminationTime")
        )
        lasts_s = (ends - now).total_seconds() if now and ends else self._asked_s
        self._renew_ns = boot_ns() + round(min(max(lasts_s, 0), self._asked_s) / 2 * 1e9)


def _notice(message: Element) -> Notification:
    topic = "/".join(level.rpartition(":")[2] for level in text(child(message, "Topic")).split("/"))
    inner = child(message, "Message", "Message")
    ended = inner is not None and inner.get("PropertyOperation") == "Deleted"
    return Notification(topic, _items(child(inner, "Source")), _items(child(inner, "Data")), ended)


def _items(element: Element | None) -> Mapping[str, str]:
    if element is None:
        return {}
    return {
        each.get("Name", ""): each.get("Value", "") for each in element if local_name(each) == "SimpleItem"
    }
