"""From a target to the application object: ``module:attr``, ``module:factory("x")``, ``file.py[:attr]``."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, List, NamedTuple, NoReturn, Optional, Tuple

from cutwater import classify, failure, requirements, unfit
from cutwater.failure import NO_SUCH_OBJECT, BootFailure

_FACTORY_NAMES = ("create_app", "make_app")


class Loaded(NamedTuple):
    application: Any
    module: ModuleType
    target: str  # "shop.wsgi:application", as resolved
    protocol: str
    notes: List[str]


def load(target: str, root: str, protocol: str) -> Loaded:
    """Raises BootFailure with what the operator should read."""
    where, _, expression = target.partition(":")
    if not where:
        unfit.fail_without_module(target)
    module = _import_file(where, root) if _is_file(where, root) else _import_named(where, root)
    notes: List[str] = []
    if not expression:
        expression = _choose(module, root, notes)
    application, expression = _evaluate(module, expression, root)
    application, expression, kind = _settle(module, application, expression, protocol, root)
    notes += unfit.doubts(f"{module.__name__}:{expression}", application, kind, protocol)
    return Loaded(application, module, f"{module.__name__}:{expression}", kind, notes)


def _is_file(where: str, root: str) -> bool:
    return where.endswith(".py") or os.sep in where or os.path.isfile(os.path.join(root, where))


# ---- importing


def _import_named(name: str, root: str) -> ModuleType:
    """The module; but a file of the app's folder that has the name of one imported long ago (site.py) is what is meant."""
    module = _import_module(name, root)
    path = os.path.join(root, *name.split(".")) + ".py"
    loaded_from = os.path.realpath(getattr(module, "__file__", None) or "")
    is_ours = loaded_from.startswith(os.path.realpath(root) + os.sep)
    return _execute_file(path, root) if os.path.isfile(path) and not is_ours else module


