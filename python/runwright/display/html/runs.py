"""Many runs."""

from __future__ import annotations

from html import escape
from typing import Any

from .. import facts
from ..format import count, cut, duration, moment, short_ids
from ..safely import plain_record, safely
from .parts import Markup, badge, code, header, join, muted, pairs, piece, share_bar, table, tag

Record = dict[str, Any]
ROWS = 100
PARAMETERS = 8
METRICS = 6


@safely(lambda records: "<br>".join(escape(plain_record(record)) for record in records[:ROWS]))
def runs_html(records: list[Record]) -> str:
    """A table: what differs between the runs in columns, what is the same above."""
    if not records:
        return piece(muted("no runs"))
    differ, same = facts.compared(records)
    alone = len(records) == 1
    head = header(count(len(records), "run"), *tallied(facts.tally(records)))
    shared = tag("div", join([muted("all with "), pairs(same)])) if same and not alone else ""
    rest = muted(f"… and {len(records) - ROWS} more; .to_df() has all") if len(records) > ROWS else ""
    bar = "" if alone else share_bar(facts.tally(records))
    return piece(head, bar, shared, runs_table(records[:ROWS], list(same) if alone else differ), rest)


def tallied(counts: dict[str, int]) -> list[Markup]:
    """How many are in each state."""
    return [join([badge(state), Markup(f" {number}")]) for state, number in counts.items() if number]


def runs_table(records: list[Record], differ: list[str]) -> Markup:
    """One row a run. A column is there if at least one run has something in it."""
    from ...records import duration as seconds
    from ...records import parse_time

    given = [facts.arguments(record, 40) for record in records]
    measured = [facts.last_metrics(record) for record in records]
    results = [facts.results(record, 40) for record in records]
    failures = [facts.failure(record) for record in records]
    # Of each group the columns that it has at most; a wider table would not be read.
    parameters = differ[:PARAMETERS]
    metrics = list(dict.fromkeys(name for one in measured for name in one))[:METRICS]
    returned = list(dict.fromkeys(name for one in results for name in one))[:METRICS]
    failed = any(failures)
    ids = short_ids([record["id"] for record in records])
    rows = []
    for place, record in enumerate(records):
        failure = failures[place]
        row: list[Any] = [str(place), tag("span", facts.title(record), "rw-w"), badge(record["state"]), duration(seconds(record))]
        row += [tag("span", code(given[place].get(name, "")), "rw-w") for name in parameters]
        row += [measured[place].get(name, "") for name in metrics]
        row += [tag("span", code(results[place].get(name, "")), "rw-w") for name in returned]
        if failed:
            row.append(tag("div", cut(f"{failure.cause}: {failure.message}", 120), "rw-x", title=failure.cure) if failure else "")
        created = tag("span", moment(parse_time(record["created"])), "rw-w")
        rows.append([*row, created, tag("span", code(ids[place]), "rw-w", title=record["id"])])
    first = 4 + len(parameters)
    heads = ["", "run", "state", "took", *parameters, *metrics, *returned, *(["error"] if failed else []), "created", "id"]
    return table(heads, rows, right=[0, 3, *range(first, first + len(metrics))])
