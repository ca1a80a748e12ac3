"""Replay every recording through the real driver and write the events beside it: `make recordings`."""

import asyncio
import json
import tempfile
from pathlib import Path

from support.replaying import events_of, expected, recordings

for path in recordings():
    with tempfile.TemporaryDirectory() as folder:
        events = asyncio.run(events_of(path, Path(folder) / "port"))
    expected(path).write_text(json.dumps(events, indent=1, ensure_ascii=False) + "\n")
    print(f"{path.name}: {len(events)} events")
