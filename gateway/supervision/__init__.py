"""Supervision: one worker process per device, started by a fork server, watched and restarted."""
