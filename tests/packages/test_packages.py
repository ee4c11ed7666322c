# SPDX-License-Identifier: Apache-2.0
"""The package on a machine with systemd: from its installation over its units' promises to its end."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import grpc
import pytest

from machine import SERVICE, SOCKET, SOCKET_PATH, Tpm
from rig.process import wait_until
from rig.token import PIN, SOFTHSM, Token, by_labels, cert_overrides, enable_cert_auth, issue_client, new_key
from rig.token_endpoint import TokenEndpoint

OWNERS = """\
root:openbao-kms 750 /etc/openbao-kms
root:root 755 /etc/openbao-kms/tls
openbao-kms:openbao-kms 750 /var/lib/openbao-kms
openbao-kms:openbao-kms 750 /var/lib/openbao-kms/state
openbao-kms:openbao-kms-socket 2750 /run/openbao-kms
"""
STAT = "stat --format='%U:%G %a %n' "
CALLS, CALLS_A_SECOND = 5000, 50


def owners(machine):
    return machine.run(STAT + " ".join(line.split()[-1] for line in OWNERS.splitlines()))


def run(command):
    """What a command of this machine says."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


# Installation

def test_installs_without_starting(machine):
    assert owners(machine) == OWNERS
    for unit in (SERVICE, SOCKET):
        assert machine.run(f"systemctl is-enabled {unit}", check=False).strip() == "disabled"
        assert machine.show(unit, "ActiveState") == "inactive"
    assert machine.run("id --name --groups openbao-kms").split() == ["openbao-kms", "openbao-kms-socket"]
    assert machine.run("systemctl --failed --plain --no-legend") == ""
    version = machine.run("dpkg-query --show --showformat='${Version}' bao-kms-provider")
    assert f"commit      deb-{version}\n" in machine.run("bao-kms-provider version")


@pytest.mark.parametrize("units", [SERVICE, f"{SOCKET} {SERVICE}"])
def test_comes_up_once_it_is_configured(machine, tenant, units):
    """Enabled too early: neither is the start given up, nor is it tried without a pause."""
    machine.run(f"systemctl enable --now {units}", check=False)
    wait_until(lambda: int(machine.show(SERVICE, "NRestarts")) > 1, 30, "it is started again")
    assert machine.run("systemctl --failed --plain --no-legend") == ""
    machine.configure(tenant)
    machine.wait_healthy(timeout=60)
    assert int(machine.show(SERVICE, "NRestarts")) < 10


@pytest.mark.parametrize("unit", [SERVICE, "bao-kms-provider@second.service"])
def test_sandbox(machine, unit):
    machine.run(f"systemd-analyze security --no-pager --threshold=15 {unit}")
    said = machine.run(f"systemd-analyze verify --man=no {unit} {unit.replace('.service', '.socket')} 2>&1")
    assert "bao-kms-provider" not in said


def test_the_profile_enforces_for_who_wants_it(machine):
    """By the loss of a link that comes once: no file of the package is changed, about which an upgrade would ask."""
    profile, link = "/etc/apparmor.d/bao-kms-provider", "/etc/apparmor.d/force-complain/bao-kms-provider"
    mode = f"apparmor_parser --skip-kernel-load --skip-cache {profile} 2>&1"
    assert "forcing complain mode" in machine.run(mode)
    machine.run(f"rm {link}")
    for command in (lambda: machine.install(os.environ["OBK_DEB_UPGRADE"]),
                    lambda: machine.run("dpkg --remove bao-kms-provider") + machine.install(os.environ["OBK_DEB"])):
        command()
        assert "complain" not in machine.run(mode)
    machine.run("dpkg --purge bao-kms-provider")
    machine.install(os.environ["OBK_DEB"])
    machine.run(f"test -L {link} && dpkg --purge bao-kms-provider && test ! -L {link}")


