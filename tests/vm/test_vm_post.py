"""The gateway's package on a real kernel: installed, used, unplugged, power cut, upgraded, removed.

In this order, each test on the state of the one before. BORDERPOST_VM_CUTS: number of power cuts.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import ssl
import time
import tomllib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from adversary.driver.test_hostile_driver import ATTEMPTS, CONTROL, PROCESSES
from adversary.driver.test_hostile_driver import FILES as FILE_ATTEMPTS

from gateway.client import CommandRejected, CommandUnanswered
from gateway.contract.reason_codes import CommandReason
from simulators.barrier.faults import EmergencyActive
from simulators.barrier.wirelog import Cause
from simulators.fingerprint.fingers import Finger
from vm import barrier_lane
from vm.confinement import attack, attack_unconfined, probe
from vm.environment import BARRIER, BUSIDS, DEVICES, LANE, LATE_S, SITE, MachineEnvironment, Witness
from vm.image import image
from vm.machine import SHARE_MOUNTED, Machine
from vm.packages import OLDER, built, older
from vm.post import Post

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(7200)]

CUTS = int(os.environ.get("BORDERPOST_VM_CUTS", "2"))
BACK_S = 30.0
"""Seconds from the start of the machine until devices must be back."""
SLACK_S = 5.0
"""Maximum difference of two clocks of this test, and transit time of a message under load."""

DRIVERS = {
    "reader": "mrz-serial",
    "wedge": "mrz-wedge",
    "hid": "mrz-hid",
    "finger": "uru4000",
    "camera": "camera-uvc",
}
RECORD = f"/var/lib/borderpost/device-records/{BARRIER}.json"
REFUSALS = {"EACCES", "EPERM", "ENOSYS", "killed", "ended by the daemon"}
"""Outcomes of a forbidden attempt."""
HIDDEN = {
    *("open_daemon_memory", "read_daemon_environment", "list_daemon_descriptors", "open_neighbour_memory"),
}
"""Attempts that find nothing: the unit hides processes that may not be traced."""
AT_GATEWAY = (*FILE_ATTEMPTS, *PROCESSES, "connect_other_port", "connect_other_port@network")
"""Attempts on a real gateway; those on a neighbour are on a worker of the stand-in."""
# Without flushing every file, which takes an emulated processor ten minutes: there is no power cut meanwhile.
INSTALL = "apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "
UNSEEN = " ".join(
    f"-path {path} -prune -o"
    for path in (
        *("/proc", "/sys", "/dev", "/run", "/tmp", "/mnt", "/root", "/etc/vm-cables"),
        *("/var/log", "/var/cache", "/var/tmp", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/systemd"),
        "/var/lib/mosquitto",
    )
)
# Files of account creation.
ACCOUNTS = "^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|^/etc/[.]pwd[.]lock$"
FILES = f"find / -xdev {UNSEEN} -print | grep -vE '{ACCOUNTS}' | sort"
CHECK_OUTBOX = """python3 -I - <<'END'
import sqlite3
with sqlite3.connect("file:/var/lib/borderpost/outbox/outbox.db?mode=ro", uri=True) as outbox:
    print(outbox.execute("pragma integrity_check").fetchone()[0])
END
test "$(ls /var/lib/borderpost/outbox | grep -c set-aside)" = 0"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def post(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Post]:
    folder = tmp_path_factory.mktemp("vm")
    environment = MachineEnvironment(folder)
    machine = Machine(await asyncio.to_thread(image), folder, environment.share)
    witness = Witness(
        machine.broker_port, environment.tls(LANE), f"bgw/v1/{SITE}/+/+/evt/+", f"bgw/v1/{SITE}/+/+/state"
    )
    try:
        async with environment.plugged(), environment.workstation(machine.broker_port) as workstation:
            post = Post(machine, environment, workstation, witness)
            try:
                yield post
            finally:
                print(json.dumps(post.figures | post.tables, indent=1))
                await machine.close()
    finally:
        witness.close()
        environment.close()
        shutil.rmtree(folder, ignore_errors=True)


