# SPDX-License-Identifier: Apache-2.0
"""doctor against a real OpenBao: the node itself, its provider, its API server's file. Each way to break it is named in the first line
that fails, and its remedy works."""

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import termios

import pytest
from rig.doctor import Report, as_administrator, assert_first, reconfigure, run_all
from rig.pki import write_private
from rig.provider import find_binary, policy_for, private_directory, run_command
from rig.transit import Scope, Tenant


def test_a_node_in_good_order(node):
    encryption = write_encryption(node)
    report = Report(node.config, "--encryption-config", encryption)
    assert report.exit == 0, report.text
    assert {check for check, result in report.results.items() if result not in ("ok", "skip")} == set()
    assert {check for check, result in report.results.items() if result == "skip"} <= {
        "systemd.unit", "selinux", "oauth2.local", "oauth2.acquire", "auth.cert.pkcs11", "auth.cert.local", "auth.cert.signer"}
    tls = report.texts("openbao.tls")
    for part in ("TLS 1.3", 'issued by "CN=test authority"', "127.0.0.1"):
        assert part in tls
    assert re.search(r"ends in (9|10) days", tls)
    assert report.report["user"].startswith("root")


def test_it_changes_nothing(node, openbao, audit):
    """No file, no lock, no socket; in OpenBao a login and bytes of its own."""
    before = snapshot(node.directory)
    mark = audit.mark()
    assert Report(node.config).exit == 0
    assert snapshot(node.directory) == before
    paths = {entry["request"]["path"] for entry in audit.entries(mark) if entry["type"] == "request"}
    mount, key = node.tenant.mount, node.tenant.key
    assert paths <= {f"auth/{node.tenant.auth}/login", "sys/capabilities-self", "sys/health", f"{mount}/keys/{key}",
                     f"{mount}/config/keys", f"{mount}/encrypt/{key}", f"{mount}/decrypt/{key}",
                     "auth/token/renew-self"}
    assert node.client().status().healthz == "ok"


def snapshot(directory):
    return {str(path): (os.lstat(path).st_mode, os.lstat(path).st_ino,
                        path.read_bytes() if path.is_file() and path.name != "provider.log" else None)
            for path in sorted(directory.rglob("*"))}


# Configuration

def test_no_configuration(directory):
    report = Report(directory / "absent.yaml")
    assert_first(report, "config.load", "absent.yaml", "No such file", exit=3)
    assert {result for check, result in report.results.items() if not check.startswith("config.load")} == {"skip"}


def test_configuration_of_a_wrong_mode(node):
    os.chmod(node.config, 0o644)
    report = Report(node.config)
    assert_first(report, "config.load", "mode 0644", exit=3)
    run_all(report.commands("config.load"))
    assert Report(node.config).results["config.load"] == "ok"


def test_configuration_with_faults(node):
    configuration = json.loads(node.config.read_text())
    configuration["openbao"]["adress"] = configuration["openbao"].pop("address")
    write_private(node.config, json.dumps(configuration, indent=1))
    report = Report(node.config)
    assert_first(report, "config.validate", "openbao.address", "is missing", exit=3)
    assert "did you mean" in report.texts("config.validate") or "adress" in report.texts("config.validate")


def test_a_variable_that_is_wrong(node):
    report = Report(node.config, environment={"BAO_KMS_PROVIDER_LOG_LEVEL": "verbose"})
    assert_first(report, "config.validate", "logging.level", "correct BAO_KMS_PROVIDER_LOG_LEVEL", exit=3)
    assert "correct the file" not in report.text


def test_a_configuration_that_is_none(node):
    """Owner and mode are right, and no remedy."""
    write_private(node.config, "#" * 300000)
    report = Report(node.config)
    assert_first(report, "config.load", "larger than", "the right file", exit=3)
    assert report.commands("config.load") == []


# The socket

def test_no_such_group(node):
    report = Report(reconfigure(node, **{"server.socketGroup": "no-such-group"}))
    assert_first(report, "socket.group", "no-such-group", "groupadd --system no-such-group")


def test_a_group_that_has_gone(service_node):
    """Its number is still at the socket's directory."""
    os.chown(service_node.directory, SERVICE, 12345)
    set_as_service(service_node, **{"server.socketGroup": "no-such-group"})
    assert Report(service_node.config, "--before-start").commands("socket.group") == [
        "groupadd --system --gid 12345 no-such-group", f"usermod -aG no-such-group $(id -nu {SERVICE})"]


