"""Simulated fingerprint scanners, and invented fingers for them."""
