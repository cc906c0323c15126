"""Pools: FastCGI processes that Cutwater runs itself, real php-cgi and libfcgi ones (faults.md 103-114, 149-153, 177)."""

import contextlib
import os
import pwd
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import gateway_peers as gateways
from support import processes
from support.client import Closed
from support.processes import wait_until
from test_gateway_clients import gateway
from test_php import site  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)
IS_ROOT = os.getuid() == 0
POOL_USER = "www-data" if IS_ROOT else pwd.getpwuid(os.getuid()).pw_name
PAGES = {
    "pid.php": '<?php echo getmypid(), "\\n";',
    "wait.php": '<?php echo getmypid(), "\\n"; while (ob_get_level()) ob_end_flush(); flush();\n'
                'while (!file_exists($_GET["until"])) usleep(1000); echo "done\\n";',
    "quiet.php": '<?php touch($_GET["begun"]); while (!file_exists($_GET["until"])) usleep(1000); echo "done\\n";',
    "endless.php": '<?php while (ob_get_level()) ob_end_flush(); while (true) { echo "x\\n"; flush(); usleep(1000); }',
    "large.php": '<?php if (isset($_GET["direct"])) header("X-Accel-Buffering: no"); while (ob_get_level()) ob_end_flush();\n'
                 'for ($i = 0; $i < 300; $i++) { echo str_repeat("x", 65536); file_put_contents($_GET["count"], "x", FILE_APPEND); }\n'
                 'while (true) sleep(9);',
    "stubborn.php": '<?php ignore_user_abort(true); while (ob_get_level()) ob_end_flush();\n'
                    'while (!file_exists($_GET["until"])) { echo "x\\n"; flush(); usleep(1000); } touch($_GET["done"]);',
    "ini.php": '<?php echo ini_get("user_agent"), " ", getmypid();',
    "limits.php": '<?php readfile("/proc/self/limits");',
    "bomb.php": '<?php for ($all = []; $one = @proc_open(["sleep", "1000"], [], $pipes); $all[] = $one); echo count($all);',
    "last_words.php": '<?php $errors = fopen("php://stderr", "w"); for ($i = 1; $i <= 60; $i++) fwrite($errors, str_repeat("x", 900) . " line $i\n");\n'
                      'posix_kill(getmypid(), 9); sleep(9);',
    "env.php": '<?php foreach (getenv() as $k => $v) if (!isset($_SERVER["HTTP_HOST"]) || strpos($k, "FCGI") !== 0) echo "$k=$v\\n";',
    "descriptors.php": '<?php foreach (scandir("/proc/self/fd") as $n) if (ctype_digit($n)) '
                       'echo $n, " ", @readlink("/proc/self/fd/$n"), "\\n"; echo posix_getuid(), " ", getcwd(), "\\n";',
    "stderr.php": '<?php file_put_contents("php://stderr", "said aside\\n"); echo "fine\\n";',
    "grandchild.php": '<?php $p = proc_open(["sleep", "1000"], [], $pipes); echo proc_get_status($p)["pid"], "\\n";\n'
                      'while (ob_get_level()) ob_end_flush(); flush(); if (isset($_GET["until"])) while (!file_exists($_GET["until"])) usleep(1000);',
}


def configuration(site, pool="", command='["php-cgi"]', to="php", processes="{ idle = \"300ms\" }", user=POOL_USER):
    return (
        f'[pool.php]\ncommand = {command}\nuser = "{user}"\nprocesses = {processes}\n{pool}\n'
        f'[[site]]\n[[site.route]]\nmatch = {{ path = "/other/*" }}\nstatic = {{ root = "{site}/../other" }}\n'
        f'[[site.route]]\nmatch = {{ path = "/*" }}\nfastcgi = {{ to = "{to}", root = "{site}" }}\n'
    )


@pytest.fixture
def php(serve, site, folder):  # noqa: F811
    gateways.program("php-cgi", package="php-cgi")
    for name, text in PAGES.items():
        (site / name).write_text(text)
        (site / name).chmod(0o644)
    (folder / "other").mkdir()
    (folder / "other" / "a.txt").write_text("other\n")
    (folder / "flags").mkdir()
    (folder / "flags").chmod(0o777)

    def start(pool="", fronts=1, allow=(), **options):
        return gateway(serve, configuration(site, pool, **options), fronts=fronts, allow=allow)

    return start


def pool_processes(server):
    return [pid for spawner in server.named("spawn") for pid in processes.children(spawner)]


