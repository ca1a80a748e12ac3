"""How a seal fails to be read. No text here ever holds a byte that came from a document."""


class SealError(Exception):
    """Anything that keeps a seal from being read; every error that leaves a parser here is one."""


class MalformedSealError(SealError):
    """The bytes are not laid out as their standard says."""


class UnsupportedSealError(SealError):
    """A version or algorithm that this package does not speak."""
