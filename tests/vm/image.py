"""Image of the machine: Debian 13 with the dependencies of the gateway's package.

It is kept until its recipe changes. Built in two steps, since the first takes two minutes and rarely changes:
Debian itself, from the package sources of the host; then the files of `guest/`. Needs root, or unprivileged
user namespaces.
"""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "vm"
GUEST = Path(__file__).parent / "guest"
SUITE = "trixie"
# `python3-venv` and `openssl` are for the tests; all else is the machine, or a dependency of the package.
PACKAGES = (
    "systemd-sysv udev dbus kmod iproute2 linux-image-amd64 procps e2fsprogs usbip "
    "python3 python3-venv adduser libusb-1.0-0 libpcsclite1 mosquitto openssl"
)
# Under emulation unpacking is the largest cost: a small initial memory disk, modules as they are loaded, and
# none for hardware that is not there.
BEFORE = (
    'd="$1/etc/initramfs-tools"; mkdir -p "$d/conf.d"; '
    'printf "MODULES=list\\nCOMPRESS=gzip\\n" > "$d/conf.d/vm"; '
    'printf "virtio_pci\\nvirtio_blk\\next4\\n" > "$d/modules"'
)
AFTER = (
    'cd "$1"/usr/lib/modules/*/kernel; rm -rf sound drivers/gpu drivers/infiniband drivers/scsi drivers/ata '
    "drivers/iio drivers/staging drivers/md drivers/mtd drivers/i2c drivers/input/mouse drivers/parport "
    "drivers/net/ethernet drivers/net/wireless drivers/nvme drivers/platform drivers/thermal drivers/acpi; "
    "find . -name '*.ko.xz' -exec xz -d {} +; "
    'chroot "$1" depmod "$(basename "$(dirname "$PWD")")"; chroot "$1" update-initramfs -u'
)
SIZE = "3G"
SLOW = "[Service]\nWatchdogSec=120\nTimeoutStartSec=600\n"
UNITS = {
    "agent.service": "sysinit.target",
    "network-set.service": "sysinit.target",
    "cables.service": "multi-user.target",
}
# Services that take time under emulation and are not tested.
UNWANTED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "dpkg-db-backup.timer"),
    *("e2scrub_reap.service", "ldconfig.service", "systemd-journal-catalog-update.service"),
    *("systemd-binfmt.service", "systemd-hwdb-update.service", "systemd-update-done.service"),
    *("systemd-tpm2-setup-early.service", "systemd-tpm2-setup.service", "systemd-logind.service"),
    *("modprobe@drm.service", "modprobe@fuse.service", "modprobe@efi_pstore.service", "dev-hugepages.mount"),
    *("dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    "proc-sys-fs-binfmt_misc.automount",
)


@dataclass(frozen=True)
class Image:
    """A root file system, with kernel and memory disk."""

    disk: Path
    kernel: Path
    initrd: Path


def image() -> Image:
    """Return the image; build it if it does not exist."""
    CACHE.mkdir(parents=True, exist_ok=True)
    debian = _debian()
    recipe = hashlib.sha256(debian.name.encode() + SIZE.encode() + repr((UNITS, UNWANTED, SLOW)).encode())
    for file in sorted(GUEST.iterdir()):
        recipe.update(file.read_bytes())
    folder = CACHE / f"image-{recipe.hexdigest()[:12]}"
    if not folder.exists():
        for old in CACHE.glob("image-*"):
            shutil.rmtree(old)
        making = CACHE / f"making-{os.getpid()}"
        making.mkdir()
        _make(debian, making)
        making.rename(folder)
    return Image(folder / "root.img", folder / "vmlinuz", folder / "initrd.img")


def _debian() -> Path:
    recipe = hashlib.sha256(repr((SUITE, PACKAGES, BEFORE, AFTER)).encode()).hexdigest()[:12]
    tar = CACHE / f"debian-{recipe}.tar"
    if not tar.exists():
        for old in CACHE.glob("debian-*"):
            old.unlink()
        making = CACHE / f"making-{os.getpid()}.tar"
        subprocess.run(
            [
                "mmdebstrap",
                "--variant=apt",
                '--aptopt=APT::Install-Recommends "false"',
                *(f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("man", "locale", "doc")),
                "--dpkgopt=path-include=/usr/share/doc/borderpost*",
                f"--include={PACKAGES.replace(' ', ',')}",
                f"--essential-hook={BEFORE}",
                f"--customize-hook={AFTER}",
                SUITE,
                str(making),
                *_sources(),
            ],
            check=True,
        )
        making.rename(tar)
    return tar


