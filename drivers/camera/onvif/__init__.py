"""ONVIF cameras: discovery, media, and events of their health."""
