"""Version of the gateway."""

from importlib.metadata import version

VERSION = version("borderpost-gateway")
