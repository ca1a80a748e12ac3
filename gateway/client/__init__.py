"""What a workstation imports: the events of its positions, and commands to its devices. No device library.

async with Workstation("127.0.0.1", site="ke-busia", positions=["lane-1/reader"]) as desk:
    async for event in desk:
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
    "PreviewStream",
    "ReceivedEvent",
    "RejectedMessage",
    "Workstation",
]
