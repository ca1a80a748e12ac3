"""Files of a report in its folder: JSON, the page to print, and the row for the list of tried devices."""

from pathlib import Path

from gateway.cli._certify.report import Report
from gateway.cli._certify.report_page import ROW_FILE, report_page
from gateway.common.atomic_file import write_whole

REPORT_FILE, PAGE_FILE = "report.json", "report.html"


def write_report(report: Report, folder: Path) -> None:
    """Write all files of the report; each is whole at any moment. Raises OSError."""
    write_whole(folder / REPORT_FILE, f"{report.model_dump_json(indent=2)}\n".encode(), 0o644)
    write_whole(folder / PAGE_FILE, report_page(report).encode(), 0o644)
    write_whole(folder / ROW_FILE, report.row_toml().encode(), 0o644)
