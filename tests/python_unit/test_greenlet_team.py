"""GreenletTeam at the link, turned by hand: the test is the hub, and switches to whom it likes."""

import contextvars
import gc
import sys
import time
import weakref

import greenlet
import pytest

from python_unit.bridge import ABORT, BEFORE_HEAD, CANCEL, CREDIT, DESCRIPTOR, DISCONNECT, INITIAL_CREDIT, RELEASES
from python_unit.by_hand import BUILDS, ByHand, Callbacks, load_extension

ONLY_CUT = [(ABORT, RELEASES | BEFORE_HEAD)]
TICK = 0.002  # of those who wait for room


class Host:
    def __init__(self):
        self.exceptions, self.problems, self.endings = [], [], []

    def exception(self, method, path, what, error):
        self.exceptions.append((path, what, error))

    def problem(self, code, method, path, text):
        self.problems.append((code, text))

    def ending(self, reason):
        self.endings.append(reason)

    def plain_file(self, file):
        return None


class Team(ByHand):
    """The hub is the greenlet of the test. `inside` has who runs a request and waits for the test, by path."""

    def __init__(self, build, extension, application=None, *, concurrency=4, workers=1, fronts=1, new_greenlet=greenlet.greenlet):
        super().__init__(build, fronts)
        self.callbacks, self.host, self.drained, self.inside, self.ran = Callbacks(), Host(), [], {}, []
        hub = greenlet.getcurrent()
        self.engine = extension.greenlet_team(
            application or self.application, self.host, sys.stderr, hub=hub, to_hub=hub.switch, current=greenlet.getcurrent,
            new_greenlet=new_greenlet, call_soon=self.callbacks.call_soon, call_later=self.callbacks.call_later,
            drained=self.drained.append, detached=lambda: None, concurrency=concurrency, workers=workers, **self.lane())

    def application(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.ran.append((path, greenlet.getcurrent()))
        start_response("200 OK", [])
        if path.startswith("/long"):
            return [path.encode() * (INITIAL_CREDIT // len(path))]
        if path.startswith("/waits"):
            self.wait(path)
        return [path.encode()]

    def wait(self, path):
        self.inside[path] = greenlet.getcurrent()
        greenlet.getcurrent().parent.switch()

    def go(self, path):
        """Lets the request there go on."""
        self.inside.pop(path).switch()

    def tick(self):
        """The time of those who wait for room is up."""
        later, self.callbacks.later = self.callbacks.later, []
        for _, callback in later:
            callback()

    def settle(self):
        super().settle()
        while any(seconds == 0 for seconds, _ in self.callbacks.later):
            again = [callback for seconds, callback in self.callbacks.later if seconds == 0]
            self.callbacks.later = [entry for entry in self.callbacks.later if entry[0] > 0]
            for callback in again:
                callback()
            super().settle()

    def until(self, condition):
        """Time goes by, too: that of some waits is a millisecond."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, self.answers_of
            self.go_on()
            self.tick()

    def get(self, path="/", **options):
        ticket = self.ask(target=path)
        self.go_on(**options)
        return self.answers[ticket]


@pytest.fixture(params=sorted(BUILDS))
def extension(build, request):
    return load_extension(build, request.param)


@pytest.fixture
def make(build, extension):
    made = []

    def team(application=None, **options):
        made.append(Team(build, extension, application, **options))
        return made[-1]

    yield team
    for each in made:
        for waits in list(each.inside.values()):
            waits.throw()
        each.close()


@pytest.mark.parametrize("which", sorted(BUILDS))
def test_keeps_the_module_whose_types_it_uses(build, which):
    extension = load_extension(build, which)
    module = weakref.ref(extension)
    team = Team(build, extension)
    del extension
    gc.collect()
    assert module() is not None
    assert team.get("/a").body == b"/a"
    team.close()


# ---- claims


def test_no_more_than_concurrency(make):
    team = make(concurrency=2)
    tickets = [team.ask(target=f"/waits{number}") for number in range(4)]
    team.go_on()
    assert list(team.inside) == ["/waits0", "/waits1"] and team.engine.active == 2
    team.go("/waits1")
    team.go_on()
    assert list(team.inside) == ["/waits0", "/waits2"] and team.engine.active == 2
    for path in ("/waits0", "/waits2", "/waits3"):
        team.go(path)
        team.go_on()
    assert [team.answers[ticket].body for ticket in tickets] == [b"/waits%d" % number for number in range(4)]
    assert team.engine.active == 0 and team.in_use() == 0
    assert len({who for _, who in team.ran}) == 2


@pytest.mark.parametrize("workers, queued, claimed", [(1, 5, 5), (2, 5, 3), (5, 5, 1), (9, 5, 1), (1, 40, 32), (2, 80, 32)])
def test_a_turn_leaves_others_their_share(make, workers, queued, claimed):
    team = make(concurrency=100, workers=workers)
    for number in range(queued):
        team.ask(target=f"/waits{number}")
    team.turn()
    assert 0 < team.engine.active <= claimed  # a turn ends after a millisecond
    team.settle()  # nobody else was there to take them
    assert team.engine.active == queued


def test_who_ran_last_runs_next(make):
    team = make()
    for number in range(20):
        assert team.get(f"/{number}").body == b"/%d" % number
    assert len({who for _, who in team.ran}) == 1
    who = team.ran[0][1]
    who.switch()  # for nothing
    who.switch()
    assert not who.dead and team.get("/again").body == b"/again" and team.ran[-1][1] is who


def test_who_was_killed_is_replaced(make):
    team = make()
    team.get("/")
    who = team.ran[0][1]
    who.throw(RuntimeError("somebody else's"))
    assert who.dead
    assert team.get("/next").body == b"/next" and team.ran[-1][1] is not who


def test_contexts_begin_empty(make):
    variable = contextvars.ContextVar("variable", default="nothing")

    def application(environ, start_response):
        found = variable.get()
        variable.set("left behind")
        start_response("200 OK", [])
        return [found.encode()]

    team = make(application)
    assert [team.get().body for _ in range(3)] == [b"nothing"] * 3


@pytest.mark.parametrize("had", [0, 1])
def test_no_greenlet_to_be_had(make, had):
    def new(run):
        if len(given) == had:
            raise MemoryError("no room for a stack")
        given.append(run)
        return greenlet.greenlet(run)

    given = []
    team = make(new_greenlet=new)
    tickets = [team.ask(target=f"/waits{number}") for number in range(2)]
    team.go_on()
    assert team.host.problems == [("CW0506", "gets no new greenlet: no room for a stack")]
    assert list(team.inside) == ["/waits0"][:had]
    if not had:  # the queue is left to others
        assert team.host.endings == ["broken"] and team.drained == ["broken"] and team.in_use() == 2
        return
    team.go("/waits0")
    team.go_on()
    team.go("/waits1")
    team.go_on()
    assert [team.answers[ticket].status for ticket in tickets] == [200, 200] and team.host.endings == []


# ---- what the application raises


def test_exceptions_stay_with_their_request(make):
    def application(environ, start_response):
        raise LookupError(environ["PATH_INFO"])

    team = make(application)
    tickets = [team.ask(target=f"/{number}") for number in range(3)]
    team.go_on()
    assert [(path, what, str(error)) for path, what, error in team.host.exceptions] == [
        (f"/{number}", "raised", f"/{number}") for number in range(3)]
    assert all(team.answers[ticket].before_head for ticket in tickets)
    assert team.engine.active == 0 and team.in_use() == 0


@pytest.mark.parametrize("error", [greenlet.GreenletExit, TimeoutError])
def test_what_is_thrown_into_a_request(make, error):
    team = make()
    ticket = team.ask(target="/waits")
    beside = team.ask(target="/waits2")
    team.go_on()
    team.inside.pop("/waits").throw(error("thrown"))
    team.go_on()
    assert team.answers[ticket].aborted and team.engine.active == 1
    assert [str(raised) for _, _, raised in team.host.exceptions] == ["thrown"]
    team.go("/waits2")
    team.go_on()
    assert team.answers[beside].body == b"/waits2" and team.in_use() == 0


def test_system_exit_lets_the_others_finish(make):
    def application(environ, start_response):
        if environ["PATH_INFO"] == "/exits":
            raise SystemExit(3)
        return team.application(environ, start_response)

    team = make(application)
    other = team.ask(target="/waits")
    exits = team.ask(target="/exits")
    team.ask(target="/later")
    team.go_on()
    assert team.answers[exits].before_head and team.host.endings == ["system_exit"] and team.drained == []
    team.go("/waits")
    team.go_on()
    assert team.answers[other].body == b"/waits" and team.drained == ["system_exit"]
    assert team.in_use() == 1  # the third: another worker's


# ---- waits in the middle of a request


def blocks(environ, start_response):
    start_response("200 OK", [])
    return iter([bytes([number]) * 10_000 for number in range(40)])


BLOCKS = b"".join(bytes([number]) * 10_000 for number in range(40))


def test_credit_reaches_the_request_it_is_for(make):
    team = make(blocks)
    tickets = [team.ask(target=f"/{number}") for number in range(3)]
    # The ring holds less than all three may send.
    team.until(lambda: all(team.answers[ticket].body == BLOCKS[:INITIAL_CREDIT] for ticket in tickets))
    assert team.engine.active == 3
    for count, ticket in enumerate(reversed(tickets)):
        team.say(CREDIT, ticket, len(BLOCKS))
        team.until(lambda: team.answers[ticket].complete)
        assert team.answers[ticket].body == BLOCKS and team.engine.active == 2 - count
    team.go_on()
    assert team.in_use() == 0


@pytest.mark.parametrize("kind", [DISCONNECT, CANCEL])
def test_ended_while_it_waits_for_credit(make, kind):
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"x" * 10_000] * 100)

        def close(self):
            closed.append(greenlet.getcurrent())

    def application(environ, start_response):
        start_response("200 OK", [])
        return Body()

    team = make(application)
    ticket = team.ask()
    team.go_on()
    assert len(team.answers[ticket].body) == INITIAL_CREDIT and closed == []
    team.say(kind, ticket)
    team.go_on()
    assert len(closed) == 1 and team.engine.active == 0 and team.in_use() == 0
    assert team.host.exceptions == [] and team.host.problems == []


@pytest.mark.parametrize("kind", [DISCONNECT, CANCEL])
def test_ended_while_the_application_runs(make, kind):
    """It hears of that when it next has something to send; until then its time runs on."""
    team = make()
    ticket = team.ask(target="/waits")
    team.go_on()
    team.say(kind, ticket)
    team.go_on()
    assert team.engine.active == 1 and team.in_use() == 1
    team.go("/waits")
    team.go_on()
    assert team.answers[ticket].frames == ONLY_CUT and team.in_use() == 0 and team.host.exceptions == []
    later = team.get("/")  # nothing of it reaches who has the slot next
    assert later.body == b"/"


def fill(team):
    """Answers of which the last does not fit the ring any more."""
    tickets = {f"/long{number}": team.ask(target=f"/long{number}") for number in range(3)}
    team.turn()
    team.settle()
    assert team.engine.active > 0 and len(team.ran) == 3
    return tickets


def empty_ring(team):
    team.take_in()
    team.until(lambda: team.in_use() == 0)


def test_a_full_ring(make):
    team = make()
    tickets = fill(team)
    assert any(0 < seconds <= TICK for seconds, _ in team.callbacks.later)
    stuck = team.engine.active
    team.tick()
    team.settle()
    assert team.engine.active == stuck
    empty_ring(team)
    assert {path: team.answers[ticket].body for path, ticket in tickets.items()} == {
        path: path.encode() * (INITIAL_CREDIT // len(path)) for path in tickets}
    assert team.engine.active == 0 and team.in_use() == 0


@pytest.mark.parametrize("kind", [DISCONNECT, CANCEL])
def test_ended_beside_a_full_ring(make, kind):
    team = make()
    tickets = fill(team)
    before = team.engine.active
    team.say(kind, tickets["/long2"])
    team.turn()
    team.settle()
    assert team.engine.active == before - 1  # out of its wait; that its slot is free is kept for later
    assert team.in_use() == 3
    empty_ring(team)
    assert team.in_use() == 0 and team.engine.active == 0
    assert not team.answers[tickets["/long2"]].status and team.answers[tickets["/long1"]].complete


def test_releases_are_kept_while_the_ring_is_full(make):
    team = make()
    waits = team.ask(target="/waits")
    team.go_on()
    team.ran.clear()
    fill(team)
    team.say(DISCONNECT, waits)
    team.go("/waits")
    team.settle()
    assert team.in_use() == 4
    empty_ring(team)
    assert team.in_use() == 0 and team.answers[waits].frames == ONLY_CUT


def test_a_body_by_descriptor(make, tmp_path):
    def application(environ, start_response):
        body = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [b"%d" % len(body)]

    team = make(application)
    file = tmp_path / "body"
    file.write_bytes(b"x" * 300_000)
    with open(file, "rb") as body:
        tickets = [team.ask("POST", "/", place=DESCRIPTOR, length=300_000) for _ in range(3)]
        team.go_on(body_file=body.fileno())
        assert team.engine.active == 3
        assert team.engine.look_at_sockets() == []
        team.go_on()
    team.until(lambda: team.engine.look_at_sockets() or team.engine.active == 0)
    assert [team.answers[ticket].body for ticket in tickets] == [b"300000"] * 3
    assert team.in_use() == 0


def test_a_callback_of_the_hub_cannot_wait(make):
    def application(environ, start_response):
        team.input = environ["wsgi.input"]
        return team.application(environ, start_response)

    team = make(application)
    ticket = team.ask("POST", "/waits", place=DESCRIPTOR, length=300_000)
    team.go_on()
    with pytest.raises(RuntimeError, match="a callback of the hub cannot wait"):
        team.input.read()
    team.go("/waits")
    team.go_on()
    assert team.answers[ticket].body == b"/waits"


@pytest.mark.parametrize("leaves", [False, True])
def test_another_greenlet_still_reads_when_the_request_ends(make, leaves):
    """It is let out of its wait, and the request's end waits for that: nothing of it may be used afterwards."""
    def application(environ, start_response):
        def read():
            try:
                environ["wsgi.input"].read()
            except OSError as error:
                heard.append(error)

        reader = greenlet.greenlet(read, greenlet.getcurrent().parent)
        team.callbacks.call_soon(reader.switch)
        return team.application(environ, start_response)

    heard = []
    team = make(application)
    ticket = team.ask("POST", "/waits", place=DESCRIPTOR, length=300_000)
    team.go_on()
    if leaves:
        team.say(DISCONNECT, ticket)
        team.go_on()
        assert len(heard) == 1
    team.go("/waits")
    team.until(lambda: team.engine.active == 0)
    assert len(heard) == 1
    team.go_on()
    assert team.in_use() == 0


# ---- the end of the worker


def test_retired_while_requests_run(make):
    team = make()
    team.get("/")
    parked = team.ran[0][1]
    tickets = [team.ask(target=f"/waits{number}") for number in range(2)]
    team.go_on()
    team.links[0].retire_lane(0)
    team.ask(target="/later")
    team.go_on()
    assert team.host.endings == ["retired"] and team.drained == [] and team.engine.active == 2
    for path in list(team.inside):
        assert team.drained == []
        team.go(path)
        team.go_on()
    assert all(team.answers[ticket].complete for ticket in tickets) and team.drained == ["retired"]
    assert parked.dead and all(who.dead for _, who in team.ran)
    team.go_on()
    assert team.drained == ["retired"] and team.host.endings == ["retired"] and team.in_use() == 1


def test_stop(make):
    team = make()
    ticket = team.ask(target="/waits")
    team.go_on()
    team.engine.stop("terminated")
    team.engine.stop("quit")
    team.ask(target="/later")
    team.go_on()
    assert team.host.endings == ["terminated"] and team.drained == [] and len(team.ran) == 1
    team.go("/waits")
    team.go_on()
    assert team.answers[ticket].body == b"/waits" and team.drained == ["terminated"]


def test_stop_of_an_idle_worker(make):
    team = make()
    team.get("/")
    team.engine.stop("quit")
    team.settle()
    assert team.drained == ["quit"] and team.ran[0][1].dead


def test_a_crowd_is_let_go(make):
    team = make(concurrency=200)
    tickets = [team.ask(target=f"/waits{number}") for number in range(200)]
    team.go_on()
    assert team.engine.active == 200
    for path in list(team.inside):
        team.go(path)
    team.go_on()
    assert all(team.answers[ticket].complete for ticket in tickets)
    assert sum(not who.dead for _, who in team.ran) == 128


def test_a_front_that_ends(make):
    team = make(blocks, fronts=2)
    team.ask(target="/gone")
    kept = team.ask(target="/kept", front=1)
    team.until(lambda: all(len(answer.body) == INITIAL_CREDIT for [answer] in map(dict.values, team.answers_of)))
    assert team.engine.active == 2
    team.links[0] = None  # its sockets are closed
    assert team.engine.look_at_sockets() == team.engine.lane_sockets[:1]
    assert team.engine.active == 1
    team.say(CREDIT, kept, len(BLOCKS), front=1)
    team.until(lambda: team.answers_of[1][kept].complete)
    assert team.answers_of[1][kept].body == BLOCKS and team.engine.active == 0
    assert team.host.endings == ["retired"] and team.drained == ["retired"]
