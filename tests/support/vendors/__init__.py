"""Words of two invented vendors of scales, with equal names of models and verbs."""

from pathlib import Path


def texts() -> dict[str, str]:
    """Return the text of the module of each vendor, by its namespace; to install it as a package."""
    return {name: (Path(__file__).parent / f"{name}.py").read_text() for name in ("acme", "kivu")}
