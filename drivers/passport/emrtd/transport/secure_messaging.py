"""Secure messaging: every command encrypted and authenticated, every answer verified before it is used.

Source: ICAO Doc 9303-11, section 9.8; ISO/IEC 7816-4, section 10. Data objects: 85 and 87 cryptograms, 97
the expected length, 99 the status word, 8E the authenticator.
"""

from drivers.passport.emrtd.crypto.ciphers import MAC_SIZE, Suite, is_equal, pad, unpad
from drivers.passport.emrtd.encoding import tlv
from drivers.passport.emrtd.errors import MalformedError, NotTransacted, SecureMessagingError
from drivers.passport.emrtd.transport.apdu import EXTENDED_NE, SHORT_NE, Command, Response, Transmit

CLA_SECURE = 0x0C
_CRYPTOGRAM, _CRYPTOGRAM_ODD, _LE, _STATUS, _MAC = 0x87, 0x85, 0x97, 0x99, 0x8E
_PADDED = b"\x01"
"""First byte of DO87: the plain text was padded with method 2."""
_SESSION_LOST = frozenset({0x6987, 0x6988})


class SecureMessaging:
    """One session for both directions: its keys and the counter that both sides raise with every APDU."""

    def __init__(self, suite: Suite, secret_key: bytes, mac_key: bytes, counter: bytes | None = None) -> None:
        self.suite = suite
        self._secret_key = secret_key
        self._mac_key = mac_key
        self._counter = int.from_bytes(counter or b"\0", "big")
        self._wrap = 1 << 8 * suite.block_size

    def __repr__(self) -> str:
        return f"<SecureMessaging {self.suite.name}>"

    @property
    def counter(self) -> bytes:
        """Send sequence counter, one block long."""
        return self._counter.to_bytes(self.suite.block_size, "big")

    def protect(self, command: Command) -> Command:
        """Raise the counter and wrap a command for the chip."""
        self._raise_counter()
        cla = command.cla | CLA_SECURE
        objects = self._cryptogram(command.ins, command.data)
        if command.ne:
            objects += tlv.encode(_LE, _expected_length(command.ne, command.extended))
        header = bytes((cla, command.ins, command.p1, command.p2))
        signed = self.counter + pad(header, self.suite.block_size) + objects
        objects += tlv.encode(_MAC, self._authenticate(signed))
        ne = EXTENDED_NE if command.extended else SHORT_NE
        return Command(cla, command.ins, command.p1, command.p2, objects, ne, command.extended)

    def withdraw(self) -> None:
        """Take back the protection of a command that did not reach the chip."""
        self._counter = (self._counter - 1) % self._wrap

    def unprotect(self, response: Response) -> Response:
        """Raise the counter, verify an answer and return the plain one.

        An error status without any protection is passed on: chips end the session in this way. Every other
        deviation raises SecureMessagingError.
        """
        self._raise_counter()
        if not response.data:
            if response.status in _SESSION_LOST or response.status >> 8 in {0x90, 0x61, 0x62, 0x63}:
                raise SecureMessagingError(f"an answer has status {response.status:04X} and no protection")
            return response
        try:
            objects = tlv.children(response.data, most=8)
            status, cryptogram = self._verify(objects)
            data = self._decrypt(cryptogram)
        except MalformedError as fault:
            raise SecureMessagingError(f"a protected answer is malformed: {fault}") from None
        if status != response.status:
            raise SecureMessagingError("the status word differs from the protected one")
        return Response(data, status, is_protected=True)

    def _verify(self, objects: tuple[tlv.Tlv, ...]) -> tuple[int, tlv.Tlv | None]:
        """Check order and authenticator; return status word and cryptogram."""
        tags = tuple(item.tag for item in objects)
        if tags not in {(0x99, 0x8E), (0x87, 0x99, 0x8E), (0x85, 0x99, 0x8E)}:
            raise SecureMessagingError("a protected answer has the wrong data objects")
        *signed, mac = objects
        plain = b"".join(tlv.encode(item.tag, item.value) for item in signed)
        expected = self._authenticate(self.counter + plain)
        if len(mac.value) != MAC_SIZE or not is_equal(expected, mac.value):
            raise SecureMessagingError("the authenticator of an answer is wrong")
        status = signed[-1].value
        if len(status) != 2:
            raise SecureMessagingError("the protected status word is not two bytes")
        return int.from_bytes(status, "big"), signed[0] if len(signed) == 2 else None

    def _decrypt(self, cryptogram: tlv.Tlv | None) -> bytes:
        if cryptogram is None:
            return b""
        value = cryptogram.value
        if cryptogram.tag == _CRYPTOGRAM:
            if not value.startswith(_PADDED):
                raise SecureMessagingError("a cryptogram has an unknown padding indicator")
            value = value[1:]
        return unpad(self.suite.decrypt(self._secret_key, value, self._iv()))

    def _cryptogram(self, ins: int, data: bytes) -> bytes:
        if not data:
            return b""
        secret = self.suite.encrypt(self._secret_key, pad(data, self.suite.block_size), self._iv())
        # Odd instructions carry data objects; their cryptogram has no padding indicator.
        return tlv.encode(_CRYPTOGRAM_ODD, secret) if ins & 1 else tlv.encode(_CRYPTOGRAM, _PADDED + secret)

    def _iv(self) -> bytes | None:
        """Return the IV: zero for 3DES; for AES the encrypted counter (9303-11, section 9.8.6)."""
        if self.suite is Suite.TDES:
            return None
        return self.suite.encrypt(self._secret_key, self.counter)

    def _authenticate(self, data: bytes) -> bytes:
        """Pad to whole blocks and compute the authenticator; the retail MAC pads by itself."""
        if self.suite is Suite.TDES:
            return self.suite.mac(self._mac_key, data)
        return self.suite.mac(self._mac_key, pad(data, self.suite.block_size))

    def _raise_counter(self) -> None:
        self._counter = (self._counter + 1) % self._wrap


def _expected_length(ne: int, extended: bool) -> bytes:
    if extended or ne > SHORT_NE:
        return (ne & 0xFFFF).to_bytes(2, "big")
    return bytes([ne & 0xFF])


class Channel:
    """Channel of one command at a time; `security` is set when access has been granted."""

    def __init__(self, transmit: Transmit) -> None:
        self._transmit = transmit
        self.security: SecureMessaging | None = None
        self.is_extended = False
        """True if the last command was in extended form."""

    def exchange(self, command: Command) -> Response:
        """Send a command and return the verified answer, whatever its status.

        Raises CardRemoved, NotTransacted, MalformedError or SecureMessagingError. After NotTransacted, the
        session can go on if the reader kept the command back.
        """
        if self.security is None:
            self.is_extended = command.is_extended
            return Response.parse(self._transmit(command.to_bytes()))
        protected = self.security.protect(command)
        self.is_extended = protected.is_extended
        try:
            answer = self._transmit(protected.to_bytes())
        except NotTransacted:
            self.security.withdraw()
            raise
        return self.security.unprotect(Response.parse(answer))

    def command(self, command: Command) -> bytes:
        """Send a command and return its data; raises CommandRefusedError unless it succeeds."""
        return self.exchange(command).raise_for_status(command)
