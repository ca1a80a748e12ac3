"""Readers that take images of a whole page under several lights, behind a service that speaks HTTP."""
