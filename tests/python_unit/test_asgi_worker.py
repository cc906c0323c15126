"""AsgiWorker and its exchanges at the link, turned by hand: what is claimed, who is told what, and how it ends."""

import gc
import threading
import weakref

import pytest

from python_unit.bridge import (ABORT, BEFORE_HEAD, BODY_END, BODY_PIECE, BODY_WANTED, CANCEL, CREDIT, DISCONNECT,
                                INITIAL_CREDIT, RELEASES, STREAMED, WORKER_CREDIT)
from python_unit.by_hand import BUILDS, ByHand, Callbacks, load_extension

FULL_RING = 3  # so many answers of INITIAL_CREDIT bytes do not fit a ring of 256 KB together
# What the front is told when a slot is released without an answer.
ONLY_CUT = [(ABORT, RELEASES | BEFORE_HEAD)]


class Task:
    def __init__(self, exchange):
        self.exchange, self.cancelled = exchange, 0

    def cancel(self):
        self.cancelled += 1


class Future:
    def __init__(self):
        self.resolved = 0

    def done(self):
        return self.resolved > 0

    def set_result(self, result):
        assert result is None and not self.resolved
        self.resolved += 1


class Worker(ByHand):
    """The application's part is played by the test: `begun` has the exchanges, by path."""

    def __init__(self, build, extension, *, concurrency=4, workers=1, client_left=False, fronts=1, **replaced):
        super().__init__(build, fronts)
        self.callbacks = Callbacks()
        self.begun, self.tasks, self.left, self.drained, self.problems = {}, {}, [], [], []
        functions = {"begin": self.begin, "create_task": self.create_task, **replaced}
        self.engine = extension.asgi_worker(
            **functions, call_soon=self.callbacks.call_soon, client_left=self.left.append if client_left else None,
            drained=self.drained.append, problem=self.problems.append, receive_later=lambda exchange: "later",
            send_later=lambda exchange: "later", state=None, concurrency=concurrency, workers=workers, **self.lane())

    def begin(self, scope, exchange):
        self.begun[scope["path"]] = exchange
        return exchange

    def create_task(self, exchange):
        task = Task(exchange)
        self.tasks[exchange.path] = task
        return task

    def exchange(self, *arguments, **options):
        """A request that has been begun: its ticket and its exchange."""
        ticket = self.ask(*arguments, **options)
        self.go_on()
        return ticket, list(self.begun.values())[-1]

    def finish(self, path, raised=False):
        return self.engine.finish(self.begun[path], raised)


def answer(exchange, body=b"x"):
    return exchange.respond(200, None, [], body, False)


@pytest.fixture(params=sorted(BUILDS))
def extension(build, request):
    return load_extension(build, request.param)


@pytest.fixture
def make(build, extension):
    made = []

    def worker(**options):
        made.append(Worker(build, extension, **options))
        return made[-1]

    yield worker
    for each in made:
        each.close()


@pytest.mark.parametrize("which", sorted(BUILDS))
def test_keeps_the_module_whose_types_it_uses(build, which):
    extension = load_extension(build, which)
    module = weakref.ref(extension)
    worker = Worker(build, extension)
    del extension
    gc.collect()
    assert module() is not None
    ticket, exchange = worker.exchange()
    answer(exchange)
    worker.go_on()
    assert worker.answers[ticket].body == b"x"
    worker.close()


# ---- claims


def test_no_more_than_concurrency(make):
    worker = make(concurrency=2)
    tickets = [worker.ask(target=f"/{number}") for number in range(4)]
    worker.go_on()
    assert list(worker.begun) == ["/0", "/1"] and worker.engine.active == 2
    answer(worker.begun["/0"])
    worker.go_on()
    assert worker.answers[tickets[0]].complete and len(worker.begun) == 2  # the application has not returned yet
    assert worker.finish("/0") is None
    worker.go_on()
    assert list(worker.begun) == ["/0", "/1", "/2"] and worker.engine.active == 2
    for path in ("/1", "/2", "/3"):
        worker.go_on()
        answer(worker.begun[path])
        worker.finish(path)
    worker.go_on()
    assert all(worker.answers[ticket].body == b"x" for ticket in tickets)
    assert worker.engine.active == 0 and worker.in_use() == 0


