"""The parts that pieces are put together of. What goes in as text comes out escaped; only these functions make markup."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from ..format import SYMBOLS, duration, lines_of, one_line
from . import style

if TYPE_CHECKING:
    from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: Any) -> Markup:
    """Escaped, unless it is markup."""
    return value if isinstance(value, Markup) else Markup(escape(one_line(value)))


def join(parts: Iterable[Any], between: str = "") -> Markup:
    return Markup(between.join(text(part) for part in parts))


def piece(*parts: Any) -> str:
    """A whole piece, with its style."""
    return f'<div class="rw"><style>{style.CSS}</style>{join(parts)}</div>'


def tag(name: str, content: Any, kind: str = "", title: str = "") -> Markup:
    attributes = (f' class="{kind}"' if kind else "") + (f' title="{escape(one_line(title))}"' if title else "")
    return Markup(f"<{name}{attributes}>{text(content)}</{name}>")


def muted(content: Any) -> Markup:
    return tag("span", content, "rw-m")


def code(content: Any) -> Markup:
    """In the letters of source; nothing for nothing."""
    return tag("code", content) if content else Markup("")


def badge(state: str) -> Markup:
    colour = style.STATES.get(state, "#6e7781")
    return Markup(f'<span class="rw-b" style="background:{colour}">{SYMBOLS.get(state, "?")} {escape(one_line(state))}</span>')


def header(name: Any, *rest: Any) -> Markup:
    """The first line: a name and what is worth knowing at once."""
    return tag("div", join([tag("span", name, "rw-n"), *(part for part in rest if part)]), "rw-h")


def grid(rows: Iterable[tuple[str, Any]]) -> Markup:
    """Labelled lines; those without content are left out."""
    cells = [join([tag("div", label, "rw-k"), tag("div", content)]) for label, content in rows if content]
    return tag("div", join(cells), "rw-g") if cells else Markup("")


def pairs(items: dict[str, str]) -> Markup:
    """`depth=8, name='x'`."""
    return join([Markup(f"<code>{escape(name)}={escape(value)}</code>") for name, value in items.items()], ", ")


def table(heads: list[Any], rows: Iterable[list[Any]], right: Iterable[int] = ()) -> Markup:
    """A table; columns whose place is in `right` hold numbers."""
    numbers = set(right)

    def cells(name: str, row: list[Any]) -> Markup:
        return join(tag(name, cell, "rw-r" if place in numbers else "") for place, cell in enumerate(row))

    body = join(tag("tr", cells("td", row)) for row in rows)
    head = f"<thead><tr>{cells('th', heads)}</tr></thead>"
    return Markup(f'<div class="rw-s"><table class="rw-t">{head}<tbody>{body}</tbody></table></div>')


def details(summary: Any, content: Any, opened: bool = False) -> Markup:
    return Markup(f"<details{' open' if opened else ''}><summary>{text(summary)}</summary>{text(content)}</details>")


def pre(lines: Iterable[str]) -> Markup:
    return Markup(f"<pre>{escape(chr(10).join(lines))}</pre>")


def listing(source: str) -> Markup:
    """Source with line numbers, which are not copied with it."""
    numbered = (f'<span class="rw-ln">{place}</span>{escape(line)}' for place, line in enumerate(lines_of(source), 1))
    return Markup("<pre>" + "\n".join(numbered) + "</pre>")


def bar(parts: list[dict[str, Any]]) -> Markup:
    """Phases as a bar of their shares, with a legend."""
    whole = sum(part["seconds"] for part in parts)
    if whole <= 0:
        return Markup("")
    spans, legend = [], []
    for part in parts:
        name, seconds = part["phase"], part["seconds"]
        colour = style.PHASES.get(name, "#6e7781")
        label = f"{one_line(name)} {duration(seconds)}"
        spans.append(f'<span style="width:{100 * seconds / whole:.2f}%;background:{colour}" title="{escape(label)}"></span>')
        # What cannot be seen in the bar needs no legend.
        if seconds >= whole / 200:
            legend.append(f'<span><i style="background:{colour}"></i>{escape(label)}</span>')
    return Markup(f'<div class="rw-bar">{"".join(spans)}</div><div class="rw-l rw-m">{"".join(legend)}</div>')


def share_bar(shares: dict[str, int]) -> Markup:
    """How many runs are in each state, as a bar."""
    whole = sum(shares.values()) or 1
    spans = []
    for state, number in shares.items():
        if number:
            look = f"width:{100 * number / whole:.2f}%;background:{style.STATES.get(state, '#6e7781')}"
            spans.append(f'<span style="{look}" title="{number} {escape(one_line(state))}"></span>')
    return Markup(f'<div class="rw-bar">{"".join(spans)}</div>')
