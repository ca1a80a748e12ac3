"""Cameras: pictures drawn for the purpose, each of which says when it was taken, and the ways out of them.

`stamp` is what a picture says of itself, `scene` what it shows, `sensor` takes it; the rest are protocols.
"""
