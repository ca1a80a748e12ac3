"""Scanners behind a WS-BD service of their maker's software; `driver` is the entry point."""
