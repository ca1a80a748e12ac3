"""The list of tried devices: rows of `drivers/compatibility/`, and the page made from them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from drivers.compatibility_row import CompatibilityRow, CompatibilityVerdict
from drivers.driver import Driver
from drivers.links.settings import Settings
from gateway.common.printable import printable
from gateway.config.errors import ConfigError, UnlocatedIssue
from gateway.config.interpolation import InterpolatedTable
from gateway.config.messages import suggest_name
from gateway.config.sections import validate_table
from gateway.config.toml import locate, parse, read_text

FOLDER = Path("drivers/compatibility")
LIST = Path("drivers/COMPATIBILITY.md")
HEAD = """# Tried devices

Made by `make quality` from the files of [compatibility/](compatibility/README.md) and the installed drivers;
never edited by hand. `borderpost certify POSITION` tries a device and writes its row.

"""
COLUMNS = ("driver", "maker", "model", "firmware", "connection", "verdict", "date", "gateway", "notes")
REAL = (CompatibilityVerdict.CERTIFIED, CompatibilityVerdict.PARTIAL, CompatibilityVerdict.FAILED)


def read_rows(root: Path, drivers: Iterable[str]) -> list[CompatibilityRow]:
    """Read every row; raises ConfigError with all mistakes, each with file, line, key and remedy."""
    known = set(drivers)
    rows = []
    issues = []
    for path in sorted((root / FOLDER).glob("*.toml")):
        try:
            rows.append(read_row(path, path.relative_to(root), known))
        except ConfigError as error:
            issues += error.issues
    if issues:
        raise ConfigError(tuple(issues))
    return sorted(rows, key=lambda row: (row.driver, row.maker, row.model, row.firmware, row.connection))


def read_row(path: Path, shown: Path, drivers: set[str]) -> CompatibilityRow:
    """Read one row; raises ConfigError. `shown`: its path as the mistakes name it."""
    text = read_text(path)
    filled = InterpolatedTable(parse(shown, text))
    row = validate_table(CompatibilityRow, filled, (), filled.table, path.parent)
    faults = filled.faults
    if row is not None and row.driver not in drivers:
        remedy = suggest_name(row.driver, drivers, "installed drivers")
        faults = [UnlocatedIssue(("driver",), "there is no such driver", remedy)]
    if row is None or faults:
        raise ConfigError(locate(shown, text, faults))
    return row


def compatibility_list(
    rows: Iterable[CompatibilityRow], drivers: Mapping[str, type[Driver[Settings]]]
) -> str:
    """Return the list; a driver without a row has been tried with simulators only."""
    tried = list(rows)
    named = {row.driver for row in tried}
    untried = {name: driver for name, driver in drivers.items() if name not in named}
    lines = [*_tried(tried), *_untried(untried)]
    real = sum(row.verdict in REAL for row in tried)
    count = (
        f"{real} real device{'s have' if real > 1 else ' has'} been tried."
        if real
        else "No real device has been tried yet."
    )
    table = [_line(COLUMNS), "|---" * len(COLUMNS) + "|", *(line for _, line in sorted(lines))]
    return f"{HEAD}{count}\n\n" + "\n".join(table) + "\n"


def _tried(rows: Iterable[CompatibilityRow]) -> Iterator[tuple[str, str]]:
    for number, row in enumerate(rows):
        verdict = f"**{row.verdict}**" if row.verdict in REAL else f"*{row.verdict}*"
        cells = (row.maker, row.model, row.firmware, row.connection, verdict, f"{row.certified_on}")
        yield f"{row.driver} {number:04}", _line((f"`{row.driver}`", *cells, row.gateway_version, row.notes))


def _untried(drivers: Mapping[str, type[Driver[Settings]]]) -> Iterator[tuple[str, str]]:
    """Yield a line for each driver, with the first sentence of its description."""
    for name, driver in drivers.items():
        note = (driver.__doc__ or "").partition("\n")[0]
        verdict = f"*{CompatibilityVerdict.SIMULATED_ONLY}*"
        yield name, _line((f"`{name}`", "", "", "", "", verdict, "", "", note))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(printable(cell).replace("|", "\\|") for cell in cells) + " |"
