"""SOAP client of one ONVIF camera, with its own clock, addresses and credentials.

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
from drivers.links.link import Action, Cause, LinkError, credentials_error

ANSWERS = (200, 400, 401, 403, 404, 410, 500)
"""Statuses with an envelope, or with an obvious meaning without one."""
NOT_FOUND_STATUSES = (404, 410)
CLOCK_CHANGE_S = 1.5
"""A change of the clock that makes a retry worthwhile: the camera states whole seconds."""
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
        """Address of each service stated by the camera, by the prefix of its namespace."""

    # Operations

    async def read_clock(self, timeout_s: float | None = None) -> float:
        """Read its time, which needs no password; return the change in seconds. Raises LinkError."""
        asked_ns = boot_ns()
        try:
            told = await self._once(self.addresses.device, "tds:GetSystemDateAndTime", timeout_s=timeout_s)
            said = parse_device_time(told)
        except FaultError:
            said = None
        # A camera that does not state its time is assumed to have the gateway's.
        return 0.0 if said is None else self.clock.update(said, asked_ns, boot_ns())

    async def read_services(self) -> None:
        """Read the addresses of its services; raises LinkError."""
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
        """Read manufacturer, model and serial number; raises LinkError."""
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

    # Requests

    async def call(
        self,
        place: ServiceAddress,
        operation: str,
        arguments: str = "",
        header: str = "",
        timeout_s: float | None = None,
    ) -> Element:
        """Call an operation, with an authentication token; raises LinkError, or FaultError.

        A camera whose clock was set meanwhile rejects a correct token: its time is read, and the call is
        repeated only if the time has changed.
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
            # Of a subscription: some cameras respond 404 at its former address.
            if said.status in NOT_FOUND_STATUSES and place not in (
                self.addresses.device,
                *self.services.values(),
            ):
                raise FaultError(frozenset()) from None
            raise link.wrong_service_error("responds, but not as an ONVIF device") from None

    async def http(self, origin: str) -> HttpLink:
        """Return the client for HTTP at one of its ports; raises LinkError."""
        if origin not in self._http:
            self._http[origin] = await self._links.http(self.settings_at(origin))
        return self._http[origin]

    def settings_at(self, origin: str) -> CameraHttpSettings:
        """Return the settings for a port; raises LinkError where unencrypted access is not permitted."""
        plain = self._reached.model_dump(exclude={"url"})
        try:
            return CameraHttpSettings(url=origin, **plain)
        except ValidationError:
            raise self.cleartext_error() from None

    def cleartext_error(self) -> LinkError:
        """Return the error for a service that would be unencrypted over a network."""
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{self._reached.url} offers its pictures or services only unencrypted over a network.",
            Action.CONFIGURE,
            "Switch TLS on in the camera, or add `allow_cleartext = true` only where no other machine can "
            "reach that network.",
        )

    def fault_error(self, fault: FaultError) -> LinkError:
        """Return the error for a fault that a retry cannot resolve."""
        url = self._reached.url
        if fault.is_unauthorized:
            hint = ": of an ONVIF user; many cameras separate these from the users of their web page."
            wait_until_restarted = self._http[self.addresses.device.origin].wait_until_restarted
            return credentials_error(url, self._reached.username, hint, wait_until_restarted)
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{url} rejects a request that every ONVIF camera supports.",
            Action.CONFIGURE,
            "Check that ONVIF is switched on in the camera; else use camera-snapshot or camera-rtsp.",
        )