@pytest.mark.parametrize("workers, queued, claimed", [(1, 5, 5), (2, 5, 3), (5, 5, 1), (9, 5, 1), (1, 40, 8), (2, 80, 8)])
def test_a_turn_leaves_others_their_share(make, workers, queued, claimed):
    worker = make(concurrency=100, workers=workers)
    for number in range(queued):
        worker.ask(target=f"/{number}")
    worker.turn()
    assert worker.engine.active == len(worker.begun) == claimed
    worker.settle()  # nobody else was there to take them
    assert worker.engine.active == queued


def test_begin_that_returns_none_makes_no_task(make):
    worker = make(begin=lambda scope, exchange: worker.begin(scope, exchange) and None)
    ticket, exchange = worker.exchange(target="/a")
    assert worker.tasks == {} and worker.engine.active == 1
    answer(exchange, b"without a task")
    assert worker.engine.finish(exchange, False) is None
    worker.go_on()
    assert worker.answers[ticket].body == b"without a task" and worker.in_use() == 0 and worker.engine.active == 0


@pytest.mark.parametrize("which", ["begin", "create_task"])
def test_what_cannot_be_begun_is_told_and_answered(make, which):
    def raises(*arguments):
        if fails:
            raise MemoryError("none left")
        return getattr(worker, which)(*arguments)

    fails = True
    worker = make(**{which: raises})
    ticket = worker.ask(target="/a")
    worker.go_on()
    assert worker.problems == ["a request could not be begun: none left"]
    assert worker.answers[ticket].aborted and worker.answers[ticket].before_head
    assert worker.engine.active == 0 and worker.in_use() == 0
    fails = False
    ticket, exchange = worker.exchange(target="/b")
    answer(exchange)
    worker.finish("/b")
    worker.go_on()
    assert worker.answers[ticket].body == b"x"


# ---- the end of a request


@pytest.mark.parametrize("started, raised, problem", [
    (False, False, "returned without a response"), (False, True, None),
    (True, False, "returned without completing its response"), (True, True, None)])
def test_an_application_that_ends_too_early(make, started, raised, problem):
    worker = make()
    ticket, exchange = worker.exchange(target="/a")
    if started:
        exchange.respond(200, None, [], b"begun", True)
    assert worker.finish("/a", raised) == problem
    worker.go_on()
    got = worker.answers[ticket]
    assert got.aborted and got.before_head == (not started) and got.body == (b"begun" if started else b"")
    assert worker.in_use() == 0 and worker.engine.active == 0


def test_finish_twice_does_not_touch_who_has_the_slot_now(make):
    worker = make()
    first, exchange = worker.exchange(target="/a")
    answer(exchange)
    worker.finish("/a")
    worker.go_on()
    second = None
    while second is None or second[0] != first[0]:  # until the slot is used again
        if second is not None:
            answer(worker.begun["/b"])
            worker.finish("/b")
            worker.go_on()
        second, _ = worker.exchange(target="/b")
    assert worker.engine.finish(exchange, True) is None and worker.engine.finish(exchange, False) is None
    worker.go_on()
    assert worker.engine.active == 1 and worker.in_use() == 1 and not worker.answers[second].complete
    answer(worker.begun["/b"], b"its own")
    worker.finish("/b")
    worker.go_on()
    assert worker.answers[second].body == b"its own" and worker.engine.active == 0


def test_after_finish_nothing_is_taken(make):
    worker = make()
    _, exchange = worker.exchange(target="/a")
    worker.finish("/a")
    with pytest.raises(RuntimeError, match="after the application had returned"):
        exchange.send({"type": "http.response.start", "status": 200})
    with pytest.raises(RuntimeError, match="after the application had returned"):
        answer(exchange)
    assert exchange.finished and exchange.try_receive() == {"type": "http.disconnect"}


def test_another_thread_is_refused(make):
    worker = make()
    _, exchange = worker.exchange(target="/a")
    raised = []

    def use():
        for call in (lambda: answer(exchange), exchange.try_receive):
            try:
                call()
            except RuntimeError as error:
                raised.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(raised) == 2 and all("run_coroutine_threadsafe" in text for text in raised)
    answer(exchange)
    worker.finish("/a")


