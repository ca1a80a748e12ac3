"""Cameras that speak ONVIF: found, asked for their pictures, listened to."""
