"""Guards of the barrier's code, each taken out by a small patch of its source: the judge must find every one.

A guard is run in a process of its own, in which the patched source replaces the module at import:
`python -m adversary.barrier.guards NAME`. It plays the given stories and themes until the judge finds a
violation of an expected invariant.
"""

# ruff: noqa: E501 - a patch repeats lines of a source
import argparse
import importlib.machinery
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).parents[3]
CONTROL = "drivers/barrier/control"
MACHINE = f"{CONTROL}/state_machine.py"
ADMISSION = f"{CONTROL}/admission.py"
WRITES = f"{CONTROL}/safe_writes.py"
OBSTRUCTION = f"{CONTROL}/doors/obstruction.py"
PASSAGES = f"{CONTROL}/doors/passages.py"
GRANT = f"{CONTROL}/doors/opening_grant.py"
MOVEMENT = f"{CONTROL}/doors/movement.py"
DRIVER = "drivers/barrier/driver.py"
MISSED = "drivers/barrier/missed_readings.py"
WRITER = "drivers/barrier/board_writer.py"
LCUS = "drivers/barrier/boards/lcus.py"
HOST_TIMED = "drivers/barrier/boards/host_timed.py"
CHANNEL = "drivers/access/osdp/channel.py"
PANEL = "drivers/access/osdp/panel.py"
WORKER = "gateway/worker/worker.py"


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: patches of sources (file, old text, new text), and where its loss is looked for."""

    invariants: frozenset[int]
    patches: tuple[tuple[str, str, str], ...]
    stories: tuple[str, ...] = ()
    themes: tuple[tuple[str, str], ...] = ()
    """Board and theme of random trials, if no story shows it."""


def _guard(
    invariants: set[int],
    *patches: tuple[str, str, str],
    stories: tuple[str, ...] = (),
    themes: tuple[tuple[str, str], ...] = (),
) -> Guard:
    return Guard(frozenset(invariants), patches, stories, themes)


TCP, RTU, WB, NUMATO = "waveshare-tcp", "waveshare-rtu", "wirenboard-tcp", "numato"
GUARDS: dict[str, Guard] = {
    "told by command": _guard(
        {1},
        (DRIVER, "        if movement.result is None:\n", "        if False:\n"),
        (DRIVER, "MoveResult(state=door.state,", "MoveResult(state=movement.goal if movement else door.state,"),
        stories=("traffic",),
    ),
    "written once": _guard(
        {2, 7},
        (WRITER, "            write.result()\n        except BoardLate", "            await self._pulse(actuation, by_s=by_s)\n        except BoardLate"),
        stories=("traffic",),
    ),
    "deadline": _guard({3}, (DRIVER, "if call.remaining_s <= 0:", "if False:"), (DRIVER, "min(fresh_s, _now_s() + call.remaining_s)", "fresh_s"), stories=("late",)),
    "pulse length": _guard({7}, (WRITER, "relay, self._settings.pulse_s, urgent", "relay, 3.0, urgent"), stories=("traffic",)),
    "end of a pulse": _guard({7}, (HOST_TIMED, "        await asyncio.sleep(after_s)\n", "        await asyncio.sleep(after_s + 5)\n"), stories=("watchdog traffic",)),
    "dead time": _guard({8}, (WRITES, "and self.is_ready(one.wiring.close, now_s)\n            ):", "            ):"), stories=("5 release is lost", "4 early person")),
    "presence": _guard({9}, (MACHINE, "one.door.inputs.presence is not False", "False"), stories=("person before",)),
    "reopening": _guard({10}, (WRITES, "            not is_left_alone\n", "            False and not is_left_alone\n"), (WRITES, "            elif one.wiring.stop is not None:\n                one.door.on_stop(now_s)", "            elif False:\n                pass"), stories=("4 early person",)),
    "reopening is repeated": _guard({10}, (WRITER, "            self._machine.on_unanswered(actuation, _now_s())\n        else:", "            self._machine.on_acknowledged(actuation, _now_s())\n        else:"), stories=("4 busy", "3 stop is lost", "3 stop of two doors")),
    "reopening once more": _guard({10}, (OBSTRUCTION, "self.was_noticed = self.is_due\n\n    def on_stop", "pass\n\n    def on_stop"), (OBSTRUCTION, "        if not present or door.is_at_end:\n            self.was_noticed = self.is_due\n", ""), stories=("1 second person",)),
    "closing without its command": _guard({10}, (OBSTRUCTION, "            door.is_commanded_closing or door.state is MovementState.UNKNOWN\n", "            door.state is MovementState.UNKNOWN\n"), stories=("leased closing",)),
    "late start": _guard({10}, (MOVEMENT, "self._may_still_close = may_begin and now_s < self._closing_until_s", "self._may_still_close = False"), stories=("late closing",)),
    "obstruction alarm": _guard({10}, (OBSTRUCTION, "        return (\n            BarrierAlarm(\n                kind=AlarmKind.OBSTRUCTION_WHILE_CLOSING,", "        return () or (\n            BarrierAlarm(\n                kind=AlarmKind.TAILGATING,"), stories=("1 second person",)),
    "emergency refuses": _guard({11}, (ADMISSION, "    if now.latches.emergency:\n", "    if False:\n"), stories=("emergency and close",)),
    "emergency releases": _guard({11}, (WRITES, "danger = now.latches.emergency or", "danger ="), stories=("8 close contact",)),
    "shut in emergency": _guard({11}, (MACHINE, "        late = self._emergency_s is not None and", "        late = False and self._emergency_s is not None and"), stories=("8 shut",)),
    "stop of each door": _guard({12}, (MACHINE, "        for one in self._door_controls:\n            one.passages.revoke()\n            one.obstruction.on_stop()\n", "        for one in self._door_controls[:1]:\n            one.passages.revoke()\n            one.obstruction.on_stop()\n"), stories=("3 stop of two doors",)),
    "stop is repeated": _guard({12}, (WRITER, "            self._machine.on_unanswered(actuation, _now_s())\n        else:", "            self._machine.on_acknowledged(actuation, _now_s())\n        else:"), stories=("3 stop is lost",)),
    "silent stop is repeated": _guard({10, 12}, (LCUS, "                if urgent:\n                    self._repeat(relay)", "                if False:\n                    self._repeat(relay)"), stories=("3 silent stop is lost", "4 silent reopening is lost")),
    "stop with arguments": _guard({12}, ("gateway/worker/commands.py", "if (without := _stop_without_arguments(command)) is not None:", "if (without := None) is not None:"), stories=("11 stop with a door",)),
    "both limits": _guard({13}, (ADMISSION, "    check_movement(now)\n    if now.fault is not None:\n", "    check_movement(now)\n    if False:\n"), (MACHINE, "and one.door.fault is None and not self.latches", "and not self.latches"), stories=("both limits",)),
    "open too long": _guard({15}, (MOVEMENT, "AlarmKind.OPEN_TOO_LONG, \"The", "AlarmKind.NOT_ARRIVED, \"The"), stories=("long open",)),
    "grant is held": _guard({17}, (GRANT, "        return self._is_given or closed_s < CONFIRM_S", "        return False"), stories=("6 grant",)),
    "opening a board reads": _guard({5, 6}, (DRIVER, "        identity = await board.open()\n", "        identity = await board.open()\n        await board.pulse_relay(0, 0.5)\n"), stories=("traffic",)),
    "command is answered": _guard({14}, (WORKER, "            FrameType.COMMAND_RESULT, head | {", "            FrameType.COMMAND_RESULT, head | {'command_ref': -1} | {"), stories=("traffic",)),
    "tailgating": _guard({16}, (PASSAGES, "permit is None and self._had_permit and not free", "False"), stories=("two vehicles",)),
    "permit ends": _guard({16}, (PASSAGES, "        permit, self.permit = self.permit, None\n        at_exit", "        permit = self.permit\n        at_exit"), stories=("two vehicles",)),
    "other door": _guard({17}, (MACHINE, "self._emergency_s is None and others and (", "False and others and ("), stories=("both doors",)),
    "link loss": _guard({18}, (MISSED, "if self._missed >= MAX_MISSED_READINGS or error.cause is not Cause.NO_RESPONSE:", "if self._missed >= 100:"), stories=("silence",)),
    "old state withdrawn": _guard({18}, (WORKER, "                self._connection.send(FrameType.LAST_VALUE)", "                pass"), (DRIVER, "                    self._publish(self._machine.on_link_lost())\n", ""), stories=("silence",)),
    "lease": _guard({19}, (ADMISSION, "    if now.maintenance is not None:\n", "    if False:\n"), stories=("lease and open", "key and open")),
    "lease of its holder": _guard({19}, (ADMISSION, "lease.holder != holder and not is_supervisor:", "False:"), stories=("9 lease",)),
    "transaction": _guard({20}, (MACHINE, "one.passages.grant(transaction, ", "one.passages.grant('t0', "), stories=("vehicle",)),
    "rate": _guard({21}, (f"{CONTROL}/rate_limit.py", "        return is_full or now_s", "        return False and now_s"), stories=("hurry",)),
    "forced open": _guard({22}, (MOVEMENT, "            yield self._alarm(AlarmKind.FORCED_OPEN, \"The barrier was opened", "            yield self._alarm(AlarmKind.NOT_ARRIVED, \"The barrier was opened"), stories=("by hand",)),
    "state from inputs": _guard({24}, (DRIVER, "        stop_s = self.record.stop_s\n", "        stop_s = self.record.stop_s\n        at_rest = self.settings.decode_inputs((False, True, False, False, True, True, True, True))\n        self._publish(self._machine.on_inputs(at_rest, _now_s()))\n"), stories=("serial traffic",)),
    "record": _guard({25}, (DRIVER, "            self.record.write(", "            str("), stories=("25 emergency", "25 lease")),
    "stop cancels": _guard({26}, (DRIVER, "if self._stop_count != stops or self._stops_in_progress:", "if False:"), (DRIVER, "            self._writer.withdraw_movements()\n", ""), (MACHINE, "if door.stop.is_pending or (", "if ("), stories=("stop and open",)),
    "stop waits for nothing": _guard({27}, (DRIVER, "            step = self._machine.on_stop(began_s)\n", "            await asyncio.sleep(0.6)\n            step = self._machine.on_stop(began_s)\n"), stories=("11 stop with a door",)),
    "other master": _guard({28}, (MACHINE, "if self._writes.has(RelayFault.FOREIGN) and not self.latches.other_master:", "if False:"), stories=("28 another master",)),
    "watches at the start": _guard({29}, (OBSTRUCTION, "not door.may_be_closing:", "not (door.movement is not None and door.may_be_closing):"), stories=("29 killed while closing",)),
    "all conditions": _guard({30}, (MACHINE, "return tuple(one for one in CONDITIONS_BY_GRAVITY if present.get(one, one in faults))", "return tuple(one for one in CONDITIONS_BY_GRAVITY if present.get(one, one in faults))[:1]"), stories=("two conditions",)),
    "no set-up": _guard({5}, (DRIVER, "        identity = await board.open()\n", "        identity = await board.open()\n        from drivers.links.modbus.pdu import Function, WriteSingle\n        await board.link.request(WriteSingle(Function.WRITE_REGISTER, 0x1000, 1))\n"), stories=("traffic",)),
    "stop is asked": _guard({20}, (MACHINE, "        if sensed.local_button:\n", "        if first:\n            self.on_stop(asked_s)\n        if sensed.local_button:\n"), stories=("traffic",)),
    "release has a reason": _guard({20}, (WRITES, "        if self._is_release_due or self._is_stopping_by_release:\n            return True\n", "        if self._is_release_due or now_s - (self._released_s or 0.0) > 7.0:\n            return True\n"), stories=("long open",)),
    "first reading": _guard({10}, (OBSTRUCTION, "        if self.was_noticed or not present or not door.may_be_closing:\n", "        self.seen = getattr(self, 'seen', 0) + 1 if present else 0\n        if self.seen == 1 or self.was_noticed or not present or not door.may_be_closing:\n"), stories=("person between readings",)),
    "opening needs no fault": _guard({13}, (ADMISSION, "    if fault is not None and (fault is", "    if False and (fault is"), stories=("open with both limits",)),
    "opening needs a reading": _guard({24}, (DRIVER, "        try:\n            await self._read_inputs()\n        except LinkError as error:", "        try:\n            pass\n        except LinkError as error:"), (DRIVER, "min(fresh_s, _now_s() + call.remaining_s)", "_now_s() + call.remaining_s"), (ADMISSION, "if now.sensing_age_s is None or now.sensing_age_s > INPUT_AGE_LIMIT_S:", "if False:"), stories=("blind open",)),
    "emergency cancels": _guard({11}, (DRIVER, "if self._machine.emergency_count != emergencies:", "if False:"), stories=("open into an emergency",)),
    "open at the start": _guard({24}, (ADMISSION, "    if now.found_open:\n", "    if False:\n"), stories=("open at the start",)),
    "rate at the start": _guard({21}, (f"{CONTROL}/rate_limit.py", "self._moved_s.append(now_s)  # the", "self._moved_s.append(now_s - 60.0)  # the"), stories=("hurry at the start",)),
    "rate after a lost link": _guard({21}, (DRIVER, "board.release_timeout_s, self.record.movements_s", "board.release_timeout_s, []"), stories=("many movements",)),
    "rate after a kill": _guard({21}, (DRIVER, "read_movements(self.record.text, _record_clock())", "[]"), stories=("many lives",)),
    "rate after a reopening": _guard({21}, (MACHINE, "        if actuation.kind is ActuationKind.REOPEN:\n            self._limiter", "        if False:\n            self._limiter"), stories=("hurry after a reopening",)),
    "quick reading": _guard({10}, (ADMISSION, "now.is_sensing_slow or now.is_last_reading_slow:", "now.is_sensing_slow:"), stories=("slow once",)),
    "clear time": _guard({9}, (MACHINE, "if one.clear_for_s(now_s) < self.settings.clear_s:", "if False:"), stories=("person has just left",)),
    "emergency is sensed": _guard({1}, (MACHINE, "        if self.latches.emergency:\n            active =", "        if self.latches.emergency or self.latches.forced_open:\n            active ="), stories=("by hand",)),
    "stopped until something may move it": _guard({1}, (MOVEMENT, "MovementState.UNKNOWN if self.stop.may_have_moved else MovementState.STOPPED", "MovementState.STOPPED"), stories=("moved after a stop",)),
    "told as read": _guard({1}, (DRIVER, "        inputs = self.settings.decode_inputs(await self._read(self._opened_board.read_inputs()))\n        self._publish", "        inputs = self.settings.decode_inputs(await self._read(self._opened_board.read_inputs()))\n        self.old = [*getattr(self, 'old', []), inputs][-4:]\n        inputs = self.old[0]\n        self._publish"), stories=("4 flicker",)),
    "output in time": _guard({3}, (CHANNEL, " or boot_ns() > permit.deadline_ns:", ":"), (PANEL, "        if call.remaining_s <= 0:", "        if False:"), (PANEL, "asyncio.timeout(min(QUEUE_TIMEOUT_S, call.remaining_s))", "asyncio.timeout(QUEUE_TIMEOUT_S)"), themes=(("osdp", "stalls"), ("osdp", "kills"))),
    "output once": _guard({2, 3}, (CHANNEL, "if permit is None or permit.sent.done() or boot_ns()", "if boot_ns() > 0 and permit is None or boot_ns()"), (PANEL, "RESPONSE_TIMEOUT_S = 0.6", "RESPONSE_TIMEOUT_S = 5.0"), (CHANNEL, "        permit.sent.set_result(None)\n", "        permit.sent.done() or permit.sent.set_result(None)\n"), themes=(("osdp", "lossy"),)),
    "output's longest pulse": _guard({7}, ("drivers/access/osdp/driver.py", "if request.duration_s > output.max_pulse_s:", "if False:"), themes=(("osdp", "calm"),)),
    "all causes": _guard({30}, ("drivers/barrier/device_state.py", "for condition in conditions]", "for condition in conditions[:1]]"), stories=("two conditions",)),
}  # fmt: skip


def patched(guard: Guard) -> dict[str, str]:
    """Return the patched sources by path; raises ValueError if a text is not there exactly once."""
    sources: dict[str, str] = {}
    for file, old, new in guard.patches:
        path = str(ROOT / file)
        text = sources.get(path) or Path(path).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{file}: {text.count(old)} times: {old!r}")
        sources[path] = text.replace(old, new)
    return sources


def take_out(guard: Guard) -> None:
    """Let imports of this process load the patched sources."""
    sources = patched(guard)
    get_code = importlib.machinery.SourceFileLoader.get_code

    def replaced(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        if (text := sources.get(self.path)) is not None:
            return compile(text, self.path, "exec")
        return get_code(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = replaced  # type: ignore[method-assign]


def look_for(guard: Guard, trials: int) -> str | None:
    """Play until the judge finds a violation of the guard's invariants; return it."""
    from adversary.barrier.forbidden_stories import ALL_STORIES
    from adversary.barrier.judge.verdict import judge
    from adversary.barrier.rig.lane import play
    from adversary.barrier.trials import run_trial

    for name in guard.stories:
        post, story = ALL_STORIES[name]
        with tempfile.TemporaryDirectory(prefix="lane-") as folder:
            found = judge(post.facts, play(post, Path(folder), story).records)
        for violation in found:
            if violation.invariant in guard.invariants:
                return f"story {name}: {violation}"
    for seed in range(1, trials + 1):
        for board, theme in guard.themes:
            for violation in run_trial(board, seed, theme=theme).violations:
                if violation.invariant in guard.invariants:
                    return f"--board {board} --theme {theme} --seed {seed}: {violation}"
    return None


def main() -> int:
    """Take one guard out and look for its loss; return 1 if the judge does not find it."""
    parser = argparse.ArgumentParser(prog="python -m adversary.barrier.guards", description=__doc__)
    parser.add_argument("name", choices=GUARDS)
    parser.add_argument("--trials", type=int, default=20, help="number of random trials of a theme")
    given = parser.parse_args()
    began_s = time.monotonic()
    take_out(GUARDS[given.name])
    found = look_for(GUARDS[given.name], given.trials)
    print(
        f"{given.name}: {'found' if found else 'NOT FOUND'} after {time.monotonic() - began_s:.1f} s\n{found or ''}"
    )
    return 0 if found else 1


if __name__ == "__main__":
    raise SystemExit(main())
