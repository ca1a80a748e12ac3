"""Fixtures of the cameras; pytest puts this folder on sys.path, so that the folders below find `camera_fixture`."""
