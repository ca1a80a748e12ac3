"""Fingerprint scanners that do not exist, and the fingers that nobody has to lay on them."""
