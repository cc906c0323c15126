"""Whose a listener's unix socket is, and who may open it."""

import grp
import os
import pwd
import stat
import subprocess

import pytest

from support.gateways import GatewayClient

pytestmark = [pytest.mark.timeout(60), pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give files away")]

ASK = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def may_open(path, user, group):
    """Whether a process of that user and of that group alone may connect."""
    done = subprocess.run(["/usr/bin/python3", "-c", ASK, path], user=user, group=group, extra_groups=[], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 0 or "PermissionError" in done.stderr, done
    return done.returncode == 0


@pytest.mark.parametrize("owner, group", [("daemon", "games"), ("daemon", None), (None, "games"), (None, None)])
def test_owner_and_group(serve, folder, owner, group):
    path = f"{folder}/app.sock"
    given = {name: value for name, value in (("owner", owner), ("group", group)) if value}
    server = serve("kit", listen={"addr": f"unix:{path}", "protocol": "scgi", "mode": "660", "trusted_users": ["*"], **given})
    status = os.stat(path)
    assert (pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name) == (owner or "root", group or "root")
    assert stat.S_IMODE(status.st_mode) == 0o660
    opens = {(user, of): may_open(path, user, of) for user in ("daemon", "mail") for of in ("games", "news")}
    assert opens == {(user, of): user == owner or of == group for user, of in opens}
    with GatewayClient(path, "scgi") as client:
        assert client.ask(target="/x").text == "kit /x"
    assert server.log.count("CW0407") == 0


def are_web_servers_of_one_group():
    """Whether users that are trusted by default are all in www-data."""
    there = [user.pw_name for user in pwd.getpwall() if user.pw_name in ("www-data", "nginx")]
    return all(grp.getgrnam("www-data").gr_gid in os.getgrouplist(name, pwd.getpwnam(name).pw_gid) for name in there)


SHARED = (0o660, "www-data") if are_web_servers_of_one_group() else (0o666, "root")


@pytest.mark.parametrize("given, mode, group", [
    ({"protocol": "uwsgi"}, *SHARED),
    ({"protocol": "fastcgi"}, *SHARED),
    ({"protocol": "scgi", "trusted_users": ["root"]}, 0o660, "www-data"),  # the front's own user alone, who has that group
    ({"protocol": "scgi", "group": "www-data"}, SHARED[0], "www-data"),
    ({"protocol": "scgi", "group": "games"}, 0o666, "games"),  # which www-data has not
    ({"protocol": "scgi", "trusted_users": ["root", "daemon"]}, 0o666, "root"),
    ({"protocol": "scgi", "trusted_users": ["*"]}, 0o666, "root"),
    ({"protocol": "scgi", "mode": "600"}, 0o600, "root"),
    ({"protocol": "http"}, 0o666, "root"),
])
def test_by_default_those_may_open_it_who_are_trusted(serve, folder, given, mode, group):
    """faults.md 92: and a group keeps the others away where one has them all."""
    path = f"{folder}/app.sock"
    server = serve("kit", listen={"addr": f"unix:{path}", **given}, allow=[r"CW0407"])
    status = os.stat(path)
    assert (stat.S_IMODE(status.st_mode), grp.getgrgid(status.st_gid).gr_name) == (mode, group)
    assert may_open(path, "daemon", "daemon") == (mode == 0o666)
    if given["protocol"] in ("uwsgi", "scgi"):
        with GatewayClient(path, given["protocol"]) as client:
            assert client.ask(target="/x").text == "kit /x"
    server.stop()


def test_a_group_that_cannot_be_given_is_done_without(binary, folder):
    """Nobody asked for it, and root need not have CAP_CHOWN."""
    (folder / "cutwater.toml").write_text('[[listen]]\naddr = "unix:app.sock"\nprotocol = "scgi"\n[app.web]\ntarget = "app:application"\n')
    (folder / "app.py").write_text("def application(environ, start_response):\n    start_response('200 OK', [])\n    return []\n")
    without = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown"]
    done = subprocess.run([*without, binary, "check"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "app.sock (scgi): free" in done.stdout, done
    (folder / "cutwater.toml").write_text((folder / "cutwater.toml").read_text().replace("[app.web]", 'group = "games"\n[app.web]'))
    done = subprocess.run([*without, binary, "check"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "Operation not permitted" in done.stderr, done
