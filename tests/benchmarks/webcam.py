"""A simulated webcam as a process: `python -m benchmarks.webcam WIDTHxHEIGHT FILE`.

It writes to the file the environment in which a program sees it.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from simulators.camera.webcam import Webcam


async def main(size: str, file: str) -> None:
    width, height = map(int, size.split("x"))
    async with Webcam({"MJPG": ((width, height),)}, frames_per_s=10) as camera:
        written = Path(file).with_suffix(".new")
        written.write_text(json.dumps(camera.environment))
        written.rename(file)
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
