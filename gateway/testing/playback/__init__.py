"""Recordings as devices: whole or damaged, with the events that their driver must yield."""
