# SPDX-License-Identifier: Apache-2.0
"""The commands that look at and change the key's history, against a real OpenBao: plans, refusals, changes, and serve
with what they have written."""

import json
import os
import pathlib
import shutil
import stat
import subprocess
import time

import jsonschema
import pytest
from rig.process import wait_until
from rig.provider import policy_for, run_command
from rig.transit import Tenant

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "data" / "schemas"
UNITS = "systemctl stop bao-kms-provider.socket bao-kms-provider.service"
NOBODY = 65534
QUICK = {"rotation.activationDelay": "1s", "rotation.requireStableObservationCount": 1,
         "status.statusMaxStaleness": "2s"}

# The clock of a day on which all versions that exist now are old.
CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime (clockid_t clock, struct timespec *now)
{
  int result = (int)syscall (SYS_clock_gettime, clock, now);
  if (clock == CLOCK_REALTIME)
    now->tv_sec += 300;
  return result;
}
"""


@pytest.fixture(scope="module")
def later(module_directory):
    """An environment in which five more minutes have passed."""
    source, library = module_directory / "clock.c", module_directory / "clock.so"
    source.write_text(CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return {**os.environ, "LD_PRELOAD": str(library),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


class Node:
    """A provider's files, and the commands on them."""

    def __init__(self, provider):
        self.provider = provider
        self.tenant = provider.tenant
        self.state = provider.state_path
        self.checkpoint = pathlib.Path(f"{provider.state_path}.checkpoint")

    def run(self, *arguments, expect=0, **options):
        result = run_command(*arguments, "--config", self.provider.config, **options)
        assert result.returncode == expect, (result.stdout, result.stderr)
        for name in (f"{self.tenant.mount}/", f'"{self.tenant.key}"'):  # principle 4
            assert name not in result.stdout + result.stderr
        return result

    def report(self, command, *arguments, expect=0, **options):
        """The JSON report, which its schema must take."""
        result = self.run(command, *arguments, "--output", "json", expect=expect, **options)
        assert result.stderr == ""
        report = json.loads(result.stdout)
        schema = json.loads((SCHEMAS / f"{command}.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(report)
        return report

    def refused(self, *arguments, code=4, **options):
        """Nothing but one line, and nothing on disk has changed. Returns the line."""
        before = self.files()
        result = self.run(*arguments, expect=code, **options)
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert result.stderr.startswith("bao-kms-provider: ")
        assert self.files() == before
        return result.stderr

    def files(self):
        return {path.name: path.read_bytes() for path in self.state.parent.iterdir() if path.suffix != ".lock"}

    def versions(self):
        return {(snapshot["transitVersion"], snapshot["state"])
                for snapshot in json.loads(self.state.read_text())["snapshots"]}

    def serve(self, wait="healthy"):
        return self.provider.start(wait=wait)

    def rotate(self, version):
        """In OpenBao, and waits until the running provider uses it."""
        self.tenant.rotate()
        wait_until(lambda: (version, "active") in self.versions(), 20, f"version {version} is active")
        self.provider.wait_healthy()

    def forget(self):
        """As a new or rebuilt node has it."""
        self.state.unlink()
        self.checkpoint.unlink()

    def recover(self, *arguments, **options):
        """Plans, and applies the plan. Returns what was applied."""
        plan = self.report("recover-state", *arguments)
        hashes = ["--expected-plan-hash", plan["planHash"]]
        if plan["replaced"] is not None:
            hashes += ["--expected-state-hash", plan["replaced"]["stateHash"]]
        done = self.report("recover-state", *arguments, "--apply", *hashes, **options)
        assert done["applied"] and done["generation"] == plan["generation"]
        assert done["versions"] == plan["versions"]
        return done


def states(report):
    return [(version["version"], version["state"]) for version in report["versions"]]


@pytest.fixture
def key(openbao, directory):
    """A key of one test, which may rotate it."""
    name = directory.name.lower()
    tenant = Tenant(openbao, directory / "tenant", mount=f"transit-{name}", auth=f"jwt-{name}")
    return tenant.set_up(policy_for(tenant))


@pytest.fixture
def node(make_provider, key):
    return Node(make_provider(key, **QUICK))


@pytest.fixture
def rotated(node):
    """Versions 1 and 2 in the state, and not running any more."""
    node.serve()
    node.rotate(2)
    assert node.provider.stop() == 0
    return node


# rotation-plan, verify-rotation


def test_rotation_of_a_new_key(node):
    report = node.report("rotation-plan")
    assert (report["passed"], report["checkpoint"], report["generation"], report["latestVersion"]) == (
        True, "absent", None, 1)
    node.serve()
    for command in ("rotation-plan", "verify-rotation"):
        report = node.report(command)
        assert report["passed"] and report["checkpoint"] == "current"
        assert (report["generation"], report["activeVersion"], report["latestVersion"]) == (1, 1, 1)
        assert report["pending"] is None
        assert states(report) == [(1, "active")]
        state = json.loads(node.state.read_text())
        assert report["stateHash"] == state["currentHash"]
        text = node.run(command).stdout
        for part in ("[ok]   registry.state", "[ok]   transit.metadata", "[ok]   transit.profile",
                     report["stateHash"], report["activeKeyIdHash"], "current"):
            assert part in text
    assert [limit["id"] for limit in report["limitations"]] == [
        "this_node_alone", "no_kubernetes_object", "no_etcd", "no_backup"]
    assert report["confidence"] == "limited"
    assert "limited" in text and "etcd" in text


def test_rotation_that_is_pending(make_provider, key):
    node = Node(make_provider(key, **QUICK | {"rotation.activationDelay": "10m",
                                              "rotation.requireStableObservationCount": 2}))
    node.serve()
    key.rotate()
    wait_until(lambda: (2, "pending") in node.versions(), 20, "version 2 is pending")
    report = node.report("rotation-plan")
    pending = report["pending"]
    assert report["passed"]
    assert (report["activeVersion"], report["latestVersion"], pending["version"]) == (1, 2, 2)
    assert pending["requiredObservations"] == 2 and pending["observations"] >= 1
    expected = time.mktime(time.strptime(pending["expectedPromotionAt"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert 580 < expected - time.time() < 610
    assert pending["expectedPromotionAt"][:16] in node.run("rotation-plan").stdout
    report = node.report("verify-rotation", expect=4)
    assert [check["id"] for check in report["checks"] if check["result"] == "fail"] == ["rotation.complete"]
    assert "[fail] rotation.complete  rotation_pending: version 2" in node.run("verify-rotation", expect=4).stdout


def test_rotation_that_is_over(rotated):
    report = rotated.report("verify-rotation")
    assert states(report) == [(2, "active"), (1, "retired")]
    assert report["generation"] > 1


def test_findings_and_their_impact(node):
    node.serve()
    node.provider.stop()
    node.tenant.request("POST", f"{node.tenant.mount}/keys/{node.tenant.key}/config", {"deletion_allowed": True})
    node.tenant.request("POST", f"{node.tenant.mount}/config/keys", {"disable_upsert": False})
    before = node.files()
    report = node.report("rotation-plan", expect=4)
    findings = [(check["id"], finding["reason"], finding["impact"])
                for check in report["checks"] for finding in check["findings"]]
    assert findings == [("transit.profile", "upsert_allowed", "cryptographic_safety"),
                        ("transit.profile", "profile_invalid", "api_server_availability")]
    assert not report["passed"]
    assert "[fail] transit.profile  upsert_allowed (cryptographic_safety): " in node.run("rotation-plan",
                                                                                         expect=4).stdout
    assert node.files() == before


def test_no_state_of_a_rotated_key(node):
    node.tenant.rotate()
    report = node.report("rotation-plan", expect=4)
    assert report["checkpoint"] == "absent"
    assert "recover-state" in report["checks"][0]["findings"][0]["text"]


@pytest.mark.parametrize("command", ["rotation-plan", "verify-rotation"])
def test_openbao_that_cannot_be_asked(node, command):
    node.serve()
    node.provider.stop()
    node.tenant.write_jwt(lifetime=-60)
    report = node.report(command, expect=4)
    assert [check["result"] for check in report["checks"]][:3] == ["ok", "fail", "skip"]
    assert report["checks"][1]["findings"][0]["reason"] == "auth_failed"
    assert report["activeVersion"] == 1 and report["latestVersion"] is None
    node.tenant.write_jwt()
    node.provider.configure(**QUICK | {"openbao.address": "https://127.0.0.1:1"})
    report = node.report(command, expect=4)
    assert report["checks"][1]["findings"][0]["reason"] == "metadata_read_failed"


def test_a_state_that_may_not_be_loaded_is_reported(rotated):
    rotated.checkpoint.write_text("{")
    report = rotated.report("rotation-plan", expect=4)
    assert report["checkpoint"] is None and report["latestVersion"] == 2
    assert "recover-state --replace" in report["checks"][0]["findings"][0]["text"]
    rotated.checkpoint.unlink()
    assert rotated.report("rotation-plan")["checkpoint"] == "missing"


# retire-versions, restore-versions


def test_too_young_to_retire(rotated):
    error = rotated.refused("retire-versions", "--before-version", "2")
    assert "too short a time ago" in error and "try again in" in error


def test_retires_then_the_minimum_rises_then_restores(rotated, later):
    plan = rotated.report("retire-versions", "--before-version", "2", env=later)
    assert plan["changes"] == [{"version": 1, "from": "retired", "to": "removed"}]
    assert not plan["applied"] and plan["newStateHash"] is None
    assert "all_nodes_before_minimum" in [condition["id"] for condition in plan["conditions"]]
    text = rotated.run("retire-versions", "--before-version", "2", env=later).stdout
    for part in ("version 1", "retired -> removed", "four minutes", "rotation and status settings", "look at all nodes",
                 "min_decryption_version", UNITS, f"--apply --expected-state-hash {plan['stateHash']}"):
        assert part in text
    assert (1, "retired") in rotated.versions()

    error = rotated.refused("retire-versions", "--before-version", "2", "--apply", "--expected-state-hash",
                            "krs1." + "A" * 43, env=later)
    assert plan["stateHash"] in error
    done = rotated.report("retire-versions", "--before-version", "2", "--apply", "--expected-state-hash",
                          plan["stateHash"], env=later)
    assert done["applied"] and done["generation"] == plan["generation"] + 1
    assert rotated.versions() == {(2, "active"), (1, "removed")}
    assert json.loads(rotated.state.read_text())["currentHash"] == done["newStateHash"]
    assert rotated.report("retire-versions", "--before-version", "2", env=later)["changes"] == []

    rotated.tenant.set_minimum(decryption=2)
    client = rotated.serve().client()
    assert client.decrypt(client.encrypt(b"text")) == b"text"
    assert rotated.provider.stop() == 0

    assert "below OpenBao's minimum" in rotated.refused("restore-versions", "--versions", "1")
    rotated.tenant.set_minimum(decryption=1)
    assert "version 7 is not a removed one" in rotated.refused("restore-versions", "--versions", "1,7")
    plan = rotated.report("restore-versions", "--versions", "1")
    assert plan["changes"] == [{"version": 1, "from": "removed", "to": "retired"}]
    assert "removed -> retired" in rotated.run("restore-versions", "--versions", "1").stdout
    rotated.refused("restore-versions", "--versions", "1", "--apply", "--expected-state-hash", done["stateHash"])
    rotated.run("restore-versions", "--versions", "1", "--apply", "--expected-state-hash", plan["stateHash"])
    assert rotated.versions() == {(2, "active"), (1, "retired")}
    rotated.serve()


def test_plans_while_serve_runs_and_applies_only_when_it_does_not(node, later):
    node.serve()
    node.rotate(2)
    plan = node.report("retire-versions", "--before-version", "2", env=later)
    error = node.refused("retire-versions", "--before-version", "2", "--apply", "--expected-state-hash",
                         plan["stateHash"], env=later)
    assert UNITS in error
    assert UNITS in node.refused("restore-versions", "--versions", "1", "--apply", "--expected-state-hash",
                                 plan["stateHash"])
    assert UNITS in node.refused("recover-state", "--apply", "--expected-plan-hash", "krp1." + "A" * 43)
    assert node.provider.client().status().healthz == "ok"


@pytest.mark.parametrize("arguments, part", [
    (["retire-versions"], "--before-version"),
    (["retire-versions", "--before-version", "0"], "--before-version"),
    (["retire-versions", "--before-version", "2", "--apply"], "--expected-state-hash"),
    (["restore-versions"], "--versions"),
    (["restore-versions", "--versions", ""], "--versions"),
    (["restore-versions", "--versions", "1,,2"], "--versions"),
    (["restore-versions", "--versions", "1", "--apply"], "--expected-state-hash"),
    (["recover-state", "--apply"], "--expected-plan-hash"),
    (["recover-state", "--replace", "--apply", "--expected-plan-hash", "x"], "--expected-state-hash"),
    (["recover-state", "--expected-state-hash", "x"], "--replace"),
    (["rotation-plan", "--apply"], "--apply"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_wrong_usage(node, arguments, part):
    assert part in node.refused(*arguments, code=2)


@pytest.mark.parametrize("command", [["retire-versions", "--before-version", "1"], ["restore-versions", "--versions", "1"]],
                         ids=lambda command: command[0])
def test_changes_need_a_state(node, command):
    assert "there is no state" in node.refused(*command)


# recover-state


def test_recovers_a_node_of_a_rotated_key(rotated):
    encrypted = rotated.serve().client().encrypt(b"text")
    assert rotated.provider.stop() == 0
    before = rotated.files()
    assert "there is a state" in rotated.refused("recover-state")
    rotated.forget()
    plan = rotated.report("recover-state")
    assert states(plan) == [(2, "active"), (1, "retired")]
    assert (plan["generation"], plan["replaced"], plan["comparedWithPeer"], plan["applied"]) == (1, None, False, False)
    text = rotated.run("recover-state").stdout
    assert plan["planHash"] in text and UNITS in text
    assert set(rotated.files()) == set()
    error = rotated.refused("recover-state", "--apply", "--expected-plan-hash", "krp1." + "A" * 43)
    assert plan["planHash"] in error
    rotated.run("recover-state", "--apply", "--expected-plan-hash", plan["planHash"])
    assert set(rotated.files()) == set(before)
    assert rotated.versions() == {(2, "active"), (1, "retired")}
    client = rotated.serve().client()
    assert client.status().key_id == encrypted.key_id
    assert client.decrypt(encrypted) == b"text"


def test_recover_refuses_what_metadata_forbids(rotated):
    rotated.forget()
    rotated.tenant.request("POST", f"{rotated.tenant.mount}/config/keys", {"disable_upsert": False})
    assert "disable_upsert" in rotated.refused("recover-state")


def test_recover_compares_with_a_peer(rotated, later, directory):
    peer = directory / "peer.json"
    plan = rotated.report("retire-versions", "--before-version", "2", env=later)
    rotated.run("retire-versions", "--before-version", "2", "--apply", "--expected-state-hash", plan["stateHash"],
                env=later)
    shutil.copyfile(rotated.state, peer)
    rotated.forget()
    done = rotated.recover("--compare", peer)
    assert done["comparedWithPeer"]
    assert states(done) == [(2, "active"), (1, "removed")]
    rotated.serve()


def test_recover_refuses_other_peers(make_provider, rotated, openbao, directory):
    rotated.forget()
    other = Tenant(openbao, directory / "other", mount="other-peer", auth="jwt-other-peer")
    other.scope.cluster_id = "other-cluster"
    foreign = Node(make_provider(other.set_up(policy_for(other)), **QUICK))
    foreign.serve()
    foreign.provider.stop()
    assert '"clusterId" differs' in rotated.refused("recover-state", "--compare", foreign.state)
    other.scope.cluster_id = rotated.tenant.scope.cluster_id  # the same identity, but another key
    time.sleep(1.1)  # of another second
    namesake = Node(make_provider(other, **QUICK))
    namesake.serve()
    namesake.provider.stop()
    assert "another creation time" in rotated.refused("recover-state", "--compare", namesake.state)
    broken = directory / "broken.json"
    broken.write_text("{")
    assert "cannot be compared" in rotated.refused("recover-state", "--compare", broken)
    assert "No such file" in rotated.refused("recover-state", "--compare", directory / "absent")


def test_replace_needs_a_state_that_cannot_go_on(rotated):
    assert "can go on as it is" in rotated.refused("recover-state", "--replace")
    rotated.forget()
    assert "leave --replace out" in rotated.refused("recover-state", "--replace")


def test_replaces_after_a_minimum_over_the_active_version(rotated):
    rotated.tenant.rotate()
    rotated.tenant.set_minimum(decryption=3)
    generation = json.loads(rotated.state.read_text())["generation"]
    report = rotated.report("rotation-plan", expect=4)
    assert "minimum_above_retained" in [finding["reason"] for finding in report["checks"][2]["findings"]]
    plan = rotated.report("recover-state", "--replace")
    assert plan["replaced"]["loads"] and plan["replaced"]["stateHash"] == report["stateHash"]
    assert report["stateHash"] in rotated.refused(
        "recover-state", "--replace", "--apply", "--expected-plan-hash", plan["planHash"], "--expected-state-hash",
        "krs1." + "A" * 43)
    done = rotated.recover("--replace")
    assert done["replaced"]["kept"] == [] and done["generation"] == generation + 1
    assert rotated.versions() == {(3, "active"), (2, "removed"), (1, "removed")}
    rotated.serve()


def test_replaces_after_versions_are_lost(make_provider, durable_openbao, durable_tenant):
    """OpenBao is restored to before a rotation."""
    node = Node(make_provider(durable_tenant, **QUICK))
    node.serve()
    node.rotate(2)
    durable_openbao.kill()
    saved = durable_openbao.directory / "raft.saved"
    shutil.copytree(durable_openbao.directory / "raft", saved)
    durable_openbao.start().unseal()
    node.rotate(3)
    assert node.provider.stop() == 0
    durable_openbao.kill()
    shutil.rmtree(durable_openbao.directory / "raft")
    saved.rename(durable_openbao.directory / "raft")
    durable_openbao.start().unseal()

    report = node.report("rotation-plan", expect=4)
    assert report["checks"][2]["findings"][0]["reason"] == "standby_lagging"
    done = node.recover("--replace")
    assert states(done) == [(2, "active"), (1, "retired"), (3, "rejected")]
    assert "all_nodes" in [condition["id"] for condition in done["conditions"]]
    node.serve()
    assert node.report("verify-rotation")["passed"]


def damage_state(node):
    node.state.write_text(node.state.read_text()[:100])


def damage_checkpoint(node):
    node.checkpoint.write_text("not JSON")


def lose_state(node):
    node.state.unlink()


def damage_mode(node):
    node.state.chmod(0o666)


def put_old_copy(node):
    """A state of before the last save."""
    document = json.loads(node.checkpoint.read_text())
    document["generation"] += 5
    node.checkpoint.write_text(json.dumps(document))


def change_scope(node):
    node.tenant.scope.cluster_id = "renamed"
    node.provider.configure(**QUICK)


@pytest.mark.parametrize("damage, kept_history, generations", [
    (damage_state, False, 1), (damage_checkpoint, True, 1), (lose_state, False, 1), (damage_mode, False, 1),
    (put_old_copy, True, 6), (change_scope, False, 1)], ids=lambda value: getattr(value, "__name__", ""))
def test_replaces_a_damaged_pair(rotated, later, damage, kept_history, generations):
    plan = rotated.report("retire-versions", "--before-version", "2", env=later)
    rotated.run("retire-versions", "--before-version", "2", "--apply", "--expected-state-hash", plan["stateHash"],
                env=later)
    generation = json.loads(rotated.state.read_text())["generation"]
    damage(rotated)
    damaged = rotated.files()

    refusal = rotated.refused("recover-state")
    assert "recover-state --replace" in refusal
    plan = rotated.report("recover-state", "--replace")
    assert not plan["replaced"]["loads"] and plan["replaced"]["refusal"] in refusal
    assert rotated.files() == damaged
    assert plan["replaced"]["stateHash"] in rotated.refused(
        "recover-state", "--replace", "--apply", "--expected-plan-hash", plan["planHash"], "--expected-state-hash",
        "krs1." + "A" * 43)
    done = rotated.recover("--replace")
    assert states(done) == [(2, "active"), (1, "removed" if kept_history else "retired")]
    assert done["generation"] == generation + generations
    kept = {pathlib.Path(path).name.rsplit(".damaged-", 1)[0]: pathlib.Path(path).read_bytes()
            for path in done["replaced"]["kept"]}
    assert kept == damaged
    assert ("no_history" in [condition["id"] for condition in done["conditions"]]) == (not kept_history)
    rotated.serve()
    assert rotated.report("rotation-plan")["checkpoint"] == "current"


# Root


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's ids")
def test_root_takes_the_ids_of_the_owner(rotated, later, module_directory, directory, tmp_path):
    """What is written belongs to the service's user, and OpenBao is reached with what that user may read."""
    state = rotated.state.parent
    for path in (state, *state.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    for path in (module_directory, module_directory / "pki", directory, rotated.tenant.directory,
                 rotated.provider.directory):
        path.chmod(0o711)
    os.chown(rotated.tenant.jwt_file, 0, NOBODY)
    rotated.tenant.jwt_file.chmod(0o640)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    peer = private / "peer.json"  # which the service's user may not read
    shutil.copyfile(rotated.state, peer)
    peer.chmod(0o600)
    environment = {**later, "TMPDIR": str(private)}

    assert rotated.report("rotation-plan", env=environment)["passed"]
    plan = rotated.report("retire-versions", "--before-version", "2", env=environment)
    rotated.run("retire-versions", "--before-version", "2", "--apply", "--expected-state-hash", plan["stateHash"],
                env=environment)
    plan = rotated.report("restore-versions", "--versions", "1", env=environment)
    rotated.run("restore-versions", "--versions", "1", "--apply", "--expected-state-hash", plan["stateHash"],
                env=environment)
    rotated.state.write_text("{")
    rotated.recover("--replace", "--compare", peer, env=environment)
    found = {path.name: path.stat() for path in state.iterdir()}
    assert len(found) == 5
    for name, status in found.items():
        assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY), name
        assert stat.S_IMODE(status.st_mode) == (0o600 if name.endswith(".lock") else 0o640), name

    rotated.tenant.jwt_file.chmod(0o600)  # root could read it, serve could not
    report = rotated.report("rotation-plan", expect=4, env=environment)
    assert report["checks"][1]["findings"][0]["reason"] == "auth_failed"
    rotated.tenant.jwt_file.chmod(0o640)
    os.chown(rotated.tenant.jwt_file, NOBODY, NOBODY)  # serve may read it, root would refuse it
    assert rotated.report("rotation-plan", env=environment)["passed"]
    for path in (state, *state.iterdir()):
        os.chown(path, 0, 0)
    os.chown(rotated.tenant.jwt_file, 0, 0)
    rotated.serve()
