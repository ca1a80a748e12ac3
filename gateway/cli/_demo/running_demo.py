"""Link to the post file of a running demo, for `borderpost` in another terminal.

A symbolic link in the folder for temporary files, of this user alone. A name among the abstract sockets tells
a running demo from the link of one that was killed: the kernel frees it, however the demo ends.
"""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path


def link() -> Path:
    """Return the link's path."""
    return Path(tempfile.gettempdir()) / f"borderpost-demo-{os.geteuid()}.toml"


@contextlib.contextmanager
def published(config: Path) -> Iterator[bool]:
    """Point the link at a post's file; False if another demo, or another user, has the link."""
    try:
        name = _name()
    except OSError:
        name = None
    if name is None:
        yield False
        return
    with name:
        try:
            link().unlink(missing_ok=True)
            link().symlink_to(config)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                link().unlink()


def find() -> Path | None:
    """Return the post file of this user's running demo; None without one."""
    path = link()
    try:
        if path.lstat().st_uid != os.geteuid():
            return None
        config = path.readlink()
    except OSError:
        return None
    try:
        _name().close()
    except OSError:
        return config if config.is_file() else None
    return None


def _name() -> socket.socket:
    """Bind the name; raises OSError while a demo has it."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0{link()}")
    except OSError:
        name.close()
        raise
    return name
