"""The loop of a measured process: reads `verb times` lines, does that, answers with the seconds it took. Stdlib only: every peer has it."""

import json
import os
import sys
import time


def serve(**verbs):
    """Serve until standard input ends. What the peer prints goes to standard error, so that answers stay whole."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answers.write(json.dumps({"ready": sorted(verbs)}) + "\n")
    for line in sys.stdin:
        verb, times = line.split()
        do = verbs[verb]
        value = None
        start = time.perf_counter()
        for _ in range(int(times)):
            value = do()
        seconds = time.perf_counter() - start
        answers.write(json.dumps({"seconds": seconds, "value": value}) + "\n")
