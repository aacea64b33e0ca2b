"""The loop of a measured process: reads `verb times` lines, does that, answers with the seconds it took. Stdlib only: every peer has it.

What does many at once (`many`) is called once, with the number.
"""

import json
import os
import sys
import time


def serve(many=None, **verbs):
    """Serve until standard input ends. What the peer prints goes to standard error, so that answers stay whole."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    many = many or {}
    answers.write(json.dumps({"ready": sorted([*verbs, *many])}) + "\n")
    for line in sys.stdin:
        verb, times = line.split()
        value = None
        start = time.perf_counter()
        if verb in many:
            value = many[verb](int(times))
        else:
            for _ in range(int(times)):
                value = verbs[verb]()
        seconds = time.perf_counter() - start
        answers.write(json.dumps({"seconds": seconds, "value": value}) + "\n")
