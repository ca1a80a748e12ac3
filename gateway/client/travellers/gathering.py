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
    """Travellers of one counter by their transactions: the newest few, and those that are kept."""

    def __init__(self, wanted: Iterable[Part] = (Part.DOCUMENT,), *, limit: int = 4) -> None:
        """`wanted`: parts that the counter needs. `limit`: number of travellers beside those of `keep`."""
        self._wanted = frozenset(wanted)
        self._limit = limit
        self._travellers: OrderedDict[str, Traveller] = OrderedDict()
        """Travellers by transaction, the one with the newest event last."""
        self._kept: set[Traveller] = set()

    def take(self, event: ReceivedEvent) -> Traveller | None:
        """Add an event to its traveller and return that; None for an event that is about no traveller."""
        if not isinstance(event.data, Observation) or type(event.data) not in _OF_TRAVELLERS:
            return None
        transaction = event.envelope.transaction
        traveller = self._travellers.get(transaction)
        if traveller is None:
            traveller = self._travellers[transaction] = Traveller(transaction, self._wanted)
        self._travellers.move_to_end(transaction)
        traveller.take(event)
        if isinstance(event.data, DocumentRead) and event.data.previous_side_transaction is not None:
            traveller.other_side = self._travellers.get(event.data.previous_side_transaction)
        others = [one for one in self._travellers.values() if one not in self._kept]
        for oldest in others[: max(0, len(others) - self._limit)]:
            self.forget(oldest)
        return traveller

    def keep(self, traveller: Traveller) -> None:
        """Keep a traveller until `forget`, however many others come: the person is being served."""
        if self._travellers.get(traveller.transaction) is traveller:
            self._kept.add(traveller)

    def forget(self, traveller: Traveller) -> None:
        """Wipe a traveller: the person has left the counter."""
        if self._travellers.get(traveller.transaction) is traveller:
            del self._travellers[traveller.transaction]
        self._kept.discard(traveller)
        traveller.wipe()

    def forget_all(self) -> None:
        """Wipe all travellers: the officer locks the counter."""
        for traveller in list(self._travellers.values()):
            self.forget(traveller)


async def gather_travellers(
    events: AsyncIterable[ReceivedEvent], gathering: TravellerGathering
) -> AsyncIterator[Traveller]:
    """Yield a traveller each time that something of it has come: the same object for one transaction."""
    async for event in events:
        if (traveller := gathering.take(event)) is not None:
            yield traveller
