"""`borderpost` as run by a user: a process with arguments, pipes and an exit code, but forked."""

import contextlib
import os
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from support.patience import PATIENCE_S
from support.process.daemons import FORKS
from support.process.probes import fork_probes


class Borderpost:
    """A running command."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        self.arguments = ["borderpost", *map(str, arguments)]
        pipes = [FORKS.Pipe(duplex=False) for _ in range(2)]
        self._outputs = [os.fdopen(os.dup(ours.fileno()), "rb") for ours, _ in pipes]
        self._process = FORKS.Process(
            target=_become_borderpost,
            args=(
                self.arguments,
                str(Path.cwd()),
                os.environ | environment,
                *[theirs for _, theirs in pipes],
            ),
        )
        self._process.start()
        for pipe in pipes:
            for end in pipe:
                end.close()

    def ended(self, timeout_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
        """Wait for its end and return the result; kill it and raise TimeoutExpired after `timeout_s`."""
        said = [b"", b""]

        def read(number: int) -> None:
            with self._outputs[number] as output:
                said[number] = output.read()

        readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
        for reader in readers:
            reader.start()
        self._process.join(timeout_s)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
        for reader in readers:
            reader.join()
        self._process.close()
        out, err = (one.decode() for one in said)
        if code is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout_s, out, err)
        return subprocess.CompletedProcess(self.arguments, code, out, err)


def _become_borderpost(
    arguments: list[str], cwd: str, environment: dict[str, str], output: Connection, errors: Connection
) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(cwd)
    for end, place in ((output, 1), (errors, 2)):
        os.dup2(end.fileno(), place)
        end.close()
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    sys.argv = arguments

    from gateway.cli import main

    fork_probes()
    try:
        main()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.flush()
