# SPDX-License-Identifier: Apache-2.0
"""A hundred reloads under load: no call fails, and nothing is left of those that are past."""

import os
import pathlib
import re
import signal
import time

from rig.load import Load
from rig.process import wait_until
from rig.reload import reload, reload_way

ROUNDS = 100
WARM_UP = 20


# Those of GLib's pool and of the gRPC core come and go.
POOLS = ("pool-", "event_engine", "default-executo", "resolver-execut")


def usage(provider):
    """Anonymous KiB, sockets, other descriptors and threads."""
    process = pathlib.Path(f"/proc/{provider.pid}")
    anonymous = int(re.search(r"RssAnon:\s+(\d+)", (process / "status").read_text()).group(1))
    threads = sorted(name for task in (process / "task").iterdir()
                     if not (name := (task / "comm").read_text().strip()).startswith(POOLS))
    files = [os.readlink(descriptor) for descriptor in (process / "fd").iterdir()]
    sockets = sum(file.startswith("socket:") for file in files)
    return anonymous, sockets, len(files) - sockets, threads


def wait_for_one_way(provider):
    wait_until(lambda: len(list((provider.directory / "runtime").iterdir())) == 1, 20, "former ways are closed")


def settled(provider):
    """Once former ways are closed and idle memory is given back."""
    wait_for_one_way(provider)
    time.sleep(4)
    return usage(provider)


def overrides_of(number):
    """Each time something of a new way, and something else."""
    return {
        "auth.jwt.clockSkewLeeway": f"{30 + number}s",
        "openbao.tlsServerName": ("localhost", "127.0.0.1")[number % 2],
        "status.probeInterval": f"{900 + number}ms",
        "server.maxConcurrentDecrypt": 8 + number % 3,
        "logging.level": ("debug", "info")[number % 2],
    }


def one(provider, number):
    record = reload_way(provider, **overrides_of(number))
    assert "auth.jwt.clockSkewLeeway" in record["config_fields"]


def test_a_hundred_reloads_under_load(make_provider, tenant):
    provider = make_provider(tenant).start(wait="healthy")
    with Load(provider.socket, callers=3) as load:
        for number in range(1, WARM_UP):
            one(provider, number)
        load.pause(True)
        before = settled(provider)
        load.pause(False)
        for number in range(WARM_UP, ROUNDS + WARM_UP):
            one(provider, number)
            if number % 10 == 0:
                load.wait_calls(20)
        load.pause(True)
        after = settled(provider)
        load.pause(False)
        load.wait_calls(20)
    assert not load.failures
    assert load.calls > 500
    assert after[2:] == before[2:], (before, after)
    # A connection to OpenBao, three sockets, may be idle or not be there.
    assert after[1] <= before[1] + 9, (before, after)
    # The sanitizer keeps what was freed for a while, and looks for leaks at the end itself.
    if "libasan" not in pathlib.Path(f"/proc/{provider.pid}/maps").read_text():
        assert after[0] < before[0] + 1024, (before, after)


def test_a_hundred_broken_reloads_change_nothing(make_provider, tenant, notify):
    provider = make_provider(tenant).start(wait="healthy", environment={"NOTIFY_SOCKET": notify.path})
    reload_way(provider, **{"openbao.tlsServerName": "127.0.0.1"})
    provider.configure(**{"openbao.tlsServerName": "localhost", "openbao.caCertFile": "/nowhere.pem",
                          "logging.level": "error", "status.statusMaxStaleness": "1100ms"})
    with Load(provider.socket, callers=2) as load:
        load.wait_calls(20)
        before = len(provider.records("session.changed"))
        notify.lines.clear()
        for _ in range(ROUNDS):
            provider.process.signal(signal.SIGHUP)
            notify.wait("RELOADING=1")
            notify.wait("READY=1")
        load.wait_calls(20)
    assert not load.failures
    assert len(provider.records("session.changed")) == before
    assert provider.records("config.reloaded", status="error")
    assert not provider.records("config.reloaded", status="ok")[1:]
    wait_for_one_way(provider)
    assert reload(provider, **{"openbao.tlsServerName": "127.0.0.1"})["status"] == "ok"