def _import_module(name: str, root: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            _fail_missing_target(name, error.name, root)
        fail_import(error, root)
    except BaseException as error:  # an app may call sys.exit() while it is imported
        fail_import(error, root)


def _import_file(where: str, root: str) -> ModuleType:
    path = os.path.normpath(os.path.join(root, where))
    if not os.path.isfile(path):
        raise BootFailure("CW0310", f"there is no file {where} in {root}", NO_SUCH_OBJECT)
    folder, name = _module_name(path)
    if name is None:
        return _execute_file(path, root)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    known = sys.modules.get(name)
    if known is not None and not _same_file(getattr(known, "__file__", None), path):
        return _execute_file(path, root)  # its name is taken, by a module of the standard library for one
    module = _import_module(name, root)
    return module if _same_file(getattr(module, "__file__", None), path) else _execute_file(path, root)


def _module_name(path: str) -> Tuple[str, Optional[str]]:
    """The folder that must be on sys.path and the dotted name the file has then; None if it can have none."""
    folder, file = os.path.split(path)
    stem, extension = os.path.splitext(file)
    if extension != ".py" or not stem.isidentifier():
        return folder, None
    parts = [] if stem == "__init__" else [stem]
    while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.basename(folder).isidentifier():
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    return folder, ".".join(parts)


def _same_file(left: Optional[str], right: str) -> bool:
    return left is not None and os.path.realpath(left) == os.path.realpath(right)


def _execute_file(path: str, root: str) -> ModuleType:
    stem = os.path.splitext(os.path.basename(path))[0]
    name = "cutwater_app_" + "".join(c if c.isalnum() else "_" for c in stem)
    loader = importlib.machinery.SourceFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException as error:
        fail_import(error, root)
    return module


def _fail_missing_target(name: str, missing: str, root: str) -> NoReturn:
    place = f"the package {missing.rpartition('.')[0]} has no" if "." in missing else f"{root} and sys.path have no"
    text = f"there is no module {name}: {place} {missing.rpartition('.')[2]}.py and no folder of that name"
    raise BootFailure("CW0310", text + _near_module(name, root), NO_SUCH_OBJECT)


def _near_module(name: str, root: str) -> str:
    """The way out: a module of the app's folder with nearly that name, else which ones there are."""
    folder = os.path.join(root, *name.split(".")[:-1])
    package = name.rpartition(".")[0]
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        entries = []
    modules = [entry[:-3] for entry in entries if entry.endswith(".py")]
    modules += [entry for entry in entries if entry.isidentifier() and os.path.isdir(os.path.join(folder, entry))]
    if hasattr(sys.modules.get(package), name.rpartition(".")[2]):  # "shop.app" for "shop:app"
        return f'\nfix: target = "{package}:{name.rpartition(".")[2]}"'
    near = difflib.get_close_matches(name.rpartition(".")[2], modules, 1)
    if near:
        return f'\nfix: target = "{package + "." if package else ""}{near[0]}:..."'
    if not entries:
        return "\nfix: correct the module in target, or set root to the folder it is in"
    shown = ", ".join(modules[:8]) or "no module"
    return f"\nfix: correct the module in target (the folder has {shown}), or set root to the folder it is in"


def fail_import(error: BaseException, root: str) -> NoReturn:
    """Raises the BootFailure for whatever the app's own code raised while it was imported."""
    if isinstance(error, BootFailure):
        raise error
    if isinstance(error, ModuleNotFoundError) and error.name:
        _fail_missing_package(error, error.name.partition(".")[0], root)
    if isinstance(error, SystemExit):
        line = failure.last_user_line(error, root)
        text = f"{line or 'the app'} ended the interpreter with exit code {error.code!r} while it was imported"
    else:
        denied = failure.denied(error, root)
        text = "\n".join(denied) if denied else failure.place_of(error, root) + failure.describe(error)
    raise BootFailure("CW0312", f"{text}\n{failure.format_traceback(error)}") from error


def _fail_missing_package(error: ModuleNotFoundError, package: str, root: str) -> NoReturn:
    importer = failure.place_of(error, root).partition(":")[0] or "the app"
    assert error.name is not None
    if package in sys.modules:  # the package is there, a part of it is not
        text = f"{failure.place_of(error, root)}{failure.describe(error)}\n{failure.format_traceback(error)}"
        raise BootFailure("CW0312", text) from error
    listed_in = requirements.listing_file(package, root)
    lines = [f"{importer} needs {package}, not installed in {requirements.environment_name(root)}"]
    if listed_in is not None:
        lines.append(f"note: {listed_in} lists it")
    lines.append(f"fix: {requirements.install_command(package, listed_in, root)}")
    lines.append(failure.format_traceback(error))
    raise BootFailure("CW0311", "\n".join(lines)) from error


# ---- finding the object


def _choose(module: ModuleType, root: str, notes: List[str]) -> str:
    for name in unfit.OBJECT_NAMES:
        value = getattr(module, name, None)
        if value is not None and not isinstance(value, ModuleType):
            return name
    for name in _FACTORY_NAMES:
        if callable(getattr(module, name, None)):
            return f"{name}()"
    found = unfit.applications(module)
    if len(found) == 1:
        notes.append(f"took {found[0][0]}, the only application in {unfit.shown_module(module, root)}")
        return found[0][0]
    unfit.fail_no_object(module, '"application", "app" or create_app()', root)


# ---- evaluating


def _evaluate(module: ModuleType, expression: str, root: str) -> Tuple[Any, str]:
    """A dotted name, or the call of one with literal arguments."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        unfit.fail_expression(module, expression)
    call = tree if isinstance(tree, ast.Call) else None
    value = _resolve(module, call.func if call else tree, expression, root)
    if call is None:
        return value, expression.strip()
    try:
        arguments = [ast.literal_eval(argument) for argument in call.args]
        keywords = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg is not None}
    except ValueError:
        unfit.fail_expression(module, expression)
    return _call_factory(module, value, expression.strip(), root, *arguments, **keywords), expression.strip()


def _resolve(module: ModuleType, tree: ast.AST, expression: str, root: str) -> Any:
    if isinstance(tree, ast.Name):
        if not hasattr(module, tree.id):
            unfit.fail_no_object(module, f'"{tree.id}"', root)
        return getattr(module, tree.id)
    if isinstance(tree, ast.Attribute):
        owner = _resolve(module, tree.value, expression, root)
        if not hasattr(owner, tree.attr):
            text = f'"{expression}" in {unfit.shown_module(module, root)}: {type(owner).__name__} has no "{tree.attr}"'
            raise BootFailure("CW0310", text, NO_SUCH_OBJECT)
        return getattr(owner, tree.attr)
    unfit.fail_expression(module, expression)


def _call_factory(module: ModuleType, factory: Any, shown: str, root: str, *arguments: Any, **keywords: Any) -> Any:
    try:
        return factory(*arguments, **keywords)
    except ModuleNotFoundError as error:
        fail_import(error, root)
    except BaseException as error:
        if isinstance(error, TypeError):
            unfit.fail_call(module, factory, shown, error)
        line = failure.place_of(error, root)
        text = f"{line}{shown} raised {failure.describe(error)}\n{failure.format_traceback(error)}"
        raise BootFailure("CW0313", text) from error


# ---- which interface


def _settle(module: ModuleType, application: Any, expression: str, protocol: str,
            root: str) -> Tuple[Any, str, str]:
    asked = "" if protocol == "auto" else protocol
    kind = classify.classify(application)
    if kind == classify.FACTORY and not expression.endswith(")") and not (asked and classify.misfit(application, asked) is None):
        expression += "()"
        application = _call_factory(module, application, expression, root)
        kind = classify.classify(application)
    shown = f"{module.__name__}:{expression}"
    kind = asked or kind or ""
    if application is None or not callable(application):
        if kind not in (classify.AIOHTTP, classify.TORNADO):
            unfit.fail_no_application(module, expression, application, root)
    if kind == classify.ASGI2 or asked == classify.ASGI and classify.is_old_asgi(application):
        from cutwater import asgi

        return asgi.shim(application), expression, classify.ASGI
    unfit.check(module, expression, application, kind, asked)
    if kind in (classify.WSGI, classify.ASGI, classify.TORNADO):
        return application, expression, kind
    unfit.fail_protocol(shown, kind, application)
