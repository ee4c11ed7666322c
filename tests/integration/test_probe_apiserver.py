# SPDX-License-Identifier: Apache-2.0
"""probe-apiserver against a process of that name in a mount namespace of its own, and verify-key."""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import time

import jsonschema
import pytest
from rig.process import wait_until
from rig.provider import find_binary, policy_for, private_directory, run_command
from rig.transit import Tenant

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "data/schemas"
GROUP, USER = 61300, 61301

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another process")


def run_report(command, *arguments):
    """What a command says in JSON, valid by its schema; and the same result as text."""
    result = run_command(command, *arguments, "--output", "json")
    report = json.loads(result.stdout)
    jsonschema.validate(report, json.loads((SCHEMAS / f"{command}.schema.json").read_text(encoding="utf-8")))
    text = run_command(command, *arguments)
    assert report["passed"] == (result.returncode == 0) and text.returncode == result.returncode
    assert result.returncode in (0, 4), result.stderr
    assert "Sanitizer" not in result.stderr + text.stderr and "CRITICAL" not in result.stderr + text.stderr
    report["text"] = text.stdout
    report["results"] = {check["id"]: check["result"] for check in report["checks"]}
    return report


def first_failure(report):
    for check in report["checks"]:
        for finding in check["findings"]:
            if finding["result"] == "fail":
                return check["id"], finding["text"] + " " + finding.get("remedy", "")
    return None, ""


# probe-apiserver

@pytest.fixture
def served(make_provider, openbao):
    """A provider whose socket is for a group, in a directory that everyone can reach."""
    directory = private_directory()
    os.chmod(directory, 0o711)
    tenant = Tenant(openbao, directory / "tenant", mount="transit-probe", auth="jwt-probe")
    tenant.set_up(policy_for(tenant))
    provider = make_provider(tenant, directory / "node", **{"server.socketGroup": str(GROUP)}).start(wait="healthy")
    os.chown(provider.directory, 0, GROUP)
    os.chmod(provider.directory, 0o2750)
    yield provider
    openbao.request("DELETE", "sys/mounts/transit-probe")
    openbao.request("DELETE", "sys/auth/jwt-probe")
    shutil.rmtree(directory)


@pytest.fixture
def stand_in():
    """Starts something named kube-apiserver that only waits, as another user in a mount namespace of its own."""
    started, directory = [], private_directory()
    os.chmod(directory, 0o711)
    program = directory / "kube-apiserver"
    shutil.copy("/bin/sleep", program)

    def start(groups=(GROUP,), user=USER, mounts="true", extra=()):
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", *extra,
                f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"]
        process = subprocess.Popen(["unshare", "--mount", "sh", "-ec", f'{mounts}; exec "$@"', "sh", *drop, program,
                                    "1000"])
        started.append(process)
        comm = pathlib.Path(f"/proc/{process.pid}/comm")
        wait_until(lambda: comm.read_text() == "kube-apiserver\n", 10, "the stand-in runs")
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.wait()
    shutil.rmtree(directory)


def probe(pid, provider):
    return run_report("probe-apiserver", "--pid", pid, "--config", provider.config)


def test_an_api_server_that_may_connect(served, stand_in):
    pid = stand_in()
    report = probe(pid, served)
    assert report["passed"], report["text"]
    assert (report["pid"], report["uid"], report["groups"]) == (pid, USER, [GROUP])
    assert report["results"]["apiserver.calls"] == "ok" and report["results"]["apiserver.selinux"] in ("skip", "ok")


def test_one_that_is_not_of_the_group(served, stand_in):
    report = probe(stand_in(groups=()), served)
    check, said = first_failure(report)
    assert check == "apiserver.access" and str(GROUP) in said and "supplementalGroups" in said, report["text"]
    assert report["results"]["apiserver.calls"] == "skip"


def test_root_without_capabilities_is_held_to_the_modes(served, stand_in):
    """As in a container: uid 0, and not a member of the group."""
    os.chown(served.directory, USER, GROUP)
    report = probe(stand_in(user=0, groups=(), extra=("--bounding-set=-all", "--inh-caps=-all")), served)
    check, said = first_failure(report)
    assert check == "apiserver.access" and "Permission denied" in said, report["text"]


def test_one_that_does_not_see_the_directory(served, stand_in):
    hidden = served.directory.parent
    report = probe(stand_in(mounts=f"mount -t tmpfs -o mode=0755 none {hidden}"), served)
    check, said = first_failure(report)
    assert check == "apiserver.mount" and "does not see" in said and "hostPath" in said, report["text"]


def test_one_that_sees_another_directory(served, stand_in):
    report = probe(stand_in(mounts=f"mount -t tmpfs -o mode=0755 none {served.directory}"), served)
    check, said = first_failure(report)
    assert check == "apiserver.mount" and "another directory" in said, report["text"]


def test_one_that_has_the_socket_file_mounted(served, stand_in):
    """A restart makes a new socket; the mount keeps the old one."""
    there = served.directory
    aside = private_directory()
    pid = stand_in(mounts=f"mount --bind {there} {aside}; mount -t tmpfs -o mode=0755 none {there}; "
                          f"touch {there}/kms.sock; mount --bind {aside}/kms.sock {there}/kms.sock")
    aside.rmdir()
    report = probe(pid, served)
    assert report["passed"] and report["results"]["apiserver.mount"] == "warn", report["text"]
    served.stop()
    served.start(wait="healthy")
    check, said = first_failure(probe(pid, served))
    assert check == "apiserver.mount" and "never the socket file" in said, said


