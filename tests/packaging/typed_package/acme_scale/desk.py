"""Workstation that weighs luggage."""

from acme_scale.observations import Weighed, WeighOut, WeighOutResult
from acme_scale.vocabulary import VOCABULARY
from drivers.passport.observations import DocumentRead
from gateway.client import CommandRejected, DeviceStatus, Workstation


async def weigh(host: str) -> float:
    """Return the mass of the next luggage; release the same from the hopper."""
    async with Workstation(
        host, site="ke-busia", positions=["lane-1/scale"], station="lane-1", vocabularies=[VOCABULARY]
    ) as desk:
        status: DeviceStatus = desk.status("lane-1/scale")
        if not status.is_usable:
            return 0.0
        async for event in desk:
            match event.data:
                case DocumentRead(mrz=mrz) if mrz is not None:
                    print(mrz.document_number.upper())
                case Weighed(mass_kg=mass):
                    async with desk.claim("lane-1/scale"):
                        return await released(desk, mass)
    return 0.0


async def released(desk: Workstation, mass_kg: float) -> float:
    """Return the mass that the hopper released."""
    try:
        result = await desk.command(
            "lane-1/scale", "weigh-out", WeighOut(mass_kg=mass_kg), done=WeighOutResult
        )
    except CommandRejected as error:
        print(error.text, error.how)
        return 0.0
    done: str = result.result  # type: ignore[assignment]
    return result.result.mass_kg if done else 0.0


WRONG_SITE = Workstation("127.0.0.1", site=7)  # type: ignore[arg-type]
