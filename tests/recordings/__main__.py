"""Replay every recording through a real gateway and write the events beside it: `make recordings`."""

import asyncio
import json
import tempfile
from pathlib import Path

from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture
from support.gateway.replaying import expected, recordings, replay_recordings


def main() -> None:
    """Write all of them."""
    with tempfile.TemporaryDirectory() as folder, Mosquitto() as broker:
        found = asyncio.run(replay_recordings(GatewayFixture(Path(folder), broker), recordings()))
    for path, events in found.items():
        expected(path).write_text(json.dumps(events, indent=1, ensure_ascii=False) + "\n")
        print(f"{path.name}: {len(events)} events")


if __name__ == "__main__":  # fork servers import it again
    main()