def test_a_socket_of_another_group(node):
    os.chown(node.socket, -1, 12345)
    report = Report(node.config)
    assert_first(report, "socket.group", "group 12345", "not to group")
    run_all(report.commands("socket.group"))
    assert Report(node.config).exit == 0


def test_a_socket_group_that_is_the_wrong_one(node):
    """The socket and its directory have one group: it is not they that must be given away."""
    os.chown(node.socket, -1, 12345)
    os.chown(node.directory, -1, 12345)
    os.chmod(node.directory, 0o2750)
    report = Report(node.config)
    assert_first(report, "socket.group", "group 12345", "correct server.socketGroup, if the API server's user is in group 12345")
    assert "correct server.socketGroup" in report.remedies("socket.parent")
    assert report.commands("socket.group") == report.commands("socket.parent") == []


def test_a_socket_of_another_mode(node):
    os.chmod(node.socket, 0o600)
    report = Report(node.config)
    assert_first(report, "socket.group", "mode 0600")
    run_all(report.commands("socket.group"))
    assert Report(node.config).exit == 0


@pytest.mark.parametrize("mode", [0o2770, 0o777, 0o700], ids=oct)
def test_a_socket_directory_of_a_wrong_mode(node, mode):
    os.chmod(node.directory, mode)
    report = Report(node.config)
    assert_first(report, "socket.parent", f"mode {mode:04o}")
    run_all(report.commands("socket.parent"))
    assert Report(node.config).exit == 0


def test_a_socket_directory_of_another_user(node):
    os.chown(node.directory, 12345, -1)
    report = Report(node.config)
    assert_first(report, "socket.parent", "uid 12345")
    run_all(report.commands("socket.parent"))
    assert Report(node.config).exit == 0


def test_no_socket_directory(node, directory):
    node.stop()
    report = Report(reconfigure(node, **{"server.socketPath": str(directory / "gone" / "kms.sock")}), "--before-start")
    assert_first(report, "socket.parent", "No such file", "install -d -m 2750")
    run_all(report.commands("socket.parent"))
    assert Report(node.config, "--before-start").exit == 0


def test_a_directory_in_the_place_of_the_socket(node):
    node.stop()
    node.socket.mkdir()
    report = Report(node.config)
    assert_first(report, "socket.parent", "a directory", "rmdir")
    run_all(report.commands("socket.parent"))
    assert Report(node.config, "--before-start").exit == 0


def test_a_way_to_the_socket_that_is_closed(node, directory):
    os.chmod(directory, 0o700)
    report = Report(node.config)
    assert report.results["socket.parent"] == "warn"
    run_all(report.commands("socket.parent"))
    assert Report(node.config).results["socket.parent"] == "ok"


@pytest.mark.parametrize("group, result", [(0, "ok"), (12345, "warn")], ids=["of-the-socket", "of-others"])
def test_a_way_to_the_socket_for_its_group(node, directory, group, result):
    """As to a second instance's: its directory is in the first one's."""
    os.chown(directory, -1, group)
    os.chmod(directory, 0o2750)
    assert Report(node.config).results["socket.parent"] == result


# The state

@pytest.mark.parametrize("field", ["clusterId", "keyLineageId", "transitMountId"])
def test_the_state_of_another_cluster(node, field):
    report = Report(reconfigure(node, **{f"transit.keyIdScope.{field}": "another"}))
    assert_first(report, "registry.state", str(node.state_path), "set that field of the configuration back")
    node.stop()
    assert plan(node, report)["replaced"]["loads"] is False


def plan(node, report):
    command, = report.commands("registry.state")
    return json.loads(as_administrator(node.tenant.bao, f"{command} --output json"))


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{"), lambda path: path.unlink()], ids=["damaged", "lost"])
def test_a_state_that_is_refused(node, spoil):
    node.stop()
    spoil(node.state_path)
    report = Report(node.config, "--before-start")
    assert_first(report, "registry.state", "recover-state --replace")
    assert plan(node, report)["replaced"]["loads"] is False


@pytest.mark.parametrize("suffix", ["", ".checkpoint"], ids=["state", "checkpoint"])
def test_a_state_of_another_release(node, suffix):
    node.stop()
    path = pathlib.Path(f"{node.state_path}{suffix}")
    path.write_text(path.read_text().replace("v1alpha1", "v1"))
    assert_first(Report(node.config, "--before-start"), "registry.state", str(path), "if a newer release")


def test_no_state_of_a_rotated_key(make_provider, fresh_tenant):
    fresh_tenant.rotate()
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750)
    report = Report(provider.config, "--before-start")
    assert_first(report, "registry.state", "recover-state")
    assert plan(provider, report)["latestVersion"] == 2


