"""Recordings and traces of device bytes, and their export for Wireshark."""
