"""A simulator that answers HTTP requests on a port of this machine: its settings and its server."""

from typing import Any, ClassVar

from pydantic import Field

from simulators.http.server import Answer, HttpServer
from simulators.links.tcp_listener import HOST
from simulators.simulator import Simulator, SimulatorSettings


class ServiceSettings(SimulatorSettings):
    """A service on a port of this machine."""

    port: int = Field(
        ge=0, le=65535, description="Port on 127.0.0.1; 0 chooses a free one, reported by the ready event."
    )
    username: str | None = Field(default=None, min_length=1, description="User name that clients must give.")
    # Not a SecretStr: the settings go to the simulator's own process as JSON, and the password is invented.
    password: str = Field(default="", repr=False, description="Their password.")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Port of the service."""
        return (f"{HOST}:{self.port}",) if self.port else ()

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User name and password that clients must send."""
        return None if self.username is None else (self.username, self.password)


class HttpSimulator(Simulator):
    """A simulator that answers HTTP requests."""

    kind: ClassVar[str]

    def __init__(self, settings: ServiceSettings, answer: Answer) -> None:
        self.settings = settings
        self.server = HttpServer(answer, settings.port)

    def summary(self) -> dict[str, Any]:
        """Return name, kind and address."""
        return self.settings.summary() | {"url": self.server.url}