def first_line(client):
    """Of an answer that goes on."""
    client.read_head()
    return client.read_chunks_line() if hasattr(client, "read_chunks_line") else read_chunk(client)


def read_chunk(client):
    size = int(client.read_line(), 16)
    piece = client.read_exactly(size)
    client.read_exactly(2)
    return piece.decode()


def begin(server, target):
    """A request whose answer has begun: the client, and the first piece of it."""
    client = server.connect()
    client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    return client, first_line(client)


# ---- what it does


def test_pages(php):
    server = php()
    with server.connect() as client:
        assert client.request("GET", "/").text == "index of /index.php\n"
        assert client.request("HEAD", "/").status == 200
        body = os.urandom(3_000_000)
        answer = client.request("POST", "/raw.php", [("Content-Length", str(len(body)))], body=body)
        assert answer.text.startswith("3000000 ")
        assert client.request("GET", "/nothing.php").status == 404
        assert client.request("GET", "/other/a.txt").text == "other\n"
    assert server.log.count("pool php") == 1, server.log.text  # the route's line


def test_one_process_answers_one_after_the_other_and_is_kept(php):
    server = php()
    with server.connect() as client:
        pids = {client.request("GET", "/pid.php").text for _ in range(20)}
        pids |= {client.request("POST", "/pid.php", body=b"x").text for _ in range(5)}
    assert len(pids) == 1, pids


def test_none_runs_until_a_request_comes_and_idle_ones_end(php):
    server = php()
    assert pool_processes(server) == []
    assert server.get("/pid.php").status == 200
    wait_until(lambda: pool_processes(server) == [], 5, "the idle process to end")
    assert server.get("/pid.php").status == 200


def test_a_fixed_number(php):
    server = php(processes="3")
    server.check_leaks = False
    wait_until(lambda: len(pool_processes(server)) == 3, 5, "three processes")
    os.kill(pool_processes(server)[0], signal.SIGTERM)
    wait_until(lambda: len(pool_processes(server)) == 3, 5, "three processes again")
    server.allow.append("CW0712|CW0713")


def test_user_environment_and_descriptors(php, site):  # noqa: F811
    server = php(f'root = "{site}"\nenv = {{ GREETING = "hi there" }}\n')
    lines = server.get("/env.php").text.splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    assert variables["GREETING"] == "hi there" and variables["CUTWATER_POOL"] == "php", lines
    ours = {"GREETING", "CUTWATER_POOL", "PATH", "HOME", "USER", "LOGNAME"}
    ours = {name: value for name, value in variables.items() if name in ours}
    assert ours["USER"] == POOL_USER and ours["PATH"] == "/usr/local/bin:/usr/bin:/bin"
    assert not {name for name in variables if name in os.environ and name not in ours and variables[name] == os.environ[name]}
    *descriptors, last = server.get("/descriptors.php").text.splitlines()
    links = dict(line.split(" ", 1) for line in descriptors)
    assert links["0"].startswith("socket:") and links["1"] == "/dev/null" and links["2"].startswith("pipe:"), links
    # Behind these are its own: the connection, the folder that is read here, and what opcache has.
    others = [links[number] for number in links if int(number) > 2]
    assert len([link for link in others if link.startswith("socket:")]) <= 1, links
    assert not [link for link in others if link.startswith(("anon_inode", "pipe:", "/memfd")) or "cutwater" in link], links
    assert last == f"{pwd.getpwnam(POOL_USER).pw_uid} {site}"


def test_nobody_else_reaches_the_sockets(php, folder):
    server = php(processes="1")
    server.check_leaks = False
    assert server.get("/pid.php").status == 200
    sockets = {line.split()[-1] for line in open("/proc/net/unix").read().splitlines() if "process-" in line}
    assert all(not os.path.exists(path) for path in sockets if path.startswith("/")), sockets


def test_max_requests(php):
    server = php("max_requests = 5\n", processes="1")
    server.check_leaks = False
    with server.connect() as client:
        pids = [client.request("POST" if i % 2 else "GET", "/pid.php").text for i in range(30)]
    assert len(set(pids)) == 6 and [pids.count(pid) for pid in dict.fromkeys(pids)] == [5] * 6, pids


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_process_that_ends_by_itself_loses_nothing(php, method):
    server = php('env = { PHP_FCGI_MAX_REQUESTS = "3" }\n', processes="{ min = 2, max = 2, idle = \"300ms\" }")
    server.check_leaks = False

    def ask(_):
        with server.connect() as client:
            return [client.request(method, "/pid.php", body=b"a" if method == "POST" else b"") for _ in range(15)]

    with ThreadPoolExecutor(4) as threads:
        answers = [answer for some in threads.map(ask, range(4)) for answer in some]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.text for answer in answers}) >= 20


