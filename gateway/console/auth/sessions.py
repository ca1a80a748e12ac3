"""Login sessions: a random token in a cookie, of which the console stores only the hash."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from gateway.console.auth.persisted import BootScopedStore, seconds_since_boot

IDLE_S = 30 * 60
"""Seconds without a request after which a session ends."""
MAX_LIFETIME_S = 12 * 3600
"""Longest session in seconds: one shift."""
MAX_SESSIONS = 8
"""Sessions of one user; the oldest one ends."""
_SAVED_EVERY_S = 60


@dataclass(slots=True)
class Session:
    """One login."""

    name: str
    secret: str
    """Hash of the password's hash: a changed password ends the session."""
    created_s: float
    last_seen_s: float


_SHAPE = TypeAdapter(dict[str, Session])


class SessionStore:
    """All sessions since the machine's boot."""

    def __init__(self, store: BootScopedStore, now: Callable[[], float] = seconds_since_boot) -> None:
        self._store = store
        self._now = now
        self._sessions = store.read(_SHAPE)
        self._last_saved_s = now()

    def begin(self, name: str, password_hash: str) -> str:
        """Begin a session; returns its token."""
        token = secrets.token_urlsafe(32)
        theirs = [key for key, session in self._sessions.items() if session.name == name]
        for key in sorted(theirs, key=lambda key: self._sessions[key].last_seen_s)[
            : len(theirs) + 1 - MAX_SESSIONS
        ]:
            del self._sessions[key]
        now = self._now()
        self._sessions[_hash(token)] = Session(name, _hash(password_hash), now, now)
        self._save()
        return token

    def find(self, token: str) -> Session | None:
        """Return the session of a token, if it is still valid."""
        key = _hash(token)
        session = self._sessions.get(key)
        now = self._now()
        if session is None:
            return None
        if now - session.last_seen_s > IDLE_S or now - session.created_s > MAX_LIFETIME_S:
            del self._sessions[key]
            self._save()
            return None
        return session

    def touch(self, session: Session) -> None:
        """Record a request, which extends the session."""
        session.last_seen_s = now = self._now()
        if now - self._last_saved_s > _SAVED_EVERY_S:
            self._save()

    def end(self, token: str) -> None:
        """End a session."""
        if self._sessions.pop(_hash(token), None) is not None:
            self._save()

    def _save(self) -> None:
        self._last_saved_s = self._now()
        self._store.write({key: asdict(session) for key, session in self._sessions.items()})


def is_current(session: Session, password_hash: str) -> bool:
    """Return True if the user's password has not changed since the login."""
    return hmac.compare_digest(session.secret, _hash(password_hash))


def csrf_token(token: str) -> str:
    """Return the CSRF token of a session; it can be computed only from the cookie."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
