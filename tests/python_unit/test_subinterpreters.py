"""The extension in several interpreters of one process: each has a module, types and state of its own."""

import subprocess

SCRIPT = """
import io, sys
sys.path.insert(0, {library!r})
import _cutwater

def create():
    if sys.version_info >= (3, 13):
        import _interpreters
        return _interpreters, _interpreters.create("legacy")
    import _xxsubinterpreters
    return _xxsubinterpreters, _xxsubinterpreters.create(**(dict(isolated=False) if sys.version_info >= (3, 10) else dict()))

INSIDE = '''
import io, sys
sys.path.insert(0, {library!r})
import _cutwater
assert id(_cutwater.FileWrapper) not in %r, "a type of another interpreter's"
assert list(_cutwater.FileWrapper(io.BytesIO(b"abcdef"), 4)) == [b"abcd", b"ef"]
assert callable(_cutwater.asgi_worker) and callable(_cutwater.serve_wsgi)
'''
for round in range(3):
    interpreters, number = create()
    failed = interpreters.run_string(number, INSIDE % [id(_cutwater.FileWrapper)])
    assert failed is None, failed
    interpreters.destroy(number)
    assert list(_cutwater.FileWrapper(io.BytesIO(b"abcdef"), 4)) == [b"abcd", b"ef"]
print("passed")
"""


def test_each_interpreter_has_its_own(build, every_python):
    script = SCRIPT.format(library=str(build / "library"))
    run = subprocess.run([every_python, "-c", script], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, "passed\n"), run.stderr