def test_no_state_yet(make_provider, fresh_tenant):
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750)
    report = Report(provider.config, "--before-start")
    assert report.exit == 0, report.text
    assert report.results["kms.status_encrypt"] == "skip"
    assert not provider.state_path.exists()


@pytest.mark.parametrize("suffix", ["", ".checkpoint"], ids=["state", "checkpoint"])
@pytest.mark.parametrize("kind", ["directory", "link"])
def test_a_state_that_is_no_file(node, directory, kind, suffix):
    node.stop()
    path = pathlib.Path(f"{node.state_path}{suffix}")
    path.rename(directory / "kept")
    if kind == "link":
        path.symlink_to(directory / "kept")
    else:
        path.mkdir()
    report = Report(node.config, "--before-start")
    assert_first(report, "registry.state", str(path), "put the file itself in its place", f"ls -ld {path}")
    (path.unlink if kind == "link" else path.rmdir)()
    (directory / "kept").rename(path)
    assert Report(node.config, "--before-start").exit == 0


@pytest.mark.parametrize("option, parts", [("ro", ["Read-only", "mount that file system for writing"]),
                                           ("size=4k", ["is full", "df -h"]), ("nr_inodes=2", ["inodes", "df -i"])])
def test_a_file_system_that_takes_no_state(make_provider, fresh_tenant, option, parts):
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750)
    place = provider.state_path.parent
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"{option},mode=750", "tmpfs", place], check=True)
    try:
        assert_first(Report(provider.config, "--before-start"), "registry.state", *parts)
    finally:
        subprocess.run(["umount", place], check=True)
    assert Report(provider.config, "--before-start").exit == 0


# The running provider

def test_no_provider(node):
    node.stop()
    report = Report(node.config)
    assert_first(report, "kms.status_encrypt", "No such file", "systemctl enable --now")


SYSTEMD = """mount -t tmpfs systemd /run && mkdir -p /run/systemd/system && PATH=$1:$PATH && export PATH && shift && exec "$@"
"""


@pytest.fixture
def systemd(directory):
    """Makes a prefix of commands: what it runs sees a systemd with these units."""
    def make(service, of_socket=()):
        systemctl = directory / "programs" / "systemctl"
        systemctl.parent.mkdir()
        systemctl.write_text("#!/bin/sh\ncase \"$*\" in\n"
                             f"*kms-provider.service) printf '%s\\n' {' '.join(service)};;\n"
                             f"*kms-provider.socket) printf '%s\\n' {' '.join(of_socket)};;\nesac\n")
        os.chmod(systemctl, 0o755)
        return ["unshare", "--mount", "sh", "-c", SYSTEMD, "sh", str(systemctl.parent)]

    return make


def test_a_service_in_a_crash_loop(node, systemd):
    """As systemd has it: the socket is there, and the service never stays."""
    node.stop()
    prefix = systemd(["LoadState=loaded", "ActiveState=activating", "SubState=auto-restart", "Result=exit-code", "NRestarts=31",
                      "ExecMainStatus=5", "MainPID=0", "UnitFileState=enabled", "After=network-online.target"])
    with socket.socket(socket.AF_UNIX) as of_systemd:
        of_systemd.bind(str(node.socket))
        os.chmod(node.socket, 0o660)
        report = Report(node.config, prefix=prefix)
    for check in ("kms.status_encrypt", "systemd.unit"):
        assert report.results[check] == "fail"
        assert "does not run" in report.texts(check) and "31 times so far (exit-code, exit code 5)" in report.texts(check)
        assert any("journalctl -u" in command for command in report.commands(check)), report.text


@pytest.mark.parametrize("arguments", [[], ["--before-start"]], ids=["later", "before-start"])
def test_a_stopped_service_is_not_started(node, systemd, arguments):
    """A connection to the socket that systemd keeps would do that."""
    node.stop()
    prefix = systemd(["LoadState=loaded", "ActiveState=inactive", "After=network-online.target"],
                     ["LoadState=loaded", "ActiveState=active", "UnitFileState=enabled", "SocketMode=0660", "SocketGroup=root",
                      f"'Listen={node.socket} (Stream)'"])
    with socket.socket(socket.AF_UNIX) as of_systemd:
        of_systemd.bind(str(node.socket))
        os.chmod(node.socket, 0o660)
        of_systemd.listen(8)
        of_systemd.setblocking(False)
        report = Report(node.config, *arguments, prefix=prefix)
        with pytest.raises(BlockingIOError):
            of_systemd.accept()
    if not arguments:
        assert_first(report, "kms.status_encrypt", "bao-kms-provider.service does not run", "systemctl enable --now")