def test_an_exchange_lives_no_longer_than_it_must(make):
    worker = make()
    collected = []
    _, exchange = worker.exchange(target="/a")
    future = Future()
    weakref.finalize(future, collected.append, "future")
    exchange.await_end(future)
    answer(exchange)
    worker.go_on()
    assert future.resolved == 1
    worker.finish("/a")
    worker.go_on()
    worker.begun.clear(), worker.tasks.clear()
    del exchange, future
    assert collected == ["future"] and worker.engine.active == 0


# ---- clients that leave, requests that are cancelled


@pytest.mark.parametrize("told", [False, True])
def test_a_client_that_leaves(make, told):
    worker = make(client_left=told)
    ticket, exchange = worker.exchange(target="/a")
    message, end = Future(), Future()
    assert exchange.try_receive() == {"type": "http.request", "body": b"", "more_body": False}
    assert exchange.try_receive() is None and not exchange.over
    exchange.await_message(message)
    exchange.await_end(end)
    worker.say(DISCONNECT, ticket)
    worker.go_on()
    assert exchange.client_left and exchange.over and message.resolved == end.resolved == 1
    assert worker.left == ([worker.tasks["/a"]] if told else [])
    assert exchange.try_receive() == {"type": "http.disconnect"}
    with pytest.raises(ConnectionResetError, match="the client has left"):
        answer(exchange)
    assert worker.in_use() == 1 and worker.engine.active == 1  # until the application returns, its time runs on
    assert worker.finish("/a") is None
    worker.go_on()
    assert worker.in_use() == 0 and worker.engine.active == 0 and worker.answers[ticket].frames == ONLY_CUT


def test_cancelled_while_it_runs(make):
    worker = make()
    ticket, exchange = worker.exchange(target="/a")
    other, _ = worker.exchange(target="/b")
    end = Future()
    exchange.await_end(end)
    worker.say(CANCEL, ticket)
    worker.go_on()
    assert worker.tasks["/a"].cancelled == 1 and worker.tasks["/b"].cancelled == 0
    assert exchange.cancelled and exchange.over and end.resolved == 1
    with pytest.raises(ConnectionResetError, match="cancelled"):
        answer(exchange)
    worker.finish("/a", raised=True)
    answer(worker.begun["/b"])
    worker.finish("/b")
    worker.go_on()
    assert worker.in_use() == 0 and worker.answers[other].body == b"x" and worker.answers[ticket].frames == ONLY_CUT


def test_cancelled_without_a_task(make):
    worker = make(begin=lambda scope, exchange: worker.begin(scope, exchange) and None)
    ticket, exchange = worker.exchange(target="/a")
    end = Future()
    exchange.await_end(end)
    worker.say(CANCEL, ticket)
    worker.go_on()
    assert exchange.cancelled and end.resolved == 1 and worker.engine.active == 1
    worker.finish("/a", raised=True)
    worker.go_on()
    assert worker.in_use() == 0 and worker.engine.active == 0


def test_frames_that_come_too_late_reach_nobody(make):
    """The front knows nothing of the answer yet when it cancels the request."""
    worker = make()
    ticket, exchange = worker.exchange(target="/a")
    answer(exchange)
    worker.turn()
    worker.say(CANCEL, ticket)
    worker.go_on()
    assert worker.tasks["/a"].cancelled == 0 and not exchange.cancelled
    assert worker.answers[ticket].body == b"x"
    worker.finish("/a")


# ---- rings and credit


