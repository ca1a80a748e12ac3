"""Diagnostics of a post: findings with remedies, computed from facts. They need no running daemon.

`doctor` checks the post and the machine, `why` explains one device, `bundle` packs an archive for support.
They read only, change nothing, and block: call them in a thread.
"""
