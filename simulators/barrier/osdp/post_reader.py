"""Kind `osdp-reader`: a card reader that operates a barrier, with cards presented automatically."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any, Literal

from pydantic import Field

from simulators.barrier.osdp.site import OsdpSettings, OsdpSite
from simulators.barrier.post_barrier import PostBarrier, PostBarrierSettings
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import WireLog
from simulators.errors import SimulatorError
from simulators.simulator import EmitCallback, Simulator

WIEGAND_BITS = 26


class OsdpReaderSettings(PostBarrierSettings, OsdpSettings):
    """A reader on a serial line."""

    kind: Literal["osdp-reader"]
    cards_every_s: float | None = Field(
        default=None, gt=0, description="Seconds between two cards; only by command if omitted."
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Path of the reader's port."""
        return (str(self.path),)

    def build_site(self, timeline: Timeline, log: WireLog) -> BarrierSite:
        """See `PostBarrierSettings`."""
        return OsdpSite(self, timeline, log)

    def build(self) -> Simulator:
        """Build the reader, the barrier and the traffic."""
        return OsdpReader(self)


class OsdpReader(PostBarrier):
    """A reader, its cards, and the barrier that it operates."""

    settings: OsdpReaderSettings

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run(emit))
            if self.settings.cards_every_s is not None:
                tasks.create_task(self._cards(self.settings.cards_every_s))

    def _insert(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Present a card if `card` has its number in hexadecimal (`bits`.

        Its length); else a vehicle arrives.
        """
        match dict(arguments):
            case {"card": str(card), **rest} if rest.keys() <= {"bits"}:
                bits = rest.get("bits", 4 * len(card))
                return {"taken": self._present(card, bits)}
        return super()._insert(arguments)

    def _present(self, card: str, bits: object) -> bool:
        site = self.site
        assert isinstance(site, OsdpSite)
        try:
            data = bytes.fromhex(card)
        except ValueError:
            raise SimulatorError(
                f"insert: card: {len(card)} characters are not bytes in hexadecimal"
            ) from None
        if not isinstance(bits, int) or not 0 < bits <= 8 * len(data) <= 512:
            raise SimulatorError("insert: bits: a card has at most the bits of its bytes, and 64 bytes")
        taken = site.present_card(data, bits)
        self._emit("card", {"taken": taken})
        return taken

    async def _cards(self, every_s: float) -> None:
        chance = Random(f"{self.settings.seed}/cards")
        await self._host_connected.wait()
        while True:
            await asyncio.sleep(every_s)
            self._present(chance.randbytes(4).hex(), WIEGAND_BITS)
