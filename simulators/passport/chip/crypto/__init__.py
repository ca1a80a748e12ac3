"""Ciphers, curves and key agreement of the chip's protocols."""
