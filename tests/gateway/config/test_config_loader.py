"""Loading of correct files."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_mock import MockerFixture
from support.gateway.post_files import gateway_section

from drivers import registry
from gateway.cli._demo.officer import STATION
from gateway.config import ConfigError, Post, load, loader
from gateway.contract.topics import Position

ROOT = Path(__file__).parents[3]
SMALL = f"""{gateway_section(state_dir="state")}
[broker]
host = "127.0.0.1"
[device."lane-1/reader"]
driver = "kivu"
port = "usb:0DB5:0137"
"""


def test_a_small_file_gets_the_defaults(post: Callable[..., Post], tmp_path: Path) -> None:
    loaded = post(SMALL)

    assert loaded.gateway.state_dir == tmp_path / "state", "relative paths start at the file's folder"
    assert (loaded.broker.port, loaded.broker.tls, loaded.hq) == (1883, None, None)
    assert loaded.delivery.traveller_expires_s == 60
    assert loaded.supervision.heartbeat_timeout_s == 5
    assert list(loaded.devices) == [Position("lane-1", "reader")]
    device = loaded.devices[Position("lane-1", "reader")]
    assert (device.driver, device.raw_settings) == ("kivu", {"port": "usb:0DB5:0137"})
    assert device.settings.model_dump()["baud"] == 9600


def test_common_settings_stay_out_of_driver(post: Callable[..., Post]) -> None:
    loaded = post(SMALL + 'expected_firmware = "2.14"\n')

    device = loaded.devices[Position("lane-1", "reader")]
    assert (device.expected_firmware, device.raw_settings) == ("2.14", {"port": "usb:0DB5:0137"})


def test_tls_moves_the_default_port(post: Callable[..., Post]) -> None:
    loaded = post(SMALL + '[hq]\nhost = "hq.example"\ntls = {}\n')

    assert loaded.hq is not None
    assert loaded.hq.port == 8883
    assert not loaded.hq.send_traveller


def test_production_accepts_real_devices(post: Callable[..., Post]) -> None:
    loaded = post(
        SMALL.replace("training", "production")
        + '[hq]\nhost = "hq.example"\nsend_traveller = true\ntls = {}\n'
        + "[delivery]\ntraveller_expires_s = 86400\n"
    )

    assert loaded.delivery.traveller_expires_s == 86400


def test_one_camera_may_have_several_pictures(post: Callable[..., Post]) -> None:
    camera = (
        '[device."lane-{0}/camera"]\ndriver = "camera-snapshot"\npath = "/{0}.jpg"\nurl = "https://cam"\n'
    )
    assert len(post(SMALL + camera.format(1) + camera.format(2)).devices) == 3


def test_variables_are_replaced_before_validation(post: Callable[..., Post]) -> None:
    loaded = post(
        SMALL.replace('"127.0.0.1"', '"${HOST:-localhost}"\nport = "${PORT:-1}"\nusername = "a$$b"').replace(
            "usb:0DB5:0137", "${RUN}/lane-1-reader"
        ),
        PORT="18830",
        RUN="/run/x",
        HOST="",
    )

    assert loaded.broker.host == "localhost", "as in a shell, `:-` also stands in for an empty variable"
    assert (loaded.broker.port, loaded.broker.username) == (18830, "a$b")
    assert loaded.devices[Position("lane-1", "reader")].raw_settings["port"] == "/run/x/lane-1-reader"


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "busia.toml"
    file.write_text("\ufeff" + SMALL.replace("\n", "\r\n"), newline="")

    assert load(file, {}).gateway.name == "gw-1"


def test_a_post_shows_no_raw_tables(post: Callable[..., Post]) -> None:
    loaded = post(SMALL + 'api_token = "geheim"\n')

    assert repr(loaded).count("geheim") == 1, "once in the driver's own settings, whose model may hide it"


def test_renewed_password_file_is_noticed(post: Callable[..., Post], tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("x")
    password.chmod(0o600)
    text = SMALL.replace('"127.0.0.1"', '"127.0.0.1"\nusername = "gw"\npassword_file = "password"')

    assert post(text).file_times == {password: password.stat().st_mtime_ns}


@pytest.mark.usefixtures("shipped")
def test_demo_loads_and_officer_may_move_barrier(tmp_path: Path) -> None:
    loaded = load(
        ROOT / "config/demo.toml", {"BORDERPOST_RUN": str(tmp_path), "BORDERPOST_MQTT_PORT": "18831"}
    )

    assert loaded.gateway.profile == "training"
    assert loaded.gateway.state_dir == tmp_path / "state"
    assert (loaded.broker.port, loaded.broker.embedded) == (18831, True)
    (_, counter), *readers, (barrier, wired), (camera, _), (finger, _) = loaded.devices.items()
    assert counter.raw_settings["chip"]["trust"] == [f"{tmp_path}/trust"]
    assert {str(at): (d.raw_settings["framing"], d.raw_settings["port"]) for at, d in readers} == {
        f"lane-{n}/reader": (framing, f"{tmp_path}/lane-{n}-reader")
        for n, framing in enumerate(("text", "elyctis", "rte"), 2)
    }
    assert wired.raw_settings["board"]["port"] == f"{tmp_path}/lane-1-barrier"
    for station in (STATION, "counter", "lane-1"):
        assert loaded.roles.grant(station, barrier).permits("open", moves=True)
        for position in (camera, finger):
            assert loaded.roles.grant(station, position).permits("capture", moves=False)


@pytest.mark.usefixtures("shipped")
def test_demo_reports_missing_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        load(ROOT / "config/demo.toml", {})

    assert {finding.text for finding in caught.value.issues} == {
        "the environment has no variable BORDERPOST_RUN"
    }


@pytest.mark.usefixtures("shipped")
def test_example_shows_the_defaults(tmp_path: Path) -> None:
    text = (ROOT / "config/example.toml").read_text()
    loaded = load(ROOT / "config/example.toml", {})
    shown = tmp_path / "shown.toml"
    # Commented lines show defaults; these cannot: they name things, or their default depends on the profile.
    files = ("# password_file", "# users_file", "# ca_file", "# cert_file", "# key_file", "# roles_file")
    named = (
        "# username",
        "# key_variable",
        "# listen",
        "# signing_key",
        "# signed",
        "# presence_test",
        "# gateway_keys",
        *files,
    )
    shown.write_text(
        "\n".join(
            line.removeprefix("# ")
            if line.startswith("# ") and " = " in line and not line.startswith(named)
            else line
            for line in text.splitlines()
        )
    )

    assert loaded.gateway.profile == "production"
    assert load(shown, {}).model_dump(mode="json") == loaded.model_dump(mode="json")
    assert f'# signed = "{loaded.signed_commands}"' in text


TOML_LIKE = st.text(
    alphabet=st.sampled_from(list("[]{}\"=.,#$\n\t -_/:\\'abdeghiklnorstvwy0123456789é\0")), max_size=200
)
PIECES = st.lists(
    st.sampled_from(
        [
            *SMALL.splitlines(),
            "[device]",
            "device = 1",
            "[[device]]",
            "[device.x.y]",
            "[hq]",
            "[encryption]",
            'key_file = "x"',
            'driver = "kivu-broken"',
            "port = 1",
            'port = "a\\u0000b"',
            'port = "/a\\u0000b"',
            "light = []",
            "light.level = 1e400",
            'retries = ["${A}", {}]',
            "tls = [1]",
            "x = 2026-11-23",
            "host = 07:32:00",
            '"" = 1',
            "gap_s = inf",
            "level = 99999999999999999999999999",
            'baud = "\uff11\uff12"',
        ]
    ),
    max_size=14,
).map("\n".join)


def outcome(file: Path) -> Post | ConfigError:
    """Load a file; errors other than ConfigError are raised."""
    try:
        return load(file, {})
    except ConfigError as error:
        return error


@given(st.one_of(st.text(), TOML_LIKE, PIECES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_post_or_config_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.toml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    loaded = outcome(file)

    if isinstance(loaded, ConfigError):
        lines = text.count("\n") + 1
        assert str(loaded)
        assert loaded.issues
        assert all(1 <= (finding.line or 1) <= lines and finding.remedy for finding in loaded.issues)


@given(st.binary(max_size=64))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_config_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        load(file, {})


def test_packages_are_searched_once(tmp_path: Path, mocker: MockerFixture) -> None:
    """A search takes 20 ms; in a daemon that has forked, it also copies 2 MB of shared memory."""
    mocker.patch.object(registry, "_found", {})
    searched = mocker.spy(registry, "installed_drivers")
    again = mocker.spy(loader, "installed_drivers")

    for _ in range(2):
        assert len(load(ROOT / "config/demo.toml", {"BORDERPOST_RUN": str(tmp_path)}).devices) == 7
    assert (searched.call_count, again.call_count) == (1, 0)


def test_correct_file_loads_no_message_modules(tmp_path: Path) -> None:
    (tmp_path / "post.toml").write_text(SMALL)
    program = f"""
        import sys
        from gateway.config import load
        load({str(tmp_path / "post.toml")!r}, {{}}, to_run=True)
        heavy = {{"tree_sitter", "difflib", "gateway.config.messages", "gateway.config.locations"}}
        print(sorted(heavy & sys.modules.keys()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
