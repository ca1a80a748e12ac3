"""Authentication of an httpx client by the challenges of each path: Digest, or Basic where it is allowed."""

from collections.abc import Generator

import httpx

from drivers.links.http.auth import Authenticator, Challenge, parse_challenges


class NegotiatedAuth(httpx.Auth):
    """Credentials of one service. Its first request is sent without them, to learn what the service requires.

    Paths of one service may require different kinds: a refused request is repeated once, if its challenge is
    a new one. An equal challenge means that the credentials are wrong: devices lock accounts after a few such
    attempts.
    """

    def __init__(self, username: str, password: str, *, allows_basic: bool) -> None:
        self._authenticator = Authenticator(username, password, allows_basic=allows_basic)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request, and again with the credentials that its response requires.

        Raises AuthenticationError where they may not be sent.
        """
        answered = self._authenticator.challenge
        self._authorise(request)
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        challenges = parse_challenges(response.headers.get_list("www-authenticate"))
        if not challenges:
            return  # a service that refuses without a challenge
        self._authenticator.take(challenges)
        if answered is None or _is_new(self._authenticator.challenge, answered):
            self._authorise(request)
            yield request

    def _authorise(self, request: httpx.Request) -> None:
        header = self._authenticator.header(request.method, request.url.raw_path.decode("ascii"))
        if header is not None:
            request.headers["Authorization"] = header


def _is_new(given: Challenge | None, answered: Challenge) -> bool:
    """Return True if a challenge differs in its kind or its nonce from the one that was answered."""
    return given is not None and (
        given.scheme != answered.scheme or given.parameters.get("nonce") != answered.parameters.get("nonce")
    )
