"""What every request works with: one object, made when the console starts."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

from fastapi import Depends, Request

from gateway.api.interface import DaemonInterface
from gateway.console.auth.login_throttle import LoginThrottle
from gateway.console.auth.sessions import SessionStore
from gateway.console.auth.tickets import TraceTickets
from gateway.console.auth.users import UserStore
from gateway.console.pages.live_state import LiveState


@dataclass(slots=True)
class AppContext:
    """The technician's bench."""

    daemon: DaemonInterface
    """The gateway that runs."""
    live_state: LiveState
    """What pages know of it."""
    config: Path
    """The post's file."""
    state_dir: Path
    """Where the gateway keeps what survives a restart."""
    users: UserStore | None
    """Who may log in over the network; None where nobody may."""
    simulators: Path | None
    """The socket of the simulated post, if there is one."""
    sessions: SessionStore
    login_throttle: LoginThrottle
    tickets: TraceTickets
    diagnostics_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the doctor or a bundle is at work: many at once would keep the machine from theirs."""


def context_of(request: Request) -> AppContext:
    """The bench that a request works with."""
    return cast("AppContext", request.app.state.bench)


async def get_context(request: Request) -> AppContext:
    """The same for a route: `Annotated[Bench, Depends(bench)]`."""
    return context_of(request)  # not a plain function: those are run in threads


ContextDep = Annotated[AppContext, Depends(get_context)]
"""A parameter of a route: the bench."""
