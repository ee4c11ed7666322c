# SPDX-License-Identifier: Apache-2.0
"""Fixtures: an OpenBao on the loopback that the machines share, and machines with the package on them.

OBK_ROOT, OBK_DEB, OBK_DEB_UPGRADE, OBK_DEB_POLICY, OBK_RPM and OBK_PROVIDER name what scripts/test-packages has made.
"""

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from rig import network  # noqa: E402
from rig.openbao import OpenBao  # noqa: E402
from rig.pki import Authority  # noqa: E402
from rig.provider import private_directory, run_command  # noqa: E402
from rig.transit import Tenant  # noqa: E402

from machine import SERVICE, SOCKET, SOCKET_PATH, Machine  # noqa: E402


@pytest.fixture(scope="session")
def openbao():
    network.enter_private_network()
    directory = private_directory()
    bao = OpenBao(directory / "openbao", Authority(directory / "pki"))
    yield bao.up()
    bao.stop()
    shutil.rmtree(directory)


@pytest.fixture
def directory():
    directory = private_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def tenant(openbao, directory):
    tenant = Tenant(openbao, directory / "tenant", mount=f"transit-{directory.name}", auth=f"jwt-{directory.name}")
    configuration = tenant.write_configuration(tenant.directory / "policy.json", **{"server.socketPath": SOCKET_PATH})
    policy = run_command("policy", "openbao", "--config", configuration)
    assert policy.returncode == 0, policy.stderr
    return tenant.set_up(policy.stdout)


@pytest.fixture
def machine(openbao, directory):
    """A machine with the package, not configured."""
    machine = Machine(directory, os.environ["OBK_ROOT"])
    try:
        machine.boot().install(os.environ["OBK_DEB"])
        yield machine
    finally:
        machine.throw_away()


@pytest.fixture
def serving(machine, tenant):
    """A machine whose provider is enabled, with its socket, and healthy."""
    machine.configure(tenant)
    machine.run(f"systemctl enable --now {SOCKET} {SERVICE}")
    machine.wait_healthy()
    return machine