def _sources() -> list[str]:
    """Return the host's sources of that suite of Debian; none are stored in the project."""
    files = [*Path("/etc/apt/sources.list.d").glob("*.sources"), *Path("/etc/apt").glob("sources.list")]
    return [str(file) for file in files if SUITE in file.read_text()]


def _make(debian: Path, folder: Path) -> None:
    whole = folder / "whole.tar"
    with tarfile.open(debian) as source, tarfile.open(whole, "w") as tar:
        for member in source:
            # mke2fs cannot read other names; the certificate with such a name is not needed.
            if member.name.isascii() and member.linkname.isascii():
                content = source.extractfile(member) if member.isfile() else None
                tar.addfile(member, content)
                for name in ("vmlinuz", "initrd.img"):
                    if content is not None and f"/boot/{name}-" in member.name:
                        content.seek(0)
                        (folder / name).write_bytes(content.read())
        _add(tar, "usr/local/lib/vm", None)
        # Else systemd treats every boot after a new /usr as the first.
        _text(tar, "etc/.updated", "")
        _text(tar, "var/.updated", "")
        for file in sorted(GUEST.iterdir()):
            unit = file.suffix == ".service"
            _add(tar, f"etc/systemd/system/{file.name}" if unit else f"usr/local/lib/vm/{file.name}", file)
        for unit, target in UNITS.items():
            _add(tar, f"etc/systemd/system/{target}.wants", None)
            _add(tar, f"etc/systemd/system/{target}.wants/{unit}", f"../{unit}")
        for unit in UNWANTED:
            _add(tar, f"etc/systemd/system/{unit}", "/dev/null")
        _text(tar, "etc/fstab", "/dev/vda / ext4 rw,errors=remount-ro 0 1\n")
        _text(tar, "etc/hostname", "post\n")
        # The emulated processor is tens of times slower; every other setting is the package's.
        _add(tar, "etc/systemd/system/borderpost.service.d", None)
        _text(tar, "etc/systemd/system/borderpost.service.d/slow.conf", SLOW)
        _text(tar, "etc/hosts", "127.0.0.1 localhost post\n")
        _text(tar, "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    _unpacked(folder / "initrd.img")
    disk = folder / "root.img"
    subprocess.run(["truncate", "-s", SIZE, str(disk)], check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(whole), str(disk)], check=True)
    whole.unlink()


def _unpacked(initrd: Path) -> None:
    """Unpack the memory disk, once, and add our own script that mounts the root file system."""
    packed = initrd.read_bytes()
    begin = packed.find(b"\x1f\x8b\x08")
    archive = packed[:begin] + zlib.decompress(packed[begin:], wbits=31)
    archive += bytes(-len(archive) % 4)
    for name, content in (("init", (GUEST / "init").read_bytes()), ("TRAILER!!!", b"")):
        # cpio's "newc"; later files override earlier ones.
        fields = (0, 0o100755, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % value for value in fields) + name.encode() + b"\0"
        archive += head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
    initrd.write_bytes(archive + bytes(-len(archive) % 512))


def _add(tar: tarfile.TarFile, name: str, what: Path | str | None) -> None:
    """Add a file, a symbolic link, or a folder."""
    info = tarfile.TarInfo(f"./{name}")
    match what:
        case Path():
            info.size, info.mode = what.stat().st_size, 0o644
            with what.open("rb") as content:
                tar.addfile(info, content)
        case str():
            info.type, info.linkname = tarfile.SYMTYPE, what
            tar.addfile(info)
        case None:
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)


def _text(tar: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(f"./{name}")
    info.size, info.mode, info.mtime = len(text), 0o644, int(time.time())
    tar.addfile(info, io.BytesIO(text.encode()))
