"""Loading of the gateway's signing key and of the stations' keys, where the configuration names any.

The modules of keys are imported when a key is loaded: public-key cryptography takes 3 MB, and most posts sign
nothing.
"""

from gateway.audit.hash_chain import Sign
from gateway.commands.signatures import StationKeys
from gateway.config import Post, Roles
from gateway.state_dir import EX_CONFIG, CannotStartError


def load_signer(post: Post) -> Sign | None:
    """Load the signer of events and audit, or None if no key is configured; raises CannotStartError."""
    if post.gateway.signing_key is None and post.gateway.signing_credential is None:
        return None
    from gateway.pki import signing_key
    from gateway.pki.keys import UnusableKeyError

    try:
        return signing_key.load_signer(post).sign
    except (UnusableKeyError, OSError) as error:
        raise CannotStartError(
            f"The signing key cannot be used: {error}.",
            "borderpost trust init makes one; [gateway] signing_key names its file.",
            EX_CONFIG,
        ) from error


def load_station_keys(roles: Roles) -> StationKeys:
    """Load the keys of stations from the role file."""
    from gateway.pki.station_keys import RoleFileKeys

    return RoleFileKeys(roles)
