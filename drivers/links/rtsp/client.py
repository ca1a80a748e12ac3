"""RTSP client of one connected socket: DESCRIBE, SETUP, PLAY, then the packets of one video track.

An own client instead of FFmpeg's, which follows redirects with the password, does not verify certificates
by default, sends passwords by Basic in clear, and opens its sockets itself. FFmpeg only decodes.

Everything is sent to the connected server, whatever addresses it states: they only become request lines.
All calls block, in one thread. Another one ends them by `is_stopped` and a shutdown of the socket's reading.
"""

import socket
from collections.abc import Callable, Iterator

from drivers.clock import boot_ns
from drivers.links.http.auth import Authenticator, parse_challenges
from drivers.links.rtsp.messages import (
    InterleavedPacket,
    Response,
    RtspItem,
    RtspParser,
    RtspSyntaxError,
    ServerRequest,
    refusal_bytes,
    request_bytes,
)
from drivers.links.rtsp.sdp import VideoTrack, parse_session

CHUNK_BYTES = 64 * 1024
RTP_CHANNEL, RTCP_CHANNEL = 0, 1
SESSION_TIMEOUT_S = 60
"""Time limit of a session without requests where the server states none (RFC 2326, section 12.37)."""
MIN_KEEPALIVE_S = 2.0
SEND_TIMEOUT_S = 1.0
"""Time limit for a message to leave: messages are small, and only a camera that reads nothing delays one."""
MAX_ATTEMPTS = 2
"""Attempts at a request with credentials: the second one answers a nonce that had expired."""


