"""Cameras: pictures of this moment when they are asked for, and number plates as vehicles pass."""
