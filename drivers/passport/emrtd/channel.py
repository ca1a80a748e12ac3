"""The way to one chip: commands go out as they are, or protected once session keys exist."""

from drivers.passport.emrtd.apdu import Command, Response, Transmit
from drivers.passport.emrtd.secure_messaging import SecureMessaging


class Channel:
    """Sends commands one after the other; `security` is set when access has been granted."""

    def __init__(self, transmit: Transmit) -> None:
        self._transmit = transmit
        self.security: SecureMessaging | None = None

    def exchange(self, command: Command) -> Response:
        """Send a command and give the verified answer, whatever its status.

        Raises CardRemoved, MalformedError or SecureMessagingError.
        """
        if self.security is None:
            return Response.parse(self._transmit(command.to_bytes()))
        protected = self.security.protect(command)
        return self.security.unprotect(Response.parse(self._transmit(protected.to_bytes())))

    def command(self, command: Command) -> bytes:
        """Send a command and give its data; raises CommandRefusedError unless the chip agrees."""
        return self.exchange(command).expect_success(command)