async def test_installed_and_started(post: Post) -> None:
    share, port = post.environment.share, post.environment.bus.port
    packages = [built(f"borderpost-{name}") for name in ("gateway", "cameras")]
    for package in packages:
        shutil.copy(package, share)
    before = [older(package, share).name for package in packages]
    machine = post.machine
    await machine.power_on()
    post.figures["boot_s"].append(machine.answered_s - machine.powered_on_s)
    await machine.run(SHARE_MOUNTED)
    await machine.run(f"{FILES} > /root/before")
    await machine.run(INSTALL + " ".join(f"/mnt/host/{name}" for name in before), within_s=900)
    assert str(await machine.until("systemctl is-active borderpost", within_s=300)) == "active"
    # With its default configuration it has no devices; then the post is configured, as in its README.
    assert "0 of 0 devices" in str(await machine.run("systemctl show -P StatusText borderpost"))
    await machine.run(
        "cp -r /mnt/host/trust/gw-1 /mnt/host/post.toml /etc/borderpost; "
        "cp -rT /mnt/host/hq/gw-1 /etc/borderpost/hq; "
        "cp -rT /mnt/host/trust/broker /etc/mosquitto/borderpost; "
        "chown -R root:borderpost /etc/borderpost; chmod -R u=rwX,g=rX,o= /etc/borderpost; "
        "chgrp -R mosquitto /etc/mosquitto/borderpost; chmod -R u=rwX,g=rX,o= /etc/mosquitto/borderpost; "
        f"printf 'PORT={port}\\nBUSIDS=\"{' '.join(BUSIDS.values())}\"\\n' > /etc/vm-cables; "
        "systemctl restart mosquitto"
    )
    await machine.run("borderpost config check", within_s=300)
    await machine.run("systemctl start cables", within_s=300)
    await machine.run("borderpost udev --install", within_s=300)
    await machine.run("systemctl restart borderpost", within_s=600)


async def test_five_devices_are_online_by_udev_names(post: Post) -> None:
    await post.online(*DEVICES, within_s=600)
    names = str(
        await post.machine.run(
            "ls -l /dev/borderpost/*/ /dev/serial/by-id /dev/input/by-id; ls -l /dev/ttyACM0"
        )
    )
    for name in (
        "usb-Access-IS_OCR315e_SIM0001-if00",
        "usb-Access-IS_OCR315k_SIM0002-event-kbd",
        "reader",
        "wedge",
        "hid",
        "camera",
    ):
        assert name in names
    owners = str(
        await post.machine.run("stat -L -c '%G %a' /dev/ttyACM0 /dev/video0 /dev/borderpost/lane-1/hid")
    )
    assert owners.splitlines() == ["borderpost 660"] * 3


async def test_discover_proposes_drivers(post: Post) -> None:
    """Without the post's file each device has the driver to paste that the file names for it."""
    known = await discovered(post.machine, "/etc/borderpost/post.toml")
    places = {each["position"]: (each["kind"], each["node"]) for each in known if each["position"]}
    assert set(places) == {f"{LANE}/{name}" for name in DEVICES}
    unknown = {
        (each["kind"], each["node"]): each for each in await discovered(post.machine, "/root/none.toml")
    }
    for name, driver in DRIVERS.items():
        found = unknown[places[f"{LANE}/{name}"]]
        assert found["drivers"][0] == driver
        (table,) = tomllib.loads(found["paste"])["device"].values()
        assert table["driver"] == driver


async def test_certify_reads_specimens_and_reports(post: Post) -> None:
    """The devices' travellers are of the state UTO: each is a specimen."""
    began_s = time.monotonic()
    words = f"borderpost certify {LANE}/reader --only identity --only specimen_td3 --out /root/certified"
    certifying = asyncio.create_task(post.machine.run(words, within_s=300, code=os.EX_TEMPFAIL))
    while not certifying.done():
        await post.environment.swipe()
        await asyncio.wait([certifying], timeout=3)
    shown = str(await certifying)
    assert "passed    Specimen of a passport (TD3)" in shown
    assert "PARTIAL, of a simulated device" in shown
    report = json.loads(str(await post.machine.run("cat /root/certified/report.json")))
    verdicts = {each["id"]: each["verdict"] for each in report["criteria"]}
    assert {name for name, verdict in verdicts.items() if verdict == "pass"} == {
        *("identity", "specimen_td3", "recording"),
    }
    await post.machine.run("grep -q '# people: anonymized' /root/certified/recording-1.rec")
    post.figures["certify_s"].append(round(time.monotonic() - began_s, 1))


