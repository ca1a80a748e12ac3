"""Cameras: pictures taken on command, and reads of number plates as vehicles pass."""