def test_requests_wait_for_the_first_that_is_free(php, folder):
    server = php(processes="1")
    server.check_leaks = False
    flag = folder / "flags" / "go"
    waiting, _ = begin(server, f"/wait.php?until={flag}")
    with waiting, ThreadPoolExecutor(5) as threads:
        others = [threads.submit(server.get, "/pid.php") for _ in range(5)]
        assert server.get("/other/a.txt").status == 200
        assert not any(other.done() for other in others)
        flag.touch()
        assert {other.result().status for other in others} == {200}


def test_busy_processes_hold_up_nobody(php, folder):
    server = php(processes='{ max = 2, idle = "300ms" }')
    flag = folder / "flags" / "go"
    waiting, text = begin(server, f"/wait.php?until={flag}")
    with waiting:
        pids = {server.get("/pid.php").text for _ in range(10)}
        assert len(pids) == 1 and text not in pids
        flag.touch()


@pytest.mark.parametrize("fronts", [2])
def test_processes_are_shared_out_to_the_fronts(php, fronts, folder):
    server = php(processes="4", fronts=fronts)
    server.check_leaks = False
    wait_until(lambda: len(pool_processes(server)) == 4, 5, "four processes")
    with ThreadPoolExecutor(8) as threads:
        assert {answer.status for answer in threads.map(lambda _: server.get("/pid.php"), range(40))} == {200}


def test_libfcgi_programs_of_every_role(serve, folder):
    built = gateways.libfcgi_program(folder)
    config = (
        f'[pool.lib]\ncommand = "{built}"\nuser = "{POOL_USER}"\nprocesses = {{ max = 3, idle = "300ms" }}\n'
        '[[site]]\n[[site.route]]\nmatch = { path = "/*" }\nauth = { fastcgi = { to = "lib" } }\nfastcgi = { to = "lib" }\n'
    )
    server = gateway(serve, config, allow=["CW0608"])
    assert server.get("/x").status == 403
    answer = server.request("POST", "/x", [("Cookie", "pass")], body=b"four")
    assert answer.text == "role RESPONDER path /x user ada body 4\n"


def test_the_error_stream_goes_to_the_log(php):
    server = php(allow=["CW0608", "CW0717"])
    assert server.get("/stderr.php").text == "fine\n"
    server.log.wait_for("said aside")


def test_what_a_process_said_last_goes_to_the_log(php):
    server = php(allow=["CW0608", "CW0712", "CW0717"])
    assert server.get("/last_words.php").status == 502
    server.log.wait_for("CW0717.*x line 60")
    assert server.log.count(r"CW0717.*x line \d+") == 60


def test_a_bound_for_what_it_starts(php, folder):
    server = php("max_requests = 1\n", processes='{ max = 5, idle = "300ms" }')
    line, = [line for line in server.get("/limits.php").text.splitlines() if line.startswith("Max processes")]
    processors = os.cpu_count()
    assert 256 + 5 < int(line.split()[2]) < 256 + 32 * processors + 5 + len(os.listdir("/proc")) * 50, line


@pytest.mark.skipif(not IS_ROOT, reason="counts the processes of another user")
def test_a_page_that_starts_processes_without_end(php, folder):
    server = php("max_requests = 1\n", user="games")
    started = int(server.get("/bomb.php").text)
    assert 100 < started < 256 + 32 * os.cpu_count() + 8
    games = pwd.getpwnam("games").pw_uid
    wait_until(lambda: not [pid for pid in os.listdir("/proc") if pid.isdigit() and owner(pid) == games], 15, "all of them to end")
    assert server.get("/pid.php").status == 200


def owner(pid):
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def test_slow_requests_are_logged(php, folder):
    server = php('slow = "100ms"\n', allow=["CW0715"])
    flag = folder / "flags" / "go"
    client, pid = begin(server, f"/wait.php?until={flag}")
    with client:
        server.log.wait_for(rf"CW0715\] pool php: GET /wait\.php\?until=\S+ has been running for 0\.\d s in process {pid.strip()}")
        flag.touch()
    assert server.log.count("CW0715") == 1


# ---- what goes wrong


