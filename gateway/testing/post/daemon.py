"""A gateway that loads while its devices start: `python -m gateway.testing.post.daemon DESCRIPTOR CONFIG`.

It imports its libraries and drivers, waits for a byte at the descriptor, and then runs as `python -m gateway
CONFIG`. So a post of four families starts in the time of its slower half.
"""

import os
import sys
from pathlib import Path


def main(descriptor: int, config: str) -> int:
    """Load, wait for the devices and run the gateway; return its exit code."""
    from gateway.__main__ import main as run_gateway
    from gateway.config.preloading import preload_drivers

    preload_drivers(Path(config))
    if not os.read(descriptor, 1):
        return os.EX_TEMPFAIL  # the program that would have told has ended
    os.close(descriptor)
    return run_gateway([config])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
