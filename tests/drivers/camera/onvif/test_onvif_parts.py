"""Parts of the driver `camera-onvif` without a camera: envelopes, addresses, times, settings."""

import base64
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.camera.onvif.addresses import AddressTranslator, ServiceAddress
from drivers.camera.onvif.clock import CameraClock, parse_device_time, parse_timestamp, zone_offset
from drivers.camera.onvif.discovery import DiscoveryTarget, parse_probe_matches, reachable_address
from drivers.camera.onvif.settings import OnvifSettings
from drivers.camera.onvif.soap import (
    Credentials,
    FaultError,
    NotSoapError,
    digest,
    parse_response,
    request_envelope,
    serialise,
    token,
)
from drivers.clock import boot_ns

ENVELOPE = '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>{}</e:Body></e:Envelope>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'


def test_digest_equals_onvif_example() -> None:
    # ONVIF, Application Programmer's Guide 1.0, the example of a UsernameToken.
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_token_is_unique_without_password() -> None:
    who = Credentials("a<b&c", "two words")
    headers = {token(who, datetime(2026, 11, 27, tzinfo=UTC)) for _ in range(3)}
    assert len(headers) == 3
    for header in headers:
        fromstring(header)
        assert "two words" not in header
        assert "a&lt;b&amp;c" in header
    assert "two words" not in repr(who)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "It works!",
        "<html/>",
        BOMB,
        ENVELOPE.format(""),
        ENVELOPE.format("<GetOtherResponse/>"),
        "<a>\xff",
        '<?xml version="1.0" encoding="no-such"?><a/>',
    ],
)
def test_other_responses_are_none(content: str) -> None:
    with pytest.raises(NotSoapError):
        parse_response(content.encode("latin-1"), "tds:GetServices")


@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_are_harmless(noise: bytes, at: int) -> None:
    whole = ENVELOPE.format("<GetServicesResponse><Service/></GetServicesResponse>").encode()
    with contextlib.suppress(NotSoapError, FaultError):
        assert parse_response(whole[:at] + noise + whole[at:], "tds:GetServices").tag.endswith(
            "GetServicesResponse"
        )
    assert parse_probe_matches(whole[:at] + noise, ["urn:uuid:1"]) == []


def test_deeply_nested_xml_is_not_serialised() -> None:
    deep = f"<GetServicesResponse>{'<a>' * 5000}{'</a>' * 5000}</GetServicesResponse>"
    with pytest.raises(FaultError):
        serialise(parse_response(ENVELOPE.format(deep).encode(), "tds:GetServices"))


def test_fault_is_known_by_its_codes() -> None:
    fault = "<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>ter:{}</e:Value></e:Subcode>"
    for code, not_admitted in (("NotAuthorized", True), ("NoProfile", False)):
        with pytest.raises(FaultError) as error:
            parse_response(
                ENVELOPE.format(fault.format(code) + "</e:Code></e:Fault>").encode(), "tds:GetServices"
            )
        assert error.value.is_unauthorized is not_admitted


def test_request_is_envelope_with_operation() -> None:
    root = fromstring(request_envelope("trt:GetProfiles"))
    assert root[1][0].tag == "{http://www.onvif.org/ver10/media/wsdl}GetProfiles"


@pytest.mark.parametrize(
    ("reached_at", "told", "given", "service", "stream"),
    [
        ("http://192.0.2.7", None, "http://192.0.2.7/onvif/m", "http://192.0.2.7/onvif/m", None),
        (
            "http://cam.lan:8081",
            "http://10.0.0.5/x",
            "http://10.0.0.5/m?a=1",
            "http://cam.lan:8081/m?a=1",
            None,
        ),
        ("http://cam.lan:8081", "http://0.0.0.0/x", "http://0.0.0.0:99/m", "http://cam.lan:99/m", None),
        ("https://cam.lan", "http://10.0.0.5/x", "http://10.0.0.5/m", "https://cam.lan/m", None),
        ("http://[2001:db8::7]", None, "http://169.254.7.7", "http://[2001:db8::7]/", None),
        ("http://192.0.2.7", None, "rtsp://u:p@169.254.7.7:8554/a?b", None, "rtsp://192.0.2.7:8554/a?b"),
        ("http://192.0.2.7:81", None, "rtsp://0.0.0.0/a", None, "rtsp://192.0.2.7/a"),
        ("http://192.0.2.7", None, "http:// /", None, None),
        ("http://192.0.2.7", None, "http://a:port/", None, None),
        ("http://192.0.2.7", None, "ftp://192.0.2.7/", None, None),
        ("http://192.0.2.7", None, "http://192.0.2.7/\r\nX: y", None, None),
        ("http://192.0.2.7", None, "", None, None),
    ],
)
def test_addresses_are_translated(
    reached_at: str, told: str | None, given: str, service: str | None, stream: str | None
) -> None:
    addresses = AddressTranslator(reached_at)
    if told is not None:
        addresses.set_reported(told)

    def said(place: ServiceAddress | None) -> str | None:
        return None if place is None else place.address

    assert (said(addresses.service(given)), said(addresses.stream(given))) == (service, stream)
    if stream is not None:
        moved = addresses.stream(given, 5541)
        assert moved is not None
        assert moved.origin.endswith(":5541")