def test_catalogue_names_what_is_in_the_package():
    catalogue = pathlib.Path(__file__).resolve().parents[2] / "data" / "bao-kms-provider.catalog"
    named = set(re.findall(r"^Documentation: file://(\S+)$", catalogue.read_text(), re.MULTILINE))
    assert named
    for command in (["dpkg-deb", "--contents", os.environ["OBK_DEB"]],
                    ["rpm", "--query", "--list", "--package", os.environ["OBK_RPM"]]):
        assert named <= {line.split()[-1].lstrip(".") for line in run(command).splitlines()}, command


# What a distribution's packages have of their own
OF_ONE = re.compile(r"/etc/apparmor\.d/|/\.build-id/|/licenses/|/active/modules/"
                    r"|/doc/.*/(README\.Debian|changelog|copyright)(\.gz)?$")


def test_deb_and_rpm_have_the_same_files():
    debs = pathlib.Path(os.environ["OBK_DEB"]).parent.glob("bao-kms-provider[-_]*.deb")
    rpms = pathlib.Path(os.environ["OBK_RPM"]).parent.glob("bao-kms-provider-*.rpm")
    listed = (
        [line.split(" -> ")[0].split()[-1].removeprefix(".")
         for deb in debs if "-dbgsym_" not in deb.name
         for line in run(["dpkg-deb", "--contents", deb]).splitlines() if not line.startswith("d")],
        [line.split(" ", 1)[1]
         for rpm in rpms
         for line in run(["rpm", "--query", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", "--package",
                          rpm]).splitlines() if not line.startswith("d")])
    deb, rpm = ({re.sub(r"^/usr/lib/systemd|\.(gz|bz2)$", lambda found: "/lib/systemd" if found[0][0] == "/" else "", name)
                 for name in names if not OF_ONE.search(name)} for names in listed)
    assert len(deb) > 50 and deb == rpm, deb ^ rpm


# Serving

def test_three_steps_to_serving(serving):
    assert serving.run(STAT + SOCKET_PATH).split()[:2] == ["openbao-kms:openbao-kms-socket", "660"]
    # any member of the socket's group, and nobody else
    probe = "setpriv --reuid=4321 --clear-groups --regid={} -- bao-kms-provider probe"
    assert "[fail]" not in serving.run(probe.format("openbao-kms-socket"))
    assert "[fail]" in serving.run(probe.format("nogroup"), check=False)

    status = serving.run(f"cat /proc/{serving.main_pid()}/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert {fields[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"].strip() == "1" and fields["Seccomp"].strip() == "2"
    assert int(fields["VmLck"].split()[0]) > 0, "secrets are not locked in memory"
    journal = serving.journal()
    assert not [line for line in journal.splitlines() if '"level":"warn"' in line or '"level":"error"' in line
                or line.startswith("warn")], journal
    seen = serving.run(f"nsenter --target {serving.main_pid()} --mount -- ls /proc/sys/crypto", check=False)
    assert seen == serving.run("ls /proc/sys/crypto", check=False)  # the kernel's FIPS flag is seen, if there is one


def test_without_the_socket_unit(machine, tenant):
    machine.configure(tenant)
    machine.run(f"systemctl enable --now {SERVICE}")
    machine.wait_healthy()
    assert machine.show(SOCKET, "ActiveState") == "inactive"
    assert machine.run(STAT + SOCKET_PATH).split()[:2] == ["openbao-kms:openbao-kms-socket", "660"]
    machine.run(f"systemctl restart {SERVICE}")
    machine.wait_healthy()
    machine.run(f"systemctl stop {SERVICE}")
    assert machine.run("ls -A /run/openbao-kms /run/bao-kms-provider 2>/dev/null", check=False).split() == [
        "/run/openbao-kms:"]
    # and on to the socket unit
    machine.run(f"systemctl start {SOCKET}")
    machine.wait_healthy()


def test_a_call_starts_it(machine, tenant):
    machine.configure(tenant)
    machine.run(f"systemctl start {SOCKET}")
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    machine.wait_healthy()
    assert machine.show(SERVICE, "ActiveState") == "active"


