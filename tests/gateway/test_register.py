"""What is remembered of devices: hour by hour for a day, whatever the clock does, and over restarts."""

import json
from pathlib import Path

import pytest

from gateway.technician.register import HOUR_NS, HOURS, Register

NOON = 500_000 * HOUR_NS
READ = {"online_ms": 60_000, "read": 3, "bad": 1, "retries": 0, "disconnects": 0}
NOTHING = READ | {"read": 0, "bad": 0}


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register.read(tmp_path / "devices.json")


def numbers(register: Register) -> list[int]:
    return [hour.number - 500_000 for hour in register.device("lane-1/reader", "odd", "ODD-1").hours]


def count(register: Register, hour: float, counts: dict[str, int] = READ) -> None:
    register.device("lane-1/reader", "odd", "ODD-1").count(NOON + int(hour * HOUR_NS), counts)


def test_hours_add_up_and_those_without_anything_are_not_there(register: Register) -> None:
    for hour in (0, 0.5, 2.9):
        count(register, hour)
    count(register, 1.5, NOTHING)
    hours = register.device("lane-1/reader", "odd", "ODD-1").hours
    assert [(hour.number - 500_000, hour.good, hour.bad) for hour in hours] == [(0, 6, 2), (2, 3, 1)]
    assert register.device("lane-1/reader", "odd", "ODD-1").lifetime.online_s == 240


def test_a_day_is_remembered_and_no_more(register: Register) -> None:
    for hour in range(100):
        count(register, hour)
    assert numbers(register) == list(range(100 - HOURS, 100))


def test_a_clock_that_is_put_right_takes_hours_that_are_not_of_this_day(register: Register) -> None:
    count(register, 500_000)
    count(register, 3)
    assert numbers(register) == [3]


def test_hours_survive_a_restart_and_a_file_from_before_there_were_any_is_read(
    register: Register, tmp_path: Path
) -> None:
    count(register, 0)
    file = tmp_path / "devices.json"
    register.write(register.content())
    assert numbers(Register.read(file)) == [0]
    table = json.loads(file.read_text())
    for device in table["devices"].values():
        del device["hours"]
    file.write_text(json.dumps(table))
    before = Register.read(file)
    assert numbers(before) == []
    assert before.device("lane-1/reader", "odd", "ODD-1").lifetime.good == 3
