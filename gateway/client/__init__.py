"""Client library of a workstation.

Events of its positions, and commands to its devices. Loads no device library. async with
Workstation("127.0.0.1", site="ke-busia", positions=["lane-1/reader"]) as workstation:
    async for event in workstation:
        ...
"""

from gateway.client.claims import HeldClaim
from gateway.client.commands import (
    CommandError,
    CommandFailed,
    CommandNotSent,
    CommandRejected,
    CommandResult,
    CommandUnanswered,
)
from gateway.client.models import (
    ConnectionProblem,
    DeviceStatus,
    DiscardCounts,
    LastValue,
    ReceivedEvent,
    RejectedMessage,
)
from gateway.client.previews import PreviewStream
from gateway.client.travellers.gathering import TravellerGathering, gather_travellers
from gateway.client.travellers.traveller import Part, Portrait, Print, Traveller
from gateway.client.workstation import Workstation

__all__ = [
    "CommandError",
    "CommandFailed",
    "CommandNotSent",
    "CommandRejected",
    "CommandResult",
    "CommandUnanswered",
    "ConnectionProblem",
    "DeviceStatus",
    "DiscardCounts",
    "HeldClaim",
    "LastValue",
    "Part",
    "Portrait",
    "PreviewStream",
    "Print",
    "ReceivedEvent",
    "RejectedMessage",
    "Traveller",
    "TravellerGathering",
    "Workstation",
    "gather_travellers",
]
