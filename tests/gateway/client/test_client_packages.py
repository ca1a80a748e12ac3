"""Events and commands of packages at a workstation: typed if the package is there, otherwise as JSON."""

import asyncio
import contextlib
import json
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ConfigDict, field_validator
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import until
from support.gateway.post_files import gateway_section
from support.packages import Install, install
from support.patience import PATIENCE_S
from support.vendors import acme, kivu, texts
from support.vendors.published_events import BASE, EventPublisher, first, mosquitto, publisher, workstation_at

from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary
from gateway.cli.watch import _watch
from gateway.client import CommandNotSent, CommandResult, Workstation, freshness
from gateway.client.decoder import Decoder
from gateway.config import load
from gateway.contract.commands import CommandDescription, args_schema_id, result_schema_id
from gateway.contract.registry import OURS
from gateway.contract.topics import to_level

__all__ = ["install", "mosquitto", "publisher"]

ACME, KIVU = acme.VOCABULARY, kivu.VOCABULARY
AT = "2026-11-23T08:15:30Z"
WEIGHED = {"grams": 23400, "at": AT, "owner": "SPECIMEN", "attachments": []}


def named(event_type: str, version: int = 2) -> dict[str, str]:
    """Return the fields of an event that name its type and schema."""
    return {
        "type": f"bgw.{event_type}.v{version}",
        "dataschema": f"urn:bgw:schema:{event_type}:v{version}",
    }


async def received(
    broker: Mosquitto, publisher: EventPublisher, desk: Workstation, *events: Any
) -> list[Any]:
    """Return the events as the workstation gives them."""
    async with desk as workstation:
        await workstation.connected_event.wait()
        for number, event in enumerate(events, 1):
            await publisher.event(number, **event)
        return await first(workstation, len(events))