def test_a_process_killed_with_its_request(php, folder):
    server = php(processes='{ max = 3, idle = "300ms" }', allow=["CW0712"])
    flag, begun = folder / "flags" / "go", folder / "flags" / "begun"
    other, _ = begin(server, f"/wait.php?until={flag}")
    before = set(pool_processes(server))
    with other, server.connect() as client:
        client.send(f"GET /quiet.php?until={flag}&begun={begun} HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(begun.exists, 10, "the request to begin")
        victim, = set(pool_processes(server)) - before
        os.kill(victim, signal.SIGKILL)
        assert client.read_response().status == 502
        assert client.request("GET", "/pid.php").status == 200
        flag.touch()
        assert read_chunk(other) == "done\n"
    server.log.wait_for(rf"CW0712\] pool php: process {victim} was killed by SIGKILL.* while it ran GET /quiet\.php")


def test_a_request_that_kills_its_process_is_not_run_again(php, folder, site):  # noqa: F811
    counter = folder / "flags" / "runs"
    (site / "poison.php").write_text(f'<?php file_put_contents("{counter}", "x", FILE_APPEND); usleep(80000); posix_kill(getmypid(), 11); sleep(9);')
    server = php(allow=["CW0712"])
    for count in range(1, 6):
        assert server.get("/poison.php").status == 502
        assert counter.read_text() == "x" * count
        assert server.get("/pid.php").status == 200


def test_an_answer_that_breaks_off(php, folder):
    server = php(allow=["CW0712", "CW0604"])
    client, pid = begin(server, f"/wait.php?until={folder}/never")
    with client:
        os.kill(int(pid), signal.SIGKILL)
        with pytest.raises((Closed, AssertionError)):
            read_chunk(client)
    assert server.get("/pid.php").status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_idle_process_that_is_killed_loses_nothing(php, method):
    server = php(processes="1", allow=["CW0712"])
    server.check_leaks = False
    with server.connect() as client:
        for _ in range(10):
            pid = client.request(method, "/pid.php").text
            os.kill(int(pid), signal.SIGKILL)
            assert client.request(method, "/pid.php").status == 200


def test_a_hanging_request_loses_its_process_alone(php, folder):
    server = php('timeout = "500ms"\n', processes='{ min = 2, max = 2 }', allow=["CW0714"])
    server.check_leaks = False
    wait_until(lambda: len(pool_processes(server)) == 2, 5, "both processes")
    before = set(pool_processes(server))
    assert server.get("/hang.php").status == 504
    wait_until(lambda: len(pool_processes(server)) == 2 and set(pool_processes(server)) != before, 5, "the replacement")
    assert len(before & set(pool_processes(server))) == 1
    server.log.wait_for(r"CW0714\] pool php: GET /hang\.php ran in process \d+ for longer than timeout")
    assert server.get("/pid.php").status == 200


def test_a_full_line(php, folder):
    server = php('queue = 1\nqueue_timeout = "300ms"\n', processes="1", allow=["CW0716"])
    server.check_leaks = False
    flag = folder / "flags" / "go"
    waiting, _ = begin(server, f"/wait.php?until={flag}")
    with waiting, ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(server.get, ["/pid.php"] * 2))
        assert {answer.status for answer in answers} == {503} and answers[0].get("Retry-After")
        flag.touch()
    assert server.get("/pid.php").status == 200


def test_a_crash_loop(php):
    server = php(command='["sh", "-c", "echo broken >&2; exit 7"]', allow=["CW0713", "CW0716", "CW0717"])
    began = time.monotonic()
    answers = [server.get("/pid.php") for _ in range(50)]
    assert {answer.status for answer in answers} == {503} and all(answer.get("Retry-After") for answer in answers)
    assert server.get("/other/a.txt").status == 200
    server.log.wait_for(r"CW0713\] pool php: process \d+ exited with status 7 before it had answered anything")
    server.log.wait_for("CW0717.*broken")
    starts = server.log.count("CW0717.*broken")
    assert starts <= 2 + (time.monotonic() - began) / 0.1, "starts are far apart"


def test_a_pool_that_works_again(php, folder):
    marker = folder / "flags" / "works"
    server = php(command=f'["sh", "-c", "test -e {marker} && exec php-cgi; exit 1"]', allow=["CW0713", "CW0716"])
    assert server.get("/pid.php").status == 503
    marker.touch()
    wait_until(lambda: server.get("/pid.php").status == 200, 10, "the pool to work")


