"""Step *define*: how code becomes the files of a function version (docs/decisions/0003-code-travels-as-files.md).

| name | does | in |
|---|---|---|
| `capture_function(fn)` | live function → source | `function.py` |
| `fetch(code_src, handler)` | file, folder, git, https, zip → source | `code_src.py` |
| `text(code, handler)` | text → source | `code_src.py` |
| `signature_of(fn)`, `signature_from_source(text, name)` | parameters and their types | `signature.py` |
| `outputs_from_source(text, name)` | outputs that `@handler(outputs=[…])` declares | `signature.py` |
| `parse_handler(handler)`, `check_handler(handler, files)` | `module:function` | `handler.py` |

Names are imported when first used: `import runwright.capture` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .code_src import fetch as fetch
    from .code_src import text as text
    from .function import capture_function as capture_function
    from .handler import check_handler as check_handler
    from .handler import parse_handler as parse_handler
    from .signature import outputs_from_source as outputs_from_source
    from .signature import signature_from_source as signature_from_source
    from .signature import signature_of as signature_of

_HOME = {
    "capture_function": "function",
    "fetch": "code_src",
    "text": "code_src",
    "signature_of": "signature",
    "signature_from_source": "signature",
    "outputs_from_source": "signature",
    "parse_handler": "handler",
    "check_handler": "handler",
}

__all__ = [
    "capture_function",
    "check_handler",
    "fetch",
    "outputs_from_source",
    "parse_handler",
    "signature_from_source",
    "signature_of",
    "text",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
