"""Wall-clock times that never go backwards within one process and what it forks, whatever is done to the machine's clock."""

from __future__ import annotations

import time as _time

_last = 0.0

monotonic = _time.monotonic


def not_before(moment: float) -> None:
    """Let no later time be earlier than `moment` (seconds since the epoch)."""
    global _last
    _last = max(_last, round(moment + 5e-7, 6))


def now() -> float:
    """Seconds since the epoch, never less than what was said before."""
    global _last
    moment = round(_time.time(), 6)
    if moment < _last:
        return _last
    _last = moment
    return moment
