"""Build backend of the source archive and the wheel: setuptools, with its file list in `.manifest.in`.

setuptools reads `MANIFEST.in` in the top folder and has no setting for another name (setuptools 82,
`command/egg_info.py`, `manifest_maker.template`); the top folder has a fixed list of names.
"""

from setuptools.build_meta import *  # noqa: F403 - the hooks of PEP 517 and PEP 660
from setuptools.command.egg_info import manifest_maker

manifest_maker.template = ".manifest.in"
