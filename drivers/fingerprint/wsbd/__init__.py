"""Scanners that only their maker's software can drive, behind a WS-BD service. Start at `driver`."""
