"""Modbus itself: messages and their framings, bytes in, values out."""
