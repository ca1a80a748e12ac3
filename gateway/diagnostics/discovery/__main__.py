"""Search in a process of its own: `python -m gateway.diagnostics.discovery CONFIG`.

The options come as JSON on standard input, the result goes as JSON to standard output. See `isolated.py`.
"""

import os
import sys
from pathlib import Path

from gateway.common.process import forbid_dumps
from gateway.diagnostics.discovery.search import OPTIONS, RESULT, discover, load_devices
from gateway.diagnostics.host import HostView


def main(config: Path) -> None:
    """Search, and write the result."""
    forbid_dumps()  # the post's file has passwords
    options = OPTIONS.validate_json(sys.stdin.buffer.read())
    # Imported drivers may print; that goes to the log.
    output = os.dup(1)
    os.dup2(2, 1)
    devices, mistake = load_devices(config)
    result = discover(devices, HostView(), options)
    result.failures += [mistake] if mistake else []
    with open(output, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(RESULT.dump_json(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
