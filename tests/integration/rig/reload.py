# SPDX-License-Identifier: Apache-2.0
"""Having a provider read its configuration again."""

import json
import signal

from .provider import run_command


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


def fields_of(config):
    """The field table as `config` tells it: value, origin, and what a reload does with a change."""
    return json.loads(run_command("config", "--config", config, "--output", "json").stdout)["fields"]


def names(record):
    """Of the fields that a reload has changed, by its record."""
    return record.get("config_fields", "").split(", ")


def works(provider):
    client = provider.client()
    assert client.decrypt(client.encrypt(b"text")) == b"text"
    client.close()