def test_a_service_whose_user_has_gone(node, systemd):
    node.stop()
    prefix = systemd(["LoadState=loaded", "ActiveState=activating", "SubState=auto-restart", "Result=exit-code", "NRestarts=3",
                      "ExecMainCode=1", "ExecMainStatus=217", "MainPID=0", "UnitFileState=enabled", "After=network-online.target"])
    report = Report(node.config, prefix=prefix)
    assert_first(report, "kms.status_encrypt", "exit code 217: its user does not exist")
    assert report.commands("kms.status_encrypt") == ["systemd-sysusers", "systemctl restart bao-kms-provider.service"]


@contextlib.contextmanager
def listening_on(path):
    """A process that is no provider: this one."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        os.chmod(path, 0o660)
        other.listen(8)
        yield other


def test_nobody_is_connected_to_before_the_start(node):
    """Whoever keeps a socket for a service of another name would start it by that."""
    node.stop()
    with listening_on(node.socket) as other:
        other.setblocking(False)
        assert Report(node.config, "--before-start").exit == 0
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_provider_that_hangs(node):
    os.kill(node.pid, signal.SIGSTOP)
    report = Report(node.config)
    os.kill(node.pid, signal.SIGCONT)
    assert_first(report, "kms.status_encrypt", "DEADLINE_EXCEEDED", "it hangs", "systemctl restart bao-kms-provider.service")


def test_a_masked_service(node, systemd):
    node.stop()
    report = Report(node.config, prefix=systemd(["LoadState=masked", "ActiveState=inactive"]))
    assert_first(report, "kms.status_encrypt", "is masked")
    units = "bao-kms-provider.socket bao-kms-provider.service"
    assert report.commands("kms.status_encrypt") == [f"systemctl unmask {units}", f"systemctl enable --now {units}"]


def test_units_that_are_off_beside_a_pod(node, systemd):
    """The package is there for its commands; the provider runs in a static pod, which systemd knows nothing of."""
    off = ["LoadState=loaded", "ActiveState=inactive", "UnitFileState=disabled"]
    report = Report(node.config, prefix=systemd(off, off))
    assert report.exit == 0, report.text
    assert "a static pod?" in report.texts("systemd.unit")


@pytest.mark.parametrize("field", ["server.healthAddress", "server.metricsAddress"])
def test_an_address_that_another_process_has(node, field):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = reconfigure(node, **{field: f"127.0.0.1:{port}"})
        assert Report(config).exit == 0  # while the provider runs, it may be the provider's
        node.stop()
        assert_first(Report(config, "--before-start"), "kms.status_encrypt", field, "in use", f"ss -ltnp sport = :{port}")
        report = Report(config)
        assert_first(report, "kms.status_encrypt", field, "in use")
        assert "systemctl enable" in report.text
    assert Report(config, "--before-start").exit == 0


ADDRESSES = {
    "of-another-machine": ("192.0.2.77:8081", "Cannot assign requested address", "an address of this machine"),
    "in-no-directory": ("unix:/nonexistent/web.sock", "is missing", "name in server.metricsAddress a path"),
    "in-the-place-of-a-file": ("unix:{config}", "is a regular file", "nothing but its socket"),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_that_cannot_be(make_provider, fresh_tenant, name):
    address, *parts = ADDRESSES[name]
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750)
    provider.configure(**{"server.metricsAddress": address.format(config=provider.config)})
    assert_first(Report(provider.config, "--before-start"), "kms.status_encrypt", "server.metricsAddress", *parts)
    provider.configure(**{"server.metricsAddress": f"unix:{provider.directory}/web.sock"})
    assert Report(provider.config, "--before-start").exit == 0
    assert not (provider.directory / "web.sock").exists()


def test_two_providers_with_one_state(node, directory):
    second = json.loads(node.config.read_text())
    second["server"]["socketPath"] = str(node.directory / "second.sock")
    config = write_private(directory / "second.json", json.dumps(second))
    assert_first(Report(config, "--before-start"), "kms.status_encrypt", f"process {node.pid}", "holds the lock",
                 "a state.path each", f"ps -fp {node.pid}")
    assert Report(node.config, "--before-start").exit == 0  # this one's own
    node.stop()
    assert Report(config, "--before-start").exit == 0


def test_a_provider_without_its_socket(node):
    node.socket.unlink()
    assert_first(Report(node.config), "kms.status_encrypt", f"process {node.pid}", "its socket was taken away",
                 "systemctl restart bao-kms-provider.socket bao-kms-provider.service", f"ps -fp {node.pid}")


def test_a_state_that_is_gone_under_the_provider(node):
    node.state_path.unlink()
    pathlib.Path(f"{node.state_path}.checkpoint").unlink()
    report = Report(node.config)
    assert report.results["kms.status_encrypt"] == "warn" and report.exit == 0
    assert "are gone" in report.texts("kms.status_encrypt") and "before it is restarted" in report.remedies("kms.status_encrypt")


def test_a_dead_socket(node):
    node.expect_exit = -9
    node.kill()
    assert_first(Report(node.config), "kms.status_encrypt", "nobody listens", "systemctl enable --now")


NAMED = """
import pathlib, socket, sys
pathlib.Path("/proc/self/comm").write_text(sys.argv[2])
other = socket.socket(socket.AF_UNIX)
other.bind(sys.argv[1])
other.listen(8)
pathlib.Path(sys.argv[1]).chmod(0o660)
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["bao", "bao-kms-provid"])
def test_a_process_of_a_like_name_on_the_socket(node, name):
    node.stop()
    with subprocess.Popen(["/usr/bin/python3", "-c", NAMED, node.socket, name], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        report = Report(node.config)
        other.stdin.close()
    assert_first(report, "kms.status_encrypt", f'process {other.pid} ("{name}"', "not the provider")


def test_another_process_on_the_socket(node):
    node.stop()
    with listening_on(node.socket):
        assert_first(Report(node.config), "kms.status_encrypt", f"process {os.getpid()}", "not the provider")


def test_a_provider_that_is_not_well(node):
    node.tenant.request("POST", f"{node.tenant.mount}/config/keys", {"disable_upsert": False})
    node.wait_unhealthy()
    report = Report(node.config)
    assert_first(report, "transit.disable_upsert")
    assert report.results["kms.status_encrypt"] == "fail"


def test_a_provider_with_another_configuration(node, make_provider, openbao, directory):
    other = Tenant(openbao, directory / "other", scope=Scope(cluster_id="other"), mount="other", auth="jwt-other")
    other.set_up(policy_for(other))
    provider = make_provider(other, directory / "second").start(wait="healthy")
    os.chmod(provider.directory, 0o2750)
    node.stop()
    report = Report(reconfigure(node, **{"server.socketPath": str(provider.socket)}))
    assert_first(report, "kms.status_encrypt", "not in the state of this configuration")


# EncryptionConfiguration

def write_encryption(node, **changes):
    kms = {"apiVersion": "v2", "name": node.tenant.scope.provider_name, "endpoint": f"unix://{node.socket}",
           "timeout": "5s", **changes}
    return write_private(node.directory / "encryption.json", json.dumps({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [{"kms": kms}]}]}))


