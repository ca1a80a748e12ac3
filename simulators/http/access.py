"""Access control: one user, by Basic (RFC 7617) or Digest (RFC 7616) authentication, over HTTP or RTSP."""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from string import hexdigits
from typing import Literal
from urllib.request import parse_http_list, parse_keqv_list

Scheme = Literal["none", "basic", "digest"]
Algorithm = Literal["MD5", "SHA-256"]


@dataclass
class AccessControl:
    """The single user of a service. `password` may be changed while clients are connected."""

    scheme: Scheme = "none"
    username: str = ""
    password: str = field(default="", repr=False)
    realm: str = "Simulated"
    algorithm: Algorithm = "MD5"
    with_qop: bool = True
    """False: the Digest of RFC 2069, as RTSP servers still use it."""
    nonce_s: float = 300.0
    """Lifetime of a nonce, in seconds."""
    locks_after: int | None = None
    """Number of wrong passwords in a row that lock the account; None: it is never locked."""
    wrong_passwords: int = 0
    """Wrong passwords since the last right one."""
    _nonces: dict[str, tuple[float, int]] = field(default_factory=dict, repr=False)

    @property
    def is_locked(self) -> bool:
        """True if the account is locked: no password is accepted."""
        return self.locks_after is not None and self.wrong_passwords >= self.locks_after

    def unlock(self) -> None:
        """Unlock the account, and never lock it again."""
        self.locks_after, self.wrong_passwords = None, 0

    def admits(self, *, is_right: bool) -> bool:
        """Count a password that a client has sent; return whether it opens the account."""
        if is_right and not self.is_locked:
            self.wrong_passwords = 0
            return True
        self.wrong_passwords += not is_right
        return False

    def refusal(self, method: str, uri: str, authorization: str) -> str | None:
        """Return None if the client may request `uri`, else the challenge (value of WWW-Authenticate)."""
        scheme, _, rest = authorization.strip().partition(" ")
        match self.scheme:
            case "none":
                return None
            case "basic":
                expected = base64.b64encode(f"{self.username}:{self.password}".encode())
                is_right = hmac.compare_digest(rest.strip().encode(), expected)
                admitted = scheme.lower() == "basic" and self.admits(is_right=is_right)
                return None if admitted else f'Basic realm="{self.realm}"'
            case "digest":
                if scheme.lower() != "digest":
                    return self._challenge()
                fields = parse_keqv_list(parse_http_list(rest))
                if not self.admits(is_right=self._proves(method, uri, fields)):
                    return self._challenge()
                return None if self._fresh(fields) else self._challenge() + ", stale=true"

    def _challenge(self) -> str:
        now_s = time.monotonic()
        self._nonces = {nonce: use for nonce, use in self._nonces.items() if now_s - use[0] < self.nonce_s}
        nonce = secrets.token_hex(16)
        self._nonces[nonce] = (now_s, 0)
        qop = ', qop="auth"' if self.with_qop else ""
        return f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={self.algorithm}{qop}'

    def _proves(self, method: str, uri: str, fields: dict[str, str]) -> bool:
        if (fields.get("username"), fields.get("uri"), fields.get("realm")) != (
            self.username,
            uri,
            self.realm,
        ):
            return False
        middle = [fields.get("nonce", "")]
        if self.with_qop:
            if fields.get("qop") != "auth":
                return False
            middle += [fields.get("nc", ""), fields.get("cnonce", ""), "auth"]
        user = self._hash(f"{self.username}:{self.realm}:{self.password}")
        expected = self._hash(":".join([user, *middle, self._hash(f"{method}:{uri}")]))
        return hmac.compare_digest(fields.get("response", "").lower().encode(), expected.encode())

    def _fresh(self, fields: dict[str, str]) -> bool:
        """Return whether the nonce was issued here, is recent and, with qop, has a new count."""
        since_s, used = self._nonces.get(nonce := fields["nonce"], (float("-inf"), 0))
        if time.monotonic() - since_s >= self.nonce_s:
            return False
        if self.with_qop:
            count = int(fields["nc"], 16) if set(fields["nc"]) <= set(hexdigits) else 0
            if count <= used:
                return False
            self._nonces[nonce] = (since_s, count)
        return True

    def _hash(self, text: str) -> str:
        name = "sha256" if self.algorithm == "SHA-256" else "md5"
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()
