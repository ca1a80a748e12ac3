"""Replay recordings through a real gateway and write the events beside them: `make recordings`.

An expectation is written if two replays agree. On a busy machine they may not: a board whose answers come
later than its `response_timeout_s`, three times in a row, is lost.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture
from support.gateway.replaying import recordings, replay_recordings

from gateway.testing.expectations import write_expected


def main(names: list[str]) -> int:
    """Write the expectations of the recordings with these names, or of all; return 1 if one is left out."""
    paths = [path for path in recordings() if not names or path.stem in names]
    if unknown := set(names) - {path.stem for path in paths}:
        sys.exit(f"no recording is named {', '.join(sorted(unknown))}")
    first, second = replayed(paths), replayed(paths)
    for path, events in first.items():
        if events == second[path]:
            write_expected(path, events)
            print(f"{path.name}: {len(events)} events")
        else:
            print(f"{path.name}: two replays differ, so nothing is written; repeat it on an idle machine")
    return int(first != second)


def replayed(paths: list[Path]) -> dict[Path, list[dict[str, Any]]]:
    """Return the events of each recording."""
    with tempfile.TemporaryDirectory() as folder, Mosquitto() as broker:
        return asyncio.run(replay_recordings(GatewayFixture(Path(folder), broker), paths))


if __name__ == "__main__":  # fork servers import it again
    sys.exit(main(sys.argv[1:]))
