"""Client of a running gateway's management API over its Unix socket, built for a short start time.

Imports no models and no drivers: a mini-PC takes seconds to load them while a user waits at a terminal.
"""

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from drivers.installation import how_to_mend
from gateway.cli._lib.terminal import exit_with
from gateway.common.printable import printable, printable_json
from gateway.state_dir import SERVICE_SOCKET_DIR, is_forbidden, read_state_dir

if TYPE_CHECKING:
    from gateway.api.models import EventView, Finding, PostView

SOCKET = "console.sock"
ANSWER_S = 90.0
"""An interactive self-test takes up to a minute."""
EXIT_CODES = {
    401: os.EX_NOPERM,
    403: os.EX_NOPERM,
    404: os.EX_USAGE,
    409: os.EX_TEMPFAIL,
    422: os.EX_USAGE,
    503: os.EX_UNAVAILABLE,
}
"""Exit code by HTTP status of a refusal."""


class ApiUnavailable(Exception):  # noqa: N818 - often no fault: the gateway may just not run
    """No response at the socket; carries the reason and the remedy."""

    def __init__(self, text: str, how: str) -> None:
        super().__init__(text)
        self.text = text
        self.how = how


class ApiError(Exception):
    """The gateway refused a request."""

    def __init__(self, status: int, text: str, how: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.how = how


class ApiConnection(http.client.HTTPConnection):
    """Connection to the socket in a folder, for one request."""

    def __init__(self, folder: Path, within_s: float = ANSWER_S) -> None:
        super().__init__("localhost", timeout=within_s)
        self.folder = folder
        self.socket = socket.socket(socket.AF_UNIX)

    def connect(self) -> None:
        """Connect, by way of the folder."""
        self.sock = self.socket
        self.sock.settimeout(self.timeout)
        # The path of a socket has at most 107 bytes, and that of the folder may be longer.
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.close(folder)

    def interrupt(self) -> None:
        """End a stream that another thread reads."""
        with suppress(OSError):  # it is not connected yet, or no longer
            self.socket.shutdown(socket.SHUT_RDWR)


def state_dir(config: Path) -> Path:
    """Return the folder with the socket of a post's gateway.

    Ends with EX_CONFIG if the file does not name it. Reads only that setting: an error elsewhere in the file
    must not prevent a look at the devices. Technicians may not read the file; for them it is the service's
    folder.
    """
    if is_forbidden(config):
        return SERVICE_SOCKET_DIR
    if (found := read_state_dir(config)) is not None:
        return found
    from gateway.cli._lib.post_file import load_or_fail

    return load_or_fail(config).gateway.state_dir


def ask(
    folder: Path, path: str, *, method: str = "GET", body: object = None, within_s: float = ANSWER_S
) -> Any:
    """Send a request below /api/v1; returns the decoded JSON; raises ApiUnavailable, ApiError.

    `within_s`: longest silence of the gateway, in seconds.
    """
    with _answer(ApiConnection(folder, within_s), path, method, body) as answer:
        content = answer.read()
    return printable_json(json.loads(content)) if content else None


def stream(
    folder: Path,
    path: str,
    within_s: float | None = None,
    *,
    connection: ApiConnection | None = None,
    on_open: Callable[[], object] = lambda: None,
) -> Iterator[Any]:
    """Yield the items of a stream until it ends or `within_s` is over; raises ApiUnavailable, ApiError.

    `connection`: one to that folder, whose `interrupt` ends the stream from another thread. `on_open` is
    called once the gateway has accepted the request, so that the stream contains all that follows.
    """
    end = None if within_s is None else time.monotonic() + within_s
    connection = connection or ApiConnection(folder)
    with _answer(connection, path, "GET", None) as answer:
        on_open()
        kind = ""
        while True:
            try:
                if end is not None:
                    connection.socket.settimeout(max(0.01, end - time.monotonic()))
                line = answer.readline()
            except TimeoutError:
                if end is None:
                    raise
                return
            if not line:
                return
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data" and kind == "problem":
                raise _refused(json.loads(value))
            elif name == "data":
                yield printable_json(json.loads(value))


def device_path(position: str, suffix: str = "") -> str:
    """Return the path of a device."""
    lane, _, device = position.partition("/")
    return f"devices/{quote(lane, safe='')}/{quote(device, safe='')}{suffix}"


def exit_with_error(error: ApiUnavailable | ApiError) -> NoReturn:
    """Print an error on standard error and end with its exit code of sysexits(3)."""
    code = EXIT_CODES.get(error.status, os.EX_SOFTWARE) if isinstance(error, ApiError) else os.EX_UNAVAILABLE
    exit_with(f"{error.text}\n    {error.how}" if error.how else error.text, code)


def load_view(config: Path) -> "tuple[PostView | None, dict[str, list[EventView]]]":
    """Return the post in a running gateway, None without a response, and the last events of each device."""
    from gateway.api.models import EventView, PostView
    from gateway.config import ConfigError, load_sound_parts

    try:
        folder = read_state_dir(config) or load_sound_parts(config).gateway.state_dir
        view = PostView.model_validate(ask(folder, "post"))
        events = {
            device.position: [
                EventView.model_validate(event)
                for event in ask(folder, device_path(device.position, "/events"))
            ]
            for device in view.devices
        }
    except (ConfigError, ApiUnavailable, ApiError):
        return None, {}
    return view, events


@contextmanager
def _answer(
    connection: ApiConnection, path: str, method: str, body: object
) -> Iterator[http.client.HTTPResponse]:
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        connection.request(method, f"/api/v1/{path}", json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        if answer.status >= 400:
            raise _refused(json.loads(answer.read()))
        yield answer
    except PermissionError:
        raise ApiUnavailable(
            f"The socket of the gateway in {connection.folder} may not be opened by this user.",
            "Run this as root, or join the group of technicians: sudo adduser NAME borderpost-technicians",
        ) from None
    except (BrokenPipeError, ConnectionResetError):
        if find_spec("fastapi") is None:
            how = how_to_mend("console")
            raise ApiUnavailable(
                "The gateway runs without the extra `console`, which this command needs.", how
            ) from None
        raise ApiUnavailable(
            "The gateway runs, but its console does not respond.",
            "For the reason: sudo journalctl -u borderpost -n 20.",
        ) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ApiUnavailable(
            f"No response from a gateway at {connection.folder / SOCKET}: "
            f"{getattr(error, 'strerror', None) or str(error) or type(error).__name__}.",
            "Check that it is running: sudo systemctl status borderpost",
        ) from None
    finally:
        connection.close()
        connection.socket.close()


def _refused(problem: dict[str, Any]) -> ApiError:
    return ApiError(problem["status"], printable(problem["text"]), printable(problem["how"]))


AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
Why = Annotated[
    str, typer.Option("--reason", help="Reason, without names of persons: it is recorded in the audit.")
]


def request_or_exit(config: Path, path: str, *, method: str = "GET", body: object = None) -> Any:
    """Return the gateway's response; prints a refusal and ends with its exit code."""
    try:
        return ask(state_dir(config), path, method=method, body=body)
    except (ApiUnavailable, ApiError) as error:
        exit_with_error(error)


def request_findings(config: Path, path: str) -> "list[Finding]":
    """Return the findings of checks that the gateway runs; ends like `request_or_exit`."""
    from gateway.api.models import Finding

    return [Finding.model_validate(each) for each in request_or_exit(config, path)]


def perform_or_exit(
    config: Path, position: str, operation: str, body: object, done: str, *, as_json: bool
) -> None:
    """Perform an operation, and print its result."""
    request_or_exit(config, device_path(position, operation), method="POST", body=body)
    print_answer({"position": position, "done": True}, lambda _: [f"{position}: {done}"], as_json=as_json)


def print_answer(answer: Any, lines: Callable[[Any], Iterable[str]], *, as_json: bool) -> None:
    """Print a response as lines or as JSON."""
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    for line in lines(answer):
        typer.echo(line)