def test_an_encryption_configuration_that_is_wrong(node):
    report = Report(node.config, "--encryption-config", write_encryption(node, endpoint="unix:///run/other.sock"))
    assert_first(report, "kubernetes.encryption_config", "/run/other.sock", f"write endpoint: unix://{node.socket}")
    report = Report(node.config, "--encryption-config", write_encryption(node, apiVersion="v1"))
    assert_first(report, "kubernetes.encryption_config", "apiVersion: v2")
    path = write_encryption(node)
    os.chmod(path, 0o644)
    report = Report(node.config, "--encryption-config", path)
    assert report.results["kubernetes.encryption_config"] == "warn" and report.exit == 0
    run_all(report.commands("kubernetes.encryption_config"))
    assert Report(node.config, "--encryption-config", path).results["kubernetes.encryption_config"] == "ok"
    report = Report(node.config, "--encryption-config", node.directory / "absent.yaml")
    assert_first(report, "kubernetes.encryption_config", "absent.yaml")


# Whom it runs as

SERVICE = 61234
AS_SERVICE = ["setpriv", f"--reuid={SERVICE}", f"--regid={SERVICE}", f"--groups={SERVICE + 1}"]


@pytest.fixture
def service_node(make_provider, openbao):
    """Of a service that is not root, on a machine whose user database does not know it."""
    directory = private_directory()
    tenant = Tenant(openbao, directory / "tenant", mount="transit-service", auth="jwt-service")
    tenant.set_up(policy_for(tenant))
    provider = make_provider(tenant, directory / "node", **{"server.socketGroup": str(SERVICE + 1)})
    for path in (directory, tenant.directory, openbao.directory.parent):
        os.chmod(path, 0o711)
    os.chmod(openbao.authority.directory, 0o711)
    os.chown(provider.directory, SERVICE, SERVICE + 1)
    os.chmod(provider.directory, 0o2750)
    os.chown(provider.state_path.parent, SERVICE, SERVICE)
    for path in (provider.config, tenant.jwt_file):
        os.chown(path, 0, SERVICE)
        os.chmod(path, 0o640)
    yield provider
    openbao.request("DELETE", "sys/mounts/transit-service")
    openbao.request("DELETE", "sys/auth/jwt-service")
    subprocess.run(["rm", "-rf", directory], check=True)