def test_reload(serving):
    before = serving.main_pid()
    with serving.client() as client:
        encrypted = client.encrypt(b"before")
        serving.run(f"systemctl reload {SERVICE}")
        assert client.decrypt(encrypted) == b"before"
    assert serving.main_pid() == before
    wait_until(lambda: "config.reloaded" in serving.journal(), 10, "the configuration is read again")
    wait_until(lambda: serving.show(SERVICE, "ActiveState") == "active", 10, "the reload is over")


def start_second(machine, tenant):
    """One more instance; its units without their type."""
    machine.configure(tenant, path="/etc/openbao-kms/second.yaml", **{
        "server.socketPath": "/run/openbao-kms/second/kms.sock",
        "state.path": "/var/lib/openbao-kms/second/key-registry.json"})
    unit = "bao-kms-provider@second"
    machine.run(f"systemctl enable --now {unit}.socket {unit}.service")
    machine.wait_healthy("/run/openbao-kms/second/kms.sock")
    return unit


def test_further_instance(serving, openbao, tenant):
    unit = start_second(serving, tenant)
    assert serving.run(STAT + "/run/openbao-kms/second /var/lib/openbao-kms/second") == (
        "openbao-kms:openbao-kms-socket 2750 /run/openbao-kms/second\n"
        "openbao-kms:openbao-kms 750 /var/lib/openbao-kms/second\n")
    before = serving.main_pid(f"{unit}.service")
    serving.install(os.environ["OBK_DEB_UPGRADE"])
    assert serving.main_pid(f"{unit}.service") != before, "an upgrade has left it running"
    serving.wait_healthy("/run/openbao-kms/second/kms.sock")
    # without its socket unit as well, on a machine where the directory is not there yet
    serving.run(f"systemctl stop {unit}.socket {unit}.service && rmdir /run/openbao-kms/second")
    serving.run(f"systemctl start {unit}.service")
    serving.wait_healthy("/run/openbao-kms/second/kms.sock")


def test_credential(machine, tenant):
    machine.configure(tenant, **{"auth.jwt.jwtFile": "credential:identity.jwt"})
    machine.run("install -D -m 0600 /var/lib/openbao-kms/identity.jwt /etc/agent/identity.jwt"
                " && rm /var/lib/openbao-kms/identity.jwt")
    machine.drop_in(SERVICE, "[Service]\nLoadCredential=identity.jwt:/etc/agent/identity.jwt\n")
    machine.run(f"systemctl enable --now {SOCKET} {SERVICE}")
    machine.wait_healthy()


def seal(machine, name, secret, options=""):
    """By a key of this machine alone. Returns what systemd-creds prints."""
    return machine.run(f"printf %s '{secret}' |"
                       f" systemd-creds encrypt --with-key=host --name={name} {options} - - 2>/dev/null")


def test_sealed_jwt(machine, tenant):
    """On disk in no other form."""
    machine.configure(tenant, **{"auth.jwt.jwtFile": "credential:identity.jwt"})
    machine.write("/etc/credstore.encrypted/identity.jwt", seal(machine, "identity.jwt", tenant.jwt_file.read_text()))
    machine.run("rm /var/lib/openbao-kms/identity.jwt")
    machine.drop_in(SERVICE, "[Service]\nLoadCredentialEncrypted=identity.jwt:/etc/credstore.encrypted/identity.jwt\n")
    machine.run(f"systemctl enable --now {SOCKET} {SERVICE}")
    machine.wait_healthy()


def test_sealed_client_secret(machine, openbao, tenant):
    """In the unit itself; and the authority of the token endpoint as a credential that is no secret."""
    with TokenEndpoint(openbao.authority, tenant.signer) as endpoint:
        machine.configure(tenant, **endpoint.settings("credential:client-secret", caCertFile="credential:idp-ca"))
        machine.run("mv /var/lib/openbao-kms/identity.jwt /root")
        machine.drop_in(SERVICE, "[Service]\nLoadCredential=idp-ca:/etc/openbao-kms/tls/ca.crt\n"
                        + seal(machine, "client-secret", endpoint.client_secret, "--pretty"))
        machine.run(f"systemctl enable --now {SOCKET} {SERVICE}")
        machine.wait_healthy()
        assert len(endpoint.granted) == 1
        assert endpoint.client_secret not in machine.journal()