def fill(worker):
    """Answers that together are more than a ring holds: the last of them is stuck. By path."""
    tickets = {f"/{number}": worker.ask(target=f"/{number}") for number in range(FULL_RING)}
    worker.turn()
    worker.settle()
    said = [answer(worker.begun[path], path.encode() * (INITIAL_CREDIT // 2)) for path in tickets]
    assert said[-1] == "later" and worker.begun[list(tickets)[-1]].blocked()
    return tickets


def empty_ring(worker):
    """As often as it takes for all that waits to pass it."""
    for _ in range(3):
        worker.take_in()
        worker.go_on()


def test_a_full_ring(make):
    worker = make()
    tickets = fill(worker)
    room = Future()
    last = worker.begun["/2"]
    last.await_room(room)
    worker.settle()
    assert room.resolved == 0 and last.blocked()
    empty_ring(worker)
    assert room.resolved == 1 and not last.blocked()
    for path, ticket in tickets.items():
        worker.finish(path)
        assert worker.answers[ticket].body == path.encode() * (INITIAL_CREDIT // 2)
    worker.go_on()
    assert worker.in_use() == 0 and worker.engine.active == 0


def test_who_finds_the_ring_full_asks_for_a_turn(make):
    """Only a turn tells the front that somebody waits for room."""
    worker = make()
    ticket, exchange = worker.exchange(target="/late")
    fill(worker)
    worker.settle()
    assert worker.callbacks.soon == []
    assert answer(exchange, b"late" * 20_000) == "later"
    assert len(worker.callbacks.soon) == 1
    worker.settle()
    empty_ring(worker)
    assert worker.answers[ticket].body == b"late" * 20_000 and not exchange.blocked()


def test_finish_beside_a_full_ring(make):
    """The application has returned: its answer goes on, and the worker does not end before it has gone."""
    worker = make()
    tickets = fill(worker)
    for path in tickets:
        assert worker.finish(path) is None
    worker.engine.stop("quit")
    worker.settle()
    assert worker.engine.active > 0 and worker.drained == []
    empty_ring(worker)
    assert worker.answers[tickets["/2"]].body == b"/2" * (INITIAL_CREDIT // 2)
    assert worker.engine.active == 0 and worker.in_use() == 0 and worker.drained == ["quit"]


def test_releases_are_kept_while_the_ring_is_full(make):
    """A request whose client has left has nothing more to say than that its slot is free: not even that fits now."""
    worker = make(concurrency=8)
    ticket, exchange = worker.exchange(target="/left")
    tickets = fill(worker)
    worker.say(DISCONNECT, ticket)
    worker.turn()
    worker.finish("/left", raised=True)
    worker.settle()
    assert worker.engine.active == FULL_RING and worker.in_use() == FULL_RING + 1
    for path in tickets:
        worker.finish(path)
    empty_ring(worker)
    assert worker.in_use() == 0 and worker.engine.active == 0


@pytest.mark.parametrize("kind", [DISCONNECT, CANCEL])
def test_a_client_that_leaves_beside_a_full_ring(make, kind):
    worker = make()
    tickets = fill(worker)
    room = Future()
    worker.begun["/2"].await_room(room)
    worker.say(kind, tickets["/2"])
    worker.turn()
    assert room.resolved == 1
    worker.settle()
    assert not worker.begun["/2"].blocked()
    for path in tickets:
        worker.finish(path)
    empty_ring(worker)
    assert worker.in_use() == 0 and worker.answers[tickets["/2"]].frames == ONLY_CUT
    assert worker.answers[tickets["/1"]].body == b"/1" * (INITIAL_CREDIT // 2)


def test_credit(make):
    worker = make()
    body = bytes(range(256)) * 1024
    ticket, exchange = worker.exchange(target="/a")
    assert answer(exchange, body) == "later"
    worker.go_on()
    assert worker.answers[ticket].body == body[:INITIAL_CREDIT] and exchange.blocked()
    worker.say(CREDIT, ticket, 1000)
    worker.go_on()
    assert worker.answers[ticket].body == body[:INITIAL_CREDIT + 1000] and exchange.blocked()
    worker.say(CREDIT, ticket, len(body))
    worker.go_on()
    assert worker.answers[ticket].body == body and not exchange.blocked() and worker.answers[ticket].complete
    worker.finish("/a")


def test_a_streamed_body(make):
    worker = make()
    ticket, exchange = worker.exchange("POST", "/a", place=STREAMED, length=6)
    assert exchange.try_receive() is None
    worker.go_on()
    assert [kind for kind, _ in worker.answers[ticket].frames] == [BODY_WANTED]
    message = Future()
    exchange.await_message(message)
    for piece in (b"abc", b"def"):
        worker.say(BODY_PIECE, ticket, payload=piece)
    worker.say(BODY_END, ticket)
    worker.go_on()
    assert message.resolved == 1
    assert exchange.try_receive() == {"type": "http.request", "body": b"abc", "more_body": True}
    assert exchange.try_receive() == {"type": "http.request", "body": b"def", "more_body": False}
    assert exchange.try_receive() is None
    worker.go_on()
    # Too little for a frame of credit, and nothing more comes.
    assert not any(kind == WORKER_CREDIT for kind, _ in worker.answers[ticket].frames)
    answer(exchange)
    worker.finish("/a")


def test_pieces_that_nobody_takes(make):
    """The client has left, the application has returned, and pieces still come."""
    worker = make()
    ticket, exchange = worker.exchange("POST", "/a", place=STREAMED, length=6)
    worker.say(BODY_PIECE, ticket, payload=b"abc")
    worker.go_on()
    worker.finish("/a", raised=True)
    worker.say(BODY_PIECE, ticket, payload=b"def")
    worker.go_on()
    assert worker.in_use() == 0 and worker.engine.active == 0
    assert exchange.try_receive() == {"type": "http.disconnect"}


# ---- the end of the worker


def test_retired_while_requests_run(make):
    worker = make()
    ticket, exchange = worker.exchange(target="/a")
    worker.links[0].retire_lane(0)
    worker.ask(target="/later")
    worker.go_on()
    assert list(worker.begun) == ["/a"] and worker.drained == []
    answer(exchange)
    worker.go_on()
    assert worker.answers[ticket].complete and worker.drained == []
    worker.finish("/a")
    worker.go_on()
    assert worker.drained == ["retired"] and worker.engine.active == 0
    worker.go_on()
    assert worker.drained == ["retired"] and list(worker.begun) == ["/a"] and worker.in_use() == 1


def test_stop(make):
    worker = make()
    _, exchange = worker.exchange(target="/a")
    worker.engine.stop("terminated")
    worker.engine.stop("quit")
    worker.ask(target="/later")
    worker.go_on()
    assert worker.drained == [] and list(worker.begun) == ["/a"]
    answer(exchange)
    worker.finish("/a")
    worker.go_on()
    assert worker.drained == ["terminated"]


def test_stop_of_an_idle_worker(make):
    worker = make()
    worker.go_on()
    worker.engine.stop("quit")
    worker.settle()
    assert worker.drained == ["quit"]


def test_cancel_all(make):
    """Tasks are cancelled; who has none is finished at once."""
    def begin(scope, exchange):
        worker.begin(scope, exchange)
        return None if scope["path"].startswith("/none") else exchange

    worker = make(begin=begin, concurrency=8)
    tickets = {path: worker.ask(target=path) for path in ("/none1", "/task1", "/none2", "/task2")}
    worker.go_on()
    worker.begun["/none2"].respond(200, None, [], b"begun", True)
    worker.engine.stop("quit")
    worker.engine.cancel_all()
    assert worker.engine.active == 2
    worker.go_on()
    assert [worker.tasks[path].cancelled for path in ("/task1", "/task2")] == [1, 1]
    assert worker.answers[tickets["/none1"]].before_head and worker.answers[tickets["/none2"]].aborted
    assert worker.drained == []
    worker.engine.cancel_all()
    assert [task.cancelled for task in worker.tasks.values()] == [2, 2]
    for path in worker.tasks:
        worker.finish(path, raised=True)
    worker.go_on()
    assert worker.drained == ["quit"] and worker.in_use() == 0


def test_a_front_that_ends(make):
    worker = make(fronts=2, client_left=True)
    worker.ask(target="/gone")
    kept = worker.ask(target="/kept", front=1)
    worker.go_on()
    gone, other = worker.begun["/gone"], worker.begun["/kept"]
    end = Future()
    gone.await_end(end)
    worker.links[0] = None  # its sockets are closed
    assert worker.engine.look_at_sockets() == worker.engine.lane_sockets[:1]
    assert gone.client_left and end.resolved == 1 and worker.left == [worker.tasks["/gone"]] and not other.client_left
    answer(other)
    worker.finish("/kept")
    worker.finish("/gone", raised=True)
    worker.go_on()
    assert worker.answers_of[1][kept].body == b"x" and worker.engine.active == 0 and worker.drained == ["retired"]


def test_a_loop_that_is_closed(make):
    """call_soon() raises then: nothing more goes anywhere, and nothing breaks."""
    worker = make()
    _, exchange = worker.exchange(target="/a")

    def closed(callback):
        raise RuntimeError("Event loop is closed")

    worker.callbacks.call_soon = closed
    answer(exchange)
    assert worker.finish("/a") is None
    worker.engine.stop("quit")
