"""Search for the console, in a process that ends with it.

A search imports every installed driver: their libraries would stay in the console's memory, and code of other
packages would run beside its connection to the daemon.
"""

import asyncio
import sys
from pathlib import Path

from pydantic import ValidationError

from gateway.api.operations import RpcError
from gateway.diagnostics.discovery.search import OPTIONS, RESULT, SearchOptions, SearchResult

TIMEOUT_S = 180.0
"""Longest search, in seconds: 256 addresses of boards without a response, on a busy machine."""


async def search_isolated(config: Path, options: SearchOptions) -> SearchResult:
    """Search with the post's file; raises RpcError."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.diagnostics.discovery", str(config)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            said, _ = await child.communicate(OPTIONS.dump_json(options))
        return RESULT.validate_json(said)
    except (TimeoutError, ValidationError) as error:
        raise RpcError(
            "unavailable",
            "The search did not end as it should, so nothing can be shown.",
            "Run it on the machine: sudo borderpost discover",
        ) from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