def test_sealed_pin(machine, openbao, tenant, directory):
    """With certificate and authority as credentials, too; the drop-in is that of docs/deployment.md for SoftHSM."""
    token, key = Token(directory / "token"), new_key("P-256")
    token.add_key(key)
    enable_cert_auth(tenant, openbao.authority, mount=f"cert-{directory.name}")
    machine.run("mkdir -p /usr/lib/softhsm /var/lib/softhsm && groupadd --system softhsm")
    shutil.copy(SOFTHSM, machine.path("/usr/lib/softhsm"))
    shutil.copytree(token.directory / "tokens", machine.path("/var/lib/softhsm/tokens"))
    machine.run("chown -R root:softhsm /var/lib/softhsm && chmod -R g+rwX /var/lib/softhsm")
    machine.write("/etc/softhsm/softhsm2.conf", "directories.tokendir = /var/lib/softhsm/tokens\n")
    machine.write("/etc/keys/client.pem", issue_client(openbao.authority, key.public_key()).decode(), mode="0600")
    machine.configure(tenant, **{"openbao.caCertFile": "credential:ca"}, **cert_overrides(
        f"cert-{directory.name}", **by_labels(token, "credential:client.pem", pinFile="credential:pin")))
    machine.write("/etc/credstore.encrypted/pin", seal(machine, "pin", PIN))
    machine.drop_in(SERVICE, "[Service]\nSupplementaryGroups=softhsm\nReadWritePaths=/var/lib/softhsm/tokens\n"
                    "LoadCredentialEncrypted=pin:/etc/credstore.encrypted/pin\n"
                    "LoadCredential=client.pem:/etc/keys/client.pem\nLoadCredential=ca:/etc/openbao-kms/tls/ca.crt\n")
    machine.run(f"systemctl enable --now {SOCKET} {SERVICE}")
    machine.wait_healthy()
    assert '"cert login"' in machine.journal() and PIN not in machine.journal()


def test_secret_sealed_to_the_tpm(machine, tenant, directory):
    """A TPM in software, which systemd reaches by TCP; all else is as with one in the machine."""
    with Tpm(directory / "tpm") as tpm:
        machine.shut_down()
        for library in tpm.libraries():
            shutil.copy(library, machine.root / "usr/lib" / library.parent.name)
        machine.boot(SYSTEMD_TPM2_DEVICE=tpm.device)
        machine.configure(tenant, **{"auth.jwt.jwtFile": "credential:identity.jwt"})
        machine.run("mkdir -p /etc/credstore.encrypted && cd /etc/credstore.encrypted"
                    f" && systemd-creds encrypt --with-key=tpm2 --tpm2-device={tpm.device} --name=identity.jwt"
                    " /var/lib/openbao-kms/identity.jwt identity.jwt && rm /var/lib/openbao-kms/identity.jwt")
        machine.drop_in(SERVICE, "[Service]\n"
                        "LoadCredentialEncrypted=identity.jwt:/etc/credstore.encrypted/identity.jwt\n")
        machine.run(f"systemctl enable --now {SOCKET} {SERVICE}")
        machine.wait_healthy()
        machine.run(f"systemctl stop {SOCKET} {SERVICE}")
    with Tpm(directory / "another"):  # on the same port: the disk in another machine
        machine.run(f"systemctl start {SERVICE}", check=False)
        assert machine.show(SERVICE, "ActiveState") != "active"
        assert "Failed to set up credentials" in machine.run("journalctl --no-pager")


# Failure

