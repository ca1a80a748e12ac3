"""One camera that is asked by SOAP: by its own clock, with its own addresses, as whoever may ask.

Source: ONVIF Core Specification, *Device management*.
"""

from collections.abc import Mapping
from types import MappingProxyType
from xml.etree.ElementTree import Element

from pydantic import ValidationError

from drivers.camera.http_settings import CameraHttpSettings
from drivers.camera.onvif.addresses import AddressTranslator, ServiceAddress
from drivers.camera.onvif.clock import CameraClock, parse_device_time
from drivers.camera.onvif.soap import (
    MEDIA_TYPE,
    NAMESPACES,
    Credentials,
    FaultError,
    NotSoapError,
    child,
    parse_response,
    request_envelope,
    text,
    token,
)
from drivers.clock import boot_ns
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.http.client import HttpLink
from drivers.links.link import Action, Cause, LinkError

ANSWERS = (200, 400, 401, 403, 404, 410, 500)
"""Statuses that come with an envelope, or with nothing and say enough by themselves."""
NOT_FOUND_STATUSES = (404, 410)
CLOCK_CHANGE_S = 1.5
"""A clock that is off by so much more than was thought is worth another try: it tells whole seconds."""
LONGEST_TEXT = 64


class OnvifDevice:
    """A camera, at the address of its device service."""

    def __init__(self, links: LinkFactory, reached: CameraHttpSettings) -> None:
        self._links = links
        self._reached = reached
        self._http: dict[str, HttpLink] = {}
        self.addresses = AddressTranslator(reached.url)
        self.clock = CameraClock()
        self.services: Mapping[str, ServiceAddress] = MappingProxyType({})
        """Where each service is that it told of, by the prefix of its namespace."""

    # What it is asked

    async def read_clock(self, timeout_s: float | None = None) -> float:
        """Ask for its time, which everybody may; by how many seconds that is news. Raises LinkError."""
        asked_ns = boot_ns()
        try:
            told = await self._once(self.addresses.device, "tds:GetSystemDateAndTime", timeout_s=timeout_s)
            said = parse_device_time(told)
        except FaultError:
            said = None
        # A camera that does not tell its time is taken to have ours.
        return 0.0 if said is None else self.clock.update(said, asked_ns, boot_ns())

    async def read_services(self) -> None:
        """Learn where its services are; raises LinkError."""
        wanted = "<tds:IncludeCapability>false</tds:IncludeCapability>"
        try:
            told = await self.call(self.addresses.device, "tds:GetServices", wanted)
            given = {text(child(each, "Namespace")): text(child(each, "XAddr")) for each in told}
            named = {prefix: given.get(namespace, "") for prefix, namespace in NAMESPACES.items()}
        except FaultError as fault:  # of a camera older than 2011
            if fault.is_unauthorized:
                raise
            told = await self.call(self.addresses.device, "tds:GetCapabilities")
            places = {"tds": "Device", "trt": "Media", "tev": "Events"}
            named = {
                prefix: text(child(told, "Capabilities", name, "XAddr")) for prefix, name in places.items()
            }
        self.addresses.set_reported(named["tds"])
        services = {prefix: self.addresses.service(address) for prefix, address in named.items()}
        self.services = {prefix: place for prefix, place in services.items() if place is not None}

    async def identity(self) -> Identity:
        """Who made it, what it is; raises LinkError."""
        told = await self.call(self.addresses.device, "tds:GetDeviceInformation")
        said = {
            name: text(child(told, name))[:LONGEST_TEXT] or None
            for name in ("Manufacturer", "Model", "SerialNumber", "FirmwareVersion")
        }
        return Identity(
            manufacturer=said["Manufacturer"],
            model=said["Model"] or "ONVIF camera",
            serial_number=said["SerialNumber"],
            firmware=said["FirmwareVersion"],
        )

    # How it is asked

    async def call(
        self,
        place: ServiceAddress,
        operation: str,
        arguments: str = "",
        header: str = "",
        timeout_s: float | None = None,
    ) -> Element:
        """Ask for an operation, with a proof of the password; raises LinkError, or FaultError.

        A camera whose clock was set meanwhile refuses a proof that is right: it is asked for its time, and
        only if that is news the question is put again.
        """
        try:
            return await self._once(place, operation, arguments, header, timeout_s, signed=True)
        except FaultError as fault:
            if not fault.is_unauthorized or await self.read_clock() < CLOCK_CHANGE_S:
                raise
        return await self._once(place, operation, arguments, header, timeout_s, signed=True)

    async def _once(
        self,
        place: ServiceAddress,
        operation: str,
        arguments: str = "",
        header: str = "",
        timeout_s: float | None = None,
        *,
        signed: bool = False,
    ) -> Element:
        link = await self.http(place.origin)
        user, password = self._reached.username, self._reached.password
        if signed and user is not None and password is not None:
            header += token(Credentials(user, password.get_secret_value()), self.clock.now())
        said = await link.request(
            "POST",
            place.path,
            body=request_envelope(operation, arguments, header),
            media_type=MEDIA_TYPE,
            expect=ANSWERS,
            timeout_s=timeout_s,
        )
        if said.status in (401, 403):
            raise FaultError(frozenset({"NotAuthorized"}))
        try:
            return parse_response(said.body, operation)
        except NotSoapError:
            # Of a subscription: some cameras have no page any more where it was.
            if said.status in NOT_FOUND_STATUSES and place not in (
                self.addresses.device,
                *self.services.values(),
            ):
                raise FaultError(frozenset()) from None
            raise link.wrong_service_error("answers, but not as an ONVIF device does") from None

    async def http(self, origin: str) -> HttpLink:
        """The way to what is asked over HTTP at one of its ports; raises LinkError."""
        if origin not in self._http:
            self._http[origin] = await self._links.http(self.settings_at(origin))
        return self._http[origin]

    def settings_at(self, origin: str) -> CameraHttpSettings:
        """How it is spoken to at that port; raises LinkError where that would be in clear and may not be."""
        plain = self._reached.model_dump(exclude={"url"})
        try:
            return CameraHttpSettings(url=origin, **plain)
        except ValidationError:
            raise self.cleartext_error() from None

    def cleartext_error(self) -> LinkError:
        """What it offers would be in clear over a network."""
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{self._reached.url} has its pictures or services where they would be in clear over a network.",
            Action.CONFIGURE,
            "Switch TLS on in the camera, or add `allow_cleartext = true` where nobody else can reach that wire.",
        )

    def fault_error(self, fault: FaultError) -> LinkError:
        """What a fault means that nothing can be done about."""
        url = self._reached.url
        if fault.is_unauthorized:
            given = "Correct" if self._reached.username else "Add"
            return LinkError(
                Cause.NO_PERMISSION,
                f"{url} refuses these credentials.",
                Action.CONFIGURE,
                f"{given} `username` and `password`: of a user for ONVIF, whom many cameras keep apart from "
                "those of their web page.",
                self._http[self.addresses.device.origin].wait_until_restarted,
            )
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{url} does not know what every ONVIF camera is asked.",
            Action.CONFIGURE,
            "See that ONVIF is switched on in the camera; else use camera-snapshot or camera-rtsp.",
        )
