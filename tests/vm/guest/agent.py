"""Runs in the guest: does what the host says over a virtio port, one JSON object a line."""

import json
import subprocess
import threading
from pathlib import Path

PORT = Path("/dev/virtio-ports/borderpost.vm")
LONGEST = 200_000


def main() -> None:
    """Serve until the machine goes down."""
    speaking = threading.Lock()
    with PORT.open("r+b", buffering=0) as port:

        def say(answer: dict) -> None:
            with speaking:
                rest = memoryview(json.dumps(answer).encode() + b"\n")
                while rest:
                    rest = rest[port.write(rest) :]

        def run(asked: dict) -> None:
            try:
                done = subprocess.run(
                    ["/bin/sh", "-c", asked["run"]],
                    input=asked.get("stdin", "").encode(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=asked["within_s"],
                    check=False,
                )
                code, said = done.returncode, done.stdout
            except subprocess.TimeoutExpired as error:
                code, said = -1, (error.stdout or b"") + b"\n(still running)"
            say({"id": asked["id"], "code": code, "said": said.decode("utf-8", "replace")[-LONGEST:]})

        say({"id": 0, "up": float(Path("/proc/uptime").read_text().split()[0])})
        heard = b""
        while True:
            # Without a host on the other side this gives nothing.
            heard += port.read(65536) or b""
            *lines, heard = heard.split(b"\n")
            for line in lines:
                threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()


main()
