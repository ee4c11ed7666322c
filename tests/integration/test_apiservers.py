# SPDX-License-Identifier: Apache-2.0
"""Three API servers on one etcd, each with a provider of its own, while the key is rotated."""

import contextlib
import itertools
import os
import random
import re
import time

import pytest
from rig.apiserver import ApiServer, find_binaries
from rig.watch import StatusWatch, Watch

SECONDS = 150  # an API server asks for Status once a minute
ROTATION_EVERY = 12
SETTINGS = {"rotation.activationDelay": "2s", "rotation.requireStableObservationCount": 2}
KEY_ID = re.compile(rb"obk2\.[A-Za-z0-9_-]{43}")

pytestmark = [
    pytest.mark.skipif(find_binaries() is None,
                       reason="KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd (scripts/build-kube)"),
    pytest.mark.timeout(600)]


class Users(Watch):
    """Write Secrets at one API server and read there what was written at any; an error fails the test."""

    pause = 0.1
    _numbers = itertools.count(1)

    def __init__(self, api, secrets):
        super().__init__()
        self._api = api
        self._secrets = secrets
        self.calls = 0

    def look(self):
        name, value = f"secret-{next(self._numbers)}", os.urandom(24).hex().encode()
        self._api.write_secret(name, value)
        self._secrets[name] = value
        for chosen in (name, random.choice(list(self._secrets))):
            assert self._api.read_secret(chosen) == self._secrets[chosen]
        self.calls += 3


@pytest.fixture
def cluster(directory, make_provider, fresh_tenant):
    servers = []
    for number in range(3):
        provider = make_provider(fresh_tenant, **SETTINGS).start(wait="healthy")
        server = ApiServer(directory / f"kubernetes-{number}", provider.socket, find_binaries(),
                           peer=servers[0] if servers else None)
        server.provider = provider
        servers.append(server.start())
    yield servers
    for server in reversed(servers):
        server.stop()


def rotate_for(tenant, seconds):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        tenant.rotate()
        time.sleep(ROTATION_EVERY)


def key_ids_in_etcd(server):
    return {KEY_ID.search(value).group() for value in server.stored().values()}


def test_no_request_fails(cluster, fresh_tenant):
    secrets = {}
    with contextlib.ExitStack() as stack:
        statuses = [stack.enter_context(StatusWatch(server.provider.socket)) for server in cluster]
        users = [stack.enter_context(Users(server, secrets)) for server in cluster]
        rotate_for(fresh_tenant, SECONDS)
        time.sleep(70)  # every API server has asked for Status once more
    assert all(one.calls > SECONDS for one in users)
    for status in statuses:
        assert {healthz for healthz, _ in status.answers} == {"ok"}
        assert len(status.key_ids) == len(set(status.key_ids)) > SECONDS / ROTATION_EVERY / 2
    assert len({status.key_ids[-1] for status in statuses}) == 1
    assert len(key_ids_in_etcd(cluster[0])) >= 3, "what was written went on to new versions"
    assert not [record for server in cluster for record in server.provider.records("kms.request", status="error")]

    # a cold start of everything: each reads all, from what it finds on disk and in etcd alone
    for server in cluster:
        server.process.stop()
        assert server.provider.stop() == 0
    for server in cluster:
        server.provider.start(wait="healthy")
        server.start_apiserver()
        assert server.read_secrets() == secrets
    newest = cluster[0].provider.client().status().key_id.encode()
    cluster[0].write_secret("after", b"all")
    assert newest in key_ids_in_etcd(cluster[0])
    assert cluster[2].read_secret("after") == b"all"
