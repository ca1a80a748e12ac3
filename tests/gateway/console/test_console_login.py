"""Login over the network: passwords, sessions, protection from other sites."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from support.console.consoles import PASSWORD, QUICK, browser, console_of, log_in, on_socket
from support.console.fake_daemon import FakeDaemon

from gateway.api.operations import UserRole
from gateway.console.auth import auth, login_throttle, sessions
from gateway.console.auth.login_throttle import LoginThrottle
from gateway.console.auth.persisted import BootScopedStore
from gateway.console.auth.sessions import SessionStore
from gateway.console.auth.users import UsersFileError, read, remove, set_password

HERE = {"Origin": "https://post.example"}


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return console_of(FakeDaemon(), tmp_path)


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app) as client:
        yield client


async def test_stranger_is_redirected_to_login_and_back(
    stranger: httpx.AsyncClient,
) -> None:
    sent = await stranger.get("/")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/")
    assert (await log_in(stranger, "viewer")).headers["location"] == "/"
    page = await stranger.get("/")
    assert page.status_code == 200
    assert "lane-1/reader" in page.text


async def test_cookie_is_limited_to_host_and_tls(
    stranger: httpx.AsyncClient,
) -> None:
    cookie = (await log_in(stranger, "viewer")).headers["set-cookie"]
    assert cookie.startswith("__Host-borderpost=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))


async def test_wrong_password_and_unknown_name_look_alike(stranger: httpx.AsyncClient) -> None:
    wrong = await log_in(stranger, "viewer", "something-else")
    unknown = await log_in(stranger, "nobody", "something-else")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text == unknown.text
    assert not stranger.cookies


async def test_redirect_to_foreign_page_is_ignored(
    stranger: httpx.AsyncClient,
) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        form = {"name": "viewer", "password": PASSWORD, "next": elsewhere}
        assert (await stranger.post("/login", data=form)).headers["location"] == "/"


async def test_guessing_is_throttled_by_name_and_address(app: FastAPI) -> None:
    async with browser(app, "192.0.2.7") as guesser, browser(app, "192.0.2.8") as colleague:
        for _ in range(login_throttle.FREE_ATTEMPTS):
            assert (await log_in(guesser, "viewer", "guess")).status_code == 401
        refused = await log_in(guesser, "viewer")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert (await log_in(guesser, "supervisor")).status_code == 429, "that address tries other names"
        assert (await log_in(colleague, "technician")).status_code == 303


def test_waits_grow_expire_and_survive_restart(tmp_path: Path) -> None:
    now = 1000.0
    kept = BootScopedStore(tmp_path / "login_throttle.json")
    tries = LoginThrottle(kept, lambda: now)
    waits = []
    for _ in range(login_throttle.FREE_ATTEMPTS + 10):
        tries.on_failure("amina", "2001:db8::1")
        waits.append(tries.remaining_wait_s("amina", "2001:db8::1"))
    assert waits[: login_throttle.FREE_ATTEMPTS - 1] == [0.0] * (login_throttle.FREE_ATTEMPTS - 1)
    assert waits[login_throttle.FREE_ATTEMPTS - 1 :][:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == login_throttle.MAX_WAIT_S
    again = LoginThrottle(kept, lambda: now)
    assert again.remaining_wait_s("amina", "192.0.2.1") == 0.0, "the name does not wait elsewhere"
    assert again.remaining_wait_s("", "2001:db8::2") == login_throttle.MAX_WAIT_S, (
        "a host can use its whole /64"
    )
    now += login_throttle.FORGET_AFTER_S + 1
    assert again.remaining_wait_s("amina", "2001:db8::1") == 0


def test_session_expires_and_survives_restart(tmp_path: Path) -> None:
    now = 1000.0
    kept = BootScopedStore(tmp_path / "sessions.json")
    logins = SessionStore(kept, lambda: now)
    idle, busy, out = (logins.begin("amina", "hash") for _ in range(3))
    assert idle not in (tmp_path / "sessions.json").read_text()
    assert (tmp_path / "sessions.json").stat().st_mode & 0o777 == 0o600
    logins.end(out)
    logins = SessionStore(kept, lambda: now)
    assert logins.find(out) is None
    for _ in range(int(sessions.MAX_LIFETIME_S // sessions.IDLE_S)):
        found = logins.find(busy)
        assert found is not None
        logins.touch(found)
        now += sessions.IDLE_S - 1
    assert logins.find(idle) is None
    now = 1000.0 + sessions.MAX_LIFETIME_S + 1
    assert logins.find(busy) is None


def test_stored_state_is_void_after_reboot(tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    token = SessionStore(BootScopedStore(file)).begin("amina", "hash")
    assert SessionStore(BootScopedStore(file)).find(token) is not None
    file.write_text(json.dumps(json.loads(file.read_text()) | {"boot": "another"}))
    assert SessionStore(BootScopedStore(file)).find(token) is None


@pytest.mark.parametrize("kept", ["{", "[" * 9999, '{"a":7}', '{"a":[1]}', '{"a":{"name":"x","seen_s":"y"}}'])
def test_damaged_file_is_ignored(tmp_path: Path, kept: str) -> None:
    file = tmp_path / "kept.json"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    file.write_text(kept.replace("{", f'{{"boot":"{boot}",', 1))
    assert SessionStore(BootScopedStore(file)).find("token") is None
    assert LoginThrottle(BootScopedStore(file)).remaining_wait_s("amina", "192.0.2.7") == 0


async def test_changed_password_or_role_counts_at_once(
    app: FastAPI, stranger: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "users.toml"
    await log_in(stranger, "technician")
    assert (await stranger.get("/api/v1/post")).status_code == 200
    file.write_text(file.read_text().replace('"technician"', '"viewer"'))
    assert (await stranger.get("/api/v1/post")).status_code == 200
    set_password(file, "technician", "another-password", UserRole.TECHNICIAN)
    assert (await stranger.get("/api/v1/post")).status_code == 401
    await log_in(stranger, "technician", "another-password")
    assert (await stranger.get("/api/v1/post")).status_code == 200
    assert remove(file, "technician")
    assert (await stranger.get("/api/v1/post")).status_code == 401
    file.write_text("not TOML")
    assert (await stranger.get("/api/v1/post")).status_code == 401
    assert (await log_in(stranger, "viewer")).status_code == 503


async def test_cross_site_request_is_refused(
    stranger: httpx.AsyncClient,
) -> None:
    await log_in(stranger, "supervisor")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://post.example", "Sec-Fetch-Site": "same-site"},
    ):
        assert (await stranger.post("/logout", headers=headers)).status_code == 403
    assert (await stranger.post("/logout", headers=HERE)).status_code == 403, "there is no token in it"
    assert (await stranger.post("/logout", data={"csrf": "0" * 64}, headers=HERE)).status_code == 403
    token = sessions.csrf_token(stranger.cookies["__Host-borderpost"])
    assert (await stranger.post("/logout", data={"csrf": token}, headers=HERE)).status_code == 303
    assert (await stranger.get("/api/v1/post")).status_code == 401


async def test_tunnel_to_socket_needs_token(app: FastAPI) -> None:
    async with on_socket(app) as tunnel:
        rebound = await tunnel.get("/api/v1/post", headers={"Host": "evil.example:8080"})
        assert rebound.status_code == 421
        theirs = {"Host": "localhost:8080", "Origin": "http://localhost:8080"}
        assert (await tunnel.post("/logout", headers=theirs)).status_code == 403
        assert (await tunnel.post("/logout")).status_code == 303, "not a browser: no token is needed"


@pytest.mark.parametrize(("uid", "role"), [(0, UserRole.SUPERVISOR), (65534, UserRole.TECHNICIAN)])
def test_socket_user_comes_from_kernel(uid: int, role: UserRole) -> None:
    who = auth._user_of_peer(auth.Peer(uid)).actor
    assert (who.role, who.channel) == (role, "socket")


def test_invalid_users_file_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    hashed = QUICK.hash(PASSWORD)
    for text, said in (
        ("user = 7", "write [user.NAME]"),
        ("[user.amina]\nrole = 'viewer'", "role and password"),
        (f"[user.amina]\nrole = 'boss'\npassword = '{hashed}'", "viewer, technician or supervisor"),
        ("[user.amina]\nrole = 'viewer'\npassword = 'plain'", "argon2id"),
        (f"[user.'A/B']\nrole = 'viewer'\npassword = '{hashed}'", "not a valid name"),
        ("a = " + "[" * 10_000, "not TOML"),
        ("a = " + "9" * 5000, "not TOML"),
    ):
        file.write_text(text)
        with pytest.raises(UsersFileError, match=said.replace("[", r"\[")) as wrong:
            read(file)
        assert "plain" not in str(wrong.value)


def test_users_file_keeps_owner_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    set_password(file, "amina", PASSWORD, UserRole.VIEWER)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    set_password(file, "juma", PASSWORD, UserRole.SUPERVISOR)
    assert file.stat().st_mode & 0o777 == 0o640
    assert {name: one.role for name, one in read(file).items()} == {
        "amina": UserRole.VIEWER,
        "juma": UserRole.SUPERVISOR,
    }
    assert PASSWORD not in file.read_text()
