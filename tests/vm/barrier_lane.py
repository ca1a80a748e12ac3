"""A boom outside the machine, which survives its power cuts, and the rules by which its log is judged.

The board is on Modbus TCP on the host. It has a watchdog and no timer, so that every contact depends on what
becomes of the gateway.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from simulators.barrier.bus import DirectConnection
from simulators.barrier.modbus_site import USUAL_INPUTS, USUAL_OUTPUTS, ModbusSettings, ModbusSite
from simulators.barrier.wirelog import Contact, Entries
from vm.machine import ADDRESS

PULSE_S, WATCHDOG_S = 1.0, 1.0
RELEASED_WITHIN_S = WATCHDOG_S + 0.5
"""Longest time from a power cut until every contact is open: the watchdog's, and the host's own delay."""
CLOSED_AT_MOST_S = PULSE_S + RELEASED_WITHIN_S
TRAVEL_S = 20.0
"""Travel time of the boom: long enough for a cut on its way, by an emulated processor."""
SITE = ModbusSettings.model_validate(
    {
        "boards": [
            {
                "model": "generic",
                "map": {"watchdog_at": 8, "watchdog_unit_s": 0.1},
                "outputs": USUAL_OUTPUTS,
                "inputs": USUAL_INPUTS,
            }
        ],
        "mechanics": {"boom": {"opening_s": TRAVEL_S, "closing_s": TRAVEL_S}},
    }
)
TABLE = """
[device."@POSITION@"]
driver = "modbus-barrier"
emergency = { input = 5, contact = "nc" }
key_switch = { input = 6, contact = "nc" }
controller_ok = { input = 7, contact = "no" }
pulse_s = @PULSE_S@
start_timeout_s = 10
open_timeout_s = 60
close_timeout_s = 60
max_per_minute = 30
[device."@POSITION@".board]
model = "generic"
port = "tcp://@ADDRESS@:@PORT@"
response_timeout_s = 0.2
watchdog_address = 8
watchdog_unit_s = 0.1
watchdog_s = @WATCHDOG_S@
[[device."@POSITION@".doors]]
open = 0
close = 1
stop = 2
open_limit = { input = 0, contact = "no" }
closed_limit = { input = 1, contact = "no" }
entry_side = { input = 2, contact = "no" }
exit_side = { input = 3, contact = "no" }
presence = { input = 4, contact = "nc" }
"""


def table(position: str, port: int) -> str:
    """Return the barrier's part of a post's configuration."""
    values = {"POSITION": position, "PULSE_S": PULSE_S, "ADDRESS": ADDRESS, "PORT": port}
    text = TABLE
    for name, value in (values | {"WATCHDOG_S": WATCHDOG_S}).items():
        text = text.replace(f"@{name}@", str(value))
    return text


@asynccontextmanager
async def running(port: int) -> AsyncIterator[ModbusSite]:
    """Run boom and board; the installer has set the board's watchdog."""
    async with ModbusSite.start(SITE.model_copy(update={"port": port})) as site:
        DirectConnection(site.bus).request(1, bytes.fromhex("060008000a"))
        yield site


def overdue_contacts(log: Entries) -> Iterator[Contact]:
    """Yield each closing of a contact that lasted longer than any may."""
    closings: dict[int, Contact] = {}
    for contact in log.contacts:
        if contact.closed:
            closings.setdefault(contact.relay, contact)
        elif contact.at_s - (closing := closings.pop(contact.relay, contact)).at_s > CLOSED_AT_MOST_S:
            yield closing
    yield from closings.values()


def harm(log: Entries) -> list[str]:
    """Return what the machine must never do: strike, or have opposite contacts closed."""
    return [event.what for event in log.machine_events() if event.what in ("hit", "both-contacts")]
