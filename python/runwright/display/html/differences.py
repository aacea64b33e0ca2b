"""What tells two runs apart."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .. import facts
from ..format import count, short_ids
from ..safely import safely
from .parts import code, header, muted, piece, table

if TYPE_CHECKING:
    from ...differences import Differences


@safely(lambda differences: escape(f"<{len(differences)} differences>"))
def differences_html(differences: Differences) -> str:
    """Both values side by side."""
    left, right = short_ids([str(differences.left), str(differences.right)])
    if not len(differences):
        return piece(muted("no differences between "), code(left), muted(" and "), code(right))
    rows = [[code(one["path"]), *map(code, facts.sides(one))] for one in differences]
    return piece(header(count(len(differences), "difference")), table(["", left, right], rows))
