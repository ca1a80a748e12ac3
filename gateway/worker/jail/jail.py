"""Jail of one worker: the rights of its device's links, put into force by the kernel."""

import ctypes.util
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from drivers.links.settings import LinkRights, Settings
from drivers.links.usb.devices import is_umockdev_testbed
from gateway.contract.states import Confinement
from gateway.worker.jail import landlock, seccomp

READABLE = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/lib", "/lib64",
    "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/usr/local/share/ca-certificates", "/etc/ca-certificates",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/hosts", "/etc/host.conf",
    "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
    "/etc/passwd", "/etc/group",
    "/proc/self", "/proc/sys/kernel/random", "/proc/sys/vm/overcommit_memory", "/proc/cpuinfo",
    "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/filesystems",
    "/sys", "/dev/urandom", "/dev/random", "/run/systemd/resolve/stub-resolv.conf",
    "/run/systemd/resolve/resolv.conf",
)  # fmt: skip
"""Libraries, time zones, authorities, names, and facts of this machine."""
LISTABLE = ("/dev",)
"""Directories whose names the links search for their nodes."""
DEVICES = ("/dev/null",)
PTY_FOLDER = "/dev/pts"
"""Simulators are on pseudo-terminals, and make a new one at each start."""
PACKAGES = ("gateway", "drivers")
LIBRARIES = {"usb-1.0": "libusb-1.0.so.0", "udev": "libudev.so.1", "pcsclite": "libpcsclite.so.1"}
"""Files of the libraries that device libraries search by name: ctypes starts programs for that."""


@dataclass(frozen=True, slots=True)
class JailSettings:
    """Settings of a worker's jail."""

    is_production: bool
    is_enabled: bool = True
    """False: none, for development."""
    private_paths: tuple[str, ...] = ()
    """Files and folders of the gateway that no worker may read, wherever they are."""
    package: str = ""
    """Package of the driver, whose files it may read; `pip install -e` leaves them where they are."""
    further_places: tuple[str, ...] = ()
    """Files and folders that a test bed needs; ignored in production."""


def kernel_confinement() -> Confinement:
    """Return how well this kernel can confine a worker."""
    abi = landlock.landlock_abi()
    if abi == 0:
        return Confinement.NONE
    return (
        Confinement.FULL if abi >= landlock.FULL_ABI and seccomp.seccomp_available() else Confinement.PARTIAL
    )


NodeIdentity = tuple[int, int, int, int]


@dataclass
class Jail:
    """The jail of this process, in force."""

    rights: LinkRights = field(default_factory=LinkRights)
    is_in_force: bool = False
    has_ptys: bool = False
    """True if all pseudo-terminals are within reach."""
    reachable: dict[str, NodeIdentity] = field(default_factory=dict)
    """Nodes, files and folders that it was made for."""

    def is_outdated(self) -> bool:
        """Return True if the device has a new node; the right is to the old one, even at the same path."""
        return self.is_in_force and any(
            self.reachable.get(path) != identity
            for path, identity in _identities(self.rights).items()
            if not (self.has_ptys and path.startswith(PTY_FOLDER))
        )


def confine(settings: Settings, jail: JailSettings) -> Jail:
    """Confine this process to the links of a device, for ever; raises OSError if the kernel refuses.

    Call it before the first thread and the event loop: the limits are those of the calling thread. What the
    kernel lacks is left out; `kernel_confinement` returns how much that is.
    """
    if not jail.is_enabled:
        return Jail()
    rights = settings.link_rights()
    is_testbed = not jail.is_production and is_umockdev_testbed()
    further = [] if jail.is_production else [*jail.further_places, *_testbed_places()]
    reachable = _identities(rights)
    ctypes.util.find_library = find_library
    sys.dont_write_bytecode = True
    abi = landlock.landlock_abi()
    if abi or seccomp.seccomp_available():
        seccomp.forbid_new_privileges()
    if abi:
        declared = {str(path) for path in rights.readable}
        landlock.restrict(
            landlock.Rules(
                readable=list(_without(_readable_paths(declared, jail.package), jail.private_paths)),
                listable=[*LISTABLE, *(path for path in declared if Path(path).is_dir())],
                devices=[*DEVICES, *rights.nodes(), *([] if jail.is_production else [PTY_FOLDER])],
                open_places=further,
                listen_ports=rights.listen_ports,
            ),
            abi,
        )
    if seccomp.seccomp_available():
        sockets = seccomp.SocketRights(
            listens=bool(rights.listen_ports),
            local=rights.local_sockets,
            testbed=is_testbed,
            kernel_events=rights.kernel_events,
        )
        seccomp.install(seccomp.build_filter(os.uname().machine, os.getpid(), sockets))
    return Jail(rights, bool(abi), not jail.is_production, reachable)


def find_library(name: str) -> str | None:
    """Find a C library by the loader alone, where `ctypes.util.find_library` starts programs."""
    file = LIBRARIES.get(name)
    if file is None:
        return None
    try:
        ctypes.CDLL(file)
    except OSError:
        return None
    return file


def _readable_paths(declared: Iterable[str], driver_package: str = "") -> Iterator[str]:
    """Return what every worker reads, the package of its driver, and what its settings name."""
    yield from READABLE
    yield from (sys.prefix, sys.base_prefix)
    for package in (*PACKAGES, *filter(None, [driver_package])):
        found = find_spec(package)
        if found is not None and found.submodule_search_locations:
            yield from found.submodule_search_locations
        elif found is not None and found.has_location and found.origin is not None:
            yield found.origin
    # `python -m` puts the working directory first, whatever that is.
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    yield from (path for path in sys.path if path and (path in named or Path(path) != Path.cwd()))
    yield from (os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name))
    yield from declared


def _without(paths: Iterable[str], private: Iterable[str]) -> Iterator[str]:
    """Leave out private paths. A folder around one is replaced by the other things in it."""
    hidden = {os.path.realpath(path) for path in private}
    for path in dict.fromkeys(os.path.realpath(path) for path in paths):
        if path in hidden or path == os.sep:
            continue
        if any(each.startswith(path + os.sep) for each in hidden):
            yield from _without(sorted(entry.path for entry in os.scandir(path)), hidden)
        else:
            yield path


def _testbed_places() -> list[str]:
    """Return places of umockdev and faketime."""
    places = [os.environ.get("UMOCKDEV_DIR", "")]
    if clock := os.environ.get("FAKETIME_TIMESTAMP_FILE"):
        places.append(str(Path(clock).parent))  # each change of the time is another file
    return [place for place in places if place]


def _identities(rights: LinkRights) -> dict[str, NodeIdentity]:
    """Return the nodes and files that are there now, and what tells each from a later one at its path."""
    found = {}
    for path in rights.nodes():
        # devpts and devtmpfs use inode numbers again, so the time is needed.
        if (place := _stat(path)) is not None:
            found[path] = (place.st_dev, place.st_ino, place.st_rdev, place.st_ctime_ns)
    for path in map(str, rights.readable):
        if (place := _stat(path)) is not None:
            found[path] = (place.st_dev, place.st_ino, 0, 0)
    return found


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - of a path that is a string
    except OSError:
        return None
