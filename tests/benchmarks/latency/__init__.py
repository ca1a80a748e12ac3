"""Latencies of whole paths through a gateway: one module per kind of device, and the console."""