def test_watchdog(serving):
    serving.drop_in(SERVICE, "[Service]\nWatchdogSec=2s\n")
    serving.run(f"systemctl restart {SERVICE}")
    serving.wait_healthy()
    pid = serving.main_pid()
    serving.run(f"kill -STOP {pid}")
    started = time.monotonic()
    serving.wait_healthy(timeout=40)
    assert serving.main_pid() != pid and serving.show(SERVICE, "NRestarts") == "1"
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("units, break_config", [
    (f"{SOCKET} {SERVICE}", "echo configVersion: nonsense >config.yaml"),
    (f"{SOCKET} {SERVICE}", "rm config.yaml"),
    (SERVICE, "rm config.yaml")])
def test_a_failed_start_is_retried_for_ever(machine, tenant, units, break_config):
    machine.configure(tenant)
    machine.run(f"systemctl enable --now {units}")
    machine.wait_healthy()
    machine.drop_in(SERVICE, "[Service]\nRestartSec=50ms\nRestartSteps=0\n")
    machine.run(f"cd /etc/openbao-kms && cp -p config.yaml good.yaml && {break_config}")
    machine.run(f"systemctl kill --signal=KILL {SERVICE}")
    wait_until(lambda: int(machine.show(SERVICE, "NRestarts")) > 40, 60, "it is started again and again")
    sockets = machine.show(SOCKET, "ActiveState")
    assert sockets == ("active" if SOCKET in units else "inactive")
    # a call that is made meanwhile waits for the configuration to be mended
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(machine.wait_healthy(timeout=40)))
    waiting.start()
    time.sleep(1)
    assert machine.show(SOCKET, "ActiveState") == sockets
    machine.run("cd /etc/openbao-kms && mv good.yaml config.yaml")
    waiting.join()
    assert answers == [True]


def test_reboot(serving):
    with serving.client() as client:
        encrypted = client.encrypt(b"before the reboot")
    serving.shut_down()
    serving.boot()
    assert owners(serving) == OWNERS
    serving.wait_healthy()
    with serving.client() as client:
        assert client.decrypt(encrypted) == b"before the reboot"


# Upgrade and removal

class Load:
    """Calls at a steady rate, each as the API server makes it: it waits for a connection, up to 3 s in all."""

    def __init__(self, machine):
        self.machine = machine
        self.made, self.lost = 0, []
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        begin = time.monotonic()
        pending = []
        with self.machine.client() as client:
            encrypted = client.encrypt(b"secret")
            request = client.decrypt_request(encrypted)
            for number in range(CALLS):
                time.sleep(max(0, begin + number / CALLS_A_SECOND - time.monotonic()))
                call = client.stub.Decrypt.future(request, timeout=3, wait_for_ready=True)
                pending.append(call)
                self.made += 1
            for number, call in enumerate(pending):
                try:
                    assert call.result().plaintext == b"secret"
                except grpc.RpcError as error:
                    self.lost.append((number, error.code(), error.details()))


@pytest.mark.timeout(240)
def test_upgrade_loses_no_call(serving):
    inode = serving.run(f"stat --format=%i {SOCKET_PATH}")
    load = Load(serving)
    load.thread.start()
    time.sleep(2)
    before = serving.main_pid()
    for package in (os.environ["OBK_DEB_UPGRADE"], os.environ["OBK_DEB"], os.environ["OBK_DEB_UPGRADE"]):
        serving.install(package)
        time.sleep(3)
    assert serving.main_pid() != before
    for _ in range(5):
        serving.run(f"systemctl restart {SERVICE}")
        time.sleep(2)
    assert load.made < CALLS, "the load has ended before the upgrades"
    load.thread.join()
    assert load.made == CALLS and load.lost == []
    assert serving.run(f"stat --format=%i {SOCKET_PATH}") == inode
    assert serving.run("dpkg-query --show --showformat='${Version}' bao-kms-provider").endswith("+1")


