# SPDX-License-Identifier: Apache-2.0
"""Fixtures: directories that go away, an OpenBao for each test file, providers that are stopped and looked over."""

import itertools
import shutil

import pytest

from rig.audit import AuditLog
from rig.notify import NotifySocket
from rig.openbao import OpenBao
from rig.pki import Authority
from rig.provider import Provider, policy_for, private_directory
from rig.records import undocumented
from rig.transit import Tenant

pytest_plugins = ["rig.tap", "rig.doctor"]


@pytest.fixture(scope="module")
def module_directory():
    directory = private_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def directory():
    directory = private_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def authority(module_directory):
    return Authority(module_directory / "pki")


@pytest.fixture(scope="module")
def openbao(module_directory, authority):
    """A node that forgets all when it stops: quick, for tests that only ask it."""
    bao = OpenBao(module_directory / "openbao", authority)
    yield bao.up()
    bao.stop()


@pytest.fixture(scope="module")
def tenant(openbao, module_directory):
    tenant = Tenant(openbao, module_directory / "tenant")
    return tenant.set_up(policy_for(tenant))


_numbers = itertools.count(1)


@pytest.fixture
def fresh_tenant(openbao, directory):
    """A key of one test, which may rotate it, in the OpenBao of the file."""
    number = next(_numbers)
    tenant = Tenant(openbao, directory / "tenant", mount=f"transit-{number}", auth=f"jwt-{number}")
    return tenant.set_up(policy_for(tenant))


@pytest.fixture
def durable_openbao(directory, authority):
    """A node that may be killed, sealed and restarted; of one test."""
    bao = OpenBao(directory / "openbao", authority, storage="raft")
    yield bao.up()
    bao.stop()


@pytest.fixture
def durable_tenant(durable_openbao, directory):
    tenant = Tenant(durable_openbao, directory / "tenant")
    return tenant.set_up(policy_for(tenant))


@pytest.fixture
def audit(openbao):
    return AuditLog(openbao.audit_path)


@pytest.fixture
def make_provider(directory):  # of the test, so that it goes after what may still write to it
    """Makes providers; each is stopped after the test, and must have ended well and said nothing but log
    records, of the documented events and fields."""
    made = []

    def make(tenant, directory=None, expect_exit=0, **overrides):
        provider = Provider(tenant, directory or private_directory(), overrides)
        provider.own_directory = directory is None
        provider.expect_exit = expect_exit
        made.append(provider)
        return provider

    yield make
    problems = []
    for provider in made:
        code = provider.stop()
        if code != provider.expect_exit:
            problems.append(f"exit code {code}, not {provider.expect_exit}")
        problems += provider.foreign_output() or undocumented(provider.records())
        if provider.own_directory:
            shutil.rmtree(provider.directory)
    assert not problems, "\n".join(problems)


@pytest.fixture
def provider(make_provider, tenant):
    """A healthy provider of the file's tenant, with a state of its own."""
    return make_provider(tenant).start(wait="healthy")


@pytest.fixture
def client(provider):
    return provider.client()


@pytest.fixture
def notify(directory):
    made = NotifySocket(directory / "notify")
    yield made
    made.socket.close()
