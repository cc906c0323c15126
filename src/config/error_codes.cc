#include "config/error_codes.h"

namespace cutwater::config {
namespace {

// 01 configuration, 02 interpreter, 03 the app's import and boot, 04 front, static files and HTTP, 05 requests and
// workers, 06 servers behind us, 08 processes and system.
constexpr ErrorCode kCodes[] = {
    {"CW0101", "unknown key",
     "The configuration has a key that Cutwater does not know in that section. It is refused "
     "rather than ignored, because a mistyped limit that does nothing is worse than a server that does not start.",
     "Correct the spelling or move the key to its section; docs/settings.md lists them all."},
    {"CW0102", "wrong type", "A setting was given a value of another type, such as a number where a duration is meant.",
     "Durations and sizes are texts with a unit (\"30s\", \"10MB\"); counts are numbers without quotes."},
    {"CW0103", "value not allowed",
     "The value has the right type but cannot be used: outside its range, not one of the "
     "choices, or not readable as a duration, size, address or path.",
     "Write a value that the message allows."},
    {"CW0104", "not valid TOML", "The configuration file breaks the TOML grammar at the place shown.",
     "Correct that line; nothing behind it was read."},
    {"CW0105", "configuration cannot be read",
     "The file named with -c or as TARGET does not exist, is not a file, or "
     "this user may not read it; or at HUP it is gone or empty, which had settings.",
     "Check the path and its permissions."},
    {"CW0106", "known, not in this version",
     "The key, value or command is part of Cutwater's design but this version "
     "does not have it yet.",
     "Remove it; the message says what to do meanwhile, where there is something."},
    {"CW0107", "variable not set", "A text uses ${NAME}, but the environment has no such variable.",
     "Set it, or write a default: ${NAME:-value}. For a literal \"${\" write \"$${\"."},
    {"CW0108", "settings contradict each other", "Two entries claim the same thing: one address, one path prefix.",
     "Change or remove one of them."},
    {"CW0109", "something is missing", "An entry lacks a key it cannot do without.",
     "Add the key shown in the message."},
    {"CW0110", "folder does not exist", "A setting names a folder that is not there.",
     "Create the folder or correct the path; relative paths count from the configuration file."},
    {"CW0111", "TARGET does not fit the configuration",
     "An app was named on the command line, but the configuration "
     "has several apps and it is not clear which one is meant.",
     "Leave TARGET away and set `target` in the file."},
    {"CW0112", "TARGET cannot be found", "TARGET is neither a folder, a Python file, a cutwater.toml nor module:attr.",
     "Check the spelling; `cutwater help serve` shows the forms."},
    {"CW0113", "variable means nothing",
     "A variable that begins with CUTWATER_ is close to one that Cutwater reads, "
     "but is none.",
     "Correct its name; docs/settings.md lists the variables."},
    {"CW0114", "configuration may be changed by others",
     "Cutwater runs as root, but users other than root may write "
     "the configuration, and with it decide what runs as whom.",
     "chown root cutwater.toml && chmod go-w cutwater.toml"},
    {"CW0115", "nobody is trusted there",
     "A listener with another protocol than \"http\" is open to other machines, and no web server on one of them is "
     "named: whoever may connect there decides what the app believes of a request.",
     "List the web server in trusted_proxies, or listen on 127.0.0.1 or a unix socket."},
    {"CW0116", "route is never reached",
     "The first [[site.route]] that takes a path answers it, and an earlier one takes all that this one could. With "
     "`auth` that is an error: it would guard nothing.",
     "Move it above the one that the message names."},
    {"CW0117", "path takes itself alone",
     "A match.path without \"*\" takes that path and nothing below it, also when it ends in \"/\".",
     "Write \"/api/*\" for /api and all below it; write \"/api\" for one path."},
    {"CW0118", "server is there twice", "An upstream lists a server twice.", "Remove one, or give it a weight."},
    {"CW0119", "section is of no use", "A [pool.NAME] or [upstream.NAME] is named by no route, so nothing asks it.",
     "Name it in a route: fastcgi = { to = \"NAME\" }; or remove it."},
    {"CW0120", "wrong use of the command line", "A command, flag or argument is unknown or incomplete.",
     "`cutwater help` lists the commands, `cutwater help flags` the flags."},
    {"CW0121", "flag drops settings of a listener",
     "--bind or CUTWATER_BIND stands for all [[listen]] of the file. One of them has more than an address, such as "
     "another protocol than \"http\", which is dropped with it.",
     "Change `addr` in the file instead; or keep the flag where http to clients is what you want."},
    {"CW0122", "path is written encoded",
     "A match.path has a byte in the form %20. Routes look at paths that are decoded, so it takes none that anybody "
     "asks "
     "for, and its `auth` guards nothing.",
     "Write the byte itself: \"/a b/*\"."},
    {"CW0123", "fallback is not there",
     "The script that `fallback` of a route names does not exist. Until it does, requests that it would answer get "
     "404.",
     "Correct `fallback` or `root`, or put the script there; no restart is needed."},
    {"CW0201", "no Python found", "There is no virtual environment in the project and no python3 on PATH.",
     "Make one: python3 -m venv .venv; or set `python` to an interpreter."},
    {"CW0202", "Python not found",
     "The `python` setting names an environment, interpreter or version that is not there.",
     "Correct it, or remove it to let Cutwater discover the interpreter."},
    {"CW0203", "virtual environment is broken",
     "The environment's folder exists, but the Python it was made with is "
     "gone: upgraded, moved, or copied from another machine.",
     "Make it anew: uv venv --clear && uv sync, or "
     "python3 -m venv --clear .venv and install the requirements."},
    {"CW0204", "Python is too old", "Cutwater serves apps on CPython 3.9 and newer.",
     "Make the environment with a newer Python."},
    {"CW0205", "interpreter does not start",
     "The app's Python could not be run as the app's user, in the app's folder.",
     "Set `python` or `user` of the app, or move the files to where that user may read them."},
    {"CW0206", "Cutwater's own files are missing",
     "The folder `library` beside the cutwater program, with the Python "
     "side of the server, is not there or cannot be read.",
     "Install Cutwater again, or build it: ./run."},
    {"CW0207", "no virtual environment",
     "The project has no virtual environment, so the python3 on PATH runs the app, with whatever is installed there.",
     "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt; or name the interpreter with `python`."},
    {"CW0301", "no app found", "No TARGET was given and nothing in the folder looks like an app.",
     "Name it: cutwater serve module:attr."},
    {"CW0302", "several apps found", "Several candidates are equally likely; Cutwater never chooses silently.",
     "Name the one you mean, as the message shows."},
    {"CW0303", "app only made when run as a program",
     "The only app in the folder is created under "
     "if __name__ == \"__main__\". A server imports the file, and then that block does not run.",
     "Move the line that makes the app out of the block; leave app.run() in it."},
    {"CW0310", "no such app object",
     "The module or file was imported or looked for, but the object that `target` names "
     "is not there, or is not something a server can call.",
     "Set `target` to an object that "
     "the message names, or to another one that is an app."},
    {"CW0311", "module missing", "The app imports a package that its virtual environment does not have.",
     "Install it there, as the message shows; if it is installed elsewhere, set `python` to that environment."},
    {"CW0312", "app does not import",
     "Importing the app raised an exception; the traceback is shown, the last line "
     "of your code first. At a reload the generation before keeps serving.",
     "Correct the code. A server that still "
     "serves takes it when the file is saved (watch = \"code\"), else at HUP."},
    {"CW0313", "factory raised", "The factory named in `target` was called and raised an exception.",
     "Correct the factory, or the arguments in `target`."},
    {"CW0314", "interface not in this version", "The app speaks another interface than WSGI, ASGI and Tornado's.",
     "Do what the message says: for Dash name the app's server. What speaks another interface, aiohttp for one, "
     "needs a server of its own: serve that behind a route with proxy."},
    {"CW0315", "cannot tell WSGI from ASGI",
     "The object can be called, but neither its type nor its parameters say how; or it looks like a factory that needs "
     "arguments.",
     "Set protocol = \"wsgi\", \"asgi\" or \"tornado\". Write a factory's arguments into target, "
     "or give them defaults."},
    {"CW0316", "interpreter ended while the app was imported",
     "The app's Python exited, crashed or sent something "
     "unreadable before the app was ready. Native packages that crash at import do that.",
     "See whether it is a Python, and import the app by hand in it, as the message shows."},
    {"CW0317", "app not ready in time",
     "Importing the app and starting a worker took longer than `start_timeout`, or far longer than the last time while "
     "another reload waited; the message says where it was.",
     "Raise `start_timeout`, or do slow work after the import, and after lifespan.startup where the app has it."},
    {"CW0318", "threads for an app with an event loop",
     "`threads` is set, and the app is an ASGI or Tornado app, which runs all of its requests on one event loop.",
     "Remove `threads`; `concurrency` bounds the requests of a worker, `workers` are for more processors."},
    {"CW0319", "event loop for a WSGI app",
     "`loop` names an event loop of asyncio's kind, and the app is a WSGI app, which knows none.",
     "Remove `loop`; `threads`, or loop = \"gevent\", lets a worker run several requests at once."},
    {"CW0320", "greenlets do not fit",
     "`loop` is \"gevent\" or \"eventlet\", which is for WSGI apps that run in one thread, and the app is an ASGI or "
     "Tornado app, or `threads` is set, too. Or `threads` is set for an app that has replaced Python's threads itself.",
     "Remove one of the two settings, as the message says."},
    {"CW0321", "Python runs without its GIL",
     "The app's Python is a free-threaded build, and PYTHON_GIL=0 or -X gil=0 keeps its GIL off. What workers "
     "share with the fronts is guarded by the GIL: without it answers could be mixed up, so nothing is started.",
     "Remove PYTHON_GIL=0 from the server's environment, or -X gil=0 from the command that `python` names. Then "
     "such a Python turns its GIL on when it imports Cutwater's extension."},
    {"CW0322", "app does not speak that protocol",
     "`protocol` says how the app is called, and the app cannot be called so: each request would fail.",
     "Remove `protocol`, as it is found out; or name an app of that protocol in `target`."},
    {"CW0401", "static file not readable",
     "The front's user may not read a file under a static folder; the client got "
     "403. The front never runs as root and never as an app's user.",
     "chmod o+r the file and o+x the folders above, or "
     "set `front_user`."},
    {"CW0402", "access log lines lost",
     "The access log could not be written: its disk is full, or its reader went away or does not keep up. Requests are "
     "served all the same. It is said at once, then every 10 s with the number since, and in the end.",
     "Look at the disk or at who reads the pipe."},
    {"CW0403", "front has no user of its own",
     "Started as root, the front becomes another user, since it never serves as root, and never as an app, a script "
     "or a pool: there is none left for it. Started as somebody else, it cannot become another `front_user`. At HUP "
     "the reload is refused.",
     "Set `front_user` to an existing user that nothing else runs as."},
    {"CW0404", "front cannot serve", "The front hit an error it cannot go on with; the master starts another one.",
     "The message has the reason; often a limit such as open files (ulimit -n)."},
    {"CW0405", "event loop held up",
     "Something blocked a front for more than 50 ms, and every client of that front waited. "
     "Slow disks and memory that was swapped out do that.",
     "Look at the disks of static files and spooled bodies; if both "
     "are well, report it."},
    {"CW0406", "another protocol came",
     "What arrives at a listener with another protocol than \"http\" is not that protocol; or a trusted web server "
     "speaks "
     "FastCGI, SCGI or uwsgi to one of HTTP; or a uwsgi request is for another language than Python (modifier1). No "
     "app was called.",
     "Let the web server speak it (nginx: uwsgi_pass, scgi_pass, fastcgi_pass), or change `protocol` of that "
     "[[listen]]. Of a modifier1: remove nginx's uwsgi_modifier1."},
    {"CW0407", "web server not trusted",
     "A connection to a listener with another protocol than \"http\" came from a user or an address that is not "
     "trusted, "
     "and was closed unread.",
     "If it is your web server: add its user to trusted_users, or its address to trusted_proxies, of that [[listen]]."},
    {"CW0408", "forwarding fields were not believed",
     "A request came from a private address, this machine or a unix socket that `trusted_proxies` of its listener does "
     "not name, with X-Forwarded-*, Forwarded or X-Real-IP. That is most likely a load balancer or web server: the app "
     "has that one's address as its client's, and \"http\" where the client spoke https. By HTTP such fields are "
     "removed. "
     "On a listener with another protocol it is what the web server names in REMOTE_ADDR, and the fields are handed to "
     "the app as they came. Said once for each listener and front.",
     "Write the line that the message shows into that [[listen]]; docs/gateways.md has an example. Clients on a "
     "network of your own that write such fields themselves are to be left as they are."},
    {"CW0409", "TMPDIR not used",
     "The front's user can have no folder of its own in TMPDIR: what is too large for memory goes to /var/tmp or /tmp.",
     "Let that user write to TMPDIR, or remove what has the name of its folder, or unset TMPDIR."},
    {"CW0410", "folder not taken",
     "Another folder was put in the place of a route's folder, or a link on the way to it was switched, but the front "
     "may "
     "not enter what lies there now: it serves the folder that was there before, and looks again each second. Or it is "
     "the `dir` of `cgi`: who owns that decides as whom scripts run, so it stays what it was at the start. Or "
     "folders of scripts have been replaced so often that no more are kept in mind.",
     "Let the user that the message names enter the folder; for `cgi` and after so many, restart."},
    {"CW0501", "request took too long",
     "A request ran longer than `timeout`: the client got 504, if no answer was begun. An asynchronous worker cancels "
     "its task; any other, and one that does not let go of what was cancelled or whose event loop hangs, is replaced, "
     "and that worker alone.",
     "Raise `timeout`, or do this work outside of the request."},
    {"CW0502", "app raised",
     "The app raised an exception that it did not handle, or gave a status, header or body that WSGI or ASGI does not "
     "allow; the client got 500, or a cut connection when the response had begun.",
     "Correct the code, at the line shown if there is one."},
    {"CW0503", "response of another length", "The app gave more or fewer bytes than its Content-Length.",
     "Correct the Content-Length, or leave it out: then it is counted."},
    {"CW0504", "body where none is allowed",
     "The app gave a body with a status that has none (204, 205, 304); it was "
     "dropped. A body for HEAD is dropped, too, which each worker says once for your information: many apps answer "
     "HEAD as they answer GET, and PEP 3333 lets them.",
     "Return an empty body there; for HEAD nothing has to be done."},
    {"CW0505", "app ends its worker",
     "The app raised SystemExit or KeyboardInterrupt while it answered; the worker ends "
     "and another one is started.",
     "Do not call sys.exit() in a request."},
    {"CW0506", "worker cannot go on",
     "A worker met a damaged request or an error in Cutwater's own code and ends; its "
     "request is answered 502.",
     "Report it with the traceback."},
    {"CW0507", "forked child came back",
     "The app forked, and the child returned into the server's code; it was ended, "
     "the worker answers.",
     "End the child with os._exit(), or use subprocess."},
    {"CW0508", "hop-by-hop field left out",
     "The app set a response field that belongs to the connection, and "
     "hop_by_hop = \"drop\" left it out.",
     "Remove the field from the app's responses; the server writes it where it is due."},
    {"CW0509", "no more threads", "The system refused a thread to a worker, which serves on with those it has.",
     "Raise the limit of processes (ulimit -u) or of memory, or lower `threads`."},
    {"CW0511", "queue is full",
     "More than `queue` requests were waiting for a worker, or one waited longer than "
     "`queue_timeout`; they were answered 503 with Retry-After.",
     "More workers, a faster app, or a larger `queue`."},
    {"CW0512", "request body too large", "A body was larger than `limits.body`; the client got 413.",
     "Raise `limits.body` if such uploads are meant to work."},
    {"CW0513", "no room for a request body",
     "A body too large for memory could not be written to the spool folder, or "
     "the uploads running now fill what they may take.",
     "Look at the disk of TMPDIR, else of /var/tmp."},
    {"CW0514", "worker sent a broken response",
     "What a worker wrote could not be understood; the client got 502 and the "
     "worker is replaced. Nothing of it reached the client.",
     "Look for native packages that write where they must not."},
    {"CW0515", "no such file to send",
     "The answer of an app or of a server behind Cutwater named a file with X-Accel-Redirect or X-Sendfile that is not "
     "there, or lies below none of the folders of `sendfile`; the client got 404.",
     "Let it name a file that is there, or add the folder to `sendfile`."},
    {"CW0516", "file named where none may be",
     "An app, or a server behind Cutwater, answered with X-Sendfile or X-Accel-Redirect, by which the web server in "
     "front "
     "is to send a file, but the app or the route has no `sendfile`. The client got the answer without the file, and "
     "without its name: mostly an empty page. Said once for each app and route.",
     "Name the folder of such files: sendfile = { \"/protected/\" = \"/srv/media\" }."},
    {"CW0517", "too much of WebSocket messages is unfinished",
     "The messages that clients of WebSockets had begun and not ended held `limits.websocket_unfinished` together, "
     "and the one that would have gone beyond was closed with 1013 (try again later); the others go on.",
     "Raise `limits.websocket_unfinished` if so many long messages at once are meant to work. If they are not, lower "
     "`limits.websocket_message`: then each client can hold less."},
    {"CW0518", "WebSocket of a WSGI app",
     "The app looked in the environ for the client's socket, as `wsgi.websocket` (gevent-websocket), "
     "`werkzeug.socket`, `gunicorn.socket` (flask-sock, simple-websocket) or `eventlet.input` (eventlet.websocket). "
     "There is none: the front has all sockets, so that a slow client holds no worker. It is said once.",
     "Serve WebSockets by an ASGI or Tornado app beside it, with a `prefix` of its own, or run the program by itself "
     "behind a `proxy` route, through which WebSockets go."},
    {"CW0519", "request longer than a worker can be given",
     "The request line, the fields and the CGI variables of a request are together longer than its place in the shared "
     "memory of the app; the client got 431.",
     "Lower `limits.header`, so that such a request is refused at once."},
    {"CW0521", "worker ended",
     "A worker crashed or exited by itself; what it was running got 502, queued requests are "
     "untouched, another one is started.",
     "The message has the signal or exit code; SIGKILL is often the kernel short of "
     "memory (dmesg)."},
    {"CW0522", "worker broke the link",
     "A worker wrote nonsense to the shared memory or its channel and is replaced; where it has spoiled what all "
     "workers "
     "need, another generation starts, at longer and longer intervals where that happens soon after each start.",
     "Look for native packages that write where they must not."},
    {"CW0523", "not finished in time",
     "A worker or an old generation did not finish within `grace` and was killed; or a FastCGI program that worked on "
     "behind its answer did not, and its connection was closed.",
     "Raise `grace`, of the app or, when Cutwater stops, of `[shutdown]`; or make requests shorter."},
    {"CW0524", "worker cannot be started",
     "The system refused a process or descriptor, code of the app ended the process that was to become a worker, or a "
     "worker was not ready within `start_timeout`; it is tried again.",
     "Look at the limits of processes, memory and open files; or at what the message names."},
    {"CW0525", "zygote ended",
     "The process that workers are forked from is gone. Workers serve on; a new one is started "
     "when it is needed.",
     "The message has the signal or exit code."},
    {"CW0526", "no shared memory", "The memory between front and workers could not be made.",
     "Look at the limits of memory, of files (ulimit -f) and of open files (ulimit -n)."},
    {"CW0527", "too many workers", "More workers were asked for than the 60 that one app can have; it has 60.",
     "Lower `workers`."},
    {"CW0528", "no worker became ready", "The app imports, but its workers end before they are ready.",
     "The messages before say how they ended."},
    {"CW0529", "workers keep dying",
     "All workers of an app die soon after their start, so the next one is started after a "
     "growing pause, at most 30 s. Requests that would wait for it longer than `queue_timeout` are answered 503 at "
     "once.",
     "The messages before say how the workers ended."},
    {"CW0530", "changes of code are not seen",
     "The system gives no more inotify watches, or the app's root has more folders than are looked at, so watch = "
     "\"code\" does not see every file; or the root is gone, and is looked for until it is there again.",
     "Raise fs.inotify.max_user_watches, or reload with HUP. Keep data out of the root, or in folders called media or "
     "static. Put the code where the message says."},
    {"CW0531", "the app changes its own code",
     "A source file or template changed in each of the last five starts of an app, before its workers were ready, also "
     "when "
     "it was started again only after a while: the app seems to write it, and a reload would do so again. So there is "
     "none "
     "for that file until it changes while nothing starts; where the names are new ones each time, there is one after "
     "2 "
     "seconds, 4, 8, up to 5 minutes. All that changes while nothing starts is reloaded as ever.",
     "Let the app write what it keeps to a file that is no Python and no template, or above its root; or set watch = "
     "\"deploy\" or \"off\". Somebody who saved it during all of these starts saves it once more, or reloads with "
     "HUP."},
    {"CW0541", "request cancelled by its own app",
     "The task of a request ended by a CancelledError that neither its client nor the server caused. A client that had "
     "no answer yet got 500.",
     "Look for task.cancel() and timeouts in the app; a cancelled task inside it may pass its error on."},
    {"CW0542", "incomplete ASGI answer",
     "An ASGI app returned without a response, or before its last http.response.body. The client got 500, or saw the "
     "answer cut.",
     "Send http.response.start, then http.response.body until one without more_body."},
    {"CW0543", "lifespan startup failed",
     "An ASGI app said lifespan.startup.failed, or, with lifespan = \"on\", raised. The worker does not start; the "
     "code before goes on serving, if there was one.",
     "The message says what the app said."},
    {"CW0544", "no such event loop", "What `loop` names cannot be imported, or makes no event loop.",
     "Install it in the app's environment, or set loop = \"auto\"."},
    {"CW0545", "lifespan ended badly",
     "An ASGI app raised, or said lifespan.shutdown.failed, when its worker ended; or the task of its lifespan raised "
     "while it served. Requests are answered all the same, and the worker ends when it should.",
     "Correct what the app does at its shutdown, or beside its requests; the message says what it said."},
    {"CW0601", "server not found",
     "The name of a server behind Cutwater could not be looked up. A name that was found before keeps its addresses; "
     "one that never was gets no requests, others of the same upstream do. It is looked up again, as `look_up` of the "
     "upstream says.",
     "Correct the name, or the resolver."},
    {"CW0602", "server cannot be reached",
     "A server behind Cutwater refused the connection or did not take it in time. Another one was asked, else the "
     "client got 502, or 504 when it took too long.",
     "Start that server, or correct its address; the message says what the system said."},
    {"CW0603", "server is left alone",
     "A server behind Cutwater failed `max_fails` times in a row. It gets no requests for 10 s, then one, which "
     "decides. While no other is left it is asked all the same, unless connecting to it took too long.",
     "The messages before say how it failed."},
    {"CW0604", "server answered wrongly",
     "A server behind Cutwater closed the connection without an answer, sent something that is no answer in its "
     "protocol, or a head of more than 64 KiB, 200 fields or 16 KiB in one of them, refused the request, switched to a "
     "protocol that was not asked for (or to WebSocket without the right "
     "Sec-WebSocket-Accept), broke off in the middle, or went on after its Content-Length. The client got 502, or a "
     "cut when the answer had begun; or all of it, where the message says that what came then was dropped or late.",
     "Look at that server's own log."},
    {"CW0605", "server took too long",
     "A server behind Cutwater took longer than `timeout` of the route over the head of its answer, or was silent for "
     "so long in its body, or sent less than 100 bytes a second of that; the client got 504, or a cut when the answer "
     "had begun. Or a FastCGI program did not say within `timeout` that an answer was complete which the client had "
     "whole.",
     "Raise `timeout`, or look at what keeps that server. A stream of events should be text/event-stream, or say "
     "X-Accel-Buffering: no."},
    {"CW0606", "request came back",
     "A request that was passed on to another server came back to this one, and would go round for ever; it was "
     "answered 508.",
     "Correct `to` of the route."},
    {"CW0607", "no server is up",
     "All servers of an upstream took no connection before and are left alone, or refuse still, or fail their `check`; "
     "requests for it are answered 503 at once.",
     "The messages before say how they failed."},
    {"CW0608", "error stream",
     "A FastCGI program behind Cutwater wrote this to its error stream while it answered that request; the access log "
     "has its id with `format = \"json\"`. PHP "
     "writes its warnings there. Of one request no more than 8 KiB are kept, of all in a second no more than 100 "
     "lines.",
     "Look at that program."},
    {"CW0609", "file lost while it was filtered",
     "A file of a route with `filter` became shorter, or could not be read, while it was sent to the filter; the "
     "client "
     "got 502, or a cut when the answer had begun.",
     "Put a new file in its place (mv) instead of writing into it."},
    {"CW0610", "local redirect to nowhere",
     "A program behind Cutwater answered with nothing but a Location of this server, so that what stands there answers "
     "in its place; but that is no path, or the sixth such answer to one request. The client got 502.",
     "Let the program say Status: 302 where the client is to go there."},
    {"CW0611", "answer cut for the sake of others",
     "Several requests ran on one connection to a FastCGI server, and the client of one took its answer too slowly: "
     "more "
     "of it waited than can be kept in memory and in spool files, so that the other answers could not be read. After 5 "
     "seconds it was cut.",
     "Make room for spool files; or set keepalive = 0 for an upstream of long downloads, so that each request has a "
     "connection of its own."},
    {"CW0612", "request cannot be passed on",
     "A request does not fit the protocol of the server behind Cutwater: by uwsgi and SCGI all variables together have "
     "at most 64 KiB. The client got 431.",
     "Lower `limits.header`, so that such a request is refused at once, or use fastcgi or proxy."},
    {"CW0613", "variable of no use",
     "An authorizer (`auth` of a route) let a request through with a Variable-NAME that cannot be passed on: its name "
     "has other characters than letters, digits and '_', or is one that requests have themselves, or one that what the "
     "route leads to does not get: by `proxy` what would be a field such as Host, by FastCGI, SCGI and uwsgi what "
     "tells "
     "the server what to run (PHP_VALUE), by `cgi` a name that `variables` of `auth` does not list and that web "
     "servers do "
     "not give scripts anyway. The request went on without it. Said once for each name.",
     "Let the authorizer use the name of a variable: Variable-REMOTE_USER; of a route to scripts list the names: auth "
     "= { "
     "variables = [\"X_ROLE\"], ... }."},
    {"CW0620", "server fails its check",
     "A server behind Cutwater did not answer its `check` with a status from 200 to 399. It gets no requests until it "
     "does; the other servers of the upstream do.",
     "Look at what keeps that server, or correct `check.path`."},
    {"CW0701", "script cannot be run",
     "A CGI script is there, but the system does not run it: it is not executable (403), its first line names an "
     "interpreter that is not there or ends as on Windows, it is no program and has no such line, or the program of "
     "`interpreters` is not in PATH (500).",
     "The message says which; run the script by hand as its user."},
    {"CW0702", "script has no user",
     "Started as root, Cutwater runs a CGI script as `user` of its route, else as the owner of the script's folder. "
     "That "
     "is root, the user of the front, or nobody known; the client got 500.",
     "Set `user` of the route, or chown the folder."},
    {"CW0703", "no room for a script",
     "The system refused a process, memory or descriptors for a CGI script; the client got 503.",
     "Raise the limits of processes and open files, or lower `max` of the route."},
    {"CW0704", "script answered wrongly",
     "A CGI script ended, or closed its output, without an answer, or sent something that is none: no head with an "
     "end, "
     "a malformed Status, an HTTP status line without `nph`, fewer bytes than it announced. The client got 502, or a "
     "cut "
     "when the answer had begun.",
     "Look at what it writes to its error stream, and run it by hand."},
    {"CW0705", "script took too long",
     "A CGI script ran for longer than `timeout` of its route. It was ended with everything that it had started; the "
     "client got 504, or a cut when the answer had begun.",
     "Raise `timeout`, or look at what keeps the script."},
    {"CW0706", "too many scripts",
     "`max` scripts of a route run, and more than `queue` requests wait for them, or one waited for `queue_timeout`; "
     "they "
     "were answered 503 with Retry-After.",
     "Raise `max`, or make the scripts faster."},
    {"CW0707", "script's error stream",
     "A CGI script wrote this to its error stream while it answered the request of that id. Of one request no more "
     "than "
     "8 KiB are kept, of all in a second no more than 100 lines.",
     "Look at that script."},
    {"CW0708", "script lost with the spawner",
     "The process that starts programs ended, and the CGI scripts that it had started with it, or there was none for "
     "two "
     "seconds; the client got 502. Another one is started within a second.",
     "The message of the master says how it ended."},
    {"CW0709", "script can be changed by others",
     "A CGI script, or a folder on the way to it, can be written by others than root and its owner; or, where no "
     "`user` "
     "says who it runs as, a link leads to it or a part of the way to it is another user's. Whoever can change it "
     "would "
     "have his code run as somebody else. The client got 500.",
     "chmod go-w what the message names, chown it, or set `user` of the route."},
    {"CW0710", "Python script is started anew each time",
     "Python scripts run in an interpreter that was started before (docs/cgi.md), but this one, or all for that "
     "interpreter and user, for the reason that the message names, start one of their own for each request. That is "
     "slower, and they answer as ever.",
     "See what the message names, or write `warm = false` into `cgi` of the route."},
    {"CW0711", "process of a pool cannot be started",
     "The program of a [pool.NAME] is not there or may not be executed, or the system has no process, descriptors or "
     "socket for it. It is tried again, after a pause that doubles up to 30 s; when no process is left, requests are "
     "answered 503.",
     "The message says which; correct `command` of the pool."},
    {"CW0712", "process of a pool ended",
     "A process of a pool crashed, was killed, or exited. The request that it ran got 502, or a cut when the answer "
     "had "
     "begun; those that wait go to others, and another one is started.",
     "The message has the signal or exit status and the request; SIGKILL is often the kernel short of memory (dmesg)."},
    {"CW0713", "process of a pool ends at once",
     "A process of a pool ended before it had answered anything. The next one is started after a pause, the second "
     "time in a row 0.1 s, doubling to 30 s; as long as no process is left, requests for the pool are answered 503.",
     "Run its command by hand, as its user. It must speak FastCGI, and accept connections on descriptor 0."},
    {"CW0714", "request took too long for its pool",
     "A process of a pool was busy with a request for longer than `timeout` of the pool, also when its client had "
     "left. "
     "The client got 504, or a cut when the answer had begun; that process alone was killed.",
     "Raise `timeout`, or look at what keeps the request."},
    {"CW0715", "slow request", "A request has been running in a process of a pool for longer than `slow` of the pool.",
     "Look at what keeps it, or raise `slow`."},
    {"CW0716", "no process is free",
     "All processes of a pool are busy, and more than `queue` requests wait, or one waited for `queue_timeout`; or "
     "they "
     "end as soon as they are started. Such requests are answered 503 with Retry-After.",
     "Raise max of `processes`, or make the requests faster."},
    {"CW0717", "error stream of a pool",
     "A process of a pool wrote this to its error stream outside of any request. Of all in a second no more than 100 "
     "lines are kept.",
     "Look at that program."},
    {"CW0801", "cannot listen", "The address is taken, not one of this machine, or needs rights (ports below 1024).",
     "Choose another address, or end what listens there: ss -ltnp."},
    {"CW0802", "front ended",
     "The process that holds the connections ended; they are lost, another one is started within "
     "a second.",
     "The message has the signal or exit code. One that nobody has sent is an error of ours: report it."},
    {"CW0803", "master lacks something", "A helper process or the master's signal handling could not be set up.",
     "Look at the limits of processes and open files."},
    {"CW0804", "app runs as root", "Cutwater runs as root, the app has no `user`, and its folder belongs to root.",
     "Set `user` of the app, or chown its folder."},
    {"CW0805", "app cannot be run as asked", "The app's user does not exist, or its identity cannot be taken.",
     "Correct `user` of the app; only root can run an app as somebody else."},
    {"CW0806", "static folder cannot be opened",
     "A folder of static files does not exist or may not be entered by the "
     "user who opens it. Everything else is served.",
     "Create it (Django: manage.py collectstatic) or correct the path."},
    {"CW0807", "reload refused", "At HUP the configuration had errors; everything keeps running as it was.",
     "Correct the errors above and send HUP again."},
    {"CW0808", "needs a restart",
     "At HUP a setting was changed that only takes effect when Cutwater starts: fronts, listeners, routes, upstreams, "
     "pools, limits and logs are made then. What an app is given ([app.NAME], but for sendfile) takes effect at HUP.",
     "Restart Cutwater when it suits."},
    {"CW0809", "log file cannot be opened", "The error or access log names a file that cannot be opened or written.",
     "Correct `log.access` or `log.error`, or the permissions of its folder."},
    {"CW0810", "too few file descriptors",
     "The limit of open files is lower than what Cutwater needs for its workers, or for as many clients as a server "
     "usually has. With too few for the workers it does not start, and a reload is refused.",
     "Raise the limit: ulimit -n, or LimitNOFILE of a systemd service."},
};

}  // namespace

std::span<const ErrorCode> error_codes() {
  return kCodes;
}

const ErrorCode* find_error_code(std::string_view code) {
  for (const ErrorCode& known : kCodes) {
    if (known.code == code) return &known;
  }
  return nullptr;
}

std::string missing_fix(std::string_view code, std::string_view text) {
  const ErrorCode* known = find_error_code(code);
  if (known == nullptr || text.find("fix: ") != std::string_view::npos) return "";
  return "fix: " + std::string(known->fix);
}

}  // namespace cutwater::config