def test_a_program_that_cannot_be_executed(php, folder):
    program = folder / "flags" / "program"
    program.write_text("#!/nowhere/interpreter\n")
    program.chmod(0o755)
    server = php(command=f'["{program}"]', allow=["CW0711", "CW0716"])
    assert server.get("/pid.php").status == 503
    server.log.wait_for(rf"CW0711\] pool php: a process cannot be started: {program} cannot be executed: No such file")
    assert server.get("/other/a.txt").status == 200


@pytest.mark.parametrize(
    "pool, text",
    [
        ('command = ["no-such-program"]', r"CW0711\] pool php: there is no no-such-program in /usr/local/bin"),
        ('command = ["php-cgi"]\nuser = "no-such-user"', r"CW0805\] pool php: .*no-such-user"),
        pytest.param('command = ["php-cgi"]\nuser = "root"', r"CW0805\] pool php: its user is root", marks=pytest.mark.skipif(not IS_ROOT, reason="for root")),
    ],
)
def test_what_check_says(run_binary, folder, pool, text):
    (folder / "cutwater.toml").write_text(
        f'[[listen]]\naddr = "127.0.0.1:0"\n[pool.php]\n{pool}\n[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nfastcgi = {{ to = "php" }}\n')
    checked = run_binary("check", "-c", "cutwater.toml")
    assert checked.returncode == 2 and re.search(text, checked.stderr), checked.stderr
    served = run_binary("serve", "-c", "cutwater.toml")
    assert served.returncode == 2 and re.search(text, served.stderr), served.stderr


def test_the_spawner_is_killed(php, folder):
    server = php(processes='{ min = 1, max = 3, idle = "300ms" }', allow=["CW0803", "CW0712", "CW0604"])
    server.check_leaks = False
    flag = folder / "flags" / "go"
    client, text = begin(server, f"/grandchild.php?until={flag}")
    before = pool_processes(server)
    spawner, = server.named("spawn")
    os.kill(spawner, signal.SIGKILL)
    with client, pytest.raises((Closed, AssertionError)):
        read_chunk(client)
    wait_until(lambda: not any(processes.alive(pid) for pid in [*before, int(text)]), 5, "all of them to end")
    assert server.get("/pid.php").status == 200
    assert server.get("/other/a.txt").status == 200


def test_a_front_is_killed(php):
    server = php(processes="2", allow=["CW0802"])
    server.check_leaks = False
    wait_until(lambda: len(pool_processes(server)) == 2, 5, "both processes")
    before = set(pool_processes(server))
    front, = server.named("front")
    os.kill(front, signal.SIGKILL)
    wait_until(lambda: len(pool_processes(server)) == 2 and not before & set(pool_processes(server)), 10, "those of the new front")
    wait_until(lambda: server.get("/pid.php").status == 200, 5, "an answer")


def test_what_a_page_leaves_behind_ends_with_its_process(php):
    server = php("max_requests = 1\n", processes="1")
    server.check_leaks = False
    left = int(server.get("/grandchild.php").text)
    wait_until(lambda: not processes.alive(left), 5, "the grandchild to end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_the_end_leaves_nothing_running(php, folder, number):
    server = php(processes='{ max = 3 }', allow=["CW0712"])
    server.check_leaks = False
    client, text = begin(server, f"/grandchild.php?until={folder}/flags/go")
    server.signal(number)
    server.expected_exit = 128 + number if number == signal.SIGQUIT else 0
    server.log.wait_for(signal.Signals(number).name)
    (folder / "flags" / "go").touch()
    server.wait_exit()
    client.close()


def test_load_while_processes_are_killed(php):
    """Who is killed at work loses that request alone; all others are answered."""
    server = php(processes='{ max = 4, idle = "300ms" }', allow=["CW0712"])
    stop, seen = threading.Event(), set()

    def ask(number):
        statuses = []
        with server.connect() as client:
            while not stop.is_set():
                answer = client.request("POST" if number % 2 else "GET", "/pid.php")
                statuses.append(answer.status)
                if answer.status == 200:
                    seen.add(int(answer.text))
        return statuses

    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(ask, number) for number in range(8)]
        kills = 0
        try:
            while kills < 20:
                for pid in seen.intersection(pool_processes(server)):
                    seen.discard(pid)
                    with contextlib.suppress(ProcessLookupError):  # it had been idle for too long
                        os.kill(pid, signal.SIGKILL)
                        kills += 1
                    break
        finally:
            stop.set()
        statuses = [status for one in asking for status in one.result()]
    assert set(statuses) <= {200, 502} and statuses.count(502) <= kills, statuses
    assert statuses.count(200) > statuses.count(502)
