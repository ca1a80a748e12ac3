"""Workstation: typed events of its positions, each once and never stale; and commands to its devices.

It connects again by itself. The broker keeps the session for `session_s` seconds, so that a short outage or a
restart of the program loses no event that is still fresh. Commands are never kept.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

import aiomqtt
import paho.mqtt.client as mqtt
from paho.mqtt.subscribeoptions import SubscribeOptions
from pydantic import ValidationError

from drivers.command import CommandArguments, CommandOutput, CommandType, DoneT, RequestT
from drivers.vocabulary import Vocabulary
from gateway.client.claims import HeldClaim
from gateway.client.commands import (
    CommandResult,
    CommandSender,
    is_stop_verb,
    load_signer,
    no_token,
    to_result,
    unreachable,
    wrong_arguments,
)
from gateway.client.decoder import OnUndecoded, desk_decoder
from gateway.client.events import EventAssembler, EventQueue
from gateway.client.freshness import Freshness
from gateway.client.message_router import MessageRouter
from gateway.client.models import (
    ConnectionProblem,
    DeviceStatus,
    DiscardCounts,
    LastValue,
    ReceivedEvent,
    RejectedMessage,
    to_position,
)
from gateway.client.mqtt.connection import Connection, connect_properties, subscriptions
from gateway.client.previews import PreviewStream
from gateway.client.problems import log_problem, no_gateway, not_connected
from gateway.client.site_view import SiteView
from gateway.common.backoff import Backoff
from gateway.contract.commands import EXPIRY_LIMIT_S, CommandAnswer
from gateway.contract.states import DeviceDescription, GatewayState
from gateway.contract.topics import ROOT, TRAINING_ROOT, Position

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from gateway.pki.jws import Signer

STOP_WAIT_S = 0.3
"""Time that a stop waits for a gateway that is not known to be alive, in seconds."""
GATEWAY_S = 3.0
"""Time for the retained state of a gateway to arrive after the connection, in seconds."""


class Workstation:
    """Consumer of one site's devices. An async context manager, and an async iterator over events."""

    def __init__(
        self,
        host: str,
        port: int = 1883,
        *,
        site: str,
        positions: Iterable[str] | None = None,
        client_id: str | None = None,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        session_s: int = 300,
        station: str | None = None,
        training: bool = False,
        signing_key: "str | Path | Signer | None" = None,
        verify: "Mapping[str, Iterable[Ed25519PublicKey]] | None" = None,
        on_rejected: Callable[[RejectedMessage], None] | None = None,
        on_problem: Callable[[ConnectionProblem], None] | None = None,
        vocabularies: Iterable[Vocabulary] | None = None,
        on_undecoded: OnUndecoded | None = None,
    ) -> None:
        """Prepare a connection, without network access.

        `positions`: such as `lane-1/reader`; None: every device of the site.
        `client_id` must be given and stay the same for the broker to keep the session over a restart.
        `station` is the name under which it sends commands: `username` where not given, or the common name of
        its certificate. The broker accepts no other name.
        `training`: of a training post, which has a topic root of its own.
        `signing_key`: file of the station's private key (`borderpost trust key`), with which it signs its
        commands; raises OSError, UnusableKeyError.
        `verify`: the public keys of each gateway, by its site and name:
        `{"ke-busia/gw-1": [gateway.pki.keys.load_public_key(file)]}`. Messages that their own gateway did not
        sign are then rejected, counted, and passed to `on_rejected`; images are compared with the hashes in
        their event. States, claims and last values are used only while they are known to be the newest.
        `on_problem`: called with the reason and the remedy while there is no connection, or no gateway of the
        site, once for each new reason; without it, they are logged as warnings.
        `vocabularies`: of packages, whose events and results are converted to their models; None: of those
        that are installed here. All others arrive as JSON with the id of their schema.
        `on_undecoded`: called with the reason and the remedy, once for each schema, where a package is faulty
        or has another version here than at the gateway; without it, they are logged as warnings.
        """
        self._site = site
        self._root = TRAINING_ROOT if training else ROOT
        self._positions = None if positions is None else [Position.parse(text) for text in positions]
        self._client_options: dict[str, Any] = {
            "hostname": host,
            "port": port,
            "identifier": client_id,
            "username": username,
            "password": password,
            "tls_context": tls,
        }
        self._session_s = session_s if client_id else 0
        self._task: asyncio.Task[None] | None = None
        self._held_claims: dict[Position, HeldClaim] = {}
        self._previews: dict[Position, PreviewStream] = {}
        self._signer = load_signer(signing_key)
        self._command_sender = CommandSender(site, station or username, self._root, self._signer)
        self._client: Connection | None = None
        self._changed = asyncio.Event()
        self._on_problem = on_problem or log_problem
        self._address = f"{host}:{port}"
        self.problem: ConnectionProblem | None = None
        self.connected_event = asyncio.Event()
        self.discarded = DiscardCounts()
        self._queue = EventQueue(self.discarded)
        freshness, self._decoder = Freshness(), desk_decoder(vocabularies, on_undecoded)
        verifier, check = None, None
        if verify is not None:
            from gateway.client.verification import SignatureVerifier, StatementCheck

            keys = {gateway: tuple(given) for gateway, given in verify.items()}
            verifier = SignatureVerifier(keys, site, self.discarded, on_rejected)
            prefix = f"{self._root}/{site}/"
            check = StatementCheck(keys, prefix, freshness, verifier.reject)
        self._view = SiteView(self._queue.put, self._decoder, freshness, check)
        self._site_state = self._view.state
        self._assembler = EventAssembler(self._queue.put, self.discarded, self._decoder, verifier)
        self._router = MessageRouter(
            site,
            self._view,
            self._assembler,
            self._command_sender,
            self._held_claims,
            self._previews,
            self.discarded,
        )

    async def __aenter__(self) -> Self:
        """Start to connect; does not wait for the broker."""
        self._task = asyncio.create_task(self._run(), name="workstation")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._assembler.stop()
        self._view.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[ReceivedEvent]:
        """Iterate over the events."""
        return self._events()

    async def _events(self) -> AsyncIterator[ReceivedEvent]:
        async for item in self.events_and_status():
            if isinstance(item, ReceivedEvent):
                yield item

    async def events_and_status(self) -> AsyncIterator[ReceivedEvent | DeviceStatus]:
        """Iterate over events and changes of device status, in the order of their arrival.

        Last values (`now`) are not among them: each is an event as well.
        """
        async for item in self._queue.items():
            yield item

    def status(self, position: str | Position) -> DeviceStatus:
        """Return the status of the device at a position."""
        return self._site_state.status(to_position(position))

    def last_value(self, position: str | Position, event_type: str) -> LastValue | None:
        """Return the last value of an event type, such as `barrier.state`; None when none is certain.

        Values of a gateway session that is over are outdated, and are not returned; with `verify`, neither
        are those that may not be the newest.
        """
        return self._site_state.last_value(to_position(position), event_type)

    @property
    def devices(self) -> list[Position]:
        """Positions of all known devices."""
        return self._site_state.devices

    @property
    def gateways(self) -> Mapping[str, GatewayState]:
        """State of every known gateway of the site, by its name."""
        return self._site_state.gateways

    # Commands

    @property
    def station(self) -> str | None:
        """Name under which it sends commands."""
        return self._command_sender.station

    @overload
    async def command(
        self,
        position: str | Position,
        verb: CommandType[RequestT, DoneT],
        request: RequestT | None = None,
        *,
        expires_s: int = ...,
        timeout_s: float = ...,
        transaction: str | None = ...,
    ) -> CommandResult[DoneT]: ...

    @overload
    async def command(
        self,
        position: str | Position,
        verb: str,
        request: CommandArguments | Mapping[str, Any] | None = None,
        *,
        done: type[DoneT],
        expires_s: int = ...,
        timeout_s: float = ...,
        transaction: str | None = ...,
    ) -> CommandResult[DoneT]: ...

    @overload
    async def command(
        self,
        position: str | Position,
        verb: str,
        request: CommandArguments | Mapping[str, Any] | None = None,
        *,
        done: None = None,
        expires_s: int = ...,
        timeout_s: float = ...,
        transaction: str | None = ...,
    ) -> CommandResult[Any]: ...

    async def command(
        self,
        position: str | Position,
        verb: str | CommandType[Any, Any],
        request: CommandArguments | Mapping[str, Any] | None = None,
        *,
        done: type[CommandOutput] | None = None,
        expires_s: int = 3,
        timeout_s: float = 10.0,
        transaction: str | None = None,
    ) -> CommandResult[Any]:
        """Send a command to a device, and wait for its end.

        `verb`: or the type of the command, such as one of a package, which has the model of its result.
        `expires_s`: time until it must have begun (1 to 5), in seconds. `timeout_s`: time to wait for its
        end. `done`: the model of its result, for type checkers, and where no vocabulary has one.

        Raises CommandNotSent, CommandRejected, CommandFailed, CommandUnanswered.
        """
        where = self._require_own_position(position)
        if not 1 <= expires_s <= EXPIRY_LIMIT_S:
            raise ValueError(f"a command expires within 1 to {EXPIRY_LIMIT_S} s")
        wanted = verb
        if isinstance(verb, CommandType):
            done, verb = done or verb.done, verb.verb
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        session, description = await self._wait_for_session(where, verb, min(expires_s, timeout_s))
        is_stop = is_stop_verb(description, verb)
        expected = self._decoder.expected_arguments(description, wanted, request)
        if expected is not None and not is_stop:
            raise wrong_arguments(where, verb, expected)

        def left_s() -> float:
            return expires_s - (loop.time() - began_s)

        async def ask() -> CommandAnswer:
            fresh = None
            if self._signer is not None:
                fresh = await self._wait_for_token(session, 0 if is_stop else min(left_s(), timeout_s))
            return await self._command_sender.send(
                where,
                verb,
                request,
                session,
                self._send,
                expires_s=max(1, round(left_s())),
                timeout_s=timeout_s,
                transaction=transaction,
                fresh=fresh,
            )

        answer = await ask()
        if answer.reason == "command_seq_not_increasing" and left_s() > 0:
            answer = await ask()  # another program of this station was ahead; the answer has its last number

        def decode(said: dict[str, Any]) -> CommandOutput | dict[str, Any]:
            return self._decoder.result(description, verb, done, said)

        return to_result(answer, decode, is_verified=self._view.is_verified)

    def claim(self, position: str | Position, *, lease_s: int = 30, steal: str | None = None) -> HeldClaim:
        """Claim a device for this station: `async with workstation.claim("lane-1/barrier") as claim`.

        It is renewed automatically. `steal`: the reason for taking over another station's claim, which is
        recorded.
        """
        where = self._require_own_position(position)
        held = self._held_claims[where] = HeldClaim(self, where, lease_s, steal)
        return held

    def preview(self, position: str | Position, **options: Any) -> PreviewStream:
        """Show pictures of a claimed camera: `async with workstation.preview("lane-1/camera") as pictures`.

        `options`: arguments of `camera.preview`, such as `frames_per_s`. Renewed automatically.
        """
        where = self._require_own_position(position)
        preview = self._previews[where] = PreviewStream(self, where, options)
        return preview

    def _require_own_position(self, position: str | Position) -> Position:
        where = to_position(position)
        if self._positions is not None and where not in self._positions:
            raise ValueError(f"{where} is not a position of this workstation: no answer would reach it")
        return where

    async def _wait_for_token(self, session: str, within_s: float) -> str | None:
        """Return the newest token of a session; raises CommandNotSent.

        `within_s`: 0 for a stop, which is sent at once, also without a token.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + within_s
        while (token := self._view.token(session)) is None:
            left_s = ends_s - loop.time()
            if within_s == 0:
                return None
            if left_s <= 0:
                raise no_token()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)
        return token

    async def _wait_for_session(
        self, position: Position, verb: str, within_s: float
    ) -> tuple[str, DeviceDescription]:
        """Return the gateway session of a device, and its description; raises CommandNotSent.

        A stop needs no proof that the gateway is alive: it is sent to the session that was seen last.
        """
        seen = self.status(position)
        is_stop = seen.description is not None and is_stop_verb(seen.description, verb)
        try:
            async with asyncio.timeout(min(within_s, STOP_WAIT_S) if is_stop else within_s):
                while True:
                    learned = self._changed
                    status = self.status(position)
                    if status.gateway_online and status.state and status.description and self._client:
                        return status.state.session, status.description
                    await learned.wait()
        except TimeoutError:
            pass
        if is_stop and self._client and seen.state is not None and seen.description is not None:
            return seen.state.session, seen.description
        is_known, problem = self._site_state.has_state(position), None
        if self._client is None:
            problem = self.problem or not_connected(self._address, TimeoutError())
        elif not is_known and not self.gateways:
            problem = no_gateway(self._address, self._site, self._root)
        raise unreachable(position, problem=problem, is_connected=self._client is not None, is_known=is_known)

    async def _send(self, topic: str, payload: bytes, expires_s: int, jws: str | None) -> int:
        client = self._client
        if client is None:
            raise aiomqtt.MqttError("not connected")
        return await client.send(topic, payload, expires_s, jws)

    # Connection

    async def _run(self) -> None:
        backoff = Backoff(0.5, 5)
        topics = subscriptions(self._root, self._site, self._positions, self.station)
        while True:
            try:
                async with Connection(
                    self._on_message,
                    **self._client_options,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    clean_start=self._session_s == 0,
                    properties=connect_properties(self._session_s),
                    timeout=5,
                ) as client:
                    await client.subscribe([(topic, SubscribeOptions(qos=qos)) for topic, qos in topics])
                    backoff.reset()
                    self._client = client
                    self.connected_event.set()
                    self._notify_waiters()
                    self._report_problem(None)
                    await self._expect_gateway(client)
                    await client.wait_closed()
            except (aiomqtt.MqttError, OSError) as error:
                self._report_problem(not_connected(self._address, error))
            finally:
                self._client = None
            self.connected_event.clear()
            self._view.on_disconnected()
            for preview in self._previews.values():
                preview.on_frame(b"")
            await asyncio.sleep(backoff.next_s())

    async def _expect_gateway(self, client: Connection) -> None:
        """Report a broker without a gateway of the site: a retained state would have come at once."""
        lost = asyncio.create_task(client.wait_closed())
        try:
            await asyncio.wait({lost}, timeout=GATEWAY_S)
            if not lost.done() and not self.gateways:
                self._report_problem(no_gateway(self._address, self._site, self._root))
        finally:
            lost.cancel()
            await asyncio.gather(lost, return_exceptions=True)

    def _report_problem(self, problem: ConnectionProblem | None) -> None:
        if problem is not None and problem != self.problem:
            self._on_problem(problem)
        self.problem = problem

    def _on_message(self, message: mqtt.MQTTMessage, sent_after_s: float) -> None:
        """Take one message; a message with an error is counted and dropped."""
        try:
            if self._router.on_message(message, sent_after_s):
                self._report_problem(None)
        except ValidationError:
            self.discarded.unreadable += 1
        self._notify_waiters()

    def _notify_waiters(self) -> None:
        """Wake all callers that wait for a change."""
        learned, self._changed = self._changed, asyncio.Event()
        learned.set()
