"""Fingerprint modules that speak the protocol of the ZFM-20 over a serial line. Start reading at `driver`."""
