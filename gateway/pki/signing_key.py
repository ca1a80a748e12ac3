"""Signing key of a post, as its file names it."""

import os
from pathlib import Path

from gateway.config import Post
from gateway.pki.jws import Signer
from gateway.pki.keys import load_signing_key


def load_signer(post: Post) -> Signer:
    """Load that key; raises UnusableKeyError, OSError."""
    named = post.gateway.signing_key
    if named is None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise FileNotFoundError("systemd gave this process no credentials")
        named = Path(folder) / str(post.gateway.signing_credential)
    return Signer(load_signing_key(named))
