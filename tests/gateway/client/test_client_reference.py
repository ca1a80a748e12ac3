"""The reference page names every public part of the client library."""

from support.client.reference import PAGE, render

import gateway.client


def test_page_equals_docstrings() -> None:
    assert PAGE.read_text() == render(), "run `make contract`"


def test_every_public_name_has_a_text() -> None:
    page = render()
    for name in gateway.client.__all__:
        section = page.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
        assert section.strip(), name
        assert "| |" not in section.replace("|  |", "| |"), f"{name}: a field without a text"
    assert "| `command(position, verb, request=None" in page