def test_root_checks_as_the_service(service_node):
    report = Report(service_node.config, "--before-start")
    assert report.exit == 0, report.text
    assert report.report["user"] == f"uid {SERVICE}" and report.report["asService"]
    os.chmod(service_node.tenant.jwt_file, 0o600)  # root's alone: the service cannot read it
    report = Report(service_node.config, "--before-start")
    assert_first(report, "jwt.local", "Permission denied", "chmod 0640")
    run_all(report.commands("jwt.local"))
    os.chown(service_node.state_path.parent, 0, 0)
    report = Report(service_node.config, "--before-start", "--user", f"{SERVICE}:{SERVICE}")
    assert_first(report, "registry.state", "may not write", "install -d")
    run_all(report.commands("registry.state"))
    assert Report(service_node.config, "--before-start").results["registry.state"] == "ok"


@pytest.mark.parametrize("mode", [0o755, 0o700], ids=oct)
def test_a_socket_directory_that_is_roots(service_node, mode):
    """As somebody makes it by mkdir."""
    place = service_node.directory.parent / "run"
    place.mkdir()
    os.chmod(place, mode)
    set_as_service(service_node, **{"server.socketPath": str(place / "kms.sock")})
    refused_until_done(service_node, "socket.parent", "install -d -m 2750")


def test_the_service_itself_and_somebody_else(service_node):
    report = Report(service_node.config, "--before-start", prefix=AS_SERVICE)
    assert report.exit == 0 and report.report["asService"], report.text
    os.chmod(service_node.config, 0o640)
    as_other = ["setpriv", "--reuid=61999", f"--regid={SERVICE}", f"--groups={SERVICE + 1}"]
    os.chown(service_node.tenant.jwt_file, 0, 0)
    report = Report(service_node.config, "--before-start", "--user", str(SERVICE), prefix=as_other)
    assert not report.report["asService"] and "Run it as root" in report.complaints
    assert report.results["jwt.local"] == report.results["openbao.auth"] == "skip"
    assert report.results["openbao.tls"] == "ok", report.text


def with_package_user(directory, uid):
    passwd = directory / "passwd"
    passwd.write_text(pathlib.Path("/etc/passwd").read_text() + f"openbao-kms:x:{uid}:{uid}::/:/usr/sbin/nologin\n")
    os.chmod(passwd, 0o644)
    return ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1" /etc/passwd; shift; exec "$@"', "sh", str(passwd)]


def test_the_service_beside_a_user_of_the_packages_name(service_node, directory):
    """As in the image, which is made of the package: the user is there, and the pod runs as another one."""
    inside = with_package_user(directory, 999)
    for prefix in (inside, [*inside, *AS_SERVICE]):
        report = Report(service_node.config, "--before-start", prefix=prefix)
        assert report.exit == 0 and report.report["asService"], report.text
        assert report.report["user"] == f"uid {SERVICE}"


def test_a_state_that_went_to_a_third_user(service_node, directory):
    """He is not taken for the service, whose everything would then be refused to him."""
    place = service_node.state_path.parent
    os.chown(place, 65534, 65534)
    report = Report(service_node.config, "--before-start", prefix=with_package_user(directory, SERVICE))
    assert report.report["user"] == f"openbao-kms (uid {SERVICE})"
    assert_first(report, "registry.state", f"install -d -m 0750 -o {SERVICE} -g {SERVICE} {place}")
    run_all(report.commands("registry.state"))
    assert Report(service_node.config, "--before-start").results["registry.state"] == "ok"


def test_somebody_who_cannot_read_the_configuration(service_node):
    """Is not taken for the service, and not told to get the file for himself."""
    os.chmod(service_node.config, 0o600)
    report = Report(service_node.config, "--before-start", prefix=["setpriv", "--reuid=61999", "--regid=61999", "--clear-groups"])
    assert_first(report, "config.load", "Permission denied", 'run "doctor" as root', exit=3)
    assert not report.report["asService"] and report.commands("config.load") == []


