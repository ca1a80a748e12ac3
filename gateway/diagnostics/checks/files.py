"""Check that the gateway's account can read the files that a post names."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.diagnostics.checks.accounts import Account
from gateway.diagnostics.findings import make_finding

SECTIONS = ("broker", "hq", "encryption", "commands", "console")
MADE_BY_OTHERS = ("simulators",)
"""Settings whose files another program creates later."""


def check_files(post: Post, account: Account) -> Iterator[Finding]:
    """Check files of passwords, keys, certificates, roles and users."""
    for section in SECTIONS:
        for key, file in _files(getattr(post, section)):
            try:
                may, why = account.can_open(file), "may not read it"
            except OSError as error:
                may, why = False, f"cannot: {error.strerror}"
            if not may:
                yield make_finding(
                    "file_unreadable",
                    "error",
                    "config",
                    f"[{section}] {key}: the gateway runs as {account.name}, which {why}: {file}.",
                    Action.CONFIGURE,
                    f"sudo chgrp {account.name} {file} && sudo chmod 640 {file}",
                )


def _files(section: BaseModel | None, at: str = "") -> Iterator[tuple[str, Path]]:
    for name in type(section).model_fields if section is not None else ():
        match getattr(section, name):
            case Path() as file if name not in MADE_BY_OTHERS:
                yield f"{at}{name}", file
            case BaseModel() as inner:
                yield from _files(inner, f"{name}.")
