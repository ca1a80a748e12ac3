"""Run command lines of `borderpost` in the environment of this interpreter, one after another.

`python command_probe.py` reads a JSON list of command lines from standard input, each a list of words, and
writes a JSON list with the result of each: `code`, and `said`, its standard output and standard error
together. All run in one process, so that modules are imported once.
"""

import gc
import json
import os
import sys
import traceback


def probe(words: list[str]) -> dict[str, object]:
    """Return the result of a command line.

    An uncaught exception is printed as the interpreter would print it.
    """
    output = os.memfd_create("output")
    for stream in (1, 2):
        os.dup2(output, stream)
    code: object = 1
    sys.argv = ["borderpost", *words]
    try:
        from gateway.borderpost import main

        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(output, "rb") as file:
        file.seek(0)
        said = file.read().decode(errors="replace")
    return {"code": code if isinstance(code, int) else int(code is not None), "said": said}


if __name__ == "__main__":
    gc.disable()  # a fifth of the time of imports
    LINES = json.load(sys.stdin)
    ANSWER = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    ENDED = [probe(line) for line in LINES]
    with os.fdopen(ANSWER, "w") as answer:
        json.dump(ENDED, answer)
