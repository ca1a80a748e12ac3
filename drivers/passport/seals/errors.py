"""Errors of seal parsing. No text here ever holds a byte that came from a document."""


class SealError(Exception):
    """A seal that cannot be parsed; every error that leaves a parser here is one."""


class MalformedSealError(SealError):
    """The bytes are not laid out as their standard requires."""


class UnsupportedSealError(SealError):
    """A version or algorithm that this package does not support."""
