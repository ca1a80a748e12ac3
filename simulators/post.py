"""A whole simulated post: the simulators of one file, a process each, and a socket to command them."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from simulators.control import (
    SOCKET_NAME,
    ControlPort,
    ControlSocket,
    send_command,
    send_command_blocking,
)
from simulators.control.requests import (
    VERBS,
    CastRequest,
    ClearRequest,
    ControlRequest,
    FaultsRequest,
    ResetRequest,
    TruthRequest,
    WaitRequest,
)
from simulators.errors import SimulatorError
from simulators.postfile import PostFileError, load_post
from simulators.subprocesses import OnEvent, SimulatorProcess

__all__ = [
    "Listen",
    "OnEvent",
    "Post",
    "PostFileError",
    "SimulatorError",
    "load_post",
    "run_post",
    "send_command",
    "send_command_blocking",
    "socket_path",
]

RequestT = TypeVar("RequestT", bound=ControlRequest)

RUN_VARIABLE = "BORDERPOST_RUN"
"""Variable for `${BORDERPOST_RUN}` in a post's file; the run directory unless the environment sets it."""


def socket_path(run_dir: str | os.PathLike[str]) -> Path:
    """Return the path of the control socket of a post with this run directory."""
    return Path(run_dir) / SOCKET_NAME


def _log_event(name: str, event: str, details: Mapping[str, Any]) -> None:
    import structlog  # 0.2 s, and only for posts whose events nobody takes

    structlog.get_logger("simulators").info(event, simulator=name, **details)


WAIT_POLL_S = 0.02
"""Time between two looks at a status that a request waits for, in seconds."""


@dataclass(frozen=True)
class Listen:
    """Address of the control API over TCP, and the token that each request must have."""

    host: str
    port: int
    token: str = field(repr=False)


