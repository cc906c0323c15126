"""Scripts that show what Python they run in. Started cold or run by a warm one they must answer the same."""

HEAD = 'print("Content-Type: text/plain\\n")\n'

SCRIPTS = {
    "hello": HEAD + "print('hello')",
    "itself": HEAD + """
import os, sys
print(sys.argv, __file__, __name__, __spec__, __doc__, __package__, __builtins__.__name__, sys.modules["__main__"].__file__)
print(sys.path, os.getcwd(), sys.executable, sys.prefix, sys.flags, sys.warnoptions, sys.dont_write_bytecode)
print(sorted(globals()), getattr(sys, "orig_argv", None), type(__loader__), sys.getrecursionlimit())
""",
    "environment": HEAD + """
import os
print(sorted(os.environ.items()), len(os.environb), os.getenv("HTTP_X"), os.environ.get("GATEWAY_INTERFACE"))
os.environ["NEW"] = "1"
import subprocess
print(subprocess.run("echo $NEW; umask; ls /proc/self/fd | wc -l", shell=True, capture_output=True, text=True).stdout)
""",
    "process": HEAD + """
import gc, os, signal, sys, threading
print(os.getpid() == os.getsid(0) == os.getpgid(0), threading.current_thread() is threading.main_thread(), threading.active_count())
print(sorted((s.name, str(signal.getsignal(s))) for s in signal.Signals if not s.name.startswith("SIGRT")))
print(sorted(os.listdir("/proc/self/fd")), gc.isenabled(), gc.get_threshold(), signal.pthread_sigmask(signal.SIG_BLOCK, []))
print([line for line in open("/proc/self/status") if line.startswith(("SigBlk", "SigIgn", "SigCgt", "Groups", "Uid", "NoNewPrivs", "Cap"))])
""",
    "streams": HEAD + """
import sys
for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(repr(stream), stream.encoding, stream.errors, stream.line_buffering, stream.write_through, stream.newlines, stream.fileno(), stream.closed)
    print(type(stream.buffer).__name__, stream.buffer.name if hasattr(stream.buffer, "name") else "", stream.isatty())
print(sys.__stdout__ is sys.stdout, sys.stdin.seekable(), sys.stdin.readline(), sys.stdin.buffer.read())
""",
    "binary": """
import sys
sys.stdout.write("Content-Type: application/octet-stream\\n\\n")
sys.stdout.flush()
sys.stdout.buffer.write(bytes(range(256)) * 1000)
""",
    "text and bytes": "import sys\nsys.stdout.buffer.write(b'Content-Type: text/plain\\r\\n\\r\\n')\nprint('caf\\u00e9 \\udcff')",
    "exit text": HEAD + "raise SystemExit('goodbye')",
    "exit 3": HEAD + "import sys; sys.exit(3)",
    "exit 256": HEAD + "import sys; sys.exit(256 + 7)",
    "exit true": HEAD + "import sys; sys.exit(True)",
    "exit tuple": HEAD + "import sys; sys.exit((1, 2))",
    "_exit": HEAD + "import os, sys; sys.stdout.flush(); os._exit(9)",
    "_exit unflushed": "import os; print('lost'); os._exit(0)",
    "fails": HEAD + "def f(x):\n    return 1 / x\n\nf(0)",
    "fails in a handler": HEAD + "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('x') from e",
    "fails deeply": HEAD + "def f():\n    f()\nf()",
    "syntax": HEAD + "def (:\n",
    "null byte": HEAD + "x = '\0'",
    "warns": HEAD + "x = '\\d'\nimport warnings\nwarnings.warn('mine', DeprecationWarning)",
    "interrupt": HEAD + "raise KeyboardInterrupt",
    "killed": HEAD + "import os, signal, sys; sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)",
    "excepthook": HEAD + "import sys\nsys.excepthook = lambda *a: print('hooked', a[0].__name__)\n1 / 0",
    "excepthook fails": HEAD + "import sys\ndef hook(*a):\n    raise ValueError('second')\nsys.excepthook = hook\n1 / 0",
    "atexit": HEAD + "import atexit\natexit.register(print, 'at exit')\nprint('before')",
    "atexit fails": HEAD + "import atexit\natexit.register(print, 'last')\natexit.register(lambda: 1 / 0)",
    "threads": HEAD + """
import threading, time
def work(n):
    time.sleep(0.05)
    print("thread", flush=True)
for n in range(3):
    threading.Thread(target=work, args=(n,)).start()
print("main", flush=True)
""",
    "daemon thread": HEAD + "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\nprint('x')",
    "finalizers": HEAD + """
import weakref
class Noisy:
    def __del__(self):
        print("deleted")
kept = Noisy()
kept.itself = kept
other = Noisy()
""",
    "unclosed file": HEAD + "f = open('/proc/self/fd/1', 'w')\nf.write('from a file never closed')",
    "replaced stdout": "import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='latin-1')\n" + HEAD + "print('\\xe4')",
    "closed stdout": HEAD + "import sys\nsys.stdout.close()",
    "fork": HEAD + """
import os, sys
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    print("child")
    sys.exit(5)
print("parent", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
    "fork without exit": HEAD + "import os, sys\nsys.stdout.flush()\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nprint('parent' if pid else 'child')",
    "multiprocessing": HEAD + "import multiprocessing as m\nif __name__ == '__main__':\n    with m.get_context('fork').Pool(2) as p:\n        print(p.map(abs, [-1, 2]))",
    "body": HEAD + "import sys, hashlib\ndata = sys.stdin.buffer.read()\nprint(len(data), hashlib.md5(data).hexdigest())",
    "imports": HEAD + "import beside, json, logging, sqlite3, decimal\nprint(beside.VALUE, beside.__file__)\nlogging.warning('to stderr')",
    "form": """
import warnings
warnings.simplefilter("ignore")
try:
    import cgi
except ImportError:
    import sys; print("Content-Type: text/plain\\n\\nno cgi"); sys.exit()
form = cgi.FieldStorage()
print("Content-Type: text/plain\\n")
print(form.getvalue("a"), form.getlist("b"))
""",
    "wsgiref": """
from wsgiref.handlers import CGIHandler
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(sorted((k, v) for k, v in environ.items() if isinstance(v, (str, bool, tuple)))).encode(), environ["wsgi.input"].read(5)]
CGIHandler().run(application)
""",
    "memory": HEAD + "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))\nx = b'x' * 2**30",
    "recursion of data": HEAD + "x = []\nfor _ in range(100000):\n    x = [x]\nprint('deep')",
    "async": HEAD + "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    print('done')\nasyncio.run(f())",
    "encoding cookie": "# -*- coding: latin-1 -*-\nprint('Content-Type: text/plain\\n')\nprint(ascii('\xe4'))",
    "future": "from __future__ import annotations\n" + HEAD + "def f(x: nowhere): pass\nprint(f.__annotations__)",
    "dataclass and pickle": HEAD + "import pickle\nclass C:\n    x = 1\nprint(pickle.loads(pickle.dumps(C())).x, C.__module__)",
    "frames": HEAD + "import inspect\ndef f():\n    return [i.function for i in inspect.stack()][:2]\nprint(f())",
    "doctest": '"""The doc."""\n' + HEAD + "print(__doc__)",
}
ENCODINGS = {"encoding cookie": "latin-1"}  # of the files


def write(folder, python=None):
    """All of them below `folder`, with a `#!` line for `python` if one is given; their paths by name."""
    (folder / "beside.py").write_text("VALUE = 'a module beside the script'\n")
    paths = {}
    for number, (name, text) in enumerate(SCRIPTS.items()):
        paths[name] = folder / f"s{number}.py"
        line = f"#!{python}\n" if python else ""
        paths[name].write_bytes((line + text + "\n").encode(ENCODINGS.get(name, "utf-8")))
        paths[name].chmod(0o755)
    return paths
