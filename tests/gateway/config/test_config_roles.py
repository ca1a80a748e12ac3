"""Role file: granted rights, and mistakes."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.gateway.post_files import gateway_section

from gateway.config import ConfigError, ConfigIssue, Roles, load
from gateway.config.role_file import load_roles
from gateway.contract.topics import Position

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config/mosquitto/roles.toml"
LANE_1, LANE_2 = Position("lane-1", "barrier"), Position("lane-2", "barrier")
READER = Position("lane-1", "reader")


def test_shipped_file_grants_what_it_says() -> None:
    roles = load_roles(SHIPPED)

    counter = roles.grant("lane-1", LANE_1)
    assert counter.permits("open", moves=True)
    assert counter.can_move
    assert not counter.can_steal
    assert not roles.grant("lane-1", LANE_2).has_any
    assert roles.grant("lane-1", READER).permits("capture", moves=False)
    assert not roles.grant("lane-1", READER).permits("eject", moves=True), "moves only at barriers"
    other = roles.grant("lane-2", LANE_2)
    assert other.permits("look", moves=False)
    assert not other.permits("open", moves=True)
    assert not other.can_move
    supervisor = roles.grant("supervisor", LANE_2)
    assert supervisor.permits("open", moves=True)
    assert supervisor.can_steal
    foreign = roles.grant("ug-lane-1", LANE_1)
    assert (foreign.is_known, foreign.is_foreign, foreign.has_any) == (True, True, False)
    assert not roles.grant("nobody", LANE_1).is_known


def test_without_role_file_all_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "config/demo.toml").read_text()
    file = tmp_path / "post.toml"
    file.write_text(text.replace('roles_file = "demo-roles.toml"\n', ""))
    post = load(file, {"BORDERPOST_RUN": str(tmp_path)})

    assert not post.roles.grant("lane-1", READER).is_known


def test_named_verb_is_granted() -> None:
    roles = Roles.model_validate(
        {
            "authority": "KE",
            "role": {"guard": {"verbs": ["stop", "open"]}, "opener": {"verbs": ["open"], "can_move": True}},
            "station": {
                "guard": {"roles": ["guard"], "positions": ["*/barrier"]},
                "opener": {"roles": ["opener"], "positions": ["*/barrier"]},
            },
        }
    )

    guard, opener = roles.grant("guard", LANE_1), roles.grant("opener", LANE_1)
    assert guard.permits("stop", moves=False)
    assert not guard.permits("open", moves=True), "what moves is granted expressly"
    assert opener.permits("open", moves=True)
    assert not opener.permits("close", moves=True)


NAMES = st.sampled_from(["lane-1", "lane-2", "gate"])
PLACES = st.lists(
    st.tuples(NAMES | st.just("*"), NAMES | st.just("*")).map("/".join), max_size=3, unique=True
)
VERBS = st.lists(st.sampled_from(["open", "stop", "look", "*"]), max_size=2)
ROLES = st.builds(
    lambda verbs, places, moves, steal: {
        "verbs": verbs,
        "positions": places,
        "can_move": moves,
        "can_steal": steal,
    },
    VERBS,
    PLACES,
    st.booleans(),
    st.booleans(),
)


@given(st.lists(ROLES, max_size=3), PLACES, st.sampled_from([None, "KE", "UG"]), NAMES, NAMES, VERBS)
def test_grant_is_union_of_roles(
    held: list[dict[str, object]],
    places: list[str],
    authority: str | None,
    lane: str,
    device: str,
    asked: list[str],
) -> None:
    names = [f"role-{at}" for at in range(len(held))]
    roles = Roles.model_validate(
        {
            "authority": "KE",
            "role": dict(zip(names, held, strict=True)),
            "station": {"s": {"roles": names, "positions": places, "authority": authority}},
        }
    )
    grant = roles.grant("s", Position(lane, device))

    def covers(some: object) -> bool:
        return any(
            place in (f"{lane}/{device}", f"*/{device}", f"{lane}/*", "*/*")
            for place in some  # type: ignore[attr-defined]
        )

    counting = [role for role in held if covers(role["positions"])] if covers(places) else []
    if authority == "UG":
        counting = []
    for verb in asked:
        for moves in (True, False):
            says = any(
                (verb in role["verbs"] or "*" in role["verbs"]) and (role["can_move"] or not moves)  # type: ignore[operator]
                for role in counting
            )
            assert grant.permits(verb, moves=moves) == says
    assert grant.can_steal == any(role["can_steal"] for role in counting)
    assert not (grant.is_foreign and (grant.has_any or grant.can_steal))


GOOD = """
authority = "KE"
[role.officer]
verbs = ["*"]
[station.counter-1]
roles = ["officer"]
positions = ["lane-1/*"]
"""


@dataclass(frozen=True)
class Broken:
    """A file whose marked line is wrong, and the expected mistake."""

    name: str
    file: str
    key: str
    text: str
    remedy: str


TABLE = (
    Broken(
        "no authority",
        "#!" + GOOD.replace('authority = "KE"', ""),
        "authority",
        "is missing",
        "add authority",
    ),
    Broken("unknown key", "color = 1 #!" + GOOD, "color", "there is no such key", "known keys"),
    Broken(
        "unknown key of a role",
        GOOD.replace('verbs = ["*"]', 'verbs = ["*"]\nmove = true #!'),
        "role.officer.move",
        "there is no such key",
        "did you mean can_move?",
    ),
    Broken("role without verbs", GOOD + "[role.idle] #!", "role.idle.verbs", "is missing", "add verbs"),
    Broken(
        "verb in capitals", GOOD + '[role.x]\nverbs = ["Open"] #!', "role.x.verbs[0]", "is no command", '"*"'
    ),
    Broken(
        "place without a lane",
        GOOD.replace('"lane-1/*"]', '"barrier"] #!'),
        "station.counter-1.positions[0]",
        "is no place",
        "lane/device",
    ),
    Broken(
        "misspelt role",
        GOOD.replace('["officer"]', '["oficer"] #!'),
        "station.counter-1.roles[0]",
        'there is no role "oficer"',
        "did you mean officer?",
    ),
    Broken(
        "roles and no place",
        GOOD.replace('"officer"]\npositions = ["lane-1/*"]', '"officer"] #!'),
        "station.counter-1.roles",
        "no place to use them",
        "add positions",
    ),
    Broken(
        "places and no role",
        GOOD.replace('roles = ["officer"]\n', "").replace('/*"]', '/*"] #!'),
        "station.counter-1.positions",
        "no role",
        "add roles",
    ),
    Broken(
        "a foreign station with a role",
        GOOD + 'authority = "UG" #!',
        "station.counter-1.authority",
        "cannot be given anything at a post of KE",
        "take out its roles",
    ),
    Broken(
        "a station that is no name",
        GOOD + '[station."a/b"] #!',
        'station."a/b"',
        "cannot be a name",
        "user name",
    ),
    Broken(
        "a role that is no name", GOOD + '[role."A b"] #!', 'role."A b"', "cannot be a name", "lower-case"
    ),
    Broken(
        "a station that is a number", GOOD + "[station]\nx = 3 #!", "station.x", "not a table", "[station."
    ),
    Broken("roles are a number", 'role = 3 #!\nauthority = "KE"', "role", "not a table of tables", "[role."),
    Broken(
        "can_move is a text",
        GOOD + '[role.x]\nverbs = []\ncan_move = "yes please" #!',
        "role.x.can_move",
        "true or false",
        "",
    ),
    Broken("no TOML", GOOD + "[role #!", "", "not TOML", ""),
)


@pytest.mark.parametrize("broken", TABLE, ids=lambda broken: broken.name)
def test_role_file_mistake_has_line_and_remedy(broken: Broken, tmp_path: Path) -> None:
    marked = [at for at, line in enumerate(broken.file.splitlines(), 1) if line.endswith("#!")]
    file = tmp_path / "roles.toml"
    file.write_text(broken.file)

    with pytest.raises(ConfigError) as caught:
        load_roles(file)

    (finding,) = caught.value.issues
    assert (finding.file, finding.key_path) == (str(file), broken.key)
    assert broken.text in finding.text
    assert broken.remedy in finding.remedy
    if broken.key:
        assert [finding.line] == marked


POST = """{gateway}
[broker]
host = "127.0.0.1"
{broker}
[commands]
roles_file = "roles.toml"
{commands}
[device."lane-1/reader"]
driver = "kivu"
port = "usb:0DB5:0137:A1"
"""


def findings(folder: Path, profile: str = "training", **parts: str) -> tuple[ConfigIssue, ...]:
    gateway = gateway_section(profile=profile, state_dir="state")
    text = POST.format(gateway=gateway, **{"broker": "", "commands": ""} | parts)
    (folder / "post.toml").write_text(text)
    try:
        load(folder / "post.toml")
    except ConfigError as error:
        return error.issues
    return ()


def test_mistakes_of_both_files_are_reported(tmp_path: Path) -> None:
    (tmp_path / "roles.toml").write_text("color = 1\n" + GOOD)
    told = findings(tmp_path, broker="port = 0")
    assert [(Path(finding.file).name, finding.key_path) for finding in told] == [
        ("post.toml", "broker.port"),
        ("roles.toml", "color"),
    ]
    assert str(told[1]).startswith(f"{tmp_path}/roles.toml:1: color: there is no such key\n")


def test_missing_or_writable_role_file_is_reported(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path)
    assert (finding.key_path, finding.text) == ("commands.roles_file", "the file does not exist")
    roles = tmp_path / "roles.toml"
    roles.write_text(GOOD)
    assert findings(tmp_path) == ()
    roles.chmod(0o666)
    (finding,) = findings(tmp_path)
    assert "every user of this machine can change the file" in finding.text


def test_production_roles_need_user_names(tmp_path: Path) -> None:
    (tmp_path / "roles.toml").write_text(GOOD)
    (finding,) = findings(tmp_path, profile="production")
    assert finding.key_path == "commands.roles_file"
    assert "without a name" in finding.text
    assert findings(tmp_path, profile="production", broker='username = "gw-1"') == ()


def test_a_post_reads_its_role_file(tmp_path: Path) -> None:
    (tmp_path / "roles.toml").write_text(GOOD)
    (tmp_path / "post.toml").write_text(
        POST.format(gateway=gateway_section(state_dir="state"), broker="", commands="")
    )
    post = load(tmp_path / "post.toml")
    assert post.roles.grant("counter-1", READER).permits("capture", moves=False)
    assert post.commands.min_move_interval_s == 2


@pytest.mark.parametrize(
    ("profile", "signed", "expected"),
    [
        ("production", None, "moves"),
        ("production", "required", "required"),
        ("training", None, "off"),
        ("training", "moves", "moves"),
    ],
)
def test_production_requires_signed_movements(
    tmp_path: Path, profile: str, signed: str | None, expected: str
) -> None:
    assert load(post_with_signatures(tmp_path, profile, signed), {}).signed_commands == expected


def test_production_refuses_unsigned_movements(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(post_with_signatures(tmp_path, "production", "off"), {})
    (issue,) = caught.value.issues
    assert "signed" in issue.key
    assert "borderpost trust enrol" in issue.remedy


def post_with_signatures(folder: Path, profile: str, signed: str | None) -> Path:
    """Write a post's file with that line."""
    file = folder / "post.toml"
    line = f'[commands]\nsigned = "{signed}"\n' if signed else ""
    file.write_text(
        gateway_section(profile=profile, state_dir="state")
        + f'[broker]\nhost = "127.0.0.1"\n{line}'
        + '[device."lane-9/reader"]\ndriver = "mrz-serial"\nport = "/dev/ttyS9"\nframing = "text"\n'
    )
    return file
