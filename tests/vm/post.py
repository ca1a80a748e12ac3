"""The machine with its environment: the actions of the tests, and the conditions that they wait for."""

import asyncio
import contextlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.client import CommandError, CommandRejected, CommandResult, Workstation
from simulators.barrier.modbus_site import ModbusSite
from vm.environment import BARRIER, LANE, MachineEnvironment, Witness
from vm.machine import SHARE_MOUNTED, Machine

ACTUATED_WITHIN_S = 120.0
"""Time for a movement to be accepted, in seconds; while the emulated processor is slow, it is refused."""


@dataclass
class Post:
    """The machine and its environment."""

    machine: Machine
    environment: MachineEnvironment
    workstation: Workstation
    witness: Witness
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    cut_s: float = 0.0
    """Time of the last cut in a movement, by the barrier's clock."""

    async def online(self, *names: str, since_s: float = 0.0, within_s: float = 300) -> float:
        """Wait until those devices were online after `since_s`; return when the last one was."""
        deadline_s = time.monotonic() + within_s
        while True:
            latest = {name: (at, state["state"]) for at, name, state in self.witness.states if at >= since_s}
            if all(latest.get(name, (0, ""))[1] == "online" for name in names):
                return max(latest[name][0] for name in names)
            assert time.monotonic() < deadline_s, f"{latest}\n{await self.journal()}"
            await asyncio.sleep(0.2)

    async def journal(self) -> str:
        result = await self.machine.run(
            "journalctl -b -u borderpost -u mosquitto --no-pager -o cat | tail -60", code=None
        )
        return result.text

    async def event(self, kind: str, device: str, since_s: float, within_s: float = 60) -> dict:
        """Wait for an event of a kind that came after `since_s` of the host's wall clock."""
        deadline_s = time.monotonic() + within_s
        while True:
            for item in self.witness.received:
                if item.at >= since_s and item.kind == kind and item.event["source"].endswith(f"/{device}"):
                    return item.event
            assert time.monotonic() < deadline_s, await self.journal()
            await asyncio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def traffic(self) -> AsyncIterator[Counter[str]]:
        """Generate travellers at both readers, and claims, until the block ends."""
        done: Counter[str] = Counter()

        async def documents() -> None:
            while True:
                done["documents"] += await self.environment.swipe()
                await asyncio.sleep(1.5)

        async def typed() -> None:
            while True:
                done["typed"] += self.environment.type()
                await asyncio.sleep(6)

        async def claims() -> None:
            while True:
                with contextlib.suppress(CommandError):
                    await self.workstation.command(f"{LANE}/finger", "claim", {"lease_s": 30}, expires_s=5)
                    await self.workstation.command(f"{LANE}/finger", "release", expires_s=5)
                    done["claims"] += 1
                await asyncio.sleep(1)

        tasks = [asyncio.create_task(each()) for each in (documents, typed, claims)]
        try:
            yield done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def records_arrived(self, within_s: float = 180) -> int:
        """Wait until every record of the post is at headquarters; return their number."""
        deadline_s = time.monotonic() + within_s
        while True:
            there = {item.id for item in self.environment.at_hq.received}
            missing = [item for item in self.witness.received if item.is_record and item.id not in there]
            if not missing:
                return len(there)
            assert time.monotonic() < deadline_s, f"lost: {[(h.kind, h.event['seq']) for h in missing]}"
            await asyncio.sleep(0.5)

    def gaps(self) -> dict[str, list[int]]:
        """Return the missing numbers of each stream at headquarters; each epoch separately."""
        streams: dict[str, set[int]] = defaultdict(set)
        for item in self.environment.at_hq.received:
            streams[f"{item.event['stream']} {item.event['epoch']}"].add(item.event["seq"])
        lacking = {name: sorted(set(range(min(s), max(s) + 1)) - s) for name, s in streams.items()}
        return {name: numbers for name, numbers in lacking.items() if numbers}

    async def configure(self, file: str) -> None:
        """Install a configuration of the share, and restart the gateway."""
        await self.machine.run(
            f"set -e; {SHARE_MOUNTED}; "
            f"install -o root -g borderpost -m 640 /mnt/host/{file} /etc/borderpost/post.toml; "
            "systemctl restart borderpost",
            within_s=600,
        )

    # The barrier

    @property
    def boom(self) -> ModbusSite:
        """The barrier, which has power of its own."""
        return self.environment.boom

    async def barrier_shows(self, since_s: float, words: str = "", within_s: float = 300) -> str:
        """Wait until the barrier is in use and its state's text has those words; return that text."""
        deadline_s = time.monotonic() + within_s
        while True:
            for at, name, state in self.witness.states:
                in_use = name == "barrier" and state["state"] in ("online", "degraded")
                if at >= since_s and in_use and words in state["text"]:
                    return str(state["text"])
            assert time.monotonic() < deadline_s, await self.journal()
            await asyncio.sleep(0.05)

    async def as_soon_as_it_may(self, verb: str, **arguments: Any) -> None:
        """Send a command to the barrier until it is done."""
        deadline_s = time.monotonic() + ACTUATED_WITHIN_S
        while True:
            sent = self.workstation.command(BARRIER, verb, arguments, expires_s=5, timeout_s=30)
            (error,) = await asyncio.gather(sent, return_exceptions=True)
            if not isinstance(error, BaseException):
                return
            assert isinstance(error, CommandError), error
            assert time.monotonic() < deadline_s, f"{error}\n{await self.journal()}"
            await asyncio.sleep(0.5)

    async def cut_in_movement(
        self, verb: str, moment: Callable[[], bool]
    ) -> tuple[int, asyncio.Task[CommandResult[Any]]]:
        """Command a movement, and cut the power at a moment after it began.

        Returns the length of the barrier's log at that time, and the station's command, which has no answer
        yet. A refused command is sent again.
        """
        log, deadline_s = self.boom.log, time.monotonic() + ACTUATED_WITHIN_S
        while True:
            await self.as_soon_as_it_may("claim", lease_s=60)
            before = len(log)
            task = asyncio.create_task(
                self.workstation.command(BARRIER, verb, expires_s=5, timeout_s=ACTUATED_WITHIN_S)
            )
            while not task.done():
                if log.after(before).actuations and moment():
                    mark, self.cut_s = len(log), self.boom.timeline.now_s
                    await self.machine.cut(mark)
                    return mark, task
                await asyncio.sleep(0.005)
            (error,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(error, CommandRejected), error
            assert not log.after(before).actuations, error
            assert time.monotonic() < deadline_s, f"{error}\n{await self.journal()}"
            await asyncio.sleep(0.5)

    async def audited_ends(self, cmd_id: str) -> list[str | None]:
        """Return the reasons of a command's ends in the audit: one, or none while it runs."""
        ends = await self._audited("command.ended")
        return [data["reason"] for data in ends if data["cmd_id"] == cmd_id]

    async def commands_without_end(self) -> list[dict[str, Any]]:
        """Return the accepted commands in the audit that have no end there."""
        ended = {data["cmd_id"] for data in await self._audited("command.ended")}
        decided = await self._audited("command.decided")
        return [one for one in decided if one["decision"] == "accepted" and one["cmd_id"] not in ended]

    async def _audited(self, event_type: str) -> list[dict[str, Any]]:
        lines = await self.machine.run(f"cd /var/lib/borderpost; cat audit*.jsonl | grep '\"{event_type}\"'")
        return [json.loads(line)["data"] for line in str(lines).splitlines()]

    async def interrupted(self, verb: str, since: float, within_s: float = 120) -> dict:
        """Wait until headquarters has the record of a command that the power cut has interrupted."""
        deadline_s = time.monotonic() + within_s
        while True:
            for item in self.environment.at_hq.received:
                data = item.event["data"]
                is_end = item.kind == "command.ended" and data["reason"] == "gateway_lost"
                if is_end and item.at >= since and data["verb"] == verb:
                    return dict(data)
            assert time.monotonic() < deadline_s, await self.journal()
            await asyncio.sleep(0.2)
