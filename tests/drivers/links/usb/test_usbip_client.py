"""USB/IP client against faulty servers: every transfer ends, and none receives another's data."""

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb.link import UsbSettings
from drivers.links.usbip.client import ImportRefusedError, UsbipConnection

BULK_IN, BULK_OUT = 0x82, 0x02
SUBMIT, UNLINK, SUBMITTED, UNLINKED = 1, 2, 3, 4
Serve = Callable[["Server"], None]


class Server:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def receive(self, size: int) -> bytes:
        """Return so many bytes; fewer when the client has closed the connection."""
        try:
            return self.connection.recv(size, socket.MSG_WAITALL)
        except ConnectionError:
            return b""

    def export(self) -> None:
        """Export the requested device."""
        self.receive(40)
        device = struct.pack(">256s32sIIIHHHBBBBBB", b"", b"1-1", 1, 2, 2, 0x1209, 1, 0x100, 0, 0, 0, 1, 1, 1)
        self.connection.sendall(struct.pack(">HHI", 0x0111, 3, 0) + device)

    def request(self) -> tuple[int, int]:
        """Return kind and number of the next request; the requests of these tests have no payload."""
        head = self.receive(48)
        return struct.unpack(">II", head[:8]) if head else (0, 0)

    def answer(self, what: int, number: int, status: int = 0, data: bytes = b"") -> None:
        self.connection.sendall(struct.pack(">IIIIIii20x", what, number, 0, 0, 0, status, len(data)) + data)


