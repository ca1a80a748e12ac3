"""Fingerprint modules on a serial line with the protocol of the ZFM-20: R30x, AS608, R503."""
