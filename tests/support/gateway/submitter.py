"""For each line it reads, forks a process that fills an outbox until killed and prints committed numbers."""

import asyncio
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]

import structlog  # noqa: E402
from support.gateway.deliveries import event  # noqa: E402

from gateway.contract.topics import SiteTopics  # noqa: E402
from gateway.delivery.delivery import Delivery  # noqa: E402
from gateway.delivery.events import Blob, StoredEvent, Stream  # noqa: E402
from gateway.delivery.settings import BrokerSettings, DeliverySettings, DestinationSettings, OutboxSettings  # noqa: E402


class RecordingDelivery(Delivery):
    """Prints the highest number of every group, once it is committed."""

    def on_committed(self, entries: list[StoredEvent], streams: list[Stream]) -> None:
        super().on_committed(entries, streams)
        print(entries[-1].seq, flush=True)


async def main(directory: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    settings = DeliverySettings(
        outbox=OutboxSettings(directory=directory),
        destinations=(DestinationSettings.local(BrokerSettings(port=1)),),
    )
    delivery = RecordingDelivery(settings, SiteTopics("ke-busia", "gw-1"), "kill")
    await delivery.start()
    print("ready", os.getpid(), flush=True)
    n = 0
    while True:
        for _ in range(3):
            delivery.submit(
                event(n, blobs=(Blob("page", "image/jpeg", b"x" * 70_000),) if n % 20 == 0 else ())
            )
            n += 1
        await asyncio.sleep(0)


directory = Path(sys.argv[1])
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        asyncio.run(main(directory))
    os.waitpid(child, 0)
    print("ended", flush=True)
