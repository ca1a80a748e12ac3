"""Barriers in a post's file: dangerous boards are refused, with line, key and remedy."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from support.gateway.post_files import gateway_section

from gateway.config import ConfigError, load

POST = f"""{gateway_section(profile="production")}
[broker]
host = "127.0.0.1"

[encryption]
credential = "outbox.key"

[device."lane-1/barrier"]
"""
WIRED = """
emergency = { input = 5, contact = "nc" }

[[device."lane-1/barrier".doors]]
open = 0
close = 1
stop = 2
open_limit = { input = 0, contact = "no" }
closed_limit = { input = 1, contact = "no" }
presence = { input = 4, contact = "nc" }

"""
BOARD = '[device."lane-1/barrier".board]\n'
KEY = 'device."lane-1/barrier"'


def barrier(driver: str, board: str, more: str = "", wired: str = WIRED) -> str:
    return f'{POST}driver = "{driver}"\n{wired}{BOARD}{board}\n{more}'


@dataclass(frozen=True)
class Refused:
    """A file, the line marked with `#!`, and the expected mistake."""

    name: str
    file: str
    key: str
    text: str
    remedy: str


INPUTS = '[device."lane-1/barrier".inputs_from]\nmodel = "waveshare-8"\nport = "tcp://192.0.2.7"\n'
REFUSED = (
    Refused(
        "unknown board",
        barrier("modbus-barrier", 'model = "waveshare" #!\nport = "tcp://192.0.2.7"'),
        f"{KEY}.board.model",
        "not one of the permitted words",
        "did you mean waveshare-8?",
    ),
    Refused(
        "board without an address",
        barrier("modbus-barrier", 'model = "waveshare-8"').replace(BOARD, BOARD.replace("]\n", "] #!\n")),
        f"{KEY}.board.port",
        "is missing",
        'port = "tcp://192.168.10.21:502"',
    ),
    Refused(
        "rate over TCP",
        barrier("modbus-barrier", 'model = "waveshare-8"\nport = "tcp://192.0.2.7"\nbaud = 9600').replace(
            BOARD, BOARD.replace("]\n", "] #!\n")
        ),
        f"{KEY}.board",
        "`baud` is for a serial line",
        "remove it",
    ),
    Refused(
        "watchdog that is too slow",
        barrier("modbus-barrier", 'model = "wirenboard-6"\nport = "tcp://192.0.2.7"\nwatchdog_s = 5'),
        KEY,
        "must not be wired to this board",
        "set the board's watchdog to 1 s at most",
    ),
    Refused(
        "nothing ends a pulse",
        barrier("modbus-barrier", 'model = "kmtronic-8"\nport = "/dev/serial/by-id/x"', INPUTS),
        KEY,
        "must not be wired to this board",
        "nothing opens the board's relays again if the gateway dies",
    ),
    Refused(
        "map that ends no pulse",
        barrier("modbus-barrier", 'model = "generic"\nport = "tcp://192.0.2.7"').replace(
            BOARD, BOARD.replace("]\n", "] #!\n")
        ),
        f"{KEY}.board",
        "nothing is said to end a pulse",
        "write `pulse_address`",
    ),
    Refused(
        "LCUS without a position",
        barrier("serial-relay", 'model = "lcus"\nport = "/dev/x"\nrelays = 4\ntime_relay_s = 1'),
        KEY,
        "position of the barrier would be unknown",
        "write that as `inputs_from`",
    ),
    Refused(
        "Numato that latches",
        barrier("serial-relay", 'model = "numato"\nport = "/dev/x"\nrelays = 4\ninputs = 8'),
        KEY,
        "must not be wired to this board",
        "nothing opens the board's relays again",
    ),
    Refused(
        "lines of which nobody knows",
        barrier(
            "gpio-barrier",
            'model = "gpio"\nchip = "/dev/gpiochip0"\noutputs = [1, 2, 3]\ninputs = [4, 5, 6, 7, 8, 9]',
        ).replace(BOARD, BOARD.replace("]\n", "] #!\n")),
        f"{KEY}.board",
        "no mechanism is known that opens a relay",
        "write `released_on_kill = true`",
    ),
    Refused(
        "more wired than there is",
        barrier(
            "gpio-barrier",
            'model = "gpio"\nchip = "/dev/gpiochip0"\noutputs = [1, 2]\ninputs = [4]\n'
            "released_on_kill = true",
        ),
        KEY,
        "must not be wired to this board",
        "relay 2 is wired, and the board has relays 0 to 1",
    ),
    Refused(
        "simulated board in production",
        barrier("modbus-barrier", 'model = "waveshare-8"\nport = "/dev/pts/7" #!'),
        f"{KEY}.board.port",
        "refuses a simulated device",
        "name the real port",
    ),
)


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_dangerous_board_is_refused(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "busia.toml"
    file.write_text(refused.file)
    lines = refused.file.splitlines()
    marked = [at for at, line in enumerate(lines, 1) if line.endswith("#!")]

    with pytest.raises(ConfigError) as caught:
        load(file, {})

    (finding,) = caught.value.issues
    assert [finding.line] == (marked or [lines.index(f"[{KEY}]") + 1])
    assert finding.key_path == refused.key
    assert refused.text in finding.text
    assert refused.remedy in finding.remedy


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    "file",
    [
        barrier("modbus-barrier", 'model = "waveshare-8"\nport = "tcp://192.0.2.7"'),
        barrier("modbus-barrier", 'model = "wirenboard-6"\nport = "/dev/ttyS0"\nbaud = 19200\nunit = 7'),
        barrier("modbus-barrier", 'model = "kmtronic-8"\nport = "/dev/ttyS0"\ntime_relay_s = 0.8', INPUTS),
        barrier(
            "serial-relay",
            'model = "numato"\nport = "/dev/x"\nrelays = 4\ninputs = 8\ntime_relay_s = 1\n'
            "inputs_open_when_cut = true",
        ),
        barrier("serial-relay", 'model = "lcus"\nport = "/dev/x"\nrelays = 4\ntime_relay_s = 1', INPUTS),
        barrier(
            "gpio-barrier",
            'model = "gpio"\nchip = "/dev/gpiochip0"\noutputs = [1, 2, 3]\ninputs = [4, 5, 6, 7, 8, 9]\n'
            'bias = "pull-up"\nreleased_on_kill = true',
        ),
    ],
)
def test_safe_board_is_accepted(file: str, tmp_path: Path) -> None:
    path = tmp_path / "busia.toml"
    path.write_text(file)
    assert len(load(path, {}).devices) == 1