def refused_until_done(node, check, *parts, exit=4):
    """The check fails as it must, and is well when what it says is done."""
    report = Report(node.config, "--before-start")
    assert_first(report, check, *parts, exit=exit)
    run_all(report.commands(check))
    assert Report(node.config, "--before-start").results[check] == "ok"


@pytest.mark.parametrize("check, field, name", [
    ("config.load", None, "config.yaml"), ("jwt.local", "auth.jwt.jwtFile", "identity.jwt"),
    ("openbao.tls", "openbao.caCertFile", "ca.crt"), ("registry.state", "state.path", "state/registry.json"),
])
@pytest.mark.parametrize("mode", [0o700, 0o750], ids=oct)
def test_a_directory_on_the_way_is_closed(service_node, check, field, name, mode):
    closed = service_node.directory.parent / "closed"
    closed.mkdir()
    if check == "registry.state":
        (closed / "state").mkdir(mode=0o750)
        os.chown(closed / "state", SERVICE, SERVICE)
    if field is not None:
        set_as_service(service_node, **{field: str(closed / name)})
    if check == "jwt.local":
        service_node.tenant.jwt_file.rename(closed / name)
    if check == "openbao.tls":
        shutil.copy(service_node.tenant.bao.authority.file, closed / name)
        os.chmod(closed / name, 0o644)
    if check == "config.load":
        service_node.config = service_node.config.rename(closed / name)
    os.chmod(closed, mode)
    refused_until_done(service_node, check, f'the directory "{closed}"', "chmod", exit=3 if field is None else 4)


def set_as_service(node, **overrides):
    node.configure(**{"server.socketGroup": str(SERVICE + 1), **overrides})
    os.chown(node.config, 0, SERVICE)
    os.chmod(node.config, 0o640)


@pytest.mark.parametrize("mode, part", [(0o600, "Permission denied"), (0o666, "mode 0666")], ids=["closed", "wide"])
def test_an_authority_of_a_wrong_mode(service_node, mode, part):
    authority = str(service_node.directory.parent / "ca.crt")
    shutil.copy(service_node.tenant.bao.authority.file, authority)
    os.chmod(authority, mode)
    set_as_service(service_node, **{"openbao.caCertFile": authority})
    refused_until_done(service_node, "openbao.tls", part, "readable by all", f"chmod 0644 {authority}")


def test_a_jwt_that_is_a_link(node):
    node.tenant.jwt_file.rename(node.directory / "true.jwt")
    node.tenant.jwt_file.symlink_to(node.directory / "true.jwt")
    assert_first(Report(node.config), "jwt.local", "is a symbolic link", "put a regular file there", "renames that over it")


def test_a_lock_that_the_service_cannot_take(service_node):
    lock = pathlib.Path(f"{service_node.state_path}.lock")
    lock.touch()
    os.chmod(lock, 0o600)
    refused_until_done(service_node, "registry.state", "cannot open the lock file", f"chown {SERVICE}:{SERVICE} {lock}")
    os.chmod(lock, 0o640)
    refused_until_done(service_node, "registry.state", "another mode than 0600", f"chmod 0600 {lock}")
    lock.rename(lock.with_suffix(".away"))
    lock.symlink_to(lock.with_suffix(".away"))
    refused_until_done(service_node, "registry.state", "is a symbolic link", f"rm {lock}")
    lock.mkdir()
    refused_until_done(service_node, "registry.state", "is not a regular file", f"rmdir {lock}")


@pytest.mark.parametrize("owner", [0, SERVICE], ids=["root", "service"])
def test_a_state_in_a_directory_of_others(service_node, owner):
    """It is not taken from those whose it is, as /tmp and /var/lib are."""
    place = service_node.directory.parent / "shared"
    place.mkdir()
    os.chown(place, owner, owner)
    os.chmod(place, 0o1777)
    set_as_service(service_node, **{"state.path": str(place / "registry.json")})
    report = Report(service_node.config, "--before-start", "--user", f"{SERVICE}:{SERVICE}")
    assert_first(report, "registry.state", "(mode 1777)", "is not the service's alone")
    assert report.commands("registry.state") == [f"install -d -m 0750 -o {SERVICE} -g {SERVICE} /var/lib/openbao-kms/state"]


