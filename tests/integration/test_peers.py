# SPDX-License-Identifier: Apache-2.0
"""Who may connect: by SO_PEERCRED, as other users of this machine."""

import os
import subprocess
import sys

import pytest

NOBODY = 65534
GROUP = 54321  # of nobody in particular

_CALL = """
import os, sys
sys.path.insert(0, sys.argv[1])
uid, gid, *groups = map(int, sys.argv[3].split(","))
from rig.kms import KmsClient, grpc
os.setgroups(groups); os.setgid(gid); os.setuid(uid)
try:
    print(KmsClient(sys.argv[2], timeout=5).status().healthz)
except grpc.RpcError as error:
    print(error.code().name)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")


def status_as(provider, uid, gid, *groups):
    """What Status answers to another user, once file permissions are out of the way."""
    provider.directory.chmod(0o755)
    provider.socket.chmod(0o666)
    result = subprocess.run(
        [sys.executable, "-c", _CALL, os.path.dirname(__file__), str(provider.socket),
         ",".join(map(str, (uid, gid, *groups)))], stdout=subprocess.PIPE, text=True, check=True, timeout=30)
    return result.stdout.strip()


@pytest.fixture
def grouped(make_provider, tenant):
    return make_provider(tenant, **{"server.socketGroup": str(GROUP)}).start(wait="healthy")


def test_root(grouped):
    assert status_as(grouped, 0, 0) == "ok"


def test_a_stranger_is_refused_counted_and_logged(grouped):
    assert status_as(grouped, NOBODY, NOBODY) == "UNAVAILABLE"
    record = grouped.wait_record("peer.refused")[0]
    assert (record["uid"], record["gid"], record["level"]) == (NOBODY, NOBODY, "warn")
    assert record["pid"] > 0
    assert grouped.client().status().healthz == "ok"


def test_the_socket_group_as_primary_group(grouped):
    assert status_as(grouped, NOBODY, GROUP) == "ok"


def test_the_socket_group_as_supplementary_group(grouped):
    assert status_as(grouped, NOBODY, NOBODY, 1, GROUP, 2) == "ok"


def test_the_socket_carries_its_group(grouped):
    assert grouped.socket.stat().st_gid == GROUP


def test_allowed_uids_replace_root_and_group(make_provider, tenant):
    provider = make_provider(tenant, **{"server.socketGroup": str(GROUP), "server.allowedUids": [1234]})
    provider.start(wait="healthy")
    assert status_as(provider, 1234, NOBODY) == "ok"
    assert status_as(provider, NOBODY, GROUP) == "UNAVAILABLE"


def test_root_is_no_exception_to_allowed_uids(make_provider, tenant):
    """The provider runs as another user here: root is not its own user, and not listed."""
    provider = make_provider(tenant, **{"server.allowedUids": [1234]})
    (provider.directory / "runtime").mkdir(mode=0o700)
    for path in [provider.directory, *provider.directory.rglob("*"), tenant.jwt_file]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for path in (tenant.directory, tenant.bao.authority.directory, tenant.bao.authority.directory.parent):
        path.chmod(0o711)
    provider.configure(**{"server.allowedUids": [1234], "server.socketGroup": str(NOBODY)})
    os.chown(provider.config, NOBODY, NOBODY)
    provider.start(wait="socket", command=["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                                           *provider.command()])
    try:
        assert status_as(provider, 0, 0) == "UNAVAILABLE"
        assert status_as(provider, NOBODY, NOBODY) in ("ok", "unhealthy")
        assert status_as(provider, 1234, 1234) in ("ok", "unhealthy")
    finally:
        os.chown(tenant.jwt_file, 0, 0)