def test_removal_keeps_and_purge_asks(serving):
    kept = "/etc/openbao-kms/config.yaml /var/lib/openbao-kms/state/key-registry.json"
    serving.run("dpkg --remove bao-kms-provider")
    assert serving.run("pgrep --exact bao-kms-provide", check=False) == ""
    assert serving.run("ls /run/openbao-kms") == ""
    serving.run(f"ls {kept}")
    serving.run("dpkg --purge bao-kms-provider")
    serving.run(f"ls {kept}")
    assert serving.run("find /etc/systemd -name 'bao-kms-provider*'; ls /etc/apparmor.d/bao-kms-provider 2>/dev/null",
                       check=False) == ""
    # the same machine again, as it was
    serving.install(os.environ["OBK_DEB"])
    serving.run(f"systemctl enable --now {SOCKET} {SERVICE}")
    serving.wait_healthy()
    serving.run("echo bao-kms-provider bao-kms-provider/purge-data boolean true | debconf-set-selections")
    serving.run("dpkg --purge bao-kms-provider")
    assert serving.run("ls -d /etc/openbao-kms /var/lib/openbao-kms 2>/dev/null", check=False) == ""


WHAT_INSTANCES_LEAVE = "find /etc/systemd -name 'bao-kms-provider@*'; ls -A /run/openbao-kms 2>&1"


def test_purge_with_instances(serving, tenant):
    start_second(serving, tenant)
    serving.run("dpkg --purge bao-kms-provider")
    assert serving.run("pgrep --exact bao-kms-provide", check=False) == ""
    left = serving.run(WHAT_INSTANCES_LEAVE, check=False)
    assert "No such file" in left and len(left.splitlines()) == 1, left


def test_removal_of_the_rpm_ends_instances(serving, tenant):
    """Its script, on a machine that has the same units from the other package."""
    unit = start_second(serving, tenant)
    script = run(["rpm", "--query", "--queryformat", "%{PREUN}", "--package", os.environ["OBK_RPM"]])
    serving.write("/root/preun", script)
    serving.run("sh /root/preun 1")  # an upgrade
    serving.wait_healthy("/run/openbao-kms/second/kms.sock")
    assert "rmdir" not in serving.run("sh /root/preun 0")
    for name in (f"{unit}.service", f"{unit}.socket", SERVICE, SOCKET):
        assert serving.show(name, "ActiveState") == "inactive"
    assert serving.run(WHAT_INSTANCES_LEAVE, check=False) == ""
    assert "rmdir" not in serving.run("sh /root/preun 0")  # without one


def test_purge_of_a_file_system(machine):
    """It is emptied, and nothing else fails for it."""
    machine.run("mount -t tmpfs state /var/lib/openbao-kms && touch /var/lib/openbao-kms/identity.jwt")
    machine.run("echo bao-kms-provider bao-kms-provider/purge-data boolean true | debconf-set-selections")
    machine.run("dpkg --purge bao-kms-provider")
    assert machine.run("ls -A /var/lib/openbao-kms; ls -d /etc/openbao-kms 2>/dev/null", check=False) == ""


def test_purge_without_a_directory_of_units(machine):
    """As in a container that has no systemd."""
    machine.run("rm -r /etc/systemd")
    machine.run("dpkg --purge bao-kms-provider")


def test_removal_of_the_policy(serving):
    """Tools of SELinux that only say that they were called: what is done around the loss of the domain, and when."""
    for tool in ("semodule", "selinuxenabled", "load_policy", "restorecon"):
        serving.write(f"/usr/sbin/{tool}", '#!/bin/sh\necho "$(systemctl is-active '
                      f'{SERVICE} {SOCKET} | paste -sd,) {tool} $*" >>/root/called\n', mode="0755")
    before = serving.main_pid()
    relabelled = []
    for command in (lambda: serving.install(os.environ["OBK_DEB_POLICY"], options="--force-depends"),
                    lambda: serving.run("dpkg --remove bao-kms-provider-selinux")):
        serving.run("rm -f /root/called")
        command()
        called = serving.run("cat /root/called").splitlines()
        assert called[0].startswith("active,active semodule ")
        assert "inactive,inactive load_policy " in called, "a process lives through the change of its domain"
        relabelled.append([line for line in called if " restorecon " in line])
        assert f"inactive,inactive restorecon /lib/systemd/system/{SERVICE}" in relabelled[-1]
        serving.wait_healthy()
        assert serving.show(SOCKET, "ActiveState") == serving.show(SERVICE, "ActiveState") == "active"
        assert serving.main_pid() != before
        before = serving.main_pid()
    assert relabelled[0] == relabelled[1]


