"""Signatures of commands: whether one is required, whether it is valid, and whether it is fresh.

The broker's name of the sender is checked first, by the role file; the policy is asked last. A stop of a
machine is obeyed without a signature: a forged stop is a nuisance, a refused one is a danger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.commands.fresh_tokens import FreshTokens
from gateway.common.clock import TimeSource
from gateway.common.token_bucket import TokenBucket
from gateway.config import Roles
from gateway.config.model import SignedCommands
from gateway.contract.reason_codes import CommandReason

VERIFICATIONS_PER_S = 50
"""Signatures of one station that are verified in a second; further commands are refused.

One takes 0.13 ms of the event loop, and a stop of another station must not wait for a flood of them.
"""
SIGNATURE_REASONS = frozenset(
    {
        CommandReason.UNSIGNED,
        CommandReason.BAD_SIGNATURE,
        CommandReason.UNKNOWN_KEY,
        CommandReason.REVOKED_KEY,
        CommandReason.WRONG_TOPIC,
        CommandReason.NOT_FRESH,
    }
)
"""Refusals that leave no answer in the idempotency cache: the sender is uncertain, or the message is old."""


class StationKeys(Protocol):
    """Keys of a role file; `gateway.pki.station_keys` has the implementation."""

    def verify(self, station: str, topic: str, body: bytes, jws: str) -> tuple[str, CommandReason | None]:
        """Return the id of the key, and the reason for refusal; None when the signature is valid."""
        ...


LoadKeys = Callable[[Roles], StationKeys]


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """Result of the check of one signature."""

    signed_by: str | None = None
    """Id of the key of a valid signature."""
    refusal: CommandReason | None = None
    """Reason why there is no valid signature; None where none was looked for."""


class CommandSignatures:
    """Check of signatures by the keys of the role file. Belongs to the event loop."""

    def __init__(
        self, mode: SignedCommands, roles: Roles, load_keys: LoadKeys, time_source: TimeSource
    ) -> None:
        self.tokens = FreshTokens(time_source)
        self._time = time_source
        self._load_keys = load_keys
        self._budgets: dict[str, TokenBucket] = {}
        self.configure(mode, roles)

    def configure(self, mode: SignedCommands, roles: Roles) -> None:
        """Apply another mode and other keys."""
        self._mode = mode
        # Without a role file no station is known, and all commands are refused for that.
        self._keys = self._load_keys(roles) if mode != "off" and roles.station else None

    def requires(self, *, moves: bool) -> bool:
        """Tell whether a command must be signed. `moves`: it can move a machine, or claims one."""
        return self._mode == "required" or (self._mode == "moves" and moves)

    def verify(self, station: str, topic: str, body: bytes, signatures: tuple[str, ...]) -> SignatureResult:
        """Verify a signature of a station that the role file names."""
        if self._keys is None:
            return SignatureResult()
        if not signatures:
            return SignatureResult(refusal=CommandReason.UNSIGNED)
        if len(signatures) > 1:
            return SignatureResult(refusal=CommandReason.BAD_SIGNATURE)
        now_s = self._time.boot_ns() / 1e9
        budget = self._budgets.get(station)
        if budget is None:
            budget = TokenBucket.full(VERIFICATIONS_PER_S, VERIFICATIONS_PER_S, now_s)
            self._budgets[station] = budget
        if not budget.take(now_s):
            return SignatureResult(refusal=CommandReason.RATE_LIMITED)
        key, refusal = self._keys.verify(station, topic, body, signatures[0])
        return SignatureResult(refusal=refusal) if refusal is not None else SignatureResult(signed_by=key)
