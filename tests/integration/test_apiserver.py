# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver stores its Secrets through the provider; every part is restarted in turn."""

import concurrent.futures
import os
import time

import pytest
from rig.apiserver import ApiServer, find_binaries
from rig.process import wait_until
from rig.provider import run_command

COUNT = 1000
RECOVERY = 40

pytestmark = [
    pytest.mark.skipif(find_binaries() is None,
                       reason="KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd (scripts/build-kube)"),
    pytest.mark.timeout(600)]


@pytest.fixture
def api(directory, make_provider, durable_tenant):
    provider = make_provider(durable_tenant).start(wait="healthy")
    api = ApiServer(directory / "kubernetes", provider.socket, find_binaries())
    api.provider = provider
    yield api.start()
    api.stop()


def write(api, secrets):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: api.write_secret(*item), secrets.items()))


def assert_all_there(api, secrets):
    """All of them, and in etcd nothing in clear and nothing that did not go through the provider."""
    assert api.read_secrets() == secrets
    stored = api.stored()
    assert len(stored) == len(secrets)
    everything = b"".join(stored.values())
    assert all(raw.startswith(f"k8s:enc:kms:v2:{api.kms_name}:".encode()) for raw in stored.values())
    assert not [name for name, value in secrets.items() if value in everything]


def write_one_more(api, secrets, name):
    secrets[name] = os.urandom(24).hex().encode()
    api.write_secret(name, secrets[name])


def test_secrets_outlive_every_restart(api, durable_openbao):
    secrets = {f"secret-{number}": os.urandom(24).hex().encode() for number in range(COUNT)}
    write(api, secrets)
    assert_all_there(api, secrets)

    api.process.stop()
    api.start_apiserver()
    assert_all_there(api, secrets)
    write_one_more(api, secrets, "after-apiserver")

    api.provider.stop()
    api.provider.start(wait="healthy")
    assert_all_there(api, secrets)
    wait_until(lambda: can_write(api, secrets, "after-provider"), RECOVERY, "writing after the provider's restart")

    durable_openbao.restart()
    api.provider.wait_healthy(RECOVERY)
    wait_until(lambda: can_write(api, secrets, "after-openbao"), RECOVERY, "writing after OpenBao's restart")
    assert_all_there(api, secrets)

    # a cold start of all at once: the API server needs Status and an Encrypt before it reads anything
    api.stop()
    api.provider.stop()
    durable_openbao.restart()
    api.provider.start(wait="socket")
    api.start()
    assert_all_there(api, secrets)
    write_one_more(api, secrets, "after-all")
    assert_all_there(api, secrets)


def test_the_commands_that_look_at_it(api):
    """probe-apiserver finds the real process and its access; doctor agrees with what it has read its file as."""
    os.chmod(api.provider.directory, 0o2750)
    result = run_command("probe-apiserver", "--config", api.provider.config, "--pid", api.process.pid, timeout=60)
    assert result.returncode == 0 and "apiserver.calls" in result.stdout, result.stdout + result.stderr
    result = run_command("doctor", "--config", api.provider.config, "--encryption-config",
                         api.directory / "encryption.json", timeout=60)
    assert "secrets go through our provider, which writes" in result.stdout, result.stdout


def can_write(api, secrets, name):
    try:
        write_one_more(api, secrets, name)
        return True
    except OSError:
        secrets.pop(name)
        time.sleep(0.5)
        return False


def test_an_api_server_that_starts_before_openbao(api, durable_openbao):
    """The boot path: the provider is there, OpenBao not yet; the API server becomes ready once it is."""
    secrets = {}
    write_one_more(api, secrets, "before")
    api.stop()
    api.provider.stop()
    durable_openbao.kill()
    api.provider.start(wait="socket")
    api.start(wait=False)
    time.sleep(5)
    durable_openbao.start().unseal()
    api.wait_ready()
    assert_all_there(api, secrets)
