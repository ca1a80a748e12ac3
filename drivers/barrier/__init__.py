"""Barriers, gates and doors that relays ask to move, and inputs tell of."""