async def test_events_require_certificate(post: Post) -> None:
    began = time.time()
    assert await post.environment.swipe()
    read = await post.event("document.read", "reader", began)
    assert read["provenance"] == "simulated"  # on any kernel
    assert read["data"]["trigger"] == "swipe"
    assert (await typed(post))["provenance"] == "simulated"
    began = time.time()
    assert await post.environment.swipe_hid()
    assert (await post.event("document.read", "hid", began))["provenance"] == "simulated"
    began = time.time()
    post.environment.finger.platen.place(Finger(5).touch())
    await post.workstation.command(
        f"{LANE}/finger", "capture", {"timeout_s": 120}, expires_s=5, timeout_s=150
    )
    finger = await post.event("finger.captured", "finger", began, within_s=120)
    assert finger["provenance"] == "simulated"
    began = time.time()
    await post.workstation.command(f"{LANE}/camera", "capture", {}, expires_s=5, timeout_s=90)
    assert (await post.event("scene.captured", "camera", began))["provenance"] == "simulated"
    with pytest.raises((ssl.SSLError, OSError)):  # noqa: PT012 - in TLS 1.3 the refusal comes with the first answer
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            post.machine.broker_port,
            ssl=post.environment.tls(None),
            server_hostname="localhost",
        )
        writer.write(bytes.fromhex("101000044d5154540502003c000003786162"))
        if not await reader.read(1):
            raise ssl.SSLError("hung up")


async def test_unplugged_is_offline_and_replugged_online(post: Post) -> None:
    machine = post.machine
    ports = str(await machine.run("usbip port"))
    for name, busid in BUSIDS.items():
        number = ports.rpartition(f"/{busid}\n")[0].rpartition("\nPort ")[2][:2]
        began_s = time.monotonic()
        await machine.run(f"usbip detach -p {number}")
        while not any(at >= began_s and device == name and state["state"] == "no_device"
                      for at, device, state in post.witness.states):  # fmt: skip
            assert time.monotonic() < began_s + 60, await post.journal()
            await asyncio.sleep(0.1)
        unplugged_s = time.monotonic()
        await machine.run(f"usbip --tcp-port {post.environment.bus.port} attach -r 10.0.2.2 -b {busid}")
        back_s = await post.online(name, since_s=unplugged_s)
        post.figures[f"replugged_{name}_s"].append(round(back_s - unplugged_s, 1))
    began = time.time()
    assert await post.environment.swipe()
    await post.event("document.read", "reader", began)


async def test_unit_allows_only_devices(post: Post) -> None:
    confined, free = await probe(post.machine)
    assert confined["user"] != 0
    assert len(confined["forbidden"]) >= 20
    assert [name for name, error in confined["forbidden"].items() if error is None] == []
    assert {name: error for name, error in confined["allowed"].items() if error is not None} == {}
    # A probe that fails for its own reasons proves nothing: without the unit's settings, root can do it all.
    assert {name: error for name, error in free["forbidden"].items() if error is not None} == {}


async def test_hostile_driver_reaches_nothing(post: Post) -> None:
    """Check a driver that was taken over, on Debian's kernel, in the packaged unit."""
    share = post.environment.share
    outcomes = await attack(post.machine, share, (*ATTEMPTS, CONTROL))
    post.tables["attempts"] = outcomes
    assert outcomes.pop(CONTROL) == "succeeded"
    assert len(outcomes) == len(ATTEMPTS) >= 40
    assert came_through(outcomes) == {}


