"""The pieces of a captured module, and how they are put in order and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Position = tuple[int, int, int]
FIRST: Position = (-1, 0, 0)
"""Where imports go that no statement of the source makes."""
SECOND: Position = (-1, 1, 0)
"""Where values go that no statement of the source makes."""
LAST: Position = (1 << 30, 0, 0)
"""Where containers are filled that functions register themselves in."""

_MARK = re.compile(r"\0module:([^\0]+)\0")


def module_mark(name: str) -> str:
    """Stands in a piece for the way to reach a module, which is chosen when all names are known."""
    return f"\0module:{name}\0"


@dataclass
class Piece:
    """Some statements.

    Attributes:
        position: where the source has them; text: the order of the texts, line, column.
        kind: import, assign or define.
        binds: the names they bind.
        eager, lazy: the names they need when executed, and when what they define is called.
    """

    position: Position
    text: str
    kind: str
    binds: set[str] = field(default_factory=set)
    eager: set[str] = field(default_factory=set)
    lazy: set[str] = field(default_factory=set)


def in_order(pieces: Iterable[Piece]) -> list[Piece]:
    """In the order of the source, except where a cell that was executed later defines what a piece needs when it is executed."""
    todo = sorted(pieces, key=lambda piece: (piece.position, sorted(piece.binds), piece.text))
    owner = {name: piece for piece in todo for name in piece.binds}
    done: list[Piece] = []
    seen: set[int] = set()

    def visit(piece: Piece) -> None:
        if id(piece) in seen:
            return
        seen.add(id(piece))
        for needed in callable_needs(piece):
            visit(needed)
        done.append(piece)

    def callable_needs(piece: Piece) -> list[Piece]:
        # What is called while the piece is executed (a decorator, a base's __init_subclass__) needs its own names by then, too.
        found: dict[int, Piece] = {}
        queue = [owner[name] for name in sorted(piece.eager) if name in owner]
        while queue:
            one = queue.pop(0)
            if id(one) in found or one is piece:
                continue
            found[id(one)] = one
            queue += [owner[name] for name in sorted(one.eager | one.lazy) if name in owner]
        # Within one text the order of the source has worked already, but for a name that was bound again further down.
        far = [one for one in todo if id(one) in found]
        return [one for one in far if one.position[0] != piece.position[0] or one.binds & piece.eager]

    for piece in todo:
        visit(piece)
    return done


def write(pieces: list[Piece], reach: Callable[[str], str], *, postponed: bool) -> str:
    """The text of the module: one blank line between kinds, two around definitions."""
    out = "from __future__ import annotations\n" if postponed else ""
    last = "import" if postponed else ""
    for piece in pieces:
        if out:
            out += "\n\n" if "define" in (piece.kind, last) else "" if piece.kind == last and not postponed_only(out) else "\n"
        out += _MARK.sub(lambda found: reach(found[1]), piece.text)
        last = piece.kind
    return out


def postponed_only(out: str) -> bool:
    """Whether nothing but the `__future__` import is written yet: a blank line follows it."""
    return out == "from __future__ import annotations\n"