def test_a_state_below_what_is_roots(service_node):
    place = service_node.directory.parent / "shared"
    (place / "of-another").mkdir(parents=True)
    set_as_service(service_node, **{"state.path": str(place / "registry.json")})
    report = Report(service_node.config, "--before-start", "--user", f"{SERVICE}:{SERVICE}")
    assert_first(report, "registry.state", "may not write", "is not the service's alone")
    assert all(str(place) not in command for command in report.commands("registry.state"))
    (place / "of-another").rename(place / "lost+found")  # a file system of its own
    report = Report(service_node.config, "--before-start", "--user", f"{SERVICE}:{SERVICE}")
    assert_first(report, "registry.state", "may not write", f"install -d -m 0750 -o {SERVICE} -g {SERVICE} {place}")


def test_a_file_in_the_place_of_the_states_directory(service_node):
    service_node.state_path.parent.rmdir()
    service_node.state_path.parent.touch()
    report = Report(service_node.config, "--before-start", "--user", f"{SERVICE}:{SERVICE}")
    assert_first(report, "registry.state", f'"{service_node.state_path.parent}" is not a directory')
    run_all(report.commands("registry.state"))
    assert Report(service_node.config, "--before-start").results["registry.state"] == "ok"


@pytest.mark.parametrize("suffix", ["", ".checkpoint"], ids=["state", "checkpoint"])
def test_a_state_that_the_service_cannot_read(service_node, suffix):
    (service_node.directory / "runtime").mkdir(mode=0o700)
    os.chown(service_node.directory / "runtime", SERVICE, SERVICE)
    service_node.start(wait="healthy", command=[*AS_SERVICE, *service_node.command()]).stop()
    path = f"{service_node.state_path}{suffix}"
    os.chown(path, 0, 0)
    os.chmod(path, 0o600)
    refused_until_done(service_node, "registry.state", f'may not read "{path}"', f"chown {SERVICE}:{SERVICE} {path}")
    os.chmod(path, 0o666)
    refused_until_done(service_node, "registry.state", "mode 0666", f"chmod 0640 {path}")


def test_wrong_usage(node):
    assert run_command("doctor", "--config", node.config, "--user", "no-such-user").returncode == 2
    assert run_command("doctor", "--nonsense").returncode == 2


# On a terminal

def on_terminal(columns, *arguments, **environment):
    """What is shown on a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([find_binary(), "doctor", *map(str, arguments)], stdin=slave, stdout=slave,
                               stderr=slave, env={**os.environ, "TERM": "xterm", **environment})
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    process.wait(timeout=30)
    return shown.decode().replace("\r\n", "\n")


COLOUR = re.compile("\033\\[[0-9;]*m")


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
def test_a_terminal(make_provider, fresh_tenant, columns, good):
    provider = make_provider(fresh_tenant)
    os.chmod(provider.directory, 0o2750 if good else 0o777)
    arguments = ["--config", provider.config, "--before-start"]
    shown = on_terminal(columns, *arguments)
    assert "\033[32m[ok]\033[0m" in shown and ("\033[1;31m[fail]\033[0m" in shown) == (not good)
    plain = on_terminal(columns, *arguments, NO_COLOR="1")
    assert "\033[" not in plain.replace("\r\033[K", "")
    lines = [line for line in COLOUR.sub("", shown).replace("\r\033[K", "").splitlines()
             if not line.startswith(" " * 14)]
    longest = max(lines, key=len)
    assert len(longest) <= columns or " " not in longest.strip()[40:], longest
    if columns == 200:  # one line each
        assert sum(line.startswith("[") for line in lines) == len(lines) - 2 - (0 if good else 1), shown
    for stable in ("[ok]   config.load                   ", "[skip] kms.status_encrypt            not looked at"):
        assert stable in plain
    assert ("[fail] socket.parent                 " in plain) == (not good)
    assert plain.splitlines()[0] == "Checked as root (uid 0)" and re.fullmatch(
        r"\d+ checks: \d+ ok, \d+ warned, [01] failed, \d+ skipped", plain.splitlines()[-1])


def test_progress_of_what_takes_long(make_provider, fresh_tenant):
    """OpenBao's port takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        provider = make_provider(fresh_tenant, **{
            "openbao.address": f"https://127.0.0.1:{silent.getsockname()[1]}", "openbao.timeout": "1s"})
        os.chmod(provider.directory, 0o2750)
        shown = on_terminal(80, "--config", provider.config, "--before-start")
    assert "\r\033[K       openbao.tls ... 0 s" in shown, shown
    assert "[fail]" in shown and "in time" in shown