class Post:
    """A running simulated post."""

    def __init__(self, members: Sequence[SimulatorProcess], socket_path: Path) -> None:
        self.members = {member.name: member for member in members}
        self.socket_path = socket_path
        self.control_address: str | None = None
        """Address of the control port, `tcp://HOST:PORT`; None without one."""

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        path: str | os.PathLike[str],
        *,
        run_dir: str | os.PathLike[str],
        on_event: OnEvent | None = None,
        forks: bool = False,
        listen: Listen | None = None,
    ) -> AsyncIterator[Self]:
        """Run the post of the file at `path` with all its devices; remove all of it afterwards.

        `forks`: fork the devices' processes from this one where that is safe. `listen`: also take requests
        over TCP.

        Raises PostFileError for an invalid file and SimulatorError if a device cannot start.
        """
        run_dir = _absolute(run_dir)
        settings = load_post(path, {RUN_VARIABLE: str(run_dir)} | os.environ)
        _make(run_dir)
        report = on_event or _log_event
        members = [SimulatorProcess(one, report, forks=forks) for one in settings]
        post = cls(members, socket_path(run_dir))
        # Bind the socket first: it stops a second post in the same directory.
        async with (
            ControlSocket(post.socket_path, post.handle_command),
            _control_port(post, listen) as control,
        ):
            post.control_address = control
            try:
                await _all_started(post.members.values())
                yield post
            finally:
                await _to_its_end(asyncio.gather(*(member.stop() for member in post.members.values())))

    async def handle_command(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request of the control socket; raise SimulatorError if it cannot be fulfilled."""
        arguments = dict(request)
        match arguments.pop("do", None):
            case "list":
                return {"ok": True, "simulators": [m.settings.summary() for m in self.members.values()]}
            case "status":
                names = [arguments["name"]] if "name" in arguments else list(self.members)
                return {"ok": True, "simulators": {name: await self._status(name) for name in names}}
            case "insert" | "remove" | "fault" as verb:
                return await self._member(arguments.pop("name", None)).request(verb, arguments)
            case "faults":
                return await self._faults(_checked(request, FaultsRequest))
            case "cast":
                return self._cast(_checked(request, CastRequest))
            case "truth":
                return await self._truth(_checked(request, TruthRequest))
            case "clear":
                return await self._restore("clear", _checked(request, ClearRequest))
            case "reset":
                return await self._restore("reset", _checked(request, ResetRequest))
            case "wait":
                return await self._wait(_checked(request, WaitRequest))
            case other:
                raise SimulatorError(f"do: {other!r} is not one of {', '.join(VERBS)}")

    async def _faults(self, asked: FaultsRequest) -> dict[str, Any]:
        """Return the faults that one simulator can have, or each that runs."""
        members = self._asked(asked.name)
        answers = await asyncio.gather(*(member.request("faults", {}) for member in members))
        faults = {member.name: answer["faults"] for member, answer in zip(members, answers, strict=True)}
        return {"ok": True, "faults": faults}

    def _cast(self, _asked: CastRequest) -> dict[str, Any]:
        from simulators.cast.members import CAST  # loads chips

        return {"ok": True, "cast": [member.truth() for member in CAST.values()]}

    async def _truth(self, asked: TruthRequest) -> dict[str, Any]:
        """Return the truth about the last presentations of one simulator, or of all that keep it."""
        found: list[dict[str, Any]] = []
        for member in self._asked(asked.name):
            answer = await member.request("truth", {"last": asked.last})
            if answer["ok"]:
                found += [{"simulator": member.name, **each} for each in answer["presented"]]
            elif asked.name:
                return answer
        return {"ok": True, "presented": sorted(found, key=lambda each: str(each["at"]))[-asked.last :]}

    async def _restore(self, verb: str, asked: ClearRequest | ResetRequest) -> dict[str, Any]:
        """End faults, or also remove what was presented, at one simulator or at all that run."""
        restoring = (_restored(one, verb, asked.within_s) for one in self._asked(asked.name))
        failed = await asyncio.gather(*restoring)
        if any(failed):
            raise SimulatorError("; ".join(filter(None, failed)))
        return {"ok": True}

    async def _wait(self, asked: WaitRequest) -> dict[str, Any]:
        """Wait until the status of a simulator has these values."""
        name, until = asked.name, asked.until
        status: dict[str, Any] = {}
        try:
            async with asyncio.timeout(asked.within_s):
                while True:
                    status = await self._status(name)
                    if strange := sorted(until.keys() - status.keys()):
                        raise SimulatorError(f"until: {name} has no {', '.join(strange)} in its status")
                    if all(status[key] == value for key, value in until.items()):
                        return {"ok": True, "simulators": {name: status}}
                    await asyncio.sleep(WAIT_POLL_S)
        except TimeoutError:
            found = ", ".join(f"{key} is {json.dumps(status[key])}" for key in until if key in status)
            raise SimulatorError(
                f"wait: after {asked.within_s:g} s {found or 'it has not answered'}"
            ) from None

    def _asked(self, name: str | None) -> list[SimulatorProcess]:
        """Return the simulator of that name; without one all that run."""
        return [self._member(name)] if name else [one for one in self.members.values() if one.pid]

    def _member(self, name: object) -> SimulatorProcess:
        if isinstance(name, str) and name in self.members:
            return self.members[name]
        raise SimulatorError(f"name: {name!r} is not one of {', '.join(self.members)}")

    async def _status(self, name: object) -> dict[str, Any]:
        member = self._member(name)
        if member.pid is not None:
            try:
                answer = await member.request("status", {})
            except SimulatorError:
                if member.pid is not None:  # else it has ended meanwhile
                    raise
            else:
                answer.pop("ok")
                return answer | {"running": True, "pid": member.pid}
        return member.settings.summary() | {"running": False}


async def _restored(member: SimulatorProcess, verb: str, within_s: float) -> str:
    """Clear or reset one simulator; return why it could not, with its name, or an empty text."""
    try:
        async with asyncio.timeout(within_s):
            answer = await member.request(verb, {})
    except TimeoutError:
        return f"{member.name}: {verb}: not at rest after {within_s:g} s"
    except SimulatorError as error:
        return str(error)
    return "" if answer["ok"] else f"{member.name}: {answer['error']}"


@asynccontextmanager
async def _control_port(post: Post, listen: Listen | None) -> AsyncIterator[str | None]:
    """Take requests over TCP where that is asked for; yields the address."""
    if listen is None:
        yield None
        return
    async with ControlPort(listen.host, listen.port, listen.token, post.handle_command) as control:
        yield control.address


def _checked(arguments: Mapping[str, Any], model: type[RequestT]) -> RequestT:
    """Return the arguments as a request; raise SimulatorError for invalid ones."""
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SimulatorError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _absolute(run_dir: str | os.PathLike[str]) -> Path:
    return Path(run_dir).absolute()


def _make(run_dir: Path) -> None:
    try:
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SimulatorError(f"{run_dir}: {error.strerror}") from error


async def _to_its_end(ending: asyncio.Future[Any]) -> None:
    """Wait for `ending` even if cancelled, perhaps repeatedly, so that the post stops completely."""
    cancelled = None
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled


async def _all_started(members: Iterable[SimulatorProcess]) -> None:
    results = await asyncio.gather(*(member.start() for member in members), return_exceptions=True)
    if failed := [str(result) for result in results if isinstance(result, SimulatorError)]:
        raise SimulatorError("\n".join(failed))
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def run_post(
    path: str | os.PathLike[str],
    *,
    run_dir: str | os.PathLike[str],
    stop: asyncio.Event | None = None,
    on_ready: Callable[[Post], None] | None = None,
    on_event: OnEvent | None = None,
    forks: bool = False,
    listen: Listen | None = None,
) -> int:
    """Run a simulated post until stopped by `stop` or, without one, by SIGTERM or SIGINT.

    `forks`, `listen`: see `Post.start`. Events go to `on_event`, or else to structlog. Returns 0. Raises
    PostFileError or SimulatorError, with a message for the user, if the post cannot be run.
    """
    loop = asyncio.get_running_loop()
    stopping = stop or asyncio.Event()
    signals = () if stop else (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stopping.set)
    try:
        # A stop during the start also stops the post.
        running = asyncio.create_task(_run(path, run_dir, on_ready, on_event, forks=forks, listen=listen))
        output = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({running, output}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            output.cancel()
            running.cancel()
            (result, _) = await asyncio.gather(running, output, return_exceptions=True)
        if isinstance(result, Exception):
            raise result
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
    return 0


async def _run(
    path: str | os.PathLike[str],
    run_dir: str | os.PathLike[str],
    on_ready: Callable[[Post], None] | None,
    on_event: OnEvent | None,
    *,
    forks: bool,
    listen: Listen | None,
) -> None:
    async with Post.start(path, run_dir=run_dir, on_event=on_event, forks=forks, listen=listen) as post:
        if on_ready:
            on_ready(post)
        await asyncio.Event().wait()
