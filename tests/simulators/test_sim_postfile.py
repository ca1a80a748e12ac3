"""The file of a simulated post, and the errors for invalid ones."""

from pathlib import Path

import pytest

from simulators.faults import Garbage, Unplug
from simulators.mrz import Format
from simulators.passport import AccessIs, Elyctis, LineEnd, Rte, Text
from simulators.passport.serial_mrz import SerialMrz, SerialMrzSettings
from simulators.postfile import PostFileError, load_post
from simulators.registry import KINDS

ALL_KINDS = ", ".join(sorted(KINDS))
READER = """
[[simulator]]
name = "lane-1/reader"
kind = "serial-mrz"
framing = "accessis"
path = "${RUN}/reader"
"""


@pytest.fixture
def post_file(tmp_path: Path) -> Path:
    return tmp_path / "post.toml"


def load(post_file: Path, text: str) -> list[SerialMrzSettings]:
    post_file.write_text(text)
    found = load_post(post_file, {"RUN": "/run/x"})
    assert all(isinstance(one, SerialMrzSettings) for one in found)
    return list(found)  # type: ignore[arg-type]


def complaint(post_file: Path, text: str) -> str:
    with pytest.raises(PostFileError) as caught:
        load(post_file, text)
    return str(caught.value).replace(str(post_file), "post.toml")


def test_reader_and_its_defaults(post_file: Path) -> None:
    (reader,) = load(post_file, READER)
    assert reader.path == Path("/run/x/reader")
    assert reader.every_s is None
    assert reader.documents == dict.fromkeys(Format, 1.0)
    assert reader.summary() == {
        "name": "lane-1/reader",
        "kind": "serial-mrz",
        "framing": "accessis",
        "path": "/run/x/reader",
    }


def test_scheduled_faults_in_both_notations(post_file: Path) -> None:
    (reader,) = load(
        post_file,
        READER
        + 'faults = [{ at_s = 1, fault = "unplug", for_s = 2 }]\n'
        + READER.replace("lane-1", "lane-2").replace("reader", "reader2")
        + '[[simulator.faults]]\nat_s = 3\nevery_s = 4\nfault = "garbage"\nbefore = 5\n',
    )[:1]
    assert reader.faults[0].fault == Unplug(for_s=2)
    second = load(
        post_file, READER + '[[simulator.faults]]\nat_s = 3\nevery_s = 4\nfault = "garbage"\nbefore = 5\n'
    )
    assert (second[0].faults[0].fault, second[0].faults[0].every_s) == (Garbage(before=5), 4)


