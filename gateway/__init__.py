"""Border-post gateway: runs device drivers, stores and publishes their events, executes commands."""

import sys

if "rich" not in sys.modules:
    # structlog imports rich, and with it pygments, to format tracebacks, which we never show (see
    # `log.where_it_failed`): 5 MB and 0.1 s at every start. Without rich it formats them plainly.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
