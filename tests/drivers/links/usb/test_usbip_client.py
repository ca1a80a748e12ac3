"""The client of USB/IP against odd servers: every transfer ends, and none gets another's data."""

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
    """A server's end of one connection, in the test's hands."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def receive(self, size: int) -> bytes:
        """So many bytes; fewer when the client has hung up."""
        try:
            return self.connection.recv(size, socket.MSG_WAITALL)
        except ConnectionError:
            return b""

    def export(self) -> None:
        """Give the device that is asked for."""
        self.receive(40)
        device = struct.pack(">256s32sIIIHHHBBBBBB", b"", b"1-1", 1, 2, 2, 0x1209, 1, 0x100, 0, 0, 0, 1, 1, 1)
        self.connection.sendall(struct.pack(">HHI", 0x0111, 3, 0) + device)

    def request(self) -> tuple[int, int]:
        """The next request: what it is, and its number. There is nothing behind those of these tests."""
        head = self.receive(48)
        return struct.unpack(">II", head[:8]) if head else (0, 0)

    def answer(self, what: int, number: int, status: int = 0, data: bytes = b"") -> None:
        self.connection.sendall(struct.pack(">IIIIIii20x", what, number, 0, 0, 0, status, len(data)) + data)


@pytest.fixture
def served() -> Iterator[Callable[[Serve], int]]:
    """Starts a server for one connection that does as it is told; gives its port."""
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
def test_a_device_that_is_not_given_is_refused(status: int, served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.receive(40)
        server.connection.sendall(struct.pack(">HHI", 0x0111, 3, status))

    with pytest.raises(ImportRefusedError) as refused:
        UsbipConnection("127.0.0.1", served(serve), "1-1")
    assert refused.value.in_use is (status == 2)


async def test_a_device_that_another_client_has_is_held(served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.receive(40)
        server.connection.sendall(struct.pack(">HHI", 0x0111, 3, 2))

    links = LinkFactory()
    with pytest.raises(LinkError) as refused:
        await links.usb(UsbSettings(port=f"usbip://127.0.0.1:{served(serve)}/1-1"))
    await links.close()
    assert (refused.value.cause, refused.value.action) == (Cause.PORT_HELD, Action.RESTART)


def test_a_device_with_impossible_numbers_is_an_error_of_the_system(served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.receive(40)
        device = struct.pack(">256s32sIIIHHHBBBBBB", b"", b"1-1", 1 << 30, *[1] * 11)
        server.connection.sendall(struct.pack(">HHI", 0x0111, 3, 0) + device)

    with pytest.raises(OSError, match="no device has"):
        UsbipConnection("127.0.0.1", served(serve), "1-1")


@pytest.mark.parametrize("sent", [b"", b"\x01\x11\x00", struct.pack(">HHI", 0x0111, 3, 0) + bytes(100)])
def test_a_server_that_hangs_up_at_once_is_an_error_of_the_system(
    sent: bytes, served: Callable[[Serve], int]
) -> None:
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
    while not connection._awaited:  # its request is on the way
        pass
    ask(65)
    asking.join()
    connection.close()
    assert answers == {64: b"the first one", 65: b"second"}


def test_an_answer_after_its_transfer_was_called_off_is_nobodys(served: Callable[[Serve], int]) -> None:
    """The device side of the package `usbip` can do so."""

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


def test_data_that_come_at_the_last_moment_count(served: Callable[[Serve], int]) -> None:
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


def test_once_everything_is_called_off_nothing_waits_any_more(served: Callable[[Serve], int]) -> None:
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
def test_a_server_that_makes_no_sense_is_gone(sent: bytes, served: Callable[[Serve], int]) -> None:
    def serve(server: Server) -> None:
        server.export()
        server.request()
        with contextlib.suppress(OSError):  # the client may have understood before the end
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


def test_a_server_that_does_not_confirm_is_gone(
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
