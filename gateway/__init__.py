"""The daemon of a border post: runs drivers, makes what they say durable, publishes it, obeys commands."""

import sys

if "rich" not in sys.modules:
    # structlog imports rich, and pygments behind it, to draw tracebacks, which we never show (see
    # log.where_it_failed): 5 MB and a tenth of a second at every start. Without rich it draws them plain.
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401
    except KeyboardInterrupt:  # Ctrl-C while a program loads: nothing has begun, and no traceback helps
        raise SystemExit(130) from None

    del sys.modules["rich"]
