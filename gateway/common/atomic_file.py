"""Atomic files: after a power cut a file has the whole old content or the whole new content.

The name of a new file reaches the disk before its content; for half a minute and longer, a power cut leaves
an empty file. So the content is flushed first, then the name (fsync(2), rename(2)).
"""

import os
import shutil
import tempfile
from pathlib import Path


def write_whole(
    file: Path,
    content: bytes,
    mode: int,
    *,
    group: str | None = None,
    owner: tuple[int, int] | None = None,
    replace: bool = True,
) -> None:
    """Write a file through to the disk; until then only its owner can read it.

    `owner`: its user and group by number; without it, those of this process. `replace=False` raises
    FileExistsError if the file exists. Raises OSError, and LookupError for an unknown group; then the old
    file is unchanged.
    """
    handle, fresh = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            if group is not None:
                shutil.chown(fresh, group=group)
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(out.fileno(), *owner)
            os.fchmod(out.fileno(), mode)
            out.flush()
            os.fsync(out.fileno())
        if replace:
            os.replace(fresh, file)  # noqa: PTH105 - next to os.link
        else:
            os.link(fresh, file)  # link(2) is the way to name a file that never replaces one
            Path(fresh).unlink()
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
    flush_folder(file.parent)


def make_folder(folder: Path, mode: int) -> None:
    """Make a folder and its missing parents, and flush their names; raises OSError."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent, 0o777)
    folder.mkdir(mode=mode, exist_ok=True)
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
