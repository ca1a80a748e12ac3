"""Authentication of HTTP and RTSP requests by challenge: Digest (RFC 7616, RFC 2069), and Basic (RFC 7617).

Basic is answered only where the caller allows it: over TLS, on this machine, or by a setting.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.request import parse_http_list

ALGORITHMS = {"SHA-256": "sha256", "MD5": "md5"}
"""Supported hash functions, the preferred one first; each also as `-sess`."""
MAX_ITEMS = 100
"""Most parts of a header, each a parameter or a scheme; a hostile one may have ten thousand commas."""
_QOPS = ("auth", "auth-int")


class AuthenticationError(Exception):
    """No challenge that can be answered. The text completes "The camera ..."."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a server (RFC 9110, section 11.6.1)."""

    scheme: str
    """In lower case."""
    parameters: Mapping[str, str]
    """By name in lower case."""

    @property
    def algorithm(self) -> str:
        """Hash function of a Digest, in capitals, without `-SESS`."""
        return self.parameters.get("algorithm", "MD5").upper().removesuffix("-SESS")

    @property
    def rank(self) -> int:
        """Order of preference; -1: cannot be answered."""
        if self.scheme == "basic":
            return len(ALGORITHMS)
        if self.scheme != "digest" or self.algorithm not in ALGORITHMS or "nonce" not in self.parameters:
            return -1
        offered = self.parameters.get("qop")
        if offered is not None and _qop(offered) is None:
            return -1
        return list(ALGORITHMS).index(self.algorithm)


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Parse the values of WWW-Authenticate.

    What is malformed is left out, and what follows the first MAX_ITEMS parts of a value.
    """
    found: list[tuple[str, dict[str, str]]] = []
    for value in values:
        for item in islice(parse_http_list(value), MAX_ITEMS):
            name, equals, content = item.partition("=")
            scheme, space, first = name.strip().rpartition(" ")
            if not equals:
                found.append((name.strip().lower(), {}))  # a scheme without parameters
                continue
            if space:
                found.append((scheme.strip().lower(), {}))
            if found:
                found[-1][1].setdefault(first.strip().lower(), _unquoted(content.strip()))
    return [Challenge(scheme, parameters) for scheme, parameters in found]


class Authenticator:
    """Credentials of one camera, and the challenge that requests answer at present.

    `allows_basic`: the password may be sent as it is, because the connection is encrypted or a setting says
    so.
    """

    def __init__(self, username: str, password: str, *, allows_basic: bool) -> None:
        self._username = username
        self._password = password
        self._allows_basic = allows_basic
        self._challenge: Challenge | None = None
        self._count = 0
        """Number of requests that answered the present challenge."""

    def take(self, challenges: Iterable[Challenge]) -> None:
        """Choose the challenge to answer; raises AuthenticationError."""
        usable = sorted((one for one in challenges if one.rank >= 0), key=lambda one: one.rank)
        if not usable:
            raise AuthenticationError("requires an unsupported kind of authentication")
        if usable[0].scheme == "basic" and not self._allows_basic:
            raise AuthenticationError("requires the password unencrypted (Basic), which is refused")
        self._challenge, self._count = usable[0], 0

    @property
    def challenge(self) -> Challenge | None:
        """Challenge that requests answer at present; None before the first."""
        return self._challenge

    @property
    def has_answered(self) -> bool:
        """True if a request has answered the present challenge."""
        return self._count > 0

    def header(self, method: str, url: str, cnonce: str | None = None) -> str | None:
        """Return the value of Authorization for a request; None before the first challenge.

        `cnonce`: nonce of the client, by default a random one.
        """
        challenge = self._challenge
        if challenge is None:
            return None
        self._count += 1
        if challenge.scheme == "basic":
            pair = f"{self._username}:{self._password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        return self._digest(challenge.parameters, challenge.algorithm, method, url, cnonce)

    def _digest(
        self, given: Mapping[str, str], algorithm: str, method: str, url: str, cnonce: str | None
    ) -> str:
        def digest(*parts: str) -> str:
            text = ":".join(parts).encode()
            return hashlib.new(ALGORITHMS[algorithm], text, usedforsecurity=False).hexdigest()

        realm, nonce = given.get("realm", ""), given["nonce"]
        qop = _qop(given.get("qop", ""))
        cnonce = cnonce or secrets.token_hex(16)
        user = digest(self._username, realm, self._password)
        is_session = given.get("algorithm", "").upper().endswith("-SESS")
        if is_session:
            user = digest(user, nonce, cnonce)
        # auth-int covers the body, which is empty in all requests.
        request = digest(method, url, digest("")) if qop == "auth-int" else digest(method, url)
        fields = {"username": self._username, "realm": realm, "nonce": nonce, "uri": url}
        bare = {}
        if qop is None:
            fields["response"] = digest(user, nonce, request)
        else:
            count = f"{self._count:08x}"
            fields["response"] = digest(user, nonce, count, cnonce, qop, request)
            bare = {"qop": qop, "nc": count}
        if qop is not None or is_session:
            fields["cnonce"] = cnonce
        if "algorithm" in given:
            bare["algorithm"] = algorithm + ("-sess" if is_session else "")
        if "opaque" in given:
            fields["opaque"] = given["opaque"]
        quoted = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        return "Digest " + ", ".join([*quoted, *(f"{name}={value}" for name, value in bare.items())])


def _qop(offered: str) -> str | None:
    """Return the quality of protection to use, of those offered; None where none is usable."""
    words = [word.strip().lower() for word in offered.split(",")]
    return next((word for word in _QOPS if word in words), None)


def _unquoted(value: str) -> str:
    if len(value) < 2 or not (value.startswith('"') and value.endswith('"')):
        return value
    return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
