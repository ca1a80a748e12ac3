"""Simulators of other packages join a simulated post, and a fault of one has a sentence."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.package_faults import SIMULATOR, SIMULATOR_FAULTS
from support.packages import Install, install
from support.patience import PATIENCE_S

from simulators import packages
from simulators.errors import SimulatorError
from simulators.postfile import PostFileError, load_post
from simulators.registry import parse_settings

__all__ = ["install"]

TABLE = {"name": "lane-1/scale", "kind": "acme-scale"}


@pytest.fixture(autouse=True)
def _searched_again() -> Iterator[None]:
    packages.simulator_points.cache_clear()
    yield
    packages.simulator_points.cache_clear()


def install_simulator(install: Install, text: str = SIMULATOR, name: str = "acme-scale") -> None:
    kind = "acme-scale" if "anpr-axis" not in text else "anpr-axis"
    install(name, text, simulators={kind: f"{name.replace('-', '_')}:Settings"})
    packages.simulator_points.cache_clear()


def test_kind_of_package_is_built(install: Install, tmp_path: Path) -> None:
    install_simulator(install)
    file = tmp_path / "post.toml"
    file.write_text('[[simulator]]\nname = "lane-1/scale"\nkind = "acme-scale"\nmass_kg = 5\n')
    (settings,) = load_post(file)
    assert settings.summary() == TABLE
    events: list[object] = []

    async def run() -> None:
        device = settings.build()
        running = asyncio.create_task(device.run(lambda name, details: events.append((name, dict(details)))))
        async with asyncio.timeout(PATIENCE_S):
            while not events:
                await asyncio.sleep(0)
        assert await device.handle_command("status", {}) == {"mass_kg": 5.0}
        running.cancel()

    asyncio.run(run())
    assert events == [("ready", {"mass_kg": 5.0})]


def test_unknown_kind_lists_those_of_packages(install: Install) -> None:
    install_simulator(install)
    with pytest.raises(SimulatorError, match=r"kind: 'toaster' is not one of acme-scale, anpr-axis, .*"):
        parse_settings(TABLE | {"kind": "toaster"})


def test_wrong_setting_has_its_key(install: Install, tmp_path: Path) -> None:
    install_simulator(install)
    file = tmp_path / "post.toml"
    file.write_text('[[simulator]]\nname = "lane-1/scale"\nkind = "acme-scale"\nmass = 5\n')
    with pytest.raises(PostFileError, match=r"post.toml:4: .*mass"):
        load_post(file)


def test_clash_names_both_packages(install: Install) -> None:
    install_simulator(install)
    install_simulator(install, name="other-scale")
    with pytest.raises(SimulatorError, match=r"acme-scale 1.2 and other-scale 1.2; uninstall one of them"):
        parse_settings(TABLE)


def test_ours_is_not_replaced(install: Install) -> None:
    """A package registers the kind of our simulator: ours is built, and the fault is told."""
    from simulators.camera.anpr.axis import AxisSettings
    from simulators.registry import kind_faults

    install_simulator(install, SIMULATOR.replace("acme-scale", "anpr-axis"))
    settings = parse_settings(
        {"name": "lane-1/camera", "kind": "anpr-axis", "port": 0, "push_to": "http://127.0.0.1:1/"}
    )
    assert isinstance(settings, AxisSettings)
    assert kind_faults("anpr-axis") == (
        "the kind anpr-axis belongs to the gateway's own simulators; choose another",
    )


@pytest.mark.parametrize("fault", SIMULATOR_FAULTS)
def test_faulty_simulator_has_sentence(install: Install, fault: str) -> None:
    text, sentence = SIMULATOR_FAULTS[fault]
    install_simulator(install, text)
    with pytest.raises(SimulatorError) as raised:
        parse_settings(TABLE)
    assert str(raised.value) == f"kind: acme-scale of acme-scale 1.2 cannot be used: {sentence}"


def test_error_in_settings_ends_nothing(install: Install) -> None:
    broken = SIMULATOR + (
        '    @field_validator("mass_kg")\n    @classmethod\n'
        '    def check(cls, value): raise OSError("gone")\n'
    )
    install_simulator(install, broken)
    with pytest.raises(SimulatorError, match=r"kind: acme-scale of acme-scale 1.2: OSError in its settings"):
        parse_settings(TABLE | {"mass_kg": 1})
