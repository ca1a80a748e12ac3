"""Build backend of the source archive and the wheel: setuptools, with its file list in `.manifest.in`.

setuptools reads `MANIFEST.in` in the top folder and has no setting for another name (setuptools 82,
`command/egg_info.py`, `manifest_maker.template`); the top folder has a fixed list of names.
"""

import sys
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - the hooks of PEP 517 and PEP 660
from setuptools.command.egg_info import manifest_maker

manifest_maker.template = ".manifest.in"
PAGE = Path("gateway/counter/dist/index.html")
"""The counter page, which needs Node to be built."""


def build_wheel(*arguments: Any, **settings: Any) -> str:
    """Build the wheel; say so where it will have no counter page."""
    if not PAGE.exists():
        sys.stderr.write(
            "This wheel has no counter page: gateway/counter/dist is not built. Run `make counter` before.\n"
        )
    return str(build_meta.build_wheel(*arguments, **settings))
