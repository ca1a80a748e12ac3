"""A program under umockdev's preload that reads a webcam with FFmpeg: one line per picture, its SHA-256."""

import hashlib
import sys

import av

with av.open("/dev/video0", format="v4l2", options={"input_format": "mjpeg"}) as container:
    for number, packet in enumerate(container.demux(video=0)):
        print(hashlib.sha256(bytes(packet)).hexdigest(), flush=True)
        if number + 1 == int(sys.argv[1]):
            break
