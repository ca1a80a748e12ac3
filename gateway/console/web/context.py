"""What every request works with: one object, made when the console starts."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

from fastapi import Depends, Request

from gateway.api.interface import Daemon
from gateway.console.auth.login_throttle import Attempts
from gateway.console.auth.sessions import Sessions
from gateway.console.auth.tickets import Tickets
from gateway.console.auth.users import People
from gateway.console.pages.live_state import Lookout


@dataclass(slots=True)
class Bench:
    """The technician's bench."""

    daemon: Daemon
    """The gateway that runs."""
    lookout: Lookout
    """What pages know of it."""
    config: Path
    """The post's file."""
    state_dir: Path
    """Where the gateway keeps what survives a restart."""
    people: People | None
    """Who may log in over the network; None where nobody may."""
    simulators: Path | None
    """The socket of the simulated post, if there is one."""
    sessions: Sessions
    attempts: Attempts
    tickets: Tickets
    examining: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the doctor or a bundle is at work: many at once would keep the machine from theirs."""


def bench_of(request: Request) -> Bench:
    """The bench that a request works with."""
    return cast("Bench", request.app.state.bench)


async def bench(request: Request) -> Bench:
    """The same for a route: `Annotated[Bench, Depends(bench)]`."""
    return bench_of(request)  # not a plain function: those are run in threads


AtBench = Annotated[Bench, Depends(bench)]
"""A parameter of a route: the bench."""