def test_policy_of_the_rpm_beside_a_running_provider(serving):
    """Its scripts, with tools of SELinux that only say that they were called."""
    for tool in ("semodule", "selinuxenabled"):
        serving.write(f"/usr/sbin/{tool}", '#!/bin/sh\necho "$(systemctl is-active '
                      f'{SERVICE} {SOCKET} | paste -sd,) {tool}" >>/root/called\n', mode="0755")
    policy, = pathlib.Path(os.environ["OBK_RPM"]).parent.glob("bao-kms-provider-selinux-*.rpm")
    for name in ("POSTIN", "POSTTRANS"):
        serving.write(f"/root/{name}", run(["rpm", "--query", "--queryformat", f"%{{{name}}}", "--package", policy]))
    for installed, meanwhile in ((1, "inactive,inactive"), (2, "active,active")):
        serving.run(f"rm -f /root/called; sh /root/POSTIN {installed}")
        assert f"{meanwhile} semodule" in serving.run("cat /root/called").splitlines()
        serving.run(f"sh /root/POSTTRANS {installed}")
        serving.wait_healthy()
        assert serving.show(SOCKET, "ActiveState") == serving.show(SERVICE, "ActiveState") == "active"
    assert serving.run("ls /run/bao-kms-provider-selinux* 2>/dev/null", check=False) == ""


def test_autopkgtest(machine, openbao):
    """What Debian's own machines run."""
    source = pathlib.Path(__file__).resolve().parents[2] / "debian" / "tests" / "installed"
    machine.write("/root/installed", source.read_text(), mode="0755")
    machine.run("mkdir -p /etc/ssl/certs")
    machine.write("/etc/ssl/certs/ca-certificates.crt", openbao.authority.file.read_text())
    machine.run("/root/installed")


# doctor

def doctor(machine, *options):
    report = json.loads(machine.run(f"bao-kms-provider doctor --output json {' '.join(options)}", check=False))
    return report, {check["id"]: check for check in report["checks"]}


def test_doctor(machine, tenant):
    """Before the first start, when it serves, and with units that do not fit the configuration."""
    machine.run("echo 127.0.0.1 openbao.test >>/etc/hosts")
    machine.configure(tenant, **{"openbao.address": tenant.bao.address.replace("127.0.0.1", "openbao.test")})
    report, checks = doctor(machine, "--before-start")
    assert report["passed"] and report["user"].startswith("openbao-kms (uid "), report
    report, checks = doctor(machine)
    assert checks["kms.status_encrypt"]["result"] == checks["systemd.unit"]["result"] == "fail"
    machine.run(checks["kms.status_encrypt"]["findings"][0]["commands"][0])
    machine.wait_healthy()
    report, checks = doctor(machine)
    assert report["passed"] and checks["systemd.unit"]["result"] == "ok", report
    # a group that the unit alone gives the service, as docs/deployment.md does for SoftHSM
    machine.run("groupadd agents && chgrp agents /var/lib/openbao-kms/identity.jwt")
    machine.drop_in(SERVICE, "[Service]\nSupplementaryGroups=agents\n")
    report, checks = doctor(machine)
    assert checks["jwt.local"]["result"] == "ok", report
    machine.write("/etc/systemd/system/kubelet.service", "[Service]\nExecStart=/bin/true\n")
    machine.drop_in(SERVICE, "[Unit]\nAfter=kubelet.service\n")
    machine.drop_in(SOCKET, "[Socket]\nSocketMode=0600\n")
    report, checks = doctor(machine)
    said = [finding["text"] for finding in checks["systemd.unit"]["findings"]]
    assert any("SocketMode=0600" in text for text in said), said
