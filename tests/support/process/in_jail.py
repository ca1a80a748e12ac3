"""Program that confines itself like a worker: `in_jail MODULE:SETTINGS JSON PROGRAM [ARGUMENT...]`.

The settings are those of one link; then the Python program runs with the rights of that link only.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

from gateway.worker.jail.jail import JailSettings, confine

PROGRAM = Path(__file__)


def main(settings: str, values: str, program: str, *arguments: str) -> None:
    """Confine this process, and run the program."""
    module, _, name = settings.partition(":")
    code = compile(Path(program).read_bytes(), program, "exec")  # a test may have written it anywhere
    confine(getattr(import_module(module), name).model_validate(json.loads(values)), JailSettings(False))
    sys.argv = [program, *arguments]
    sys.path[0] = str(Path(program).parent)
    exec(code, {"__name__": "__main__", "__file__": program})


if __name__ == "__main__":
    main(*sys.argv[1:])
