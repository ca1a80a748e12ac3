"""Check of the role file: stations that may move a machine and have no key to sign with."""

from collections.abc import Iterator

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.diagnostics.findings import make_finding, make_ok_finding

CODE = "station_key_missing"


def check_station_keys(post: Post) -> Iterator[Finding]:
    """Check that each station that must sign its commands has a key; yields nothing where none must."""
    if post.signed_commands == "off":
        return
    signing = {key.station for key in post.roles.key.values() if key.revoked is None}
    missing = [name for name in _stations_that_sign(post) if name not in signing]
    for name in missing:
        yield make_finding(
            CODE,
            "warning",
            "gateway",
            f"Station {name} has no signing key: its movements are refused as unsigned.",
            Action.CONFIGURE,
            f"At the station: borderpost trust key FILE; here: sudo borderpost trust enrol {name} PUBLIC_KEY",
        )
    if signing and not missing:
        yield make_ok_finding(CODE, "gateway", "Every station that must sign its commands has a key.")


def _stations_that_sign(post: Post) -> Iterator[str]:
    """Yield the stations with a right that they can use only with a signature."""
    for name in post.roles.station:
        grants = [post.roles.grant(name, position) for position in post.devices]
        if any(grant.can_move or (grant.has_any and post.signed_commands == "required") for grant in grants):
            yield name
