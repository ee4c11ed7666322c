# SPDX-License-Identifier: Apache-2.0
"""Having a provider read its configuration again."""

import signal


def sighup(provider, timeout=10):
    """Returns the config.reloaded record that comes of it."""
    before = len(provider.records("config.reloaded"))
    provider.process.signal(signal.SIGHUP)
    return provider.wait_record("config.reloaded", timeout, count=before + 1)[before]


def reload(provider, timeout=10, **overrides):
    """Writes another configuration and has it read."""
    provider.configure(**overrides)
    return sighup(provider, timeout)


def reload_way(provider, **overrides):
    """The same of one that opens a new way to OpenBao; returns when that is used."""
    before = len(provider.records("session.changed", status="ok"))
    record = reload(provider, **overrides)
    assert record["status"] == "ok", record
    provider.wait_record("session.changed", 15, count=before + 1, status="ok")
    return record
