"""Deployment of two states at one broker: a post each with three lanes, and their principals."""

from collections.abc import Sequence
from pathlib import Path

from support.gateway.post_files import gateway_section

POST = """
[broker]
host = "localhost"
tls.ca_file = "authority/{name}/ca.crt"
tls.cert_file = "authority/{name}/{name}.crt"
tls.key_file = "authority/{name}/{name}.key"
[commands]
roles_file = "authority/{name}/roles.toml"
"""
DEVICE = '[device."{position}"]\ndriver = "mrz-serial"\nport = "/dev/{port}"\nframing = "text"\n'
PEOPLE = "".join(
    f'[person.{state}-{role}]\nrole = "{role}"\nsite = "{state}-busia"\n'
    for state in ("ke", "ug")
    for role in ("supervisor", "technician", "hq")
)
SHARED = '[[shared]]\nsite = "ke-busia"\nlanes = ["lane-3"]\nprincipals = ["ug-lane-3"]\n'
LANES = ("lane-1", "lane-2", "lane-3")


def two_state_deployment(
    folder: Path,
    more: str = "",
    profile: str = "production",
    people: str = PEOPLE,
    *,
    lanes: Sequence[str] = LANES,
    movable: Sequence[str] = ("lane-1/reader",),
) -> Path:
    """Write the files of both posts and the description of the deployment; returns the description.

    `movable`: positions of each site that the station of their lane may move.
    """
    listed = ", ".join(f'"{position}"' for position in movable)
    posts = ""
    for state in ("ke", "ug"):
        text = gateway_section(f"{state}-busia", profile, state_dir="state")
        text += POST.format(name=f"{state}-gw-1")
        text += "".join(DEVICE.format(position=f"{lane}/reader", port=f"{state}-{lane}") for lane in lanes)
        (folder / f"{state}.toml").write_text(text)
        posts += (
            f'[[post]]\nfile = "{state}.toml"\nauthority = "{state.upper()}"\nname_prefix = "{state}-"\n'
            f"movable_positions = [{listed}]\n"
        )
    description = folder / "trust.toml"
    description.write_text(posts + people + SHARED + more)
    return description
