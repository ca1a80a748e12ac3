"""Border-post gateway: runs device drivers, stores and publishes their events, executes commands."""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _WithoutRich:
    """Finder that loads structlog as if rich were not installed.

    structlog imports rich, and with it pygments, to format tracebacks, which we never show (see
    `log.where_it_failed`): 5 MB and 0.1 s at every start. Without rich it formats them plainly. structlog is
    not imported here: the command line's help needs none of it.
    """

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        """Return the spec of structlog with that loader; None for other modules."""
        spec = PathFinder.find_spec(name) if name == "structlog" else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_without_rich(module: ModuleType) -> None:
            rich = sys.modules.get("rich")
            sys.modules["rich"] = None  # type: ignore[assignment]
            try:
                execute(module)
            finally:
                del sys.modules["rich"]
                if rich is not None:
                    sys.modules["rich"] = rich

        spec.loader.exec_module = execute_without_rich  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _WithoutRich)
