"""Fingerprint modules with the protocol of the ZFM-20 on a serial line; `driver` is the entry point."""
