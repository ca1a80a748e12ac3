"""A simulated webcam, read by an independent program: FFmpeg's own reader of Video4Linux."""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

from support.patience import PATIENCE_S

from simulators.camera.webcam import Webcam


async def test_ffmpeg_reads_identical_pictures() -> None:
    async with Webcam() as camera:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).parent / "webcam_reader.py"),
            "8",
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | camera.environment,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, _ = await process.communicate()
        digests = [hashlib.sha256(each).hexdigest() for each in camera.delivered_frames]
    assert out.decode().split() == digests[:8]
