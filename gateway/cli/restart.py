"""`borderpost restart`: restart the worker of one device."""

from gateway.cli._lib.api_client import AsJson, perform_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile


def restart(config: PostFile, position: OneDevice, as_json: AsJson = False) -> None:
    """Restart the worker of one device; other devices are not affected."""
    perform_or_exit(config, position, "/restart", None, "is restarting", as_json=as_json)
