"""Folders of routes when a deployment puts others in their place: by a switched link, by mv, by a build that makes them anew."""

import os
import pwd
import shutil
import signal
import stat
import time

import pytest

from support import gateway_peers as gateways
from support.processes import wait_until
from test_gateway_clients import gateway, peer, route  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(60)
SCRIPT_USER = "daemon" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
MOVED = "is another folder now"


def release(folder, name):
    """With one file that all have, and one of its own."""
    place = folder / name / "public"
    place.mkdir(parents=True)
    for file in ("page.txt", f"{name}.txt", "page.php", f"{name}.php"):
        (place / file).write_text(name)
    for file in ("page.sh", f"{name}.sh"):
        (place / file).write_text(f"#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n{name}'\n")
        (place / file).chmod(0o755)
    if os.getuid() == 0:
        for path in [place, *place.iterdir()]:
            shutil.chown(path, SCRIPT_USER, pwd.getpwnam(SCRIPT_USER).pw_gid)
    return folder / name


def switch(link, target):
    fresh = link.with_name("fresh")
    fresh.symlink_to(target)
    fresh.rename(link)


@pytest.fixture
def current(folder):
    release(folder, "one")
    release(folder, "two")
    link = folder / "current"
    link.symlink_to("one")
    return link


def static(root, path="/*"):
    return f'[[site]]\n[[site.route]]\nmatch = {{ path = "{path}" }}\nstatic = {{ root = "{root}" }}\n'


def expect(server, path, text):
    wait_until(lambda: server.get(path).text == text, 10, f"{text} at {path}")


def test_a_switched_link(serve, current):
    server = gateway(serve, static(current / "public"), fronts=2)
    assert server.get("/page.txt").text == "one" and server.get("/two.txt").status == 404
    switch(current, "two")
    expect(server, "/page.txt", "two")
    assert server.get("/two.txt").text == "two"
    wait_until(lambda: server.get("/one.txt").status == 404)
    assert server.log.count(MOVED) == 1
    switch(current, "one")
    expect(server, "/page.txt", "one")


def test_a_folder_that_is_moved_away_and_one_that_is_made_anew(serve, folder, current):
    public = current / "public"
    server = gateway(serve, static(public))
    assert server.get("/page.txt").text == "one"
    (folder / "two" / "public").rename(folder / "next")
    public.rename(folder / "before")
    (folder / "next").rename(public)
    expect(server, "/page.txt", "two")
    shutil.rmtree(public)
    wait_until(lambda: server.get("/page.txt").status == 404)
    public.mkdir()
    (public / "page.txt").write_text("built")
    expect(server, "/page.txt", "built")


def test_a_front_that_is_started_later(serve, current):
    server = gateway(serve, static(current / "public"), allow=("CW0802",))
    switch(current, "two")
    expect(server, "/page.txt", "two")
    (front,) = server.named("front")
    os.kill(front, signal.SIGKILL)
    server.log.wait_for("another one is started")
    wait_until(lambda: server.named("front") not in ([], [front]))
    server.wait_ready()
    expect(server, "/page.txt", "two")
    server.baseline = {server.pid: server.baseline[server.pid]}


@pytest.mark.parametrize("real", [False, True], ids=["", "real_root"])
def test_scripts_for_a_fastcgi_server(serve, peer, folder, current, real):  # noqa: F811
    where = [(folder / name if real else current) / "public" for name in ("one", "two")]
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"script"), True))
    server = gateway(serve, route("fastcgi", behind, more=f', root = "{current / "public"}", files = true, real_root = {str(real).lower()}'))
    assert server.get("/one.php").text == "script" and server.get("/two.php").status == 404
    assert behind.variables()["SCRIPT_FILENAME"] == str(where[0] / "one.php")
    switch(current, "two")
    wait_until(lambda: server.get("/two.php").status == 200 and server.get("/one.php").status == 404, 10, "the other scripts")
    assert server.get("/two.txt").text == "two"
    told = behind.variables()
    assert (told["SCRIPT_FILENAME"], told["DOCUMENT_ROOT"]) == (str(where[1] / "two.php"), str(where[1]))


