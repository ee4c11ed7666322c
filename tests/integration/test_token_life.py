# SPDX-License-Identifier: Apache-2.0
"""The life of a token in quick motion: never a call without a valid one, one refresh at a time, no login too many."""

import os
import threading
import time

import pytest
from rig.provider import policy_for
from rig.transit import Tenant

LONG = "OBK_TOKEN_LONG" in os.environ  # of the suite endurance
SECONDS = float(os.environ.get("OBK_TOKEN_SECONDS", "600")) if LONG else 18
LEASE, WINDOW, MOST = 5, 2, 10  # seconds; a token is renewed up to MOST

pytestmark = pytest.mark.timeout(SECONDS + 100)


@pytest.fixture
def hasty(openbao, directory):
    """Its tokens live for seconds."""
    tenant = Tenant(openbao, directory / "tenant", mount="transit-hasty", auth="jwt-hasty")
    tenant.set_up(policy_for(tenant))
    tenant.write_role(token_ttl=f"{LEASE}s", token_max_ttl=f"{MOST}s")
    yield tenant
    tenant.request("DELETE", "sys/mounts/transit-hasty")
    tenant.request("DELETE", "sys/auth/jwt-hasty")


def call_for(client, seconds):
    """Two callers, at some 40 calls a second; returns how many there were, all good."""
    encrypted, counts, failures = client.encrypt(b"text"), [0, 0], []
    until = time.monotonic() + seconds

    def call(i):
        try:
            while time.monotonic() < until:
                assert client.decrypt(encrypted) == b"text"
                counts[i] += 1
                time.sleep(0.05)
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)
    callers = [threading.Thread(target=call, args=(i,)) for i in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert failures == []
    return sum(counts)


def refreshes(audit, mark, tenant):
    """Logins and renewals as OpenBao saw them, none of which began before the last one was over."""
    logins, renewals, under_way = 0, 0, None
    with open(audit.path, "rb") as file:
        file.seek(mark)
        assert b'"error"' not in file.read(), "OpenBao has refused something"
    for entry in sorted(audit.entries(mark, "request") + audit.entries(mark, "response"), key=lambda e: e["time"]):
        path = entry["request"]["path"]
        if path not in (f"auth/{tenant.auth}/login", "auth/token/renew-self"):
            continue
        if entry["type"] == "response":
            assert under_way == entry["request"]["id"]
            under_way = None
            continue
        assert under_way is None, "a second refresh is under way"
        under_way = entry["request"]["id"]
        logins += path != "auth/token/renew-self"
        renewals += path == "auth/token/renew-self"
    return logins, renewals


def test_renewed_to_its_end(make_provider, hasty, audit):
    """Renewed when the window begins, up to its maximum; then a login in time, and so on."""
    mark = audit.mark()
    provider = make_provider(hasty, **{"auth.loginBeforeTokenExpiry": f"{WINDOW}s",
                                       "auth.tokenRenewalIncrement": f"{LEASE}s", "logging.level": "info"})
    provider.start(wait="healthy")
    assert call_for(provider.client(), SECONDS) > 10 * SECONDS
    provider.stop()
    logins, renewals = refreshes(audit, mark, hasty)
    assert SECONDS / MOST <= logins <= SECONDS / (MOST - WINDOW - 1) + 2
    assert logins <= renewals <= 4 * logins


@pytest.mark.parametrize("fields, most_logins", [
    ({"token_max_ttl": "20s"}, 2), ({"token_type": "batch", "token_max_ttl": "0"}, 5)],
    ids=["renewable", "not-renewable"])
def test_a_lease_shorter_than_the_window(make_provider, hasty, audit, fields, most_logins):
    """It is used for two thirds, with a warning."""
    hasty.write_role(token_ttl=f"{LEASE}s", **fields)
    mark = audit.mark()
    provider = make_provider(hasty, **{"logging.level": "info"}).start(wait="healthy")
    call_for(provider.client(), 9)
    provider.stop()
    assert "auth.loginBeforeTokenExpiry" in provider.records("warning")[0]["detail"]
    logins, _ = refreshes(audit, mark, hasty)
    assert logins <= most_logins
