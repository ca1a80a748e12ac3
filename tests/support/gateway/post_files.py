"""Sections of a post's file that most tests need alike."""


def gateway_section(
    site: str = "ke-busia", profile: str = "training", state_dir: str = "/var/lib/borderpost"
) -> str:
    """Return a section `[gateway]`, as TOML."""
    return f'\n[gateway]\nsite = "{site}"\nname = "gw-1"\nprofile = "{profile}"\nstate_dir = "{state_dir}"\n'