@pytest.mark.parametrize(
    ("addresses", "address"),
    [
        (["http://192.0.2.7/onvif/device_service"], "http://192.0.2.7/onvif/device_service"),
        (["http://169.254.7.7:81/x", "http://192.0.2.7:80/y"], "http://192.0.2.7:80/y"),
        (["http://169.254.7.7:81/x"], "http://192.0.2.7:81/x"),
        (["http://192.0.2.7/x", "https://192.0.2.7/x"], "https://192.0.2.7/x"),
        (["http://evil.example/x?a=b#c"], "http://192.0.2.7/x"),
        (["http://[/", "urn:x", "ftp://192.0.2.7/"], None),
        ([], None),
    ],
)
def test_camera_address_is_host_of_response(addresses: list[str], address: str | None) -> None:
    assert reachable_address(addresses, "192.0.2.7") == address


def test_scopes_match_by_whole_levels() -> None:
    mine = ["onvif://www.onvif.org/location/lane-1/left", "onvif://www.onvif.org/hardware/DS%202CD"]
    assert DiscoveryTarget(scopes=("onvif://www.onvif.org/location/lane-1",)).matches("", mine)
    assert not DiscoveryTarget(scopes=("onvif://www.onvif.org/location/lane",)).matches("", mine)
    assert DiscoveryTarget(hardware="DS 2CD").matches("", mine)
    assert not DiscoveryTarget(hardware="DS").matches("", mine)
    assert not DiscoveryTarget(endpoint="urn:uuid:AB").matches("urn:uuid:AC", mine)
    assert DiscoveryTarget(endpoint="urn:uuid:AB", hardware="DS 2CD").matches("uuid:ab", mine)


def test_clock_is_based_on_boot_time() -> None:
    clock = CameraClock()
    assert abs(clock.offset_s) < 1
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert 3598 < clock.update(an_hour_ago, boot_ns(), boot_ns()) < 3602
    assert -3602 < clock.offset_s < -3598
    assert clock.update(an_hour_ago, boot_ns(), boot_ns()) < 2


TIME = (
    "<R><SystemDateAndTime><UTCDateTime><Time><Hour>{}</Hour><Minute>5</Minute><Second>{}</Second></Time>"
    "<Date><Year>2026</Year><Month>{}</Month><Day>27</Day></Date></UTCDateTime></SystemDateAndTime></R>"
)


def test_times_that_cannot_be_are_none() -> None:
    assert parse_device_time(fromstring(TIME.format(8, 60, 11))) == datetime(
        2026, 11, 27, 8, 5, 59, 500_000, UTC
    )
    for parts in ((24, 1, 11), ("x", 1, 11), (8, 1, 13), ("", "", "")):
        assert parse_device_time(fromstring(TIME.format(*parts))) is None
    assert parse_device_time(fromstring("<R/>")) is None
    assert parse_timestamp("2026-11-27T08:05:00+01:00") == datetime(2026, 11, 27, 7, 5, tzinfo=UTC)
    for text in ("", "2026-11-27T08:05:00", "now", "9999-12-31T23:59:59-23:00"):
        assert parse_timestamp(text) is None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "write `url`, or `discovery`"),
        ({"url": "http://127.0.0.1", "discovery": {"hardware": "M"}}, "write `url`, or `discovery`"),
        ({"discovery": {}}, "set its `endpoint`"),
        ({"url": "http://192.0.2.7"}, "unencrypted over a network"),
        ({"url": "http://u:secret@127.0.0.1"}, "contains a password"),
        ({"url": "127.0.0.1"}, "begins with neither"),
        ({"url": "http://127.0.0.1", "username": "x"}, "belong together"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as error:
        OnvifSettings(**settings)
    assert "secret" not in str(error.value)


def test_default_and_stated_device_service() -> None:
    assert (
        OnvifSettings(url="http://127.0.0.1:81")
        .http_settings("http://127.0.0.1:81")
        .url.endswith(":81/onvif/device_service")
    )
    assert (
        OnvifSettings(url="http://127.0.0.1/x").http_settings("http://127.0.0.1/x").url
        == "http://127.0.0.1/x"
    )


@pytest.mark.parametrize(
    ("off_s", "zone"),
    [
        (10_800.4, "+03:00"),
        (-18_030.0, "-05:00"),
        (20_700.0, "+05:45"),
        (50_400.0, "+14:00"),
        (0.4, None),
        (59.0, None),
        (900.0, None),
        (7_800.0, None),
        (10_920.0, None),
        (60_000.0, None),
        (-900_000_000.0, None),
    ],
)
def test_offset_of_time_zone(off_s: float, zone: str | None) -> None:
    assert zone_offset(off_s) == zone
