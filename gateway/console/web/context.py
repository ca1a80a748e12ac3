"""Request context: one object, created when the console starts."""

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
    """Objects that all requests share."""

    daemon: DaemonInterface
    """The running gateway."""
    live_state: LiveState
    """Live state for pages."""
    config: Path
    """The post's file."""
    state_dir: Path
    """State directory of the gateway."""
    users: UserStore | None
    """Users who may log in over the network; None if login is disabled."""
    simulators: Path | None
    """Socket of the simulated post, if there is one."""
    sessions: SessionStore
    login_throttle: LoginThrottle
    tickets: TraceTickets
    diagnostics_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Locked while the doctor or a bundle runs: several at once would overload the machine."""


def context_of(request: Request) -> AppContext:
    """Return the context of a request."""
    return cast("AppContext", request.app.state.context)


async def get_context(request: Request) -> AppContext:
    """Return the same for a route, as a dependency."""
    return context_of(request)  # Async, because FastAPI runs plain functions in threads.


ContextDep = Annotated[AppContext, Depends(get_context)]
"""Parameter type of a route: the context."""