async def test_installed_package_is_typed(
    install: Install, mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    install("acme-scales", texts()["acme"], vocabularies={"acme": "acme_scales:VOCABULARY"})
    event = named("acme.weighed") | {"data": WEIGHED | {"since_breakfast": True, "unit": "stone"}}
    (weighed,) = await received(mosquitto, publisher, workstation_at(mosquitto), event)

    assert type(weighed.data).__module__ == "acme_scales"
    assert (weighed.data.grams, weighed.data.at.year) == (23400, 2026)
    assert weighed.data.unit == "unknown", "a word of a newer version"


async def test_two_packages_with_equal_names_are_told_apart(
    mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    desk = workstation_at(mosquitto, vocabularies=[ACME, KIVU])
    light = {"kilograms": 23.4, "attachments": []}
    events = (named("acme.weighed") | {"data": WEIGHED}, named("kivu.weighed", 1) | {"data": light})
    ours, theirs = await received(mosquitto, publisher, desk, *events)

    assert ours.data == acme.Weighed(grams=23400, at=AT, owner="SPECIMEN")
    assert theirs.data == kivu.Weighed(kilograms=23.4)


RAW: dict[str, dict[str, Any]] = {
    "no package": named("nyati.weighed", 1) | {"data": WEIGHED},
    "older version": named("acme.weighed", 1) | {"data": WEIGHED},
    "newer event": named("acme.sealed") | {"data": WEIGHED},
    "schema of another package": named("acme.weighed")
    | {"dataschema": "urn:bgw:schema:kivu.weighed:v1", "data": WEIGHED},
    "missing field": named("acme.weighed") | {"data": {"at": AT}},
    "another type": named("acme.weighed") | {"data": WEIGHED | {"grams": "heavy"}},
    "no object": named("acme.weighed") | {"data": [WEIGHED]},
    "nothing": named("acme.weighed") | {"data": None},
}


async def test_data_without_fitting_model_are_passed_on(
    mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    said: list[str] = []
    desk = workstation_at(mosquitto, vocabularies=[ACME, KIVU], on_undecoded=said.append)
    events = await received(mosquitto, publisher, desk, *RAW.values())

    assert [event.data for event in events] == [event["data"] for event in RAW.values()]
    assert [event.schema_id for event in events] == [event["dataschema"] for event in RAW.values()]
    assert desk.discarded.unreadable == 0
    assert [text.split(" are passed on")[0] for text in said] == [
        f"Data of urn:bgw:schema:{schema}"
        for schema in ("acme.weighed:v1", "acme.sealed:v2", "kivu.weighed:v1", "acme.weighed:v2")
    ], "once for each schema; nothing of a package that is not here"
    assert "the vocabulary acme, here in version 2, has no model for them" in said[0]
    assert "they do not fit their model (ValidationError)" in said[3]
    assert not any("SPECIMEN" in text for text in said)


class Strict(Observation):
    """A model whose validator has a mistake."""

    event_type: ClassVar[str] = "acme.strict"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    model_config = ConfigDict(strict=True)
    at: datetime
    parts: tuple[int, ...] = ()

    @field_validator("parts")
    @classmethod
    def _fail(cls, parts: tuple[int, ...]) -> tuple[int, ...]:
        return {}[parts] if parts else parts


async def test_model_that_fails_in_any_way_loses_nothing(
    mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    said: list[str] = []
    desk = workstation_at(mosquitto)
    desk._assembler._decoder = Decoder([Vocabulary("acme", 2, (Strict,))], said.append)
    data = ({"at": AT, "attachments": []}, {"at": AT, "parts": [1], "attachments": []})
    events = await received(
        mosquitto, publisher, desk, *(named("acme.strict") | {"data": each} for each in data)
    )
    assert events[0].data.at.year == 2026, "a time is a text in JSON, also for a strict model"
    assert events[1].data == data[1]
    assert ["(KeyError)" in text for text in said] == [True]


async def test_wrong_data_of_ours_are_still_unreadable(
    mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    desk = workstation_at(mosquitto)
    events = ({"data": {"size_bytes": "many"}}, named("acme.weighed") | {"data": {}})
    async with desk as workstation:
        await workstation.connected_event.wait()
        for number, event in enumerate(events, 1):
            await publisher.event(number, **event)
        (raw,) = await first(workstation)
    assert (raw.data, desk.discarded.unreadable) == ({}, 1)


async def test_last_value_of_package(mosquitto: Mosquitto, publisher: EventPublisher, silent: None) -> None:
    await publisher.alive("one")
    body = {"time": AT, "clock": "synced", "provenance": "live", "session": "one"}
    for event_type, version, data in (
        ("acme.level", 2, {"is_level": True}),
        ("acme.tilt", 2, {"degrees": 3}),
    ):
        value = body | named(event_type, version) | {"data": data | {"attachments": []}}
        await publisher.say(f"{BASE}/now/{to_level(event_type)}", json.dumps(value).encode(), retain=True)
    async with workstation_at(mosquitto, vocabularies=[ACME]) as desk:
        for name in ("acme.level", "acme.tilt"):
            await until(lambda name=name: desk.last_value("lane-1/reader", name) is not None)
        level, tilt = (desk.last_value("lane-1/reader", each) for each in ("acme.level", "acme.tilt"))
        assert level is not None
        assert tilt is not None
        assert level.data == acme.Level(is_level=True)
        assert (tilt.data["degrees"], tilt.schema_id) == (3, "urn:bgw:schema:acme.tilt:v2")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a gateway that gives one sign of life count as alive for the whole test."""
    monkeypatch.setattr(freshness, "SILENCE_S", 10 * PATIENCE_S)


@pytest.fixture
def scales(mosquitto: Mosquitto, publisher: EventPublisher, silent: None) -> "Scales":
    return Scales(mosquitto, publisher)


class Scales:
    """Scale of a vendor at lane-1/reader that answers each command; both vendors call it `weigh`."""

    def __init__(self, broker: Mosquitto, publisher: EventPublisher) -> None:
        self.broker = broker
        self.publisher = publisher
        self.arguments: list[dict[str, Any]] = []

    async def describe(
        self, vocabulary: Vocabulary, version: int | None = None, *, urgent: bool = False
    ) -> None:
        name = f"{vocabulary.namespace}.weigh"
        version = version or vocabulary.version
        weigh = CommandDescription(
            verb="weigh",
            args=args_schema_id(name, version),
            result=result_schema_id(name, version),
            moves=urgent,
            urgent=urgent,
        )
        about = {"driver": "scale", "family": "scale", "events": [], "session": "one"}
        commands = [weigh.model_dump()]
        await self.publisher.alive("one")
        await self.publisher.state("one")
        body = json.dumps(about | {"commands": commands}).encode()
        await self.publisher.say(f"{BASE}/desc", body, retain=True)
        await self.publisher.client.subscribe(f"{BASE}/cmd/+/+", qos=1)

    async def ask(
        self, request: Any, result: dict[str, Any], *, verb: Any = "weigh", **more: Any
    ) -> CommandResult[Any]:
        """Send a command, and answer it."""
        vocabularies = more.pop("vocabularies", [ACME, KIVU])
        answering = asyncio.create_task(self._answer(result))
        try:
            desk = workstation_at(self.broker, station="counter-1", vocabularies=vocabularies)
            async with desk as workstation:
                await until(lambda: workstation.status("lane-1/reader").is_usable)
                await until(lambda: workstation.status("lane-1/reader").description is not None)
                return await workstation.command(
                    "lane-1/reader", verb, request, expires_s=5, timeout_s=PATIENCE_S, **more
                )
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _answer(self, result: dict[str, Any]) -> None:
        async for message in self.publisher.client.messages:
            asked = json.loads(message.payload)
            self.arguments.append(asked["args"])
            said = {"cmd_id": asked["cmd_id"], "state": "done", "result": result}
            await self.publisher.say(f"{BASE}/rsp/counter-1", json.dumps(said).encode(), 10)


async def test_equal_verbs_have_the_result_of_their_vendor(scales: Scales) -> None:
    await scales.describe(ACME)
    done = await scales.ask(acme.Weigh(settle_s=0.5), {"grams": 23400, "since_breakfast": True})
    assert done.result == acme.WeighResult(grams=23400)

    await scales.describe(KIVU)
    theirs = await scales.ask(kivu.Weigh(crate=7), {"kilograms": 23.4}, done=kivu.WeighResult)
    assert theirs.result == kivu.WeighResult(kilograms=23.4)
    assert scales.arguments == [{"settle_s": 0.5}, {"crate": 7}]


async def test_arguments_of_another_vendor_are_not_sent(scales: Scales) -> None:
    """Both have defaults for all, so the gateway could not tell."""
    await scales.describe(KIVU)
    for vendor, request in (("kivu", acme.Weigh()), ("acme", kivu.Weigh())):
        if vendor == "acme":
            await scales.describe(ACME)
        with pytest.raises(
            CommandNotSent, match=f"whose schema is urn:bgw:schema:command.{vendor}.weigh:v"
        ) as no:
            await scales.ask(request, {})
        assert no.value.reason == "wrong_arguments"
    await scales.describe(ACME, version=3)
    with pytest.raises(CommandNotSent, match="in the version that the gateway has"):
        await scales.ask(acme.Weigh(), {})
    assert scales.arguments == []


@pytest.mark.parametrize("vocabularies", [[ACME, KIVU], []], ids=["installed", "not installed"])
async def test_command_by_its_type(scales: Scales, vocabularies: list[Vocabulary]) -> None:
    """Its arguments may be left out: the type names the vendor."""
    await scales.describe(ACME)
    for request in (None, acme.Weigh(settle_s=2), {"settle_s": 3}):
        done = await scales.ask(request, {"grams": 5}, verb=acme.WEIGH, vocabularies=vocabularies)
        assert done.result == acme.WeighResult(grams=5)
    with pytest.raises(CommandNotSent, match=r"whose schema is urn:bgw:schema:command\.acme\.weigh:v2:args"):
        await scales.ask(None, {}, verb=kivu.WEIGH, vocabularies=vocabularies)
    assert scales.arguments == [{}, {"settle_s": 2}, {"settle_s": 3}]


async def test_command_of_other_version_is_not_sent(scales: Scales) -> None:
    await scales.describe(ACME, version=3)
    with pytest.raises(CommandNotSent, match="in the version that the gateway has"):
        await scales.ask(None, {}, verb=acme.WEIGH)


async def test_stop_is_sent_with_any_arguments(scales: Scales) -> None:
    await scales.describe(KIVU, urgent=True)
    assert (await scales.ask(acme.Weigh(), {"kilograms": 0.0})).result == kivu.WeighResult(kilograms=0.0)


@pytest.mark.parametrize("vocabularies", [[], [ACME]], ids=["no package", "another version"])
async def test_result_without_model_is_json(scales: Scales, vocabularies: list[Vocabulary]) -> None:
    await scales.describe(ACME, version=3)
    for result in ({"grams": 23400}, {"grams": "heavy"}, {}):
        done = await scales.ask({"settle_s": 0.5}, result, vocabularies=vocabularies)
        assert done.result == result


def test_vocabularies_that_cannot_be_used_are_refused(mosquitto: Mosquitto) -> None:
    impostor = Vocabulary("document", 1, OURS.observations[:1])
    for given, text in (
        ([ACME, Vocabulary("acme", 3)], "two of the vocabularies have the namespace acme"),
        ([impostor], "the namespace document belongs to the gateway"),
    ):
        with pytest.raises(ValueError, match=text):
            workstation_at(mosquitto, vocabularies=given)


async def test_faulty_package_is_named_and_others_are_used(
    install: Install, mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    said: list[str] = []
    install("acme-scales", texts()["acme"], vocabularies={"acme": "acme_scales:VOCABULARY"})
    install("kivu-scales", "raise OSError('no scale')", vocabularies={"kivu": "kivu_scales:VOCABULARY"})
    desk = workstation_at(mosquitto, on_undecoded=said.append)
    events = (
        named("acme.weighed") | {"data": WEIGHED},
        named("kivu.weighed", 1) | {"data": {"kilograms": 1}},
    )
    ours, theirs = await received(mosquitto, publisher, desk, *events)

    assert ours.data.grams == 23400
    assert theirs.data == {"kilograms": 1}
    assert ["vocabulary kivu of kivu-scales 1.2" in text for text in said] == [True]


MISSING = (
    "Events are passed on as JSON, because of the vocabulary acme of acme-scales 1.2: the module acme_scales "
    "cannot be imported, because it imports acme_sdk, which is not installed here; "
)


@pytest.fixture
def with_device_library(install: Install) -> None:
    """Install a package whose vocabulary imports a library that is not here."""
    install("acme-scales", "import acme_sdk\n", vocabularies={"acme": "acme_scales:VOCABULARY"})


async def test_vocabulary_with_device_library_is_named(
    with_device_library: None, mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    said: list[str] = []
    event = named("acme.weighed") | {"data": WEIGHED}
    desk = workstation_at(mosquitto, on_undecoded=said.append)
    (weighed,) = await received(mosquitto, publisher, desk, event)

    assert (weighed.data, weighed.schema_id) == (WEIGHED, event["dataschema"])
    assert [text[: len(MISSING)] for text in said] == [MISSING]


async def test_watch_shows_events_of_vocabulary_with_device_library(
    with_device_library: None,
    mosquitto: Mosquitto,
    publisher: EventPublisher,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "post.toml"
    broker = f'[broker]\nhost = "127.0.0.1"\nport = {mosquitto.port}\n'
    device = '[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "/dev/ttyS9"\nframing = "text"\n'
    file.write_text(gateway_section("uto-test", "test", "state") + broker + device)
    watching = asyncio.create_task(_watch(load(file), None, None, as_json=True, reveal=False))
    shown, said = "", ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            for number in count(1):  # the first ones may come before it has subscribed
                assert not watching.done()
                await publisher.event(number, **named("acme.weighed"), data=WEIGHED)
                out, wrong = capsys.readouterr()
                shown, said = shown + out, said + wrong
                if "\n" in shown:
                    break
                await asyncio.sleep(0.05)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    assert json.loads(shown.splitlines()[0])["type"] == "bgw.acme.weighed.v2"
    assert said.startswith(MISSING)
