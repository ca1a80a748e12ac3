"""Events are written by hand, for speed; the result equals the model."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from drivers.observation import Attachment, Check, Outcome
from drivers.passport.observations import DocumentRead, FrameFault, ReadFailed, ReadTrigger
from gateway.contract.envelope import (
    ClockStatus,
    EnvelopeWriter,
    Event,
    Moment,
    Provenance,
    complete_event,
    read_event,
    to_cloudevents_type,
    to_rfc3339,
    to_schema_id,
)

# Any text that JSON can carry: all but lone surrogates, which UTF-8 cannot encode.
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
HEX = st.text(alphabet="0123456789abcdef", min_size=1, max_size=32)
# Years 1970 to 9999, in nanoseconds.
MOMENTS = st.builds(
    Moment, st.integers(0, 253402300799 * 10**9), HEX, st.integers(0, 2**63), st.sampled_from(ClockStatus)
)
UUID7 = st.from_regex(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", fullmatch=True)
CHECKS = st.builds(
    Check,
    id=TEXT,
    group=st.just("optical"),
    outcome=st.sampled_from(Outcome),
    text=st.none() | TEXT,
    duration_ms=st.none() | st.floats(0, 1e9),
)
IMAGES = st.builds(Attachment.from_bytes, st.just("page_ir"), st.just("image/jpeg"), st.binary(max_size=8))
OBSERVATIONS = st.one_of(
    st.builds(
        DocumentRead,
        trigger=st.sampled_from(ReadTrigger),
        lines=st.lists(TEXT, max_size=3),
        mrz=st.none(),
        checks=st.lists(CHECKS, max_size=2),
        overall_outcome=st.sampled_from(Outcome),
        attachments=st.lists(IMAGES, max_size=2),
        transaction=st.none() | TEXT,
        wire=st.binary(max_size=8),
    ),
    st.builds(ReadFailed, fault=st.sampled_from(FrameFault), size_bytes=st.integers(0)),
)
WRITERS = st.builds(EnvelopeWriter, TEXT, TEXT, TEXT)


@given(
    WRITERS, OBSERVATIONS, MOMENTS, st.sampled_from(Provenance), TEXT, UUID7, HEX, HEX, st.integers(1, 2**53)
)
def test_written_event_reads_back(
    writer: EnvelopeWriter,
    observation: DocumentRead | ReadFailed,
    moment: Moment,
    provenance: Provenance,
    transaction: str,
    event_id: str,
    epoch: str,
    stream: str,
    seq: int,
) -> None:
    opened = writer.write_partial_event(observation, moment, provenance, transaction)
    payload = complete_event(opened, event_id, epoch, stream, seq)

    event = Event[type(observation)].model_validate_json(payload)  # type: ignore[misc]

    assert event == Event[type(observation)].model_validate(  # type: ignore[misc]
        {
            "specversion": "1.0",
            "id": event_id,
            "source": f"/bgw/{writer.site}/{writer.gateway}/{writer.position}",
            "type": to_cloudevents_type(observation.event_type),
            "time": datetime.fromtimestamp(moment.unix_ns // 10**9, UTC)
            + timedelta(microseconds=moment.unix_ns % 10**9 // 1000),
            "datacontenttype": "application/json",
            "dataschema": to_schema_id(observation.event_type),
            "bootid": moment.boot_id,
            "monons": str(moment.boot_ns),
            "clock": moment.clock,
            "provenance": provenance,
            "transaction": transaction,
            "data": json.loads(observation.model_dump_json()),
            "epoch": epoch,
            "stream": stream,
            "seq": seq,
        }
    )
    # No key twice, and no other keys: parsers differ in which of two they read.
    pairs = json.loads(payload, object_pairs_hook=list)
    names = [name for name, _ in pairs]
    assert sorted(names) == sorted(Event.model_fields)
    assert read_event(payload).seq == seq


@given(OBSERVATIONS, MOMENTS)
def test_event_has_no_bytes_or_images(observation: DocumentRead | ReadFailed, moment: Moment) -> None:
    opened = EnvelopeWriter("s", "g", "l/d").write_partial_event(observation, moment, Provenance.LIVE, "t")
    data = json.loads(opened + b"}")["data"]

    assert not {"wire", "transaction", "content"} & data.keys()
    assert all("content" not in image for image in data["attachments"])


@given(st.integers(0, 253402300799 * 10**9))
def test_timestamp_is_cut_to_microseconds(unix_ns: int) -> None:
    read = datetime.fromisoformat(to_rfc3339(unix_ns))

    assert (read - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == unix_ns // 1000