async def test_hostile_driver_reaches_no_real_key(post: Post) -> None:
    """Check the running gateway's key, memory and devices as targets, by a worker of the same account."""
    machine, state = post.machine, "/var/lib/borderpost"
    targets = {
        "daemon": str(await machine.run("systemctl show -P MainPID borderpost")),
        "key": "/run/credentials/borderpost-probe.service/outbox.key",
        "config": "/etc/borderpost/gw-1/gw-1.key",
        "state": state,
        "folder": state,
        "neighbour_device": "/dev/ttyACM0",
        "port": "8883",
    }
    outcomes = await attack(machine, post.environment.share, AT_GATEWAY, targets)
    post.tables["attempts at the gateway"] = outcomes
    assert len(outcomes) == len(AT_GATEWAY)
    assert came_through(outcomes) == {}
    assert str(await machine.run("systemctl is-active borderpost")) == "active"


async def test_attempts_work_unconfined(post: Post) -> None:
    """Check that the attempts are real: without unit and jail, root succeeds at most of them."""
    outcomes = await attack_unconfined(post.machine, post.environment.share, ATTEMPTS)
    post.tables["attempts without confinement"] = outcomes
    succeeded = [name for name, outcome in outcomes.items() if outcome == "succeeded"]
    assert len(succeeded) >= 0.75 * len(ATTEMPTS), outcomes
    # What failed did so for another reason than a refusal.
    assert {outcome for outcome in outcomes.values() if outcome in ("EACCES", "EPERM", "killed")} == set()


async def test_power_cuts_lose_no_record(post: Post) -> None:
    machine, die, anew = post.machine, random.Random(2026), list[str]()
    known = {item.event["epoch"] for item in post.environment.at_hq.received}
    for number in range(CUTS):
        async with post.traffic() as done:
            await asyncio.sleep(die.uniform(8, 16))
            if number % 2:
                post.environment.hq.kill()  # so that records wait on the disk
                await asyncio.sleep(die.uniform(2, 6))
            # Every fourth cut comes at any time, the others during writes.
            kept, lost = await machine.cut(number, unflushed_s=10 if number % 4 else 0)
        post.figures["documents"].append(done["documents"])
        post.figures["claims"].append(done["claims"])
        post.figures["sectors_lost"].append(lost)
        post.figures["sectors_kept"].append(kept)
        if number % 2:
            post.environment.hq.start()
        began_s = time.monotonic()
        await machine.power_on()
        online_s = await post.online(*DEVICES, since_s=began_s)
        up_s = began_s - machine.answered_s + online_s
        post.figures["online_after_power_s"].append(round(online_s - began_s, 1))
        started = await machine.run(
            "cut -d' ' -f1 /proc/uptime; systemctl show -P ExecMainStartTimestampMonotonic borderpost"
        )
        now_s, start_us = str(started).split()
        # The guest's clock from its start, and the host's, at this time.
        since_start_s = online_s - (time.monotonic() - float(now_s) + float(start_us) / 1e6)
        post.figures["online_after_service_s"].append(round(since_start_s, 1))
        factor = await slowness(machine)
        post.figures["slower_than_host"].append(round(factor, 1))
        assert since_start_s <= BACK_S * max(1.0, factor), (since_start_s, factor, up_s)
        checked = str(await machine.run(CHECK_OUTBOX))
        assert checked.startswith("ok"), checked
        # Committed data are there. With an unknown clock a new epoch begins while traveller events wait.
        anew += await new_epoch_reasons(machine)
        await machine.run("journalctl -b -u borderpost -o cat | grep -E 'commits_lost|corrupt'", code=1)
    post.figures["new_epochs"].append(len(anew))
    assert set(anew) <= {"ages_unknown"}
    await post.records_arrived()
    assert post.gaps() == {}
    epochs = {item.event["epoch"] for item in post.environment.at_hq.received}
    assert len(epochs - known) <= len(anew)
    late = [item for item in post.witness.received if item.age_s > LATE_S + SLACK_S and not item.is_record]
    assert late == []


