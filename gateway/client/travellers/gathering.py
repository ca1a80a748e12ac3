"""Gathering of events into travellers, one for each transaction."""

from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Iterable

from drivers.observation import DataClass, Observation
from drivers.passport.observations import DocumentRead
from gateway.client.models import ReceivedEvent
from gateway.client.travellers.traveller import Part, Traveller
from gateway.contract.registry import OURS

_OF_TRAVELLERS = frozenset(
    event
    for event in OURS.observations
    if event.data_class is DataClass.TRAVELLER or event.event_type == "barrier.passage"
)


class TravellerGathering:
    """Travellers of one counter by their transactions: the newest few; older ones are wiped."""

    def __init__(self, wanted: Iterable[Part] = (Part.DOCUMENT,), *, limit: int = 4) -> None:
        """`wanted`: parts that the counter needs. `limit`: how many travellers are kept."""
        self._wanted = frozenset(wanted)
        self._limit = limit
        self._kept: OrderedDict[str, Traveller] = OrderedDict()

    def take(self, event: ReceivedEvent) -> Traveller | None:
        """Add an event to its traveller and return that; None for an event that is about no traveller."""
        if not isinstance(event.data, Observation) or type(event.data) not in _OF_TRAVELLERS:
            return None
        transaction = event.envelope.transaction
        traveller = self._kept.get(transaction)
        if traveller is None:
            traveller = self._kept[transaction] = Traveller(transaction, self._wanted)
        self._kept.move_to_end(transaction)
        traveller.take(event)
        if isinstance(event.data, DocumentRead) and event.data.previous_side_transaction is not None:
            traveller.other_side = self._kept.get(event.data.previous_side_transaction)
        while len(self._kept) > self._limit:
            _, oldest = self._kept.popitem(last=False)
            oldest.wipe()
        return traveller

    def forget(self, traveller: Traveller) -> None:
        """Wipe a traveller: the person has left the counter."""
        if self._kept.get(traveller.transaction) is traveller:
            del self._kept[traveller.transaction]
        traveller.wipe()

    def forget_all(self) -> None:
        """Wipe all travellers: the officer locks the counter."""
        for traveller in self._kept.values():
            traveller.wipe()
        self._kept.clear()


async def gather_travellers(
    events: AsyncIterable[ReceivedEvent], gathering: TravellerGathering
) -> AsyncIterator[Traveller]:
    """Yield a traveller each time that something of it has come: the same object for one transaction."""
    async for event in events:
        if (traveller := gathering.take(event)) is not None:
            yield traveller
