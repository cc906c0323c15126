"""The start of an app's interpreter: imports the app, tells the master how that went, becomes what it was started as."""

from __future__ import annotations

import functools
import gc
import os
import platform
import signal
import sys
import time
from types import FrameType
from typing import Any, Dict, NoReturn, Optional, Tuple

import _cutwater
from cutwater import failure, fitting, fork_safety, framework, loader, messages, own_signals, project, sources, template_folders, worker, zygote
from cutwater.channel import Channel, ChannelClosed
from cutwater.failure import BootFailure


def run(channel: Channel) -> NoReturn:
    messages.speak_through(channel)
    own_signals.watch_forks()
    worker.ignore_signals()
    try:
        start, _ = channel.receive()
        if start["type"] != "start":
            raise ChannelClosed(f"expected start, got {start['type']}")
    except ChannelClosed as error:
        print(f"cutwater: {error}", file=sys.stderr)
        os._exit(1)
    _cutwater.set_process_name("cutwater-" + start["mode"])
    _enter_app(start)
    told = functools.partial(_tell_where, start, time.time())
    own_signals.handle(signal.SIGTERM, told)
    loaded, fork_safe = _import(start, channel)
    if signal.getsignal(signal.SIGTERM) is told:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if start["mode"] == "zygote" and fork_safe:
        zygote.freeze()
        zygote.run(_service(loaded, start), channel)
    elif start["mode"] == "worker":
        _run_alone(_service(loaded, start), channel)
    os._exit(_wait_for_quit(channel))


def _tell_where(start: Dict[str, Any], began: float, number: int, frame: Optional[FrameType]) -> None:
    """Ended while the app was imported, which took too long: a server may have been started, or a database waited for."""
    line = failure.line_reached(frame, start["root"], began)
    if line is not None:
        messages.note(f'{start["app"]}: the import had come to {line}')
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _enter_app(start: Dict[str, Any]) -> None:
    root = start["root"]
    os.environ.update(start.get("environment", {}))
    os.chdir(root)
    sys.path.insert(0, root)
    sys.argv = ["cutwater"]
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)


def _import(start: Dict[str, Any], channel: Channel) -> Tuple[loader.Loaded, bool]:
    """Loads the app and tells the master how that went."""
    root = start["root"]
    if start["mode"] == "zygote":
        gc.disable()  # holes left by a collection would be filled, and so copied, in every worker
    read = sources.SourcesRead(root)
    try:
        with read:
            fitting.patch_for(start)
            loaded = loader.load(start["target"], root, start.get("protocol", "auto"))
            fitting.check(loaded.target, loaded.protocol, start)
            probe = framework.probe(loaded, root, start.get("prefix", ""), None if start["mode"] == "check" else f"kill -HUP {os.getppid()}")
    except BootFailure as failed:
        if start["mode"] != "check":
            project.tell(channel, project.watched(root))
        channel.send("failed", exit_code=failed.exit_code, code=failed.code, text=failed.text)
        worker.flush_streams()
        os._exit(failed.exit_code)
    if start["mode"] == "zygote":
        framework.warm_up_for_workers(start.get("prefix", ""))
    named = probe.templates if start["mode"] == "check" else probe.templates + template_folders.find(loaded.application, root)
    framework.close_database_connections()
    verdict = _may_fork(start.get("preload", "auto"), channel)
    if start["mode"] != "check":
        project.tell(channel, project.watched(root, named, probe.not_watched), read.changed())
    channel.send(
        "imported", python=platform.python_version(), target=loaded.target, framework=probe.framework,
        protocol=loaded.protocol, static=probe.static, fork_safe=verdict.safe, fork_reason=verdict.reason,
        notes=loaded.notes + probe.notes + fitting.hints(loaded.protocol, start))
    return loaded, verdict.safe


def _may_fork(preload: Any, channel: Channel) -> fork_safety.Verdict:
    if preload in (False, "false"):
        return fork_safety.Verdict(False, "preload = false")
    verdict = fork_safety.check([channel.fileno()])
    if preload in (True, "true"):
        return fork_safety.Verdict(True, verdict.reason)  # forced; the reason is still worth a line
    return verdict


def _service(loaded: loader.Loaded, start: Dict[str, Any]) -> worker.Service:
    return worker.Service(
        loaded.application, start["app"], start["root"], start.get("hop_by_hop") == "drop", loaded.protocol,
        start.get("loop", "auto"), int(start.get("concurrency", 1)), int(start.get("workers", 1)),
        start.get("lifespan", "auto"), start.get("on_disconnect") == "cancel", int(start.get("threads", 1)))


def _run_alone(service: worker.Service, channel: Channel) -> NoReturn:
    """A worker that no zygote forked: it has imported the app itself and serves on its own channel."""
    try:
        message, descriptors = channel.receive()
        while message["type"] not in ("attach", "quit"):
            message, descriptors = channel.receive()
        if message["type"] == "quit":
            os._exit(0)
        _, link = worker.split_descriptors(descriptors, with_channel=False)
    except ChannelClosed:
        os._exit(0)
    worker.reset_signals()
    worker.serve(service, channel, int(message["lane"]), link)


def _wait_for_quit(channel: Channel) -> int:
    """A check, or a zygote that cannot fork: everything was said; the master ends the conversation."""
    worker.flush_streams()
    try:
        while channel.receive()[0]["type"] != "quit":
            pass
    except ChannelClosed:
        pass
    return 0
