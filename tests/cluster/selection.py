"""Which tests need a cluster, when they run, and what is said of those that did not: pytest's hooks, for `tests/conftest.py`."""

from __future__ import annotations

from collections import defaultdict

import pytest

MARKER = "cluster"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that asks for the fixture `cluster`, if only through another; move those that take it down to the end."""
    for item in items:
        if MARKER in getattr(item, "fixturenames", ()):
            item.add_marker(MARKER)
    items.sort(key=lambda item: "own_cluster" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> object:
    """After everything else, the tests that did not run because of the cluster, and why."""
    result = yield
    left_out: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.stats.get("skipped", []):
        if MARKER in report.keywords and isinstance(report.longrepr, tuple):
            left_out[report.longrepr[2].removeprefix("Skipped: ")].append(report.location[0])
    if left_out:
        terminalreporter.section("tests on a cluster that did not run")
    for reason, files in left_out.items():
        terminalreporter.line(f"{len(files)} tests: {reason}. They are in")
        for file in dict.fromkeys(files):
            terminalreporter.line(f"  {file} ({files.count(file)})")
    return result
