"""`borderpost restart`: replace the process of one device."""

from gateway.cli._lib.api_client import AsJson, perform_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile


def restart(config: PostFile, position: OneDevice, as_json: AsJson = False) -> None:
    """Replace the process of one device; no other device notices."""
    perform_or_exit(config, position, "/restart", None, "is started again", as_json=as_json)
