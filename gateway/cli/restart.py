"""`borderpost restart`: replace the process of one device."""

from gateway.cli._lib.api_client import AsJson, ordered
from gateway.cli._lib.arguments import OneDevice, PostFile


def restart(config: PostFile, position: OneDevice, as_json: AsJson = False) -> None:
    """Replace the process of one device; no other device notices."""
    ordered(config, position, "/restart", None, "is started again", as_json=as_json)