async def test_cut_in_pulse_opens_contact(post: Post) -> None:
    boom = post.boom
    began_s = time.monotonic()
    await post.configure("barrier.toml")
    await post.barrier_shows(began_s, within_s=600)
    mark, command = await post.cut_in_movement("open", lambda: boom.log.contacts[-1].closed)
    await boom.log.until(lambda: not boom.log.contacts[-1].closed, within_s=10)
    opened = boom.log.contacts[-1]
    post.figures["contact_open_after_cut_s"].append(round(opened.at_s - post.cut_s, 2))
    assert opened.cause is Cause.WATCHDOG
    assert opened.at_s - post.cut_s <= barrier_lane.RELEASED_WITHIN_S
    await power_back(post, mark, "The barrier was open at the start")
    with pytest.raises(CommandUnanswered):  # the station is not told that it was done, or refused
        await command


async def test_cut_in_closing_moves_nothing(post: Post) -> None:
    boom = post.boom
    await post.as_soon_as_it_may("claim", lease_s=60)
    await post.as_soon_as_it_may("acknowledge", reason="nobody is in the lane")

    def on_its_way() -> bool:
        return not boom.log.contacts[-1].closed and bool(boom.log.after(began).machine_events("motion"))

    began, since = len(boom.log), time.time()
    mark, command = await post.cut_in_movement("close", on_its_way)
    await power_back(post, mark)
    with pytest.raises(CommandUnanswered):
        await command
    ended = await post.interrupted("close", since)
    assert (ended["state"], ended["station"]) == ("failed", LANE)
    assert await post.audited_ends(ended["cmd_id"]) == ["gateway_lost"]


async def test_cut_in_emergency_keeps_latch(post: Post) -> None:
    """Check an alarm that is over when the power is back: a person has to acknowledge it all the same."""
    boom, began_s = post.boom, time.monotonic()
    boom.inject(EmergencyActive())
    await post.barrier_shows(began_s, "The emergency input is active")
    # The emergency is shown at once, and recorded beside that: the disk may take a moment.
    await post.machine.until(f"grep -q '\"emergency\": true' {RECORD}", every_s=0.2)
    await asyncio.sleep(2)
    mark = len(boom.log)
    await post.machine.cut(mark)
    boom.clear_faults()
    await power_back(post, mark, "The emergency is over, and not acknowledged yet")
    await post.as_soon_as_it_may("claim", lease_s=60)
    with pytest.raises(CommandRejected) as rejected:
        await post.workstation.command(BARRIER, "close", expires_s=5, timeout_s=30)
    assert rejected.value.reason is CommandReason.UNSAFE
    assert boom.log.after(mark).actuations == []
    await post.as_soon_as_it_may("acknowledge", reason="false alarm, the hall is checked")
    began_s = time.monotonic()
    await post.configure("post.toml")
    await post.online(*DEVICES, since_s=began_s, within_s=600)


async def test_upgrade_during_traffic(post: Post) -> None:
    machine = post.machine
    packages = [built(f"borderpost-{name}") for name in ("gateway", "cameras")]
    assert OLDER in str(await machine.run("dpkg-query -W borderpost-gateway"))
    known = {item.event["epoch"] for item in post.environment.at_hq.received}
    before = str(
        await machine.run("md5sum /etc/borderpost/post.toml; cat /var/lib/borderpost/devices.json | wc -c")
    )
    async with post.traffic():
        await asyncio.sleep(5)
        began_s = time.monotonic()
        await machine.run(
            f"{SHARE_MOUNTED}; " + INSTALL + " ".join(f"/mnt/host/{package.name}" for package in packages),
            within_s=900,
        )
        upgraded_s = time.monotonic()
        post.figures["upgrade_s"].append(round(upgraded_s - began_s, 1))
        await post.online(*DEVICES, since_s=began_s)
        began = time.time()
        await post.event("document.read", "reader", began)
    assert OLDER not in str(await machine.run("dpkg-query -W borderpost-gateway"))
    assert before.splitlines()[0] == str(await machine.run("md5sum /etc/borderpost/post.toml"))
    await post.records_arrived()
    assert post.gaps() == {}
    # Traveller events of unknown age since a cut are still held back, and it continues in a new epoch.
    anew = await new_epoch_reasons(machine)
    assert set(anew) <= {"ages_unknown"}
    assert len({item.event["epoch"] for item in post.environment.at_hq.received} - known) <= len(anew)


