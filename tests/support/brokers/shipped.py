"""Mosquitto with the configuration, access list and role file of `config/mosquitto`."""

import os
import shutil
import subprocess
from pathlib import Path

from support.brokers.certificates import Authority
from support.brokers.mosquitto import Mosquitto
from support.ports import free_port

SHIPPED = Path(__file__).parents[3] / "config/mosquitto"
STATIONS = ("gw-1", "lane-1", "lane-2", "supervisor", "ug-lane-1", "stranger")
"""Users of the broker; some have no role at the post."""


class Shipped(Mosquitto):
    """The broker as shipped; only paths and ports are those of the test."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        super().__init__()
        self.clear_port, self.tls_port, self.browser_port = free_port(), free_port(), free_port()
        self.port = self.tls_port if tls else self.clear_port
        self.folder = folder
        folder.mkdir()
        for file in (SHIPPED / name for name in ("mosquitto.conf", "acl", "roles.toml")):
            shutil.copy(file, folder)
        passwords = folder / "passwords"
        passwords.write_text("".join(f"{name}:word-of-{name}\n" for name in STATIONS))
        passwords.chmod(0o600)
        (folder / "acl").chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
        self.authority = Authority(folder)
        for name in ("broker", *STATIONS):
            self.authority.issue(name)

    def _write_configuration(self) -> None:
        text = (self.folder / "mosquitto.conf").read_text()
        text = text.replace("/etc/mosquitto/borderpost", str(self.folder))
        text = text.replace("listener 1883", f"listener {self.clear_port}")
        text = text.replace("listener 8883", f"listener {self.tls_port} 127.0.0.1")
        text = text.replace("listener 8884", f"listener {self.browser_port} 127.0.0.1")
        user = "user root\n" if os.geteuid() == 0 else ""
        (self._directory / "mosquitto.conf").write_text(user + text)
