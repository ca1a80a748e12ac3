"""Cameras: drawn pictures, each with a stamp of its time, and the protocols that deliver them.

`frame_stamp` is the stamp in a picture, `scene` its content, `sensor` takes it; the rest are protocols.
"""
