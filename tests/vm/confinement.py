"""Forbidden actions in the guest, by a program with the settings of the gateway's unit and by a driver."""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.gateway.workers import PLUGINS

from vm.image import ROOT
from vm.machine import Machine

UNIT = "/usr/lib/systemd/system/borderpost.service"
PYTHON = "/opt/borderpost/bin/python3"
STATE = "/var/lib/borderpost-attack"
ATTACK = "/mnt/host/attack"
"""Programs of the attack in the guest; read-only."""
PATHS = f"{ATTACK}:{ATTACK}/plugins"
LIMIT_S = 900


async def probe(machine: Machine) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the probe with the unit's settings, and without any; return both results."""
    await machine.run("systemctl show -P MainPID mosquitto > /run/broker.pid; chmod 644 /run/broker.pid")
    confined = await _run_as_service(machine, f"{PYTHON} -I /usr/local/lib/vm/probe.py")
    free = await machine.run(
        "python3 -I /usr/local/lib/vm/probe.py control; "
        "umount /media; hostname post; rm -f /usr/local/bin/probe /var/probe"
    )
    return confined, json.loads(str(free))


async def attack(
    machine: Machine, share: Path, attempts: Sequence[str], targets: dict[str, str] | None = None
) -> dict[str, str]:
    """Make a hostile driver's attempts in a jail under the packaged unit; return the outcome of each."""
    _share_programs(share)
    user = await machine.run("id -u borderpost")
    return await _run_as_service(
        machine,
        f"{PYTHON} -m support.gateway.attacked_post {STATE} {user} jail {' '.join(attempts)}",
        f"PYTHONPATH={PATHS}",
        f"ATTACKED_TARGETS={json.dumps(targets or {})}",
    )


async def attack_unconfined(machine: Machine, share: Path, attempts: Sequence[str]) -> dict[str, str]:
    """Make the same attempts as root, without a unit and without a jail."""
    _share_programs(share)
    result = await machine.run(
        f"mkdir {STATE}; cd {STATE}; env -i PATH=$PATH PYTHONPATH={PATHS} PYTHONDONTWRITEBYTECODE=1 {PYTHON} "
        f"-m support.gateway.attacked_post {STATE} 0 open {' '.join(attempts)} 2>/dev/null; rm -rf {STATE}",
        within_s=LIMIT_S,
    )
    return json.loads(str(result))


async def _run_as_service(machine: Machine, command: str, *environment: str) -> Any:
    """Run a command with all settings of the gateway's unit; return what it prints, from JSON."""
    variables = "".join(f"Environment='{each}'\n" for each in environment)
    edits = (
        r"/^ExecStart=/d; s/^Type=.*/Type=oneshot/; /^WatchdogSec=/d; /^Restart/d; /^NotifyAccess=/d",
        r"/^Requires=/d; s/^TimeoutStartSec=.*/TimeoutStartSec=infinity/",
        f"s/^StateDirectory=.*/StateDirectory={Path(STATE).name}/",
        r"/^\[Service\]/r /run/probe.conf",
    )
    await machine.run(
        f"cat > /run/probe.conf; sed {' '.join(f'-e {shlex.quote(edit)}' for edit in edits)} {UNIT} "
        "> /run/systemd/system/borderpost-probe.service; systemctl daemon-reload",
        stdin=f"ExecStart={command}\n{variables}StandardOutput=truncate:/run/probe.json\n",
    )
    began = await machine.run("systemctl start borderpost-probe", within_s=LIMIT_S, code=None)
    log = await machine.run(
        f"rm -rf {STATE}; journalctl -b -u borderpost-probe --no-pager -o cat | tail -40; "
        "tail -20 /run/probe.json",
        code=None,
    )
    assert began.code == 0, log.text
    # The lines before are what the daemon has logged.
    return json.loads(str(await machine.run("tail -n 1 /run/probe.json")))


def _share_programs(share: Path) -> None:
    """Copy the hostile driver, its stand-in for the daemon, and the simulated lines to the guest's share."""
    target = share / "attack"
    if target.exists():
        return
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("support/process", "support/gateway"):
        shutil.copytree(ROOT / "tests" / name, target / name, ignore=ignored)
    shutil.copytree(ROOT / "simulators", target / "simulators", ignore=ignored)
    shutil.copytree(PLUGINS, target / "plugins", ignore=ignored)
    (target / "support" / "__init__.py").touch()
    shutil.copy(ROOT / "tests" / "support" / "patience.py", target / "support")
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