def test_users_that_the_provider_refuses(served, stand_in):
    served.stop()
    served.configure(**{"server.socketGroup": str(GROUP), "server.allowedUids": [12345]})
    served.start(wait="socket")
    report = probe(stand_in(), served)
    check, said = first_failure(report)
    assert check == "apiserver.calls" and "server.allowedUids" in said and str(USER) in said, report["text"]


def test_no_provider(served, stand_in):
    served.stop()
    check, said = first_failure(probe(stand_in(), served))
    assert check == "apiserver.mount" and "no socket" in said


def commands(report):
    return [command for check in report["checks"] for finding in check["findings"] for command in finding.get("commands", [])]


def test_commands_are_for_the_same_instance(served, stand_in):
    pid = stand_in()
    report = run_report("probe-apiserver", "--pid", pid, "--socket", "/absent/kms.sock", "--config", "/etc/openbao-kms/east.yaml")
    assert commands(report) == ["systemctl enable --now bao-kms-provider@east.socket bao-kms-provider@east.service"]
    served.tenant.request("POST", f"{served.tenant.mount}/config/keys", {"disable_upsert": False})
    served.wait_unhealthy()
    command, = commands(probe(pid, served))
    assert command.startswith("bao-kms-provider doctor ")
    result = subprocess.run([find_binary(), *shlex.split(command)[1:]], capture_output=True, text=True)
    assert result.returncode == 4 and "disable_upsert=true" in result.stdout, result.stdout + result.stderr


def test_which_process(served, stand_in):
    arguments = ["probe-apiserver", "--config", served.config]
    pids = [stand_in(), stand_in()]
    result = run_command(*arguments)
    assert result.returncode == 2 and all(str(pid) in result.stderr for pid in pids)
    result = run_command(*arguments, "--pid", str(2**22 + 1))
    assert result.returncode == 4 and "there is no process" in result.stderr
    result = subprocess.run(["setpriv", "--reuid=61999", "--clear-groups", find_binary(), *map(str, arguments)],
                            capture_output=True, text=True, timeout=30)
    assert result.returncode == 2 and "only root" in result.stderr


# verify-key

def assert_remedies(report):
    """As doctor's: each failure says what to do."""
    failed = [finding for check in report["checks"] for finding in check["findings"] if finding["result"] == "fail"]
    failed += [version for version in report["versions"] if version["result"] == "fail"]
    assert failed and all(finding.get("remedy") or finding.get("commands") for finding in failed), report["text"]


def test_a_version_that_is_another_one(make_provider, fresh_tenant):
    provider = make_provider(fresh_tenant).start(wait="healthy")
    provider.stop()
    place = f"{fresh_tenant.mount}/keys/{fresh_tenant.key}"
    fresh_tenant.request("POST", f"{place}/config", {"deletion_allowed": True})
    fresh_tenant.request("DELETE", place)
    time.sleep(1.1)  # creation times are of whole seconds
    fresh_tenant.request("POST", place, {"type": "aes256-gcm96"})
    report = run_report("verify-key", "--config", provider.config)
    version, = report["versions"]
    assert "is another one" in version["text"] and version["commands"][0].startswith("bao-kms-provider recover-state --replace")
    assert_remedies(report)


def test_a_key_in_good_order(make_provider, fresh_tenant):
    provider = make_provider(fresh_tenant, **{"rotation.activationDelay": "1s"}).start(wait="healthy")
    fresh_tenant.rotate()
    wait_until(lambda: provider.records("key.promoted"), 20, "version 2 is promoted")
    report = run_report("verify-key", "--config", provider.config)
    assert report["passed"], report["text"]
    assert [(version["version"], version["state"], version["result"]) for version in report["versions"]] == [
        (2, "active", "ok"), (1, "retired", "ok")]
    fresh_tenant.set_minimum(encryption=2)
    report = run_report("verify-key", "--config", provider.config)
    assert report["passed"] and "cannot be tried" in report["versions"][1]["text"]
    fresh_tenant.set_minimum(decryption=2)
    report = run_report("verify-key", "--config", provider.config)
    assert report["versions"][1]["result"] == "fail"
    assert first_failure(report)[0] == "transit.version_restrictions"
    lower = "config min_decryption_version=1"
    assert report["versions"][1]["commands"] == [f"bao write <mount>/keys/<key>/{lower}"]
    assert report["text"].count(f"bao write {fresh_tenant.mount}/keys/{fresh_tenant.key}/{lower}") == 2, report["text"]
    assert_remedies(report)


def test_a_key_that_may_not_be_used(make_provider, fresh_tenant):
    provider = make_provider(fresh_tenant).start(wait="healthy")
    provider.stop()
    fresh_tenant.request("POST", f"{fresh_tenant.mount}/keys/{fresh_tenant.key}/config", {"exportable": True})
    assert first_failure(run_report("verify-key", "--config", provider.config))[0] == "transit.profile"
    fresh_tenant.write_jwt(lifetime=-60)
    report = run_report("verify-key", "--config", provider.config)
    assert first_failure(report)[0] == "openbao.auth" and report["versions"] == []
    assert_remedies(report)
    assert report["results"]["transit.profile"] == "skip"


def test_no_authority_file(make_provider, fresh_tenant):
    provider = make_provider(fresh_tenant, **{"openbao.caCertFile": "/nonexistent"})
    report = run_report("verify-key", "--config", provider.config)
    check, said = first_failure(report)
    assert check == "openbao.auth" and "No such file" in said and "doctor checks that file" in said
    assert f"bao-kms-provider doctor --config '{provider.config}'" in report["text"]


def test_a_key_without_a_state(make_provider, fresh_tenant):
    provider = make_provider(fresh_tenant)
    report = run_report("verify-key", "--config", provider.config)
    assert report["passed"] and report["versions"] == []