@pytest.mark.parametrize("magic", ["/proc/self/cwd", "/proc/self/fd/{}"])
def test_no_folder_is_taken_that_the_front_only_has_open(serve, folder, current, magic):
    """Of another route, say, behind a guard."""
    server = gateway(serve, static(current / "public"))
    assert server.get("/one.txt").text == "one"
    (front,) = server.named("front")
    numbers = [number for number in os.listdir(f"/proc/{front}/fd") if os.path.isdir(f"/proc/{front}/fd/{number}")]
    (folder / "trap").mkdir()
    (folder / "trap" / "public").symlink_to(magic.format(numbers[0]))
    switch(current, "trap")
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        assert server.get("/one.txt").text == "one"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: the front is another user")
def test_what_the_front_cannot_reach_is_said(serve, folder):
    closed = folder / "home"
    release(closed, "site")
    for path in [closed, *closed.rglob("*")]:
        shutil.chown(path, SCRIPT_USER)
    closed.chmod(0o700)
    server = gateway(serve, static(closed / "site" / "public"))
    assert server.get("/site.txt").text == "site"
    server.log.wait_for("static files at /: user .* may not go all the way to .*/home/site/public, so that another folder there is noticed at SIGHUP")
    release(closed, "other")
    (closed / "site").rename(closed / "old")
    (closed / "other").rename(closed / "site")
    os.kill(server.pid, signal.SIGHUP)
    expect(server, "/other.txt", "other")
    assert server.get("/site.txt").status == 404


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: who switches the link is another user")
@pytest.mark.parametrize("mode", [0o755, 0o700], ids=oct)
def test_who_may_switch_a_link_does_not_come_by_folders_that_only_root_may_enter(serve, folder, mode):
    """Not by SIGHUP either, nor with a front that is started later."""
    release(folder / "home", "site")
    release(folder / "vault", "secret")
    (folder / "vault").chmod(0o700)
    (folder / "home" / "current").symlink_to("site")
    for path in [folder / "home", *(folder / "home").rglob("*")]:
        shutil.chown(path, SCRIPT_USER) if not path.is_symlink() else os.lchown(path, pwd.getpwnam(SCRIPT_USER).pw_uid, -1)
    (folder / "home").chmod(mode)
    server = gateway(serve, static(folder / "home" / "current" / "public"), allow=("CW0410", "CW0802"))
    assert server.get("/site.txt").text == "site"
    time.sleep(1.5)  # a look of the front, which is to know whether it comes there by itself
    switch(folder / "home" / "current", folder / "vault" / "secret")
    never_sent(server, ["/secret.txt"], 2.5)
    os.kill(server.pid, signal.SIGHUP)
    never_sent(server, ["/secret.txt"], 1)
    (front,) = server.named("front")
    os.kill(front, signal.SIGKILL)
    server.log.wait_for("another one is started")
    wait_until(lambda: server.named("front") not in ([], [front]))
    server.wait_ready()
    never_sent(server, ["/secret.txt"], 2.5)
    assert server.get("/site.txt").text == "site"
    server.baseline = {server.pid: server.baseline[server.pid]}


def cgi(current):
    owner = f', user = "{SCRIPT_USER}"' if os.getuid() == 0 else ""
    return f'cgi = {{ dir = "{current / "public"}", suffixes = [".sh"]{owner} }}\n'


def test_cgi_scripts_stay_those_of_the_start(serve, current):
    """Who owns their folder decides as whom they run: nobody else may choose another one."""
    config = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\n{cgi(current)}'
    server = gateway(serve, config, allow=("CW0410",))
    assert server.get("/page.sh").text == "one"
    switch(current, "two")
    server.log.wait_for(r"\[CW0410\] scripts at /: .* is another folder now, the one before is still served: what runs as whom")
    assert server.get("/page.sh").text == "one" and server.get("/two.sh").status == 404


def never_sent(server, paths, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in paths:
            assert server.get(path).status == 404, path


def all_are_scripts(folder, current):
    """All files of a `cgi` folder are scripts, also for a static route that holds it."""
    run = f'[[site.route]]\nmatch = {{ path = "/run/*" }}\n' + cgi(current).replace('[".sh"]', "[]")
    return static(folder, "/all/*") + run


def test_no_script_is_sent_from_where_a_folder_was_or_is(serve, folder, current):
    server = gateway(serve, all_are_scripts(folder, current), allow=("CW0410",))
    assert server.get("/all/one/public/page.sh").status == 404 and server.get("/all/two/public/page.sh").status == 200
    (folder / "other").mkdir()
    switch(current, "two")
    server.log.wait_for("CW0410")
    wait_until(lambda: server.get("/all/two/public/page.sh").status == 404, 10, "the scripts to be hidden")
    (folder / "one" / "public").rename(folder / "one" / "before")
    switch(current, "other")
    wait_until(lambda: server.get("/all/one/before/page.sh").status == 404, 10, "what is held to be hidden")
    never_sent(server, ["/all/two/public/page.sh"], 1.5)


def test_no_script_is_sent_from_a_release_that_comes(serve, folder, current):
    """Scripts within what is switched, and those that a build puts there only later."""
    server = gateway(serve, all_are_scripts(current, current), allow=("CW0410",))
    shutil.rmtree(folder / "two" / "public")
    (folder / "two" / "new.txt").write_text("new")
    switch(current, "two")
    expect(server, "/all/new.txt", "new")
    release(folder, "three")
    (folder / "three" / "public").rename(folder / "two" / "public")
    never_sent(server, ["/all/public/page.sh", "/all/public/three.sh"], 1.5)
    (folder / "one" / "old.txt").write_text("old")
    switch(current, "one")
    while server.get("/all/old.txt").status != 200:
        assert server.get("/all/public/page.sh").status == 404
    never_sent(server, ["/all/public/page.sh"], 1.5)


def test_files_that_a_server_names(serve, peer, current):  # noqa: F811
    head = b"Content-Type: text/plain\r\nX-Accel-Redirect: /protected/page.txt\r\n"
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"", head), True))
    server = gateway(serve, route("fastcgi", behind, more=f', sendfile = {{ "/protected/" = "{current / "public"}" }}'))
    assert server.get("/").text == "one"
    switch(current, "two")
    expect(server, "/", "two")


@pytest.mark.skipif(os.getuid() != 0, reason="root may enter all folders")
@pytest.mark.parametrize("closed", ["secret", "secret/public"])
def test_a_folder_that_the_front_may_not_enter_is_taken_when_it_may(serve, folder, current, closed):
    """Whoever may switch a link must not have served what only others may reach."""
    server = gateway(serve, static(current / "public"), allow=("CW0410",))
    release(folder, "secret")
    time.sleep(2)  # the front has come there by itself
    (folder / closed).chmod(stat.S_IRWXU)
    switch(current, "secret")
    server.log.wait_for(r"\[CW0410\] static files at /: .* is another folder now, the one before is still served: user", 10)
    never_sent(server, ["/secret.txt"], 2.5)
    assert server.get("/page.txt").text == "one"
    (folder / closed).chmod(0o755)
    expect(server, "/page.txt", "secret")
