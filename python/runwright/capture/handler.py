"""`module:function`: parse it, and find it in the files without importing them."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator, Mapping

from ..exceptions import InvalidError, SourceError

_FORM = "write 'module:function' or, with one file, 'function'; for example 'functions:train'"


def parse_handler(handler: str) -> tuple[str | None, str]:
    """Split a handler into its dotted module, None in the short form, and its function.

    Raises:
        InvalidError: if it is no handler: a path, a keyword, not made of identifiers.
    """
    if not isinstance(handler, str) or not handler.strip():
        raise InvalidError("handler: a name is needed", field="handler", value=handler, cure=_FORM)
    module, colon, function = handler.rpartition(":")
    if "/" in handler or "\\" in handler or ".." in handler or module.endswith(".py"):
        guess = module.replace("\\", "/").removesuffix(".py").strip("./").replace("/", ".")
        cure = f"write it as a module: '{guess}:{function}'" if guess and function.isidentifier() and ".." not in handler else _FORM
        raise InvalidError(f"handler: {handler!r} is a path", field="handler", value=handler, cure=cure)
    if not colon and "." in function:
        head, _, tail = function.rpartition(".")
        raise InvalidError(f"handler: {handler!r} names no function", field="handler", value=handler, cure=f"write '{head}:{tail}'")
    names = [*module.split("."), function] if colon else [function]
    for name in names:
        if not name.isidentifier():
            raise InvalidError(f"handler: {name!r} in {handler!r} is no Python name", field="handler", value=handler, cure=_FORM)
        if keyword.iskeyword(name):
            raise InvalidError(f"handler: {name!r} in {handler!r} is a keyword of Python", field="handler", value=handler, cure=_FORM)
    return (module if colon else None), function


def check_handler(handler: str, files: Mapping[str, str], *, main: str | None = None) -> str:
    """The full form of a handler that `files` really hold.

    Args:
        handler: as the user wrote it.
        files: text by path, as in the version's source.
        main: the module that the short form means, if there is one that is plain to see.

    Raises:
        InvalidError: if it is misspelt, ambiguous or no handler.
        SourceError: if its module has a syntax error.
    """
    module, function = parse_handler(handler)
    if module is None:
        module = main or _only_module(handler, function, files)
    path = module_path(module, files)
    if path is None:
        cure = close(module, list(modules(files))) or "its modules are " + (
            ", ".join(list(modules(files))[:10]) or "none: it holds no .py file"
        )
        raise InvalidError(f"handler: the code has no module {module!r}", field="handler", value=handler, cure=cure)
    tree = parse(files[path], path)
    bound = dict.fromkeys(name for name, _ in bindings([node for node in tree.body if not _is_main(node)]))
    if function not in bound and not any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in tree.body):
        callables = [name for name, node in bindings(tree.body) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
        cure = close(function, list(bound)) or "it defines " + (", ".join(dict.fromkeys(callables)) or "no function")
        raise InvalidError(f"handler: {path} defines no {function!r} at its top level", field="handler", value=handler, cure=cure)
    return f"{module}:{function}"


def _is_main(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":` does not happen when the module is imported."""
    return isinstance(node, ast.If) and ast.unparse(node.test).replace('"', "'") in ("__name__ == '__main__'", "'__main__' == __name__")


def _only_module(handler: str, function: str, files: Mapping[str, str]) -> str:
    names = list(modules(files))
    if len(names) == 1:
        return names[0]
    found = [name for name in names if _defines(files, name, function)]
    if len(found) == 1:
        return found[0]
    if not found:
        every = [name for module in names for name, node in _quiet(files, module) if not isinstance(node, (ast.Import, ast.ImportFrom))]
        cure = close(function, list(dict.fromkeys(every))) or "write 'module:function'; its modules are " + ", ".join(names[:10])
        raise InvalidError(f"handler: no module of the code defines {function!r}", field="handler", value=handler, cure=cure)
    cure = "write " + " or ".join(f"'{name}:{function}'" for name in found[:5])
    raise InvalidError(f"handler: {len(found)} modules define {function!r}", field="handler", value=handler, cure=cure)


def _quiet(files: Mapping[str, str], module: str) -> list[tuple[str, ast.stmt]]:
    path = module_path(module, files)
    try:
        return list(bindings(parse(files[path], path).body)) if path else []
    except SourceError:
        return []


def _defines(files: Mapping[str, str], module: str, function: str) -> bool:
    return any(name == function and not isinstance(node, (ast.Import, ast.ImportFrom)) for name, node in _quiet(files, module))


def modules(files: Mapping[str, str]) -> Iterator[str]:
    """The modules that can be imported from the tree, shallow ones first."""
    for path in sorted(files, key=lambda path: (path.count("/"), path)):
        if path.endswith(".py") and path != "__init__.py":
            parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
            if all(part.isidentifier() for part in parts):
                yield ".".join(parts)


def module_path(module: str, files: Mapping[str, str]) -> str | None:
    """Where a module is in the tree. A package wins over a module of its name, as it does when imported."""
    stem = module.replace(".", "/")
    return next((path for path in (f"{stem}/__init__.py", f"{stem}.py") if path in files), None)


def parse(text: str, path: str) -> ast.Module:
    """Parse a module.

    Raises:
        SourceError: with file and line, on a syntax error.
    """
    try:
        return ast.parse(text.removeprefix("\ufeff"), path)
    except SyntaxError as error:
        line = (error.text or "").strip()
        message = f"{path}:{error.lineno}: {error.msg}" + (f": {line}" if line else "")
        raise SourceError(message, field="code_src", value=path, cure="correct the syntax error") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{path}: this is not Python: {error}", field="code_src", value=path) from None


def bindings(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """The names that statements bind in the scope that they are in, each with its statement, in order."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or (alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name), node
            continue
        for part in _own(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id, node
        for blocks in ("body", "orelse", "finalbody"):
            yield from bindings(getattr(node, blocks, None) or [])
        for arm in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            yield from bindings(arm.body)


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The expressions of a statement, without the statements in it nor what has a scope of its own."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        if type(child).__name__ == "match_case":
            continue
        yield child
        yield from _own(child)


def close(name: str, known: list[str]) -> str | None:
    """'did you mean …?', if one of the known names is close."""
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {found[0]!r}?" if found else None
