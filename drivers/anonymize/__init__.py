"""Anonymization of recordings, one module for each kind of exchange."""
