"""What is written down at a post, as a technician sees it: claims, outbox, audit. Nothing personal."""

from typing import Any

from pydantic import AwareDatetime, Field

from gateway.contract.states import DestinationReport
from gateway.local.views import View


class ClaimView(View):
    """One device that a station has to itself."""

    position: str = Field(description="Lane and device.", examples=["lane-1/reader"])
    station: str = Field(description="Name of the station.", examples=["lane-1"])
    since: AwareDatetime = Field(description="Since when.", examples=["2026-11-28T08:15:30Z"])


class StreamView(View):
    """What one stream has in the outbox, without what it says."""

    stream: str = Field(description="Position and delivery class.", examples=["lane-1/reader/traveller"])
    epoch: str = Field(description="Name of the outbox that numbered it.", examples=["5f0c2a6e9b7d4c33"])
    events: int = Field(ge=0, description="Events that wait.", examples=[3])
    size_bytes: int = Field(ge=0, description="Their size, in bytes.", examples=[2700])
    last: int = Field(ge=0, description="The number given last.", examples=[42])


class OutboxView(View):
    """What waits for delivery, and for whom."""

    destinations: tuple[DestinationReport, ...] = Field(
        description="How delivery goes, a destination each.", examples=[[]]
    )
    streams: tuple[StreamView, ...] = Field(description="What waits, a stream each.", examples=[[]])


class AuditEntry(View):
    """One record: a command decided or ended, a claim changed, something that a technician did."""

    at: AwareDatetime = Field(
        description="When, by the post's wall clock.", examples=["2026-11-28T08:15:30Z"]
    )
    position: str = Field(description="At which device, or the gateway itself.", examples=["lane-1/barrier"])
    type: str = Field(description="Event type.", examples=["command.decided"])
    data: dict[str, Any] = Field(
        description="What it says; see that event's schema.",
        examples=[{"station": "lane-1", "verb": "open", "decision": "accepted"}],
    )
