"""The recording format: what is written is read back, what is wrong is said with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.recording import Chunk, Recording, RecordingError

chunks = st.lists(
    st.builds(
        Chunk,
        st.integers(0, 10**7).map(lambda ms: ms / 1000),
        st.sampled_from(["in", "out"]),
        st.binary(min_size=1, max_size=40),
    )
)


@given(chunks)
def test_what_is_written_is_read_back(written: list[Chunk]) -> None:
    recording = Recording("mrz-serial", {"framing": "rte"}, "a test", "synthetic", written)
    read = Recording.parse(recording.text())
    assert (read.driver, read.settings, read.provenance, read.people) == (
        "mrz-serial",
        {"framing": "rte"},
        "a test",
        "synthetic",
    )
    assert read.chunks == written


def test_the_command_that_a_device_got_is_read_back() -> None:
    asked = ("capture", {"position": "left_thumb"})
    written = Recording("zfm", {}, "a test", "synthetic", asked=asked).text()

    assert "# asked: capture {" in written
    assert Recording.parse(written).asked == asked
    with pytest.raises(RecordingError, match="request"):
        Recording.parse(written.replace("}", "", 2))


def test_the_tap_of_a_link_records() -> None:
    recording = Recording("mrz-serial", {}, "a test")
    recording.tap("out", b"\x00")
    recording.tap("in", b"\x1c\x02")
    assert [(c.direction, c.data) for c in recording.chunks] == [("out", b"\x00"), ("in", b"\x1c\x02")]
    assert recording.people == "real"


HEAD = "# borderpost recording 1\n# driver: x\n# settings: {}\n# provenance: y\n# people: synthetic\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1"),
        ("# something else\n", "line 1"),
        (HEAD + "0.0 in zz\n", "line 6"),
        (HEAD + "0.0 sideways 00\n", "line 6"),
        (HEAD + "\n0.0 in  00  a remark\nnonsense\n", "line 8"),
        (HEAD.replace("# people: synthetic\n", ""), "people"),
        (HEAD.replace("{}", "{"), "settings"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(RecordingError, match=complaint):
        Recording.parse(text)