async def test_removal_and_purge_leave_nothing(post: Post) -> None:
    machine = post.machine
    await machine.run("apt-get remove -y borderpost-gateway borderpost-cameras", within_s=600)
    assert str(await machine.run("pgrep -u borderpost; pgrep -f '^/[o]pt/borderpost'", code=None)) == ""
    assert (
        str(await machine.run("systemctl is-active borderpost borderpost.socket", code=None)).split()
        == ["inactive"] * 2
    )
    await machine.run(
        "test -e /var/lib/borderpost/outbox && test -e /etc/borderpost/post.toml && test ! -e /opt/borderpost"
    )
    # The other has no configuration: dpkg has no record of it.
    await machine.run("apt-get purge -y borderpost-gateway", within_s=600)
    known = "dpkg-query -W -f '${db:Status-Status} ${Package}\\n' 'borderpost-*' 2>/dev/null"
    assert str(await machine.run(f"{known} | grep -v ^not-installed", code=None)) == ""
    remaining = await machine.run(f"{FILES} | comm -13 /root/before -")
    assert str(remaining) == ""
    # With Debian's own configuration the broker stores a file again: it must have none of our data.
    await machine.run("grep -rqa bgw /var/lib/mosquitto", code=1)
    assert (
        str(
            await machine.run(
                "getent passwd borderpost; getent group borderpost borderpost-technicians", code=None
            )
        )
        == ""
    )


async def discovered(machine: Machine, config: str) -> list[dict]:
    """Return the devices that `borderpost discover` finds in the machine, beside a post's file."""
    result = await machine.run(f"borderpost discover {config} --no-network --json 2>/dev/null", within_s=300)
    devices: list[dict] = json.loads(str(result))["devices"]
    return devices


def came_through(outcomes: dict[str, str]) -> dict[str, str]:
    """Return the attempts that no part of the confinement has refused."""
    return {
        name: outcome
        for name, outcome in outcomes.items()
        if outcome not in REFUSALS and not (outcome == "ENOENT" and name in HIDDEN)
    }


async def power_back(post: Post, mark: int, words: str = "") -> None:
    """Switch the machine on; the barrier must be in use with those words, and have moved nothing since."""
    boom, began_s = post.boom, time.monotonic()
    await post.machine.power_on()
    await post.barrier_shows(began_s, words, within_s=600)
    post.figures["barrier_after_power_s"].append(round(time.monotonic() - began_s, 1))
    await asyncio.sleep(3)  # two seconds after its start a driver may move something
    since = boom.log.after(mark)
    assert since.actuations == []
    assert list(barrier_lane.overdue_contacts(boom.log)) == []
    assert barrier_lane.harm(boom.log) == []
    assert await post.commands_without_end() == []


async def typed(post: Post) -> dict:
    """Type a document at the keyboard reader; again if the processor was too slow for its keys."""
    for _ in range(3):
        began = time.time()
        assert post.environment.type()
        with contextlib.suppress(AssertionError):
            return await post.event("document.read", "wedge", began, within_s=20)
    raise AssertionError(await post.journal())


async def new_epoch_reasons(machine: Machine) -> list[str]:
    """Return the reasons of the gateway's new epochs since the machine's start."""
    result = await machine.run("journalctl -b -u borderpost -o cat | grep '\"outbox_opened\"'")
    opened = [json.loads(line) for line in str(result).splitlines()]
    return [one["new_epoch"] for one in opened if one["new_epoch"] is not None]


async def slowness(machine: Machine) -> float:
    """Return how many times slower than this host the machine computes now."""
    work = "import time; a = time.monotonic(); sum(i * i for i in range(300000)); print(time.monotonic() - a)"
    guest_s = float(str(await machine.run(f"python3 -I -c '{work}'")))
    began_s = time.monotonic()
    sum(i * i for i in range(300000))
    return guest_s / (time.monotonic() - began_s)
