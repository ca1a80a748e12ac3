"""Modbus over TCP and serial lines: messages, framing, and a link for one line with several boards."""
