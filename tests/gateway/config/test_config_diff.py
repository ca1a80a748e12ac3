"""Changes that a reload makes, for any two configurations of a post."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from drivers.links.settings import Settings
from gateway.config import ConfigDiff, DeviceSettings, Post, diff_config
from gateway.contract.topics import Position


class Reader(Settings):
    """Settings of an invented reader."""

    baud: int = 9600


def _device(driver: str, baud: int, firmware: str | None) -> DeviceSettings:
    table = {"baud": baud}
    return DeviceSettings(
        driver=driver, settings=Reader(baud=baud), raw_settings=table, expected_firmware=firmware
    )


DEVICES = st.dictionaries(
    st.sampled_from(
        [Position("lane-1", "reader"), Position("lane-1", "camera"), Position("lane-2", "reader")]
    ),
    st.builds(
        _device, st.sampled_from(["a", "b"]), st.sampled_from([9600, 19200]), st.sampled_from([None, "2.14"])
    ),
)
POSTS = st.builds(
    lambda name, port, hq, expires, level, rate, idle, authority, devices, stamp: Post.model_validate(
        {
            "gateway": {"site": "ke-busia", "name": name, "profile": "test", "state_dir": "/x"},
            "broker": {"host": "localhost", "port": port, "username": "u", "password_file": "/p"},
            "hq": hq,
            "delivery": {"traveller_expires_s": expires},
            "log": {"level": level},
            "commands": {"moves_per_min": rate},
            "console": {"idle_timeout_s": idle},
            "roles": {"authority": authority},
            "devices": devices,
            "file_times": {Path("/p"): stamp},
        }
    ),
    st.sampled_from(["gw-1", "gw-2"]),
    st.sampled_from([1883, 1884]),
    st.sampled_from([None, {"host": "hq"}, {"host": "hq", "send_traveller": True}]),
    st.sampled_from([60, 30]),
    st.sampled_from(["info", "debug"]),
    st.sampled_from([12, 6]),
    st.sampled_from([60, 30]),
    st.sampled_from(["KE", "UG"]),
    DEVICES,
    st.sampled_from([1, 2]),
)


@given(POSTS)
def test_nothing_differs_from_itself(post: Post) -> None:
    assert not diff_config(post, post.model_copy(deep=True))


@given(POSTS, POSTS)
def test_applied_changes_give_new_devices(old: Post, new: Post) -> None:
    changes = diff_config(old, new)

    running = {
        position: device for position, device in old.devices.items() if position not in changes.removed
    }
    running |= {position: new.devices[position] for position in (*changes.added, *changes.changed)}
    assert running == new.devices
    untouched = running.keys() - {*changes.added, *changes.changed}
    assert all(old.devices[position].settings == new.devices[position].settings for position in untouched)


@given(POSTS, POSTS)
def test_back_is_the_opposite_of_forth(old: Post, new: Post) -> None:
    forth, back = diff_config(old, new), diff_config(new, old)

    assert (set(forth.added), set(forth.changed)) == (set(back.removed), set(back.changed))
    assert (forth.broker, forth.hq, forth.delivery, forth.commands, forth.console, forth.restart) == (
        back.broker,
        back.hq,
        back.delivery,
        back.commands,
        back.console,
        back.restart,
    )


@given(POSTS, POSTS)
def test_equal_posts_have_no_changes(old: Post, new: Post) -> None:
    assert bool(diff_config(old, new)) == (old != new)


@given(POSTS, DEVICES)
def test_changed_device_changes_nothing_else(old: Post, devices: dict[Position, Any]) -> None:
    changes = diff_config(old, old.model_copy(update={"devices": devices}))

    assert changes == ConfigDiff(changes.added, changes.removed, changes.changed, *5 * [False], ())
    assert not {*changes.added} & {*changes.removed}


@given(POSTS)
def test_renewed_password_file_is_change(old: Post) -> None:
    changes = diff_config(old, old.model_copy(update={"file_times": {Path("/p"): 3}}))

    assert changes.broker
    assert not changes.hq
