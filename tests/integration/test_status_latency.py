# SPDX-License-Identifier: Apache-2.0
"""Status while OpenBao hangs and 64 Decrypts wait for it: from memory, at once. Runs alone."""

import time

from rig.audit import AuditLog

LIMIT = 0.005  # seconds, of the 99th percentile
CALLS = 500


def percentile(client):
    taken = []
    for _ in range(CALLS):
        started = time.perf_counter()
        assert client.status().healthz == "ok"
        taken.append(time.perf_counter() - started)
    return sorted(taken)[CALLS * 99 // 100]


def test_status_does_not_wait(make_provider, tenant, openbao):
    provider = make_provider(tenant, **{
        "openbao.timeout": "60s", "status.probeInterval": "1h", "status.deepProbeInterval": "1h",
        "status.statusMaxStaleness": "2h"}).start(wait="healthy")
    client = provider.client()
    request = client.decrypt_request(client.encrypt(b"text"))
    hanging = provider.client()
    time.sleep(1)  # until the canaries are made
    audit = AuditLog(openbao.audit_path)
    openbao.process.freeze()
    try:
        calls = [hanging.stub.Decrypt.future(request, timeout=60) for _ in range(64)]
        time.sleep(1)
        assert not any(call.done() for call in calls)
        # the best of three: this machine may have other things to do
        assert min(percentile(client) for _ in range(3)) < LIMIT
        assert not any(call.done() for call in calls)
    finally:
        mark = audit.mark()
        openbao.process.thaw()
    assert [call.result().plaintext for call in calls] == [b"text"] * 64
    assert [request["path"] for request in audit.requests(mark)] == [f"{tenant.mount}/decrypt/{tenant.key}"] * 64
