"""Quality scale and list of tried devices: printed as computed; evidence that counts, and that does not."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from drivers.compatibility_row import CompatibilityRow
from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.registry import load_driver
from gateway.config.errors import ConfigError
from quality.__main__ import ROOT, generated_files, read_repository
from quality.compatibility import compatibility_list, read_rows
from quality.evidence import Repository
from quality.pages import BEGIN, END, with_tables
from quality.references import SourceTree
from quality.scale import RULES, Assessment, Found, Grade

ROW = {
    "driver": "mrz-serial",
    "maker": "Access-IS",
    "model": "OCR315e",
    "firmware": "2.14",
    "connection": "serial",
    "verdict": "certified",
    "certified_on": date(2026, 12, 1),
    "gateway_version": "0.1.0",
    "notes": "",
}
DRIVERS: dict[str, type[Driver[Settings]]] = {name: load_driver(name) for name in ("mrz-serial", "zfm")}


def test_printed_files_are_in_step() -> None:
    for path, content in generated_files(read_repository()).items():
        assert (ROOT / path).read_text() == content, f"{path}: make quality"


# What a test reaches.


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., frozenset[str]]:
    """Write files, and return what the test `test_it` of the last one reaches."""

    def reached(**files: str) -> frozenset[str]:
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found = SourceTree(tmp_path, ["zfm", "osdp"]).reach(path, "test_it")
        return found.symbols | found.drivers

    return reached


Reach = Callable[..., frozenset[str]]
FIXTURE = "from drivers.fingerprint.zfm.driver import Zfm\nasync def module():\n    yield Zfm\n"
ZFM = "drivers.fingerprint.zfm.driver.Zfm"


def test_test_reaches_through_fixture_of_conftest(tree: Reach) -> None:
    files = {"a__conftest": FIXTURE, "a__b__test_x": "def test_it(module):\n    pass\n"}
    assert tree(**files) == {ZFM}


def test_test_reaches_through_helper_and_table(tree: Reach) -> None:
    table = "from drivers.fingerprint.zfm import driver as zfm\nKINDS = {1: zfm.Zfm}\n"
    helper = "from support.table import KINDS\ndef opened(kind):\n    return KINDS[kind]\n"
    test = "from a_helper import opened\ndef test_it():\n    opened(1)\ndef test_other():\n    'osdp'\n"
    reached = tree(support__table=table, a__a_helper=helper, a__test_x=test)
    assert reached == {ZFM, "drivers.fingerprint.zfm.driver"}


def test_test_reaches_program_and_configuration(tree: Reach) -> None:
    test = 'PROGRAM = "a_program.py"\nPOST = """\ndriver = "osdp"\n"""\ndef test_it():\n    PROGRAM, POST\n'
    assert tree(a__a_program=FIXTURE, a__test_x=test) == {ZFM, "osdp"}


def test_unused_import_is_not_reached(tree: Reach) -> None:
    assert tree(a__test_x=f"{FIXTURE}def test_it():\n    pass\n") == set()


# Grades.


def assessed(**unmet: str) -> Assessment:
    """Return the assessment of a driver that misses these rules; `grade=rule`."""
    (source, _) = Repository(ROOT, DRIVERS, []).sources
    missing = set(unmet.values())
    return Assessment(source, {rule: Found(() if rule.name in missing else ("x",)) for rule in RULES})


def test_grade_needs_lower_grades() -> None:
    assert assessed().grade is Grade.PLATINUM
    assert assessed().next_grade is None
    assert assessed(platinum="certified").grade is Grade.GOLD
    assert assessed(bronze="simulated").grade is Grade.NONE
    silver = assessed(gold="fuzzed", platinum="certified")
    assert (silver.grade, silver.next_grade) == (Grade.SILVER, Grade.GOLD)
    assert silver.unmet(Grade.GOLD) == ["fuzzed"]


def test_broken_rule_is_not_met() -> None:
    assert Found(("12 modules",)).is_met
    assert not Found(("12 modules",), ("drivers.x:12",)).is_met


def test_certified_device_counts_for_its_driver() -> None:
    rule = next(rule for rule in RULES if rule.name == "certified")
    for verdict, counts in (("certified", True), ("partial", False), ("simulated only", False)):
        row = CompatibilityRow.model_validate(ROW | {"verdict": verdict})
        repository = Repository(ROOT, DRIVERS, [row])
        met = {source.name: rule.find(repository, source).is_met for source in repository.sources}
        assert met == {"mrz-serial": counts, "zfm": False}


def test_error_without_remedy_is_found(tmp_path: Path) -> None:
    tree = Repository(tmp_path, {}, []).tree
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers/bad.py").write_text(
        "def a():\n    raise LinkError(C.X, 'It failed.', A.NONE)\n"
        "def b():\n    raise LinkError(C.X, 'It failed.', A.WAIT, 'Wait.')\n"
        "def c():\n    raise LinkError(C.X, 'It failed.', A.WAIT, how='Wait.')\n"
    )
    assert tree.errors_without_remedy("drivers.bad") == ["drivers.bad:2"]


def test_page_without_place_is_refused() -> None:
    assert with_tables(f"a\n{BEGIN}\nold\n{END}\nb", []).startswith(f"a\n{BEGIN}\n| grade |")
    with pytest.raises(ValueError, match="no place"):
        with_tables("a", [])


# Tried devices.


def written(root: Path, text: str) -> Path:
    file = root / "drivers/compatibility/a.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


GOOD = (
    'driver = "mrz-serial"\nmaker = "Access-IS"\nmodel = "OCR315e"\nfirmware = "2.14"\n'
    'connection = "serial"\nverdict = "certified"\ncertified_on = 2026-12-01\n'
    'gateway_version = "0.1.0"\nnotes = ""\n'
)


def test_row_is_listed(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    (row,) = read_rows(tmp_path, DRIVERS)
    assert row == CompatibilityRow.model_validate(ROW)
    lines = compatibility_list([row], DRIVERS).splitlines()
    assert "1 real device has been tried." in lines
    assert lines[-2:] == [
        "| `mrz-serial` | Access-IS | OCR315e | 2.14 | serial | **certified** | 2026-12-01 | 0.1.0 |  |",
        "| `zfm` |  |  |  |  | *simulated only* |  |  | A module on a serial line. |",
    ]


def test_every_driver_without_row_is_simulated() -> None:
    text = compatibility_list([], DRIVERS)
    assert "No real device has been tried yet." in text
    assert text.count("*simulated only*") == len(DRIVERS)


@pytest.mark.parametrize(
    ("changed", "line", "key", "remedy"),
    [
        (("2026-12-01", '"last week"'), 7, "certified_on", "date of the certification"),
        (('"certified"', '"perfect"'), 6, "verdict", "choose one of certified, partial"),
        (("firmware", "firmwear"), 4, "firmwear", "did you mean firmware?"),
        (('"mrz-serial"', '"mrz-seril"'), 1, "driver", "did you mean mrz-serial?"),
        (('"Access-IS"', '""'), 2, "maker", "write the maker on its label"),
        (('"0.1.0"', '"new"'), 8, "gateway_version", "0.1.0"),
        (('model = "OCR315e"\n', ""), None, "model", "OCR315e"),
    ],
)
def test_bad_row_has_place_and_remedy(
    changed: tuple[str, str], line: int | None, key: str, remedy: str, tmp_path: Path
) -> None:
    written(tmp_path, GOOD.replace(*changed))
    with pytest.raises(ConfigError) as refused:
        read_rows(tmp_path, DRIVERS)
    (issue,) = refused.value.issues
    assert (issue.file, issue.key_path) == ("drivers/compatibility/a.toml", key)
    assert line is None or issue.line == line
    assert remedy.lower() in issue.remedy.lower(), issue.remedy


def test_broken_row_names_line(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace('maker = "', "maker = "))
    with pytest.raises(ConfigError, match=r"drivers/compatibility/a\.toml:2:"):
        read_rows(tmp_path, DRIVERS)


def test_simulated_device_needs_no_maker() -> None:
    row = CompatibilityRow.model_validate(ROW | {"verdict": "simulated only", "maker": "", "model": ""})
    assert "| *simulated only* | 2026-12-01 |" in compatibility_list([row], DRIVERS)
