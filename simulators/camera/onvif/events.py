"""Events that clients pull (ONVIF Core Specification, section 9: pull points)."""

import asyncio
import contextlib
import itertools
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from xml.sax.saxutils import quoteattr

from simulators.camera.onvif.soap import Call, FaultError, envelope
from simulators.http.server import Response

LONGEST_PULL_S = 60.0
KEPT = 100
"""Maximum number of messages waiting for one client."""
ACTION = "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)


def seconds(text: str, now: datetime) -> float:
    """Parse an xs:duration, or the xs:dateTime of its end, in seconds; raise FaultError if it is neither."""
    if (found := _DURATION.fullmatch(text)) is not None and any(found.groups()):
        days, hours, minutes, rest = (float(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + rest
    try:
        return (datetime.fromisoformat(text) - now).total_seconds()
    except (ValueError, TypeError) as error:
        raise FaultError("ter:InvalidArgVal", "neither a duration nor a time") from error


@dataclass(frozen=True, slots=True)
class Message:
    """An event."""

    topic: str
    source: Mapping[str, str]
    data: Mapping[str, str]
    at: datetime
    operation: Literal["Initialized", "Changed", "Deleted"] = "Changed"

    def xml(self) -> str:
        """Return it as a NotificationMessage."""
        source, data = (
            "".join(f"<tt:SimpleItem Name={quoteattr(k)} Value={quoteattr(v)}/>" for k, v in items.items())
            for items in (self.source, self.data)
        )
        return (
            '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/'
            f'ConcreteSet">{self.topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="{stamp(self.at)}" '
            f'PropertyOperation="{self.operation}"><tt:Source>{source}</tt:Source><tt:Data>{data}</tt:Data>'
            "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )


def _reference_number(call: Call) -> str:
    """Return the number in the reference parameters of a request's header."""
    for part in call.header if call.header is not None else ():
        if part.tag == "{urn:simulated}Subscription" and part.findtext("{urn:simulated}Of") == "events":
            return part.get("{urn:simulated}number", "")
    return ""


def stamp(at: datetime) -> str:
    """Format a time in UTC as xs:dateTime."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


@dataclass
class PullPoint:
    """The subscription of one client."""

    ends_s: float
    """Time of expiry on the loop's clock."""
    waiting: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT))
    has_events: asyncio.Event = field(default_factory=asyncio.Event)


class Events:
    """All pull points of a camera. `now` returns its clock, in UTC."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.points: dict[str, PullPoint] = {}
        self.properties: dict[tuple[str, tuple[tuple[str, str], ...]], Message] = {}
        """Present states, which a new client gets first."""
        self.full_until_s = 0.0
        """Time on the loop's clock until which it refuses new pull points."""
        self.by_parameters = False
        """True if pull points share one address and differ by reference parameters (WS-Addressing 1.0)."""
        self._numbers = itertools.count(1)

    def publish(self, topic: str, source: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Send to every client."""
        message = Message(topic, source, data, self.now())
        self.properties[topic, tuple(sorted(source.items()))] = message
        self._sweep()
        for point in self.points.values():
            point.waiting.append(message)
            point.has_events.set()

    def create(self, call: Call, base: str) -> Response:
        """Handle CreatePullPointSubscription; raise FaultError if there are too many already."""
        if asyncio.get_running_loop().time() < self.full_until_s:
            raise FaultError("wsnt:SubscribeCreationFailedFault", "too many", status=500)
        lasts_s = seconds(call.text("InitialTerminationTime") or "PT60S", self.now())
        name = str(next(self._numbers))
        point = PullPoint(asyncio.get_running_loop().time() + lasts_s)
        for known in self.properties.values():
            point.waiting.append(Message(known.topic, known.source, known.data, self.now(), "Initialized"))
        self.points[name] = point
        return envelope(
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"{self._reference(base, name)}</tev:SubscriptionReference>{self._times(point, 'wsnt')}"
            "</tev:CreatePullPointSubscriptionResponse>"
        )

    def _reference(self, base: str, name: str) -> str:
        if not self.by_parameters:
            return f"<a:Address>{base}/{name}</a:Address>"
        given = (
            f'<p:Subscription xmlns:p="urn:simulated" p:number="{name}"><p:Of>events</p:Of></p:Subscription>'
        )
        return f"<a:Address>{base}</a:Address><a:ReferenceParameters>{given}</a:ReferenceParameters>"

    async def handle(self, name: str, call: Call) -> Response:
        """Handle a request to a pull point; raise FaultError if it does not exist, or no longer."""
        self._sweep()
        if self.by_parameters:
            name = _reference_number(call)
        point = self.points.get(name)
        if point is None:
            raise FaultError("ter:InvalidArgVal", "no such subscription, or not any more")
        match call.name:
            case "tev", "PullMessages":
                return await self._pull(point, call)
            case "wsnt", "Renew":
                lasts_s = seconds(call.text("TerminationTime") or "PT60S", self.now())
                point.ends_s = asyncio.get_running_loop().time() + lasts_s
                return envelope(f"<wsnt:RenewResponse>{self._times(point, 'wsnt')}</wsnt:RenewResponse>")
            case "wsnt", "Unsubscribe":
                del self.points[name]
                point.has_events.set()
                return envelope("<wsnt:UnsubscribeResponse/>")
            case "tev", "SetSynchronizationPoint":
                for known in self.properties.values():
                    again = Message(known.topic, known.source, known.data, self.now(), "Initialized")
                    point.waiting.append(again)
                point.has_events.set()
                return envelope("<tev:SetSynchronizationPointResponse/>")
        raise FaultError("ter:ActionNotSupported", "not of a pull point")

    async def _pull(self, point: PullPoint, call: Call) -> Response:
        wait_s = min(seconds(call.text("Timeout") or "PT1S", self.now()), LONGEST_PULL_S)
        most = call.text("MessageLimit") or "1"
        if not (most.isascii() and most.isdecimal()):
            raise FaultError("ter:InvalidArgVal", "MessageLimit")
        if not point.waiting:
            point.has_events.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(point.has_events.wait(), max(wait_s, 0))
        count = min(int(most), len(point.waiting))
        messages = "".join(point.waiting.popleft().xml() for _ in range(count))
        return envelope(
            f"<tev:PullMessagesResponse>{self._times(point, 'tev')}{messages}</tev:PullMessagesResponse>",
            header=f"<a:Action>{ACTION}/PullMessagesResponse</a:Action>",
        )

    def _times(self, point: PullPoint, prefix: str) -> str:
        now = self.now()
        ends = now + timedelta(seconds=point.ends_s - asyncio.get_running_loop().time())
        return (
            f"<{prefix}:CurrentTime>{stamp(now)}</{prefix}:CurrentTime>"
            f"<{prefix}:TerminationTime>{stamp(ends)}</{prefix}:TerminationTime>"
        )

    def _sweep(self) -> None:
        now_s = asyncio.get_running_loop().time()
        self.points = {name: point for name, point in self.points.items() if now_s < point.ends_s}