@pytest.mark.parametrize(
    ("framing", "options", "kind"),
    [
        ("text", 'line_end = "lf"\nlast_line_end = false', Text),
        ("accessis", "", AccessIs),
        ("elyctis", 'line_end = "crlf"\nserial_number = "A1"', Elyctis),
        ("elyctis", "", Elyctis),
        ("rte", 'bcc = "none"', Rte),
    ],
)
def test_every_framing_has_its_reader(post_file: Path, framing: str, options: str, kind: type) -> None:
    (settings,) = load(post_file, READER.replace("accessis", framing) + options)
    simulator = settings.build()
    assert isinstance(simulator, SerialMrz)
    assert isinstance(simulator.reader, kind)
    match simulator.reader:
        case Text() as text:
            assert (text.line_end, text.suffix) == (LineEnd.LF, b"")
        case Rte() as rte:
            assert rte.bcc == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            READER.replace("${RUN}", "${NOWHERE}"),
            'post.toml:6: simulator "lane-1/reader": path: ${NOWHERE} is not set in the environment',
        ),
        (
            READER.replace("serial-mrz", "teleporter"),
            f"post.toml:4: simulator \"lane-1/reader\": kind: 'teleporter' is not one of {ALL_KINDS}",
        ),
        (
            READER + "every_s = -1",
            'post.toml:7: simulator "lane-1/reader": every_s: Input should be greater than 0',
        ),
        (
            READER + "evry_s = 1",
            'post.toml:7: simulator "lane-1/reader": evry_s: Extra inputs are not permitted',
        ),
        (
            READER.replace('name = "lane-1/reader"\n', ""),
            "post.toml:2: simulator 1: name: Field required",
        ),
        (
            READER.replace("lane-1/reader", "Lane 1"),
            'post.toml:3: simulator "Lane 1": name: String should match pattern '
            "'^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*$'",
        ),
        (
            READER.replace("${RUN}/", ""),
            'post.toml:6: simulator "lane-1/reader": path: reader is not an absolute path',
        ),
        (
            READER + "documents = { TD3 = 0 }",
            'post.toml:7: simulator "lane-1/reader": documents: '
            "weights must not be negative, and at least one must be above 0",
        ),
        (
            READER + 'bcc = "xor"',
            'post.toml:2: simulator "lane-1/reader": bcc is for framing rte, not accessis',
        ),
        (
            READER.replace("accessis", "elyctis") + 'line_end = "lf"',
            'post.toml:2: simulator "lane-1/reader": line_end of framing elyctis is cr or crlf',
        ),
        (
            READER + "every_s = 1\njitter_s = 1",
            'post.toml:2: simulator "lane-1/reader": jitter_s must be less than every_s',
        ),
        (
            READER + 'faults = [{ at_s = 1, fault = "cut" }]',
            'post.toml:7: simulator "lane-1/reader": faults.0.cut.at: Field required',
        ),
        (
            READER + '[[simulator.faults]]\nfault = "slow"',
            'post.toml:7: simulator "lane-1/reader": faults.0.at_s: Field required',
        ),
        (
            READER + "faults = [3]",
            'post.toml:7: simulator "lane-1/reader": faults.0: '
            "Input should be a valid dictionary or instance of TimedFault",
        ),
        (
            READER + READER,
            'post.toml:9: simulator "lane-1/reader": name: another simulator has this name\n'
            'post.toml:12: simulator "lane-1/reader": /run/x/reader is already used by lane-1/reader',
        ),
        ("", "post.toml: no [[simulator]] table: add at least one"),
        ("simulator = 3", "post.toml: no [[simulator]] table: add at least one"),
        ("lanes = 3", "post.toml: lanes: a simulated post has only [[simulator]] tables"),
        ("a = [", "post.toml: Invalid value (at end of document)"),
        (
            'simulator = [{ kind = "x" }]',
            f"post.toml: simulator 1: kind: 'x' is not one of {ALL_KINDS}",
        ),
    ],
)
def test_invalid_file_names_place_and_error(post_file: Path, text: str, message: str) -> None:
    assert complaint(post_file, text) == message


def test_all_errors_are_reported_together(post_file: Path) -> None:
    text = READER + "every_s = -1\n" + READER.replace("lane-1", "lane-2") + 'seed = "x"\n'
    assert complaint(post_file, text).count("\n") == 1


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(PostFileError, match=r"absent\.toml: No such file"):
        load_post(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PostFileError, match="utf-8"):
        load_post(tmp_path / "binary.toml")


def test_variables_from_environment(post_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN", "/run/y")
    monkeypatch.setenv("KIND", "unplug")
    post_file.write_text(READER + 'faults = [{ at_s = 1, fault = "${KIND}" }]')
    (reader,) = load_post(post_file)
    assert isinstance(reader, SerialMrzSettings)
    assert (reader.path, reader.faults[0].fault) == (Path("/run/y/reader"), Unplug())


def test_variable_may_have_default(post_file: Path) -> None:
    (reader,) = load(post_file, READER.replace("${RUN}", "${NOWHERE:-/run/z}"))
    assert reader.path == Path("/run/z/reader")


def test_demo_post_is_valid() -> None:
    demo = Path(__file__).parents[2] / "config" / "demo-post.toml"
    post = load_post(demo, {"BORDERPOST_RUN": "/run/demo"})
    framings = {one.framing for one in post if isinstance(one, SerialMrzSettings)}
    assert framings == {"text", "elyctis", "rte"}
