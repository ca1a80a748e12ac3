"""Protocols between reader and chip: access control, and proofs that the chip is no copy."""
