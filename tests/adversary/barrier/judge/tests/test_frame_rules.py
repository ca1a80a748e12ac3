"""Judge of barriers: independence of the code under test, and decoding of frames."""

import ast
from pathlib import Path

import pytest
from adversary.barrier.judge.protocols import RelayAction, read_answer, read_request
from adversary.barrier.judge.records import BoardFacts
from adversary.barrier.judge.tests.story import rtu, tcp

JUDGE = Path(__file__).parents[1]
JUDGE_FILES = sorted(path.name for path in JUDGE.glob("*.py"))
WAVESHARE = BoardFacts("waveshare-8", "tcp")
GENERIC = BoardFacts("generic", "tcp", 1, {"relays": 8, "pulse_at": 0x100, "pulse_unit_s": 0.1})
NUMATO = BoardFacts("numato", "text", 1, {"relays": 8})


@pytest.mark.parametrize("name", JUDGE_FILES)
def test_judge_imports_no_driver(name: str) -> None:
    tree = ast.parse((JUDGE / name).read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    roots = {module.partition(".")[0] for module in modules}
    assert not roots & {"drivers", "gateway", "simulators"}
    assert all(
        module.startswith("adversary.barrier.judge") for module in modules if module.startswith("adversary")
    )


@pytest.mark.parametrize(
    ("board", "data", "actions"),
    [
        (WAVESHARE, tcp("0502000005"), [RelayAction(0, "pulse", 0.5)]),
        (WAVESHARE, tcp("050001ff00"), [RelayAction(1, "on")]),
        (WAVESHARE, tcp("0500025500"), [RelayAction(2, "toggle")]),
        (WAVESHARE, tcp("050400000a"), [RelayAction(0, "pulse-off", 1.0)]),
        (WAVESHARE, tcp("0500ff0000"), [RelayAction(n, "off") for n in range(8)]),
        (
            WAVESHARE,
            tcp("0f000000030105"),
            [RelayAction(0, "on"), RelayAction(1, "off"), RelayAction(2, "on")],
        ),
        (BoardFacts("wirenboard-6", "rtu"), rtu("050003ff00"), [RelayAction(3, "on")]),
        (GENERIC, tcp("0601010005"), [RelayAction(1, "pulse", 0.5)]),
        (GENERIC, tcp("0601010000"), [RelayAction(1, "off")]),
        (NUMATO, b"relay on 2\r", [RelayAction(2, "on")]),
        (NUMATO, b"\nrelay writeall 01\r", [RelayAction(n, "on" if n == 0 else "off") for n in range(8)]),
        (BoardFacts("lcus", "text"), bytes.fromhex("a00101a2"), [RelayAction(0, "on")]),
        (BoardFacts("lcus", "text"), bytes.fromhex("a00100a1"), [RelayAction(0, "off")]),
        (
            BoardFacts("osdp", "text"),
            bytes.fromhex("53000c00006801050a00aabb"),
            [RelayAction(1, "pulse", 1.0)],
        ),
        (
            BoardFacts("gpio", "text"),
            b"O" + bytes.fromhex("0fb410c0 0400000000000000 0500000000000000"),
            [RelayAction(0, "off"), RelayAction(2, "on")],
        ),
    ],
)
def test_frames_read_from_sheets(board: BoardFacts, data: bytes, actions: list[RelayAction]) -> None:
    request = read_request(board, data)
    assert request is not None
    assert [(a.relay, a.kind, a.seconds and round(a.seconds, 3)) for a in request.actions] == [
        (a.relay, a.kind, a.seconds) for a in actions
    ]


def test_damaged_frames_are_no_requests() -> None:
    assert read_request(BoardFacts("wirenboard-6", "rtu"), rtu("050003ff00")[:-1] + b"\0") is None
    assert read_request(BoardFacts("lcus", "text"), bytes.fromhex("a00101a3")) is None
    assert read_request(WAVESHARE, tcp("0502000005")[:-1]) is None


def test_inputs_read_from_answers() -> None:
    asked = read_request(WAVESHARE, tcp("0200000008"))
    assert asked is not None
    answer = read_answer(WAVESHARE, asked, tcp("0201f2"))
    assert answer == {n: bool(0xF2 >> n & 1) for n in range(8)}
    one = read_request(NUMATO, b"gpio read 4\r")
    assert one is not None
    assert read_answer(NUMATO, one, b"gpio read 4\n\r1\n\r>") == {4: True}