class StatusError(Exception):
    """A response with another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class RedirectError(Exception):
    """The server names another address, which is not followed."""


class ConnectionEndedError(Exception):
    """The server closed the connection, or the client was stopped."""


class RtspClient:
    """One session. Raises also TimeoutError, OSError, RtspSyntaxError, AuthenticationError, NoVideoError."""

    def __init__(
        self,
        connection: socket.socket,
        url: str,
        authenticator: Authenticator | None,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Use a connection, encrypted where `url` is rtsps; `authenticator`: None without a user."""
        self._socket = connection
        self._is_stopped = is_stopped
        self._url = url
        self._authenticator = authenticator
        self._parser = RtspParser()
        self._received: Iterator[RtspItem] = iter(())
        self._sequence = 0
        self._channel = RTP_CHANNEL
        self._session = ""
        self._session_url = url
        self._keepalive_method = "OPTIONS"
        self._keepalive_ns = 0
        """Interval of the requests that keep the session."""
        self._has_retried = False
        """True if a refused request for keeping the session was repeated."""

    def open(self, timeout_s: float) -> VideoTrack:
        """Start the stream of the first video track and return the track; raises StatusError, RedirectError.

        `timeout_s` limits the whole exchange.
        """
        deadline_ns = boot_ns() + round(timeout_s * 1e9)
        public = self._request("OPTIONS", self._url, deadline_ns).header("public")
        if "GET_PARAMETER" in public.upper():
            self._keepalive_method = "GET_PARAMETER"
        described = self._request("DESCRIBE", self._url, deadline_ns, Accept="application/sdp")
        track = parse_session(described.body)
        base = described.header("content-base") or described.header("content-location") or self._url
        self._session_url = _resolve(base, track.session_control)
        wanted = f"RTP/AVP/TCP;unicast;interleaved={RTP_CHANNEL}-{RTCP_CHANNEL}"
        granted = self._request("SETUP", _resolve(base, track.control), deadline_ns, Transport=wanted)
        self._channel = _granted_channel(granted.header("transport"))
        self._session, timeout = _session(granted.header("session"))
        self._keepalive_ns = round(max(MIN_KEEPALIVE_S, timeout / 2) * 1e9)
        self._request("PLAY", self._session_url, deadline_ns, Range="npt=0.000-")
        return track

    def packets(self, silence_s: float) -> Iterator[bytes]:
        """Yield the packets of the track; raises StatusError, RedirectError, ConnectionEndedError.

        `silence_s`: time limit for the next bytes. The session is kept by requests.
        """
        due_ns = boot_ns() + self._keepalive_ns
        while True:
            item = self._next(boot_ns() + round(silence_s * 1e9))
            match item:
                case InterleavedPacket(self._channel, content):
                    yield content
                case Response():
                    self._on_kept(item)
            if boot_ns() >= due_ns:
                due_ns = boot_ns() + self._keepalive_ns
                self._has_retried = False
                self._send(self._keepalive_method, self._session_url)

    def tear_down(self) -> None:
        """Send the end of the session, without waiting for the response."""
        if self._session:
            self._send("TEARDOWN", self._session_url)

    def _on_kept(self, response: Response) -> None:
        """Handle the response to a request that keeps the session: repeat it if its nonce had expired."""
        if response.status == 401 and self._authenticator is not None and not self._has_retried:
            self._has_retried = True
            self._authenticator.take(parse_challenges(response.header_values("www-authenticate")))
            self._send(self._keepalive_method, self._session_url)
        elif response.status in (401, 454):  # 454: the session has ended
            raise StatusError(response.status)

    def _request(self, method: str, url: str, deadline_ns: int, **headers: str) -> Response:
        """Send a request, with credentials once the server requires them, and return its response."""
        for attempt in range(1 + MAX_ATTEMPTS):
            self._send(method, url, **headers)
            response = self._response(deadline_ns)
            if response.status == 200:
                return response
            if 300 <= response.status < 400:
                raise RedirectError
            if response.status != 401 or self._authenticator is None or attempt == MAX_ATTEMPTS:
                break
            challenges = parse_challenges(response.header_values("www-authenticate"))
            is_stale = any(one.parameters.get("stale", "").lower() == "true" for one in challenges)
            if self._authenticator.has_answered and not is_stale:
                break
            self._authenticator.take(challenges)
        raise StatusError(response.status)

    def _response(self, deadline_ns: int) -> Response:
        """Return the response to the last request; packets before it are dropped."""
        while True:
            item = self._next(deadline_ns)
            if isinstance(item, Response) and item.header("cseq") in (str(self._sequence), ""):
                return item

    def _next(self, deadline_ns: int) -> RtspItem:
        """Return the next message or packet; requests of the server are refused."""
        while True:
            for item in self._received:
                if not isinstance(item, ServerRequest):
                    return item
                if item.method == "REDIRECT":
                    raise RedirectError
                self._write(refusal_bytes(item))
                if boot_ns() > deadline_ns:
                    raise TimeoutError
            self._received = self._parser.feed(self._receive(deadline_ns))

    def _receive(self, deadline_ns: int) -> bytes:
        remaining_ns = deadline_ns - boot_ns()
        if self._is_stopped():
            raise ConnectionEndedError
        if remaining_ns <= 0:
            raise TimeoutError
        self._socket.settimeout(remaining_ns / 1e9)
        chunk = self._socket.recv(CHUNK_BYTES)
        if not chunk:
            raise ConnectionEndedError
        return chunk

    def _send(self, method: str, url: str, **headers: str) -> None:
        self._sequence += 1
        if self._session:
            headers["Session"] = self._session
        if self._authenticator is not None:
            authorization = self._authenticator.header(method, url)
            if authorization is not None:
                headers["Authorization"] = authorization
        self._write(request_bytes(method, url, self._sequence, headers))

    def _write(self, message: bytes) -> None:
        self._socket.settimeout(SEND_TIMEOUT_S)
        self._socket.sendall(message)


def _resolve(base: str, control: str) -> str:
    """Return the address of a track or session (RFC 2326, section C.1.1); raises RtspSyntaxError."""
    url = base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        url = control
    elif control not in ("", "*"):
        url = f"{base.rstrip('/')}/{control}"
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise RtspSyntaxError("an address with other characters")
    return url


def _granted_channel(transport: str) -> int:
    """Return the channel of the packets; raises RtspSyntaxError for another transport than TCP."""
    parts = [part.strip() for part in transport.split(";")]
    if parts[0].upper() != "RTP/AVP/TCP":
        raise RtspSyntaxError("another transport than TCP")
    for part in parts:
        name, _, value = part.partition("=")
        channel = value.partition("-")[0]
        if name.lower() == "interleaved" and channel.isascii() and channel.isdigit() and int(channel) < 256:
            return int(channel)
    return RTP_CHANNEL


def _session(header: str) -> tuple[str, int]:
    """Return the identifier of a session, and its time limit in seconds; raises RtspSyntaxError."""
    name, *parameters = (part.strip() for part in header.split(";"))
    if not name:
        raise RtspSyntaxError("no session")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "timeout" and value.isascii() and value.isdigit() and len(value) < 6:
            return name, int(value)
    return name, SESSION_TIMEOUT_S
