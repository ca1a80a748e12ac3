"""The writer: a thread that owns the disk, and the interface of the event loop to it."""
