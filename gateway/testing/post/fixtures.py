"""pytest fixtures of a simulated post: `post` and `desk`.

One line in a consumer's conftest.py loads them:

    pytest_plugins = ["gateway.testing.post.fixtures"]

Each process of pytest-xdist has a post of its own, with its own ports and folder, which starts with the first
test that needs it. Between two tests it is brought to rest.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gateway.testing.post.desk import Desk
    from gateway.testing.post.running_post import PostFiles, RunningPost
    from gateway.testing.post.simulated_post import SimulatedPost


class PostHolder:
    """The post of this process; another one is started where the first cannot be brought to rest."""

    def __init__(self, files: "PostFiles") -> None:
        self._files = files
        self._stack = contextlib.ExitStack()
        self._running: RunningPost | None = None
        self._failure: Exception | None = None
        """Reason why the post could not be started; it is not tried again."""
        self._since_ns = 0

    def post(self) -> "SimulatedPost":
        """Return the post at rest; starts it where none runs."""
        from gateway.testing.post.running_post import run_post
        from gateway.testing.post.settling import boot_ns
        from gateway.testing.post.simulated_post import SimulatedPost

        if self._failure is not None:
            raise self._failure
        if self._running is None:
            try:
                self._running = self._stack.enter_context(run_post(self._files))
            except Exception as error:
                self._failure = error
                raise
            self._since_ns = boot_ns()
        return SimulatedPost(self._running, self._since_ns)

    def settle(self, post: "SimulatedPost") -> None:
        """Bring the post to rest; raises PostError, and ends the post, where that fails."""
        try:
            self._since_ns = post.running.loop.run(post.running.settling.settle(post.used))
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End the post."""
        self._running = None
        self._stack.close()


@pytest.fixture(scope="session")
def post_files() -> "PostFiles":
    """Return the files of the post: one lane with a device of each family; override it for another one."""
    from gateway.testing.post.running_post import PostFiles

    return PostFiles()


@pytest.fixture(scope="session")
def post_holder(post_files: "PostFiles") -> Iterator[PostHolder]:
    """Hold the post of this process."""
    holder = PostHolder(post_files)
    yield holder
    holder.end()


@pytest.fixture
def post(post_holder: PostHolder) -> "Iterator[SimulatedPost]":
    """Return a simulated post at rest: broker, devices and gateway."""
    found = post_holder.post()
    yield found
    post_holder.settle(found)


@pytest.fixture
def desk(post: "SimulatedPost") -> "Iterator[Desk]":
    """Return a connected workstation, which hears what is observed from now on."""
    from gateway.testing.post.desk import Desk

    running = post.running
    with Desk(running.workstation(), running.loop, post.since_ns, post.positions, post.used.add) as opened:
        yield opened
