"""The machine: QEMU with the image, a disk whose power can be cut, and an agent that runs commands."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from support.ports import free_port

from vm.disk import VolatileDisk
from vm.image import Image
from vm.needs import QEMU

ADDRESS = "10.0.2.2"
"""The host's address in the guest."""
BROKER_PORT = 8883
BOOT_LIMIT_S = 400
# Without mitigations for real processors: under emulation they cost a third of all time.
KERNEL = (
    "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 panic=10 mitigations=off nokaslr audit=0 apparmor=0 "
    "no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=1 "
    "systemd.mask=serial-getty@ttyS0.service systemd.mask=getty@tty1.service"
)
SHARE_MOUNTED = (
    "mountpoint -q /mnt/host || { mkdir -p /mnt/host; modprobe 9pnet_virtio; "
    "mount -t 9p -o trans=virtio,ro,msize=524288 host /mnt/host; }"
)
"""Script after which the host's folder is at /mnt/host; a power cut ends that."""
PROCESSOR = "Nehalem,+rdrand"
"""The oldest processor that Debian's wheels support; newer ones are slower to emulate."""


@dataclass(frozen=True)
class Result:
    """Result of a command in the guest."""

    code: int
    text: str

    def __str__(self) -> str:
        return self.text.strip()


class Machine:
    """One virtual machine. `power_on`, `run`, `cut`, in that order and again; `close` at the end."""

    def __init__(self, image: Image, folder: Path, share: Path) -> None:
        self.image = image
        self.folder = folder
        self.share = share
        """Folder that the guest sees, read-only, as /mnt/host."""
        self.broker_port = free_port()
        """Port of the guest's TLS listener on the host."""
        self.powered_on_s = 0.0
        self.answered_s = 0.0
        subprocess.run(["cp", "--sparse=always", str(image.disk), str(folder / "root.img")], check=True)
        self.disk = VolatileDisk(folder / "root.img", folder / "disk.sock")
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    async def power_on(self) -> None:
        """Boot, and return once the machine responds.

        QEMU's emulator aborts now and then while it boots ("iotlb_to_section"): then it is started again.
        """
        while not await self._boot():
            assert self._process is not None
            assert self._process.returncode == -signal.SIGABRT, self.console[-2000:]
            await self._hang_up()

    async def _boot(self) -> bool:
        """Boot, and wait for the machine; return False if the emulator has ended instead."""
        control = self.folder / "control.sock"
        control.unlink(missing_ok=True)
        self._up.clear()
        with (self.folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [
                    *(QEMU, "-accel", "tcg,thread=multi", "-cpu", PROCESSOR, "-m", "1G", "-smp", "2"),
                    *("-display", "none", "-serial", "stdio", "-no-reboot", "-nodefaults"),
                    *(
                        "-kernel",
                        str(self.image.kernel),
                        "-initrd",
                        str(self.image.initrd),
                        "-append",
                        KERNEL,
                    ),
                    *(
                        "-drive",
                        f"file=nbd+unix:///?socket={self.disk.path},format=raw,if=virtio,cache=writeback",
                    ),
                    *(
                        "-netdev",
                        f"user,id=n,hostfwd=tcp:127.0.0.1:{self.broker_port}-:{BROKER_PORT}",
                    ),
                    *("-device", "virtio-net-pci,netdev=n,romfile="),
                    *("-device", "virtio-rng-pci", "-device", "virtio-serial"),
                    *("-chardev", f"socket,id=c,path={control},server=on,wait=off"),
                    *("-device", "virtserialport,chardev=c,name=borderpost.vm"),
                    *("-virtfs", f"local,path={self.share},mount_tag=host,security_model=none,readonly=on"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self.powered_on_s = time.monotonic()
        self._reading = asyncio.create_task(self._read(await self._plugged(control)))
        async with asyncio.timeout(BOOT_LIMIT_S):
            while not self._up.is_set() and self._process.poll() is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._up.wait(), 0.5)
        self.answered_s = time.monotonic()
        return self._up.is_set()

    async def run(
        self, script: str, *, stdin: str = "", within_s: float = 120, code: int | None = 0
    ) -> Result:
        """Run a shell script as root; its exit status must be `code`, or may be anything (None)."""
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "run": script, "stdin": stdin, "within_s": within_s}
        assert self._writer is not None
        self._writer.write(json.dumps(request).encode() + b"\n")
        await self._writer.drain()
        async with asyncio.timeout(within_s + 30):
            result = await future
        assert code is None or result.code == code, (
            f"{script!r} ended with {result.code}:\n{result.text[-4000:]}"
        )
        return result

    async def until(self, script: str, *, within_s: float = 120, every_s: float = 1.0) -> Result:
        """Run a script until it succeeds."""
        deadline_s = time.monotonic() + within_s
        while (result := await self.run(script, code=None)).code:
            assert time.monotonic() < deadline_s, f"{script!r} still fails:\n{result.text[-4000:]}"
            await asyncio.sleep(every_s)
        return result

    async def cut(self, seed: int, *, unflushed_s: float = 0.0) -> tuple[int, int]:
        """Cut the power; return how many sectors of the disk's cache survived, and how many did not.

        It waits up to `unflushed_s` for data in that cache, which is empty most of the time.
        """
        assert self._process is not None
        if unflushed_s:
            await asyncio.to_thread(self.disk.unflushed.wait, unflushed_s)
        self._process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)
        self._process = None
        await self._hang_up()
        await asyncio.to_thread(self.disk.idle)
        return self.disk.cut(seed)

    async def close(self) -> None:
        """Cut the power permanently and remove the disk."""
        if self._process is not None:
            await self.cut(0)
        self.disk.close()
        (self.folder / "root.img").unlink()

    @property
    def console(self) -> str:
        """Return the output of kernel and systemd on the serial console."""
        return (self.folder / "console.log").read_text("utf-8", "replace")

    @property
    def cpu_s(self) -> float:
        """Return the processor time of this boot."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def _plugged(self, control: Path) -> asyncio.StreamReader:
        """Return the machine's virtio port, as soon as QEMU has made its socket, and listens."""
        assert self._process is not None
        while True:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                reader, self._writer = await asyncio.open_unix_connection(control, limit=1 << 22)
                return reader
            assert self._process.poll() is None, self.console[-2000:]
            await asyncio.sleep(0.05)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            result = json.loads(line)
            if result["id"] == 0:
                self._up.set()
            elif (future := self._waiting.pop(result["id"], None)) is not None and not future.done():
                future.set_result(Result(result["code"], result["output"]))

    async def _hang_up(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        for future in self._waiting.values():
            future.cancel()
        self._waiting.clear()
