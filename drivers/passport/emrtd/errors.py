"""Errors of a chip. No text here ever holds a byte that came from a document."""


class ChipError(Exception):
    """A chip that cannot be read; every error that leaves this package is one."""


class CardRemoved(ChipError):  # noqa: N818  (an event at the reader, not a fault)
    """The chip left the field. The link raises it in place of an answer."""


class NotTransacted(CardRemoved):
    """The reader did not pass a command on, or the chip did not answer it; readers report both alike."""


class ReaderFailedError(ChipError):
    """The chip reader failed. The link raises it in place of an answer; what was read stands."""


class RetriesExhaustedError(ChipError):
    """The chip was lost again, and there is no time for another attempt."""


class SessionLostError(ChipError):
    """The chip ended the session at a read; one with shorter reads may go further."""


class MalformedError(ChipError):
    """Bytes of the chip, of a file or of a certificate are not laid out as their standard requires."""


class CommandRefusedError(ChipError):
    """The chip answered with a status word other than success."""

    def __init__(self, instruction: int, status: int, *, is_protected: bool = False) -> None:
        super().__init__(f"the chip answered command {instruction:02X} with status {status:04X}")
        self.instruction = instruction
        self.status = status
        self.is_protected = is_protected
        """True if secure messaging protects the status, so the session goes on."""


class SecureMessagingError(ChipError):
    """An answer is not protected as required. The session keys are unusable from here on."""


class AccessDeniedError(ChipError):
    """The chip does not accept the key: a misread zone or card access number, or not this document's chip."""


class UnsupportedError(ChipError):
    """A protocol, curve or algorithm that this package does not support."""


class NoApplicationError(ChipError):
    """The chip is no travel document: it has no eMRTD application."""