@pytest.fixture
def served() -> Iterator[Callable[[Serve], int]]:
    """Start a server for one connection; return its port."""
    threads: list[threading.Thread] = []

    def start(serve: Serve) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]

        def run() -> None:
            with listener:
                connection, _ = listener.accept()
            with connection:
                serve(Server(connection))

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return port

    yield start
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("status", [1, 2, 4])
def test_refused_import_is_an_error(status: int, served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.receive(40)
        server.connection.sendall(struct.pack(">HHI", 0x0111, 3, status))

    with pytest.raises(ImportRefusedError) as refused:
        UsbipConnection("127.0.0.1", served(serve), "1-1")
    assert refused.value.in_use is (status == 2)


async def test_device_of_other_client_is_held(served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.receive(40)
        server.connection.sendall(struct.pack(">HHI", 0x0111, 3, 2))

    links = LinkFactory()
    with pytest.raises(LinkError) as refused:
        await links.usb(UsbSettings(port=f"usbip://127.0.0.1:{served(serve)}/1-1"))
    await links.close()
    assert (refused.value.cause, refused.value.action) == (Cause.PORT_HELD, Action.RESTART)


def test_impossible_numbers_are_os_error(served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.receive(40)
        device = struct.pack(">256s32sIIIHHHBBBBBB", b"", b"1-1", 1 << 30, *[1] * 11)
        server.connection.sendall(struct.pack(">HHI", 0x0111, 3, 0) + device)

    with pytest.raises(OSError, match="no device has"):
        UsbipConnection("127.0.0.1", served(serve), "1-1")


@pytest.mark.parametrize("sent", [b"", b"\x01\x11\x00", struct.pack(">HHI", 0x0111, 3, 0) + bytes(100)])
def test_server_that_closes_is_os_error(sent: bytes, served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.receive(40)
        server.connection.sendall(sent)

    with pytest.raises(OSError, match="closed the connection"):
        UsbipConnection("127.0.0.1", served(serve), "1-1")


def test_answers_come_in_any_order(served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.export()
        first, second = server.request()[1], server.request()[1]
        server.answer(SUBMITTED, second, data=b"second")
        server.answer(SUBMITTED, first, data=b"the first one")
        server.receive(1)

    connection = UsbipConnection("127.0.0.1", served(serve), "1-1")
    answers: dict[int, bytes] = {}
    numbers = threading.Event()

    def ask(size: int) -> None:
        numbers.set()
        answers[size] = connection.transfer(BULK_IN, size)[2]

    asking = threading.Thread(target=ask, args=(64,))
    asking.start()
    numbers.wait()
    while not connection._awaited:  # the request is on the way
        pass
    ask(65)
    asking.join()
    connection.close()
    assert answers == {64: b"the first one", 65: b"second"}


def test_response_after_cancel_is_dropped(served: Callable[[Serve], int]) -> None:
    """The server of the package `usbip` may send one."""

    def serve(server: Server) -> None:
        server.export()
        _, late = server.request()
        what, unlink = server.request()
        assert what == UNLINK
        server.answer(UNLINKED, unlink)
        server.answer(SUBMITTED, late, data=b"too late, and long enough to be a header of something")
        _, number = server.request()
        server.answer(SUBMITTED, number, data=b"now")
        server.receive(1)

    connection = UsbipConnection("127.0.0.1", served(serve), "1-1")
    assert connection.transfer(BULK_IN, 64, timeout_ms=20)[0] == -errno.ETIMEDOUT
    assert connection.transfer(BULK_IN, 64) == (0, 3, b"now")
    connection.close()


def test_data_at_last_moment_count(served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.export()
        _, number = server.request()
        _, unlink = server.request()
        server.answer(SUBMITTED, number, data=b"just in time")
        server.answer(UNLINKED, unlink)
        server.receive(1)

    connection = UsbipConnection("127.0.0.1", served(serve), "1-1")
    assert connection.transfer(BULK_IN, 64, timeout_ms=20) == (0, 12, b"just in time")
    connection.close()


def test_cancel_all_ends_all_waits(served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.export()
        while (request := server.request()) != (0, 0):
            if request[0] == UNLINK:
                server.answer(UNLINKED, request[1])

    connection = UsbipConnection("127.0.0.1", served(serve), "1-1")
    ended: list[int] = []
    waiting = threading.Thread(target=lambda: ended.append(connection.transfer(BULK_IN, 64)[0]))
    waiting.start()
    while not connection._awaited:
        pass
    connection.cancel_all()
    waiting.join()
    ended.append(connection.transfer(BULK_IN, 64)[0])
    assert ended == [-errno.ETIMEDOUT] * 2
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">IIIIIii20x", SUBMITTED, 4711, 0, 0, 0, 0, 0),
        struct.pack(">IIIIIii20x", 9, 1, 0, 0, 0, 0, 0),
        struct.pack(">IIIIIii20x", SUBMITTED, 1, 0, 0, 0, 0, -5),
        struct.pack(">IIIIIii20x", SUBMITTED, 1, 0, 0, 0, 0, 65) + bytes(65),
        struct.pack(">IIIIIii20x", SUBMITTED, 1, 0, 0, 0, 0, 60) + b"half",
        bytes(20),
        b"",
    ],
    ids=["no question", "no answer", "negative", "too much", "data cut", "head cut", "nothing"],
)
def test_invalid_response_ends_connection(sent: bytes, served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.export()
        server.request()
        with contextlib.suppress(OSError):  # the client may have detected it before the end
            server.connection.sendall(sent)
            server.connection.shutdown(socket.SHUT_WR)
        server.receive(1)

    connection = UsbipConnection("127.0.0.1", served(serve), "1-1")
    lost = threading.Event()
    connection.on_lost = lost.set
    assert connection.transfer(BULK_IN, 64)[0] == -errno.ENODEV
    assert lost.wait(5)
    assert connection.transfer(BULK_OUT, b"anybody?")[0] == -errno.ENODEV, "and stays so"
    connection.close()


def test_unconfirmed_cancel_ends_connection(
    served: Callable[[Serve], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.usbip.client.UNLINK_S", 0.1)

    def serve(server: Server) -> None:
        server.export()
        while server.request() != (0, 0):
            pass

    connection = UsbipConnection("127.0.0.1", served(serve), "1-1")
    assert connection.transfer(BULK_IN, 64, timeout_ms=20)[0] == -errno.ENODEV
    connection.close()
