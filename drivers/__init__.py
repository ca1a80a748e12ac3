"""Drivers of border-post devices: observations, commands and links."""
