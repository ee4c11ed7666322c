# SPDX-License-Identifier: Apache-2.0
"""Test Anything Protocol for meson: one line a case on standard output, when OBK_TAP is set."""

import os

import pytest

_count = 0
_wanted = bool(os.environ.get("OBK_TAP"))


def _line(result, report, directive=""):
    global _count
    _count += 1
    print(f"{result} {_count} - {report.nodeid.replace('#', ' ')}{directive}", flush=True)


def _reason(report):
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").splitlines()[0]


@pytest.hookimpl(trylast=True)  # after the reporter is there
def pytest_configure(config):
    if _wanted:
        config.option.verbose = -2
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            config.pluginmanager.unregister(reporter)


def pytest_runtest_logreport(report):
    """A case is one line: its call, or the fixture that failed or skipped it; a failed teardown is one more."""
    if not _wanted:
        return
    if report.failed:
        print("\n".join(f"# {line}" for line in report.longreprtext.splitlines()))
        _line("not ok", report, "" if report.when == "call" else f" ({report.when})")
    elif report.skipped:
        _line("ok", report, f" # SKIP {_reason(report)}")
    elif report.when == "call":
        _line("ok", report)


def pytest_collectreport(report):
    if _wanted and report.failed:
        print("\n".join(f"# {line}" for line in report.longreprtext.splitlines()))
        _line("not ok", report, " (collection)")


def pytest_sessionfinish():
    if _wanted:
        print(f"1..{_count}", flush=True)
