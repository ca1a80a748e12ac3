"""Invariants under random operations: no committed record lost, order kept, numbers without gaps."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.gateway.deliveries import FakeTime, event

from drivers.observation import DataClass
from gateway.common.clock import current_moment
from gateway.contract.topics import SiteTopics
from gateway.delivery.destination.stream import StreamCursor
from gateway.delivery.outbox.encryption import MasterKey
from gateway.delivery.outbox.recovery import open_outbox
from gateway.delivery.outbox.sequence import SequenceAllocator, parse_uuid7
from gateway.delivery.settings import OutboxSettings

TOPICS = SiteTopics("ke-busia", "gw-1")
DESTINATIONS_BY_CLASS = {
    DataClass.TRAVELLER: ("local",),
    DataClass.RECORD: ("local", "hq"),
    DataClass.DEVICE: (),
    DataClass.UNKNOWN: (),
}
LIFE_S = {DataClass.TRAVELLER: 60.0, DataClass.RECORD: 30 * 86_400.0}


class OutboxMachine(RuleBasedStateMachine):
    """Outbox, sequence allocator and cursors in the order writer and destinations use them, and a model."""

    @initialize()
    def begin(self):
        self.directory = tempfile.TemporaryDirectory()
        self.time = FakeTime()
        self.settings = OutboxSettings(directory=Path(self.directory.name))
        self.accepted = {}  # (epoch, stream name, seq): (id, deadline, class)
        self.delivered = {}  # (destination, epoch, stream): [seq in order of first delivery]
        self.expired = set()
        self.count = 0
        self.open()

    def open(self):
        result = open_outbox(
            self.settings,
            TOPICS,
            DESTINATIONS_BY_CLASS,
            (MasterKey(b"m" * 32), None),
            current_moment(self.time),
        )
        assert result.set_aside is None
        assert result.new_epoch_reason is None
        self.outbox = result.outbox
        self.sequence = SequenceAllocator(TOPICS, self.outbox.epoch)
        self.sequence.load_streams(
            self.outbox.counters(), parse_uuid7(self.outbox.rows.last_id) if self.outbox.rows.last_id else 0
        )
        self.cursors = {}
        for level in self.outbox.positions.values():
            self.add_stream(level.stream, level.acked_by_all, level.stored_events)

    def add_stream(self, stream, passed, head):
        for name in DESTINATIONS_BY_CLASS[stream.data_class]:
            acked = max(passed, self.outbox.cursors.get((name, stream.number), 0))
            self.cursors[name, stream.number] = StreamCursor(stream, acked, head)

    def teardown(self):
        if hasattr(self, "outbox"):
            self.outbox.close()
            self.directory.cleanup()

    @rule(
        classes=st.lists(st.sampled_from([DataClass.TRAVELLER, DataClass.RECORD]), min_size=1, max_size=6),
        lane=st.integers(1, 2),
    )
    def append(self, classes, lane):
        entries = []
        for data_class in classes:
            self.count += 1
            pending = event(self.count, data_class, f"lane-{lane}/reader")
            entries.append(
                self.sequence.to_stored_event(
                    pending, current_moment(self.time), int(LIFE_S[data_class] * 1e9)
                )
            )
        counters = [counter for counter in self.sequence.counters if not counter.is_stored]
        self.outbox.store(entries, counters, {}, self.sequence.epoch)
        for counter in counters:
            counter.is_stored = True
            self.add_stream(counter.stream, 0, 0)
        for entry in entries:
            stream = self.outbox.positions[entry.stream].stream
            self.accepted[stream.epoch, stream.name, entry.seq] = (
                entry.event_id,
                entry.deadline_ns,
                stream.data_class,
            )
            for name in DESTINATIONS_BY_CLASS[stream.data_class]:
                self.cursors[name, entry.stream].head = entry.seq

    @precondition(lambda self: getattr(self, "cursors", None))
    @rule(data=st.data())
    def deliver_some_and_acknowledge_out_of_order(self, data):
        name, number = data.draw(st.sampled_from(sorted(self.cursors)))
        cursor = self.cursors[name, number]
        cursor.rewind()
        page, losses = self.outbox.reader.fetch(
            number, cursor.loaded, data.draw(st.integers(1, 5)), 1_000_000
        )
        assert not losses
        joined, _ = cursor.add_page(page)
        alive = [entry for entry in joined if entry.deadline_ns > self.time.boot]
        for entry in joined:
            if entry not in alive:
                cursor.advance_past(entry.seq)
        order = self.delivered.setdefault((name, cursor.stream.epoch, cursor.stream.name), [])
        for entry in alive:
            if entry.seq not in order:
                order.append(entry.seq)
        for entry in data.draw(st.permutations(alive)):
            if data.draw(st.booleans()):
                cursor.advance_past(entry.seq)
        self.outbox.advance({(name, number): cursor.acked})

    @rule(seconds=st.sampled_from([1, 30, 61]), jump=st.sampled_from([0, 0, -100_000, 100_000]))
    def time_passes(self, seconds, jump):
        self.time.jump(jump)
        self.time.advance(seconds)
        self.outbox.delete_expired(current_moment(self.time))

    @rule()
    def crash_and_reopen(self):
        # Closing writes the WAL back, which a crash does not; kills are tested with real processes elsewhere.
        self.outbox.close()
        self.open()

    @invariant()
    def numbers_have_no_gap_and_ids_grow(self):
        streams = {}
        for (epoch, name, seq), (event_id, *_) in getattr(self, "accepted", {}).items():
            streams.setdefault((epoch, name), []).append((seq, event_id))
        for pairs in streams.values():
            assert [seq for seq, _ in pairs] == list(range(1, len(pairs) + 1))
            assert [i for _, i in pairs] == sorted({i for _, i in pairs})

    @invariant()
    def what_is_due_is_still_there(self):
        if not hasattr(self, "outbox"):
            return
        rows = {k for (k,) in self.outbox._connection.execute("SELECT k FROM event")}
        numbers = {
            (level.stream.epoch, level.stream.name): number for number, level in self.outbox.positions.items()
        }
        for (epoch, name, seq), (_, deadline, data_class) in self.accepted.items():
            number = numbers[epoch, name]
            passed = all(
                self.outbox.cursors.get((d, number), 0) >= seq for d in DESTINATIONS_BY_CLASS[data_class]
            )
            if not passed and deadline > self.time.boot:
                assert number << 40 | seq in rows
            if passed:
                assert number << 40 | seq not in rows

    @invariant()
    def each_destination_gets_each_stream_in_order(self):
        for order in getattr(self, "delivered", {}).values():
            assert order == sorted(order)

    @invariant()
    def memory_agrees_with_the_disk(self):
        if not hasattr(self, "outbox"):
            return
        events = sum(usage.events for usage in self.outbox.usage.values())
        size = sum(usage.size for usage in self.outbox.usage.values())
        assert (events, size) == self.outbox._connection.execute(
            "SELECT count(*), cast(total(size) AS INTEGER) FROM event"
        ).fetchone()


OutboxMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30)
TestOutbox = OutboxMachine.TestCase
