# SPDX-License-Identifier: Apache-2.0
"""States that may not be used, each refused in its own words and left as it is; disks that are full; a lost lock."""

import contextlib
import dataclasses
import os
import subprocess
import time

import pytest
import registry_model
from rig.kms import refusal
from rig.process import wait_until
from rig.provider import Provider
from rig.transit import Scope
from rig.watch import StatusWatch

NOW = 1_700_000_000
CREATED = {1: NOW, 2: NOW + 10, 3: NOW + 20}
SCOPE = Scope()
STATE = registry_model.after_rotations(SCOPE, CREATED, NOW + 30)
BEFORE = registry_model.after_rotations(SCOPE, CREATED, NOW + 30, active=2)
CHECKPOINT = ".checkpoint"


def checkpoint_path(path):
    return path.with_name(path.name + CHECKPOINT)


# What is done to a good pair: functions of the state's path. `file` is the one of the two that they spoil.


def replaced(edit, checkpoint=None):
    """The state's members changed, with a hash that fits; and a checkpoint that fits, unless another is given."""
    def spoil(path):
        members = edit(STATE.members())
        document = registry_model.document_of(members)
        generation = dict(members).get("generation", 0)
        fitting = registry_model.indented([
            ("schemaVersion", "keyregistry.openbao-kms/checkpoint/v1alpha1"), ("generation", generation),
            ("currentHash", registry_model.hash_of(members))]).encode() + b"\n"
        registry_model.write_files(path, document, checkpoint or fitting)
    return spoil


def member(name, value):
    """The body with another value of a member."""
    return replaced(lambda members: [(found, value if found == name else old) for found, old in members])


def without(name):
    return replaced(lambda members: [entry for entry in members if entry[0] != name])


def snapshots(edit):
    """The body with other snapshots; edit changes the list of them (as member lists)."""
    def change(members):
        entries = edit([dict(entry) for entry in dict(members)["snapshots"]])
        return [(name, [list(entry.items()) for entry in entries] if name == "snapshots" else value)
                for name, value in members]
    return replaced(change)


def snapshot(index, **values):
    """One snapshot with other values; None takes a member out."""
    def change(entries):
        entries[index] = {name: value for name, value in {**entries[index], **values}.items() if value is not None}
        return entries
    return snapshots(change)


def text(edit):
    """Either file's text changed as it stands."""
    def spoil(path):
        path.write_bytes(edit(path.read_bytes()))
    return spoil


def mode(value):
    return lambda path: path.chmod(value)


def becomes_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def becomes_directory(path):
    path.unlink()
    path.mkdir(mode=0o700)


def becomes_fifo(path):
    path.unlink()
    os.mkfifo(path, 0o640)


def becomes_huge(path):
    os.truncate(path, 16 * 1024 * 1024 + 1)


def duplicate_member(content):
    line = next(line for line in content.splitlines() if b'"generation"' in line)
    return content.replace(line, line + b"\n" + line, 1)


EITHER_FILE = {
    "symbolic link": (becomes_link, "is a symbolic link"),
    "directory": (becomes_directory, "is not a regular file"),
    "FIFO": (becomes_fifo, "is not a regular file"),
    "group may write": (mode(0o660), "has mode 0660"),
    "owner may execute": (mode(0o740), "has mode 0740"),
    "world may read": (mode(0o644), "has mode 0644"),
    "larger than 16 MiB": (becomes_huge, "is larger than 16 MiB"),
    "empty": (text(lambda content: b""), "may not be used"),
    "cut off": (text(lambda content: content[:-20]), "may not be used"),
    "not an object": (text(lambda content: b"[]\n"), "not a JSON object"),
    "trailing content": (text(lambda content: content + b"{}\n"), "may not be used"),
    "unknown member": (text(lambda content: content.replace(b"{", b'{"comment": 1,', 1)), '"comment"'),
    "duplicate member": (text(duplicate_member), "may not be used"),
    "another schema": (text(lambda content: content.replace(b"v1alpha1", b"v1beta1", 1)), "schemaVersion"),
    "no generation": (text(lambda content: content.replace(b'"generation": 3,', b"")), "generation"),
    "generation 0": (text(lambda content: content.replace(b'"generation": 3', b'"generation": 0')),
                     "its generation is 0"),
    "a malformed hash": (text(lambda content: content.replace(
        f'"currentHash": "{STATE.current_hash}"'.encode(), b'"currentHash": "krs1.short"')), "currentHash is malformed"),
}

STATE_ONLY = {
    "changed content": (text(lambda content: content.replace(b"1700000020", b"1700000021")),
                        "currentHash does not match its content"),
    "another active key_id": (member("activeKeyId", BEFORE.active_key_id), "activeKeyId"),
    "an unknown active key_id": (member("activeKeyId", "obk2." + "A" * 43), "activeKeyId"),
    "two active": (snapshot(1, state="active"), "2 snapshots are active"),
    "none active": (snapshot(0, state="retired"), "0 snapshots are active"),
    "no snapshots": (member("snapshots", []), "no snapshots"),
    "the same key_id twice": (snapshots(lambda entries: [*entries, entries[-1]]), "stands twice"),
    "a key_id of another snapshot": (snapshot(1, transitVersionCreatedAtUnix=NOW + 11), "is not derived"),
    "a malformed key_id": (snapshot(1, kubernetesKeyId="obk2.short"), '"kubernetesKeyId" is malformed'),
    "version 0": (snapshot(1, transitVersion=0), '"transitVersion" is out of range'),
    "an unknown state": (snapshot(1, state="resting"), '"state" is none of the five'),
    "another mode": (snapshot(1, aadMode="aad.optional"), '"aadMode"'),
    "an unknown snapshot member": (snapshot(1, comment=1), "snapshot 2"),
    "a negative time": (snapshot(0, observedAtUnix=-1, stableAtUnix=None, promotedAtUnix=None,
                                 stableObservationCount=None), "negative time"),
    "a negative count": (snapshot(0, stableObservationCount=-1), "negative time or count"),
    "stable before observed": (snapshot(0, stableAtUnix=NOW), "was stable before it was observed"),
    "promoted before observed": (snapshot(0, promotedAtUnix=NOW), "was promoted before it was observed"),
    "never observed": (snapshot(0, observedAtUnix=None), "never observed"),
    "no previousHash": (without("previousHash"), "has no previousHash"),
    "a malformed previousHash": (member("previousHash", "krs1.short"), "previousHash is malformed"),
    "previousHash in generation 1": (member("generation", 1), "generation 1 has a previousHash"),
    "snapshots of two scopes": (snapshot(2, clusterId="another"), "not that of the first snapshot"),
}


def older_pair_with_newer_checkpoint(path):
    registry_model.write_files(path, BEFORE.document(), None)


def same_generation(path):
    other = dataclasses.replace(STATE, previous_hash=registry_model.hash_of([("a", "b")]))
    registry_model.write_files(path, other.document(), None)


def two_ahead(path):
    first = registry_model.first(SCOPE, NOW, NOW + 30)
    registry_model.write_files(path, STATE.document(), first.checkpoint())


def follows_another(path):
    other = dataclasses.replace(BEFORE, previous_hash=registry_model.hash_of([("a", "b")]))
    registry_model.write_files(path, STATE.document(), other.checkpoint())


def state_is_gone(path):
    path.unlink()


PAIRS = {
    "an old copy": (older_pair_with_newer_checkpoint, "is below the checkpoint's 3"),
    "the same generation": (same_generation, "has another hash"),
    "two generations ahead": (two_ahead, "by more than one"),
    "it follows another": (follows_another, "does not follow the checkpoint's"),
    "checkpoint without state": (state_is_gone, "it is missing, but there is a checkpoint"),
}


def parent_is_gone(path):
    path.parent.rename(path.parent.with_name("elsewhere"))


def parent_becomes_link(path):
    parent_is_gone(path)
    path.parent.symlink_to("elsewhere")


def parent_becomes_file(path):
    parent_is_gone(path)
    path.parent.write_text("")


PARENTS = {
    "missing": (parent_is_gone, "is missing"),
    "a symbolic link": (parent_becomes_link, "is a symbolic link"),
    "a file": (parent_becomes_file, "is not a directory"),
    "group may write": (lambda path: path.parent.chmod(0o770), "has mode 0770"),
    "world may write": (lambda path: path.parent.chmod(0o707), "has mode 0707"),
}

SCOPES = {
    "transit.keyIdScope.providerName": "providerName",
    "transit.keyIdScope.clusterId": "clusterId",
    "openbao.instanceId": "openbaoInstanceId",
    "openbao.namespace": "openbaoNamespace",
    "transit.keyIdScope.transitMountId": "transitMountId",
    "transit.keyIdScope.keyLineageId": "transitKeyLineageId",
}

CASES = {
    **{f"state: {name}": ("", *case) for name, case in {**EITHER_FILE, **STATE_ONLY}.items()},
    **{f"checkpoint: {name}": (CHECKPOINT, *case) for name, case in EITHER_FILE.items()},
    **{f"pair: {name}": ("", *case) for name, case in PAIRS.items()},
    **{f"directory: {name}": ("/..", *case) for name, case in PARENTS.items()},
}


def fingerprint(directory):
    """All that lies below: kind, mode, owner, content; nothing of the lock, which a start may make."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if not path.name.endswith(".lock"):
            changed_at = 0 if path.is_dir() else status.st_mtime_ns
            found[str(path)] = (status.st_mode, status.st_ino, status.st_uid, changed_at, content)
    return found


def start_refused(provider):
    """Starts one that ends with exit code 5. Returns its words."""
    provider.start(wait=None)
    provider.expect_exit = provider.process.wait(10)
    assert provider.expect_exit == 5
    record, = provider.records(level="error")
    assert record["message"] == "service.stopping"
    return record["cause"]


def assert_way_out(words):
    assert "restore both files from a backup or a healthy peer" in words and "recover-state --replace" in words


@pytest.fixture
def place(tmp_path):
    """A directory by itself, so that a fingerprint holds the state and nothing else."""
    (tmp_path / "place").mkdir(mode=0o700)
    return tmp_path / "place"


@pytest.fixture
def stored(make_provider, tenant, place):
    """A provider, not started, with a good pair of generation 3 in its place."""
    (place / "state").mkdir(mode=0o750)
    path = place / "state" / "key-registry.json"
    provider = make_provider(tenant, **{"state.path": str(path)})
    provider.state_path = path
    STATE.write(path)
    return provider


@pytest.mark.parametrize("suffix, spoil, what", CASES.values(), ids=CASES.keys())
def test_refused(stored, place, suffix, spoil, what):
    path = stored.state_path
    spoiled = checkpoint_path(path) if suffix == CHECKPOINT else path
    spoil(spoiled)
    before = fingerprint(place)
    words = start_refused(stored)
    assert str(spoiled.parent if suffix == "/.." else spoiled) in words
    assert what in words
    assert_way_out(words)
    assert fingerprint(place) == before


SAME_KIND = ("state: FIFO", "checkpoint: FIFO", "state: an unknown active key_id", "state: a negative count")


def test_each_has_words_of_its_own(tenant, tmp_path):
    """What differs in kind differs in words; the same fault of the other file differs in the file's name."""
    kinds = [case for name, case in CASES.items() if name not in SAME_KIND]
    said = []
    for number, (suffix, spoil, _) in enumerate(kinds):
        provider = Provider(tenant, tmp_path / str(number))
        STATE.write(provider.state_path)
        spoil(checkpoint_path(provider.state_path) if suffix == CHECKPOINT else provider.state_path)
        said.append(start_refused(provider).replace(str(provider.directory), ""))
    assert not [words for words in said if said.count(words) > 1]


@pytest.mark.parametrize("field, named", SCOPES.items())
def test_another_identity(stored, place, field, named):
    stored.configure(**{"state.path": str(stored.state_path), field: "another"})
    before = fingerprint(place)
    words = start_refused(stored)
    assert str(stored.state_path) in words and f'"{named}" differs' in words
    assert_way_out(words)
    assert fingerprint(place) == before


def lock_path(path):
    return path.with_name(path.name + ".lock")


def lock_link(path):
    (path.parent / "elsewhere").touch(0o600)
    path.symlink_to("elsewhere")


def lock_two_names(path):
    path.touch(0o600)
    os.link(path, path.with_name("elsewhere"))


LOCKS = {
    "a symbolic link": (lock_link, "is a symbolic link"),
    "a directory": (lambda path: path.mkdir(0o600), "is not a regular file"),
    "another mode": (lambda path: path.touch(0o640), "has another mode than 0600"),
    "two names": (lock_two_names, "has more than one link"),
}


@pytest.mark.parametrize("spoil, what", LOCKS.values(), ids=LOCKS.keys())
def test_a_lock_that_is_none(stored, place, spoil, what):
    spoil(lock_path(stored.state_path))
    before = fingerprint(place)
    words = start_refused(stored)
    assert str(lock_path(stored.state_path)) in words and what in words
    assert fingerprint(place) == before


# What a crash leaves is no damage


@pytest.fixture
def interrupted(make_provider, fresh_tenant):
    """A provider, not started, and the state of its node before and after a last save."""
    fresh_tenant.rotate()
    created = fresh_tenant.creation_times()
    before = registry_model.after_rotations(fresh_tenant.scope, created, int(time.time()), active=1)
    after = registry_model.after_rotations(fresh_tenant.scope, created, int(time.time()))
    return make_provider(fresh_tenant), before, after


def test_a_crash_between_state_and_checkpoint(interrupted):
    provider, before, after = interrupted
    registry_model.write_files(provider.state_path, after.document(), before.checkpoint())
    assert provider.start().wait_healthy().key_id == after.active_key_id
    assert checkpoint_path(provider.state_path).read_bytes() == after.checkpoint()
    assert provider.state_path.read_bytes() == after.document()


def test_a_state_without_a_checkpoint(interrupted):
    provider, _, after = interrupted
    registry_model.write_files(provider.state_path, after.document(), None)
    assert provider.start().wait_healthy().key_id == after.active_key_id
    assert "no checkpoint" in provider.records("warning")[0]["detail"]
    assert checkpoint_path(provider.state_path).read_bytes() == after.checkpoint()


def test_what_was_never_renamed(interrupted):
    provider, before, after = interrupted
    before.write(provider.state_path)
    for path in (provider.state_path, checkpoint_path(provider.state_path)):
        path.with_name(path.name + ".tmp").write_bytes(after.document()[:100])
    assert provider.start().wait_healthy().key_id == before.active_key_id
    assert provider.client().decrypt(registry_model.encrypted_elsewhere(provider.tenant, 2, [b"text"])[0]) == b"text"
    assert not list(provider.state_path.parent.glob("*.tmp"))


# Disks that cannot be written while the key is rotated

QUICK = {"rotation.activationDelay": "1s", "rotation.requireStableObservationCount": 1, "status.probeInterval": "1s"}


class SmallDisk:
    """A file system of 64 KiB in place of a directory."""

    def __init__(self, directory):
        self.directory = directory
        if os.geteuid() != 0:
            pytest.skip("mounting a small file system needs root")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0750", "tmpfs", directory],
                          stderr=subprocess.PIPE, check=False).returncode != 0:
            pytest.skip("this machine does not let us mount")

    def unmount(self):
        subprocess.run(["umount", "-l", self.directory], check=True)

    def fill(self):
        filler = os.open(self.directory / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with contextlib.suppress(OSError):
            while True:
                os.write(filler, b"x" * 4096)
        os.close(filler)

    def make_room(self):
        (self.directory / "filler").unlink()

    def make_read_only(self):
        subprocess.run(["mount", "-o", "remount,ro", self.directory], check=True)

    def make_writable(self):
        subprocess.run(["mount", "-o", "remount,rw", self.directory], check=True)


FAULTS = {"full": (SmallDisk.fill, SmallDisk.make_room),
          "read-only": (SmallDisk.make_read_only, SmallDisk.make_writable)}


@pytest.fixture
def on_small_disk(make_provider, fresh_tenant):
    provider = make_provider(fresh_tenant, **QUICK)
    disk = SmallDisk(provider.state_path.parent)
    yield provider, disk
    provider.stop()
    disk.unmount()


@pytest.mark.parametrize("spoil, mend", FAULTS.values(), ids=FAULTS.keys())
def test_a_disk_that_fails_while_the_key_is_rotated(on_small_disk, fresh_tenant, spoil, mend):
    provider, disk = on_small_disk
    provider.start(wait="healthy")
    client = provider.client()
    old = client.encrypt(b"before")
    files = (provider.state_path, checkpoint_path(provider.state_path))
    before = [path.read_bytes() for path in files]
    with StatusWatch(provider.socket) as status:
        spoil(disk)
        fresh_tenant.rotate()
        provider.wait_record("registry.saved", status="error", reason="state_save_failed", count=3)
        assert [path.read_bytes() for path in files] == before
        assert client.encrypt(b"meanwhile").ciphertext.startswith(b"vault:v1:")
        assert client.decrypt(old) == b"before"
        peer, = registry_model.encrypted_elsewhere(fresh_tenant, 2, [b"of a peer"])
        assert client.decrypt(peer) == b"of a peer", "a found version serves from memory"
        assert not provider.records("key.promoted")
        mend(disk)
        provider.wait_record("key.promoted", timeout=15)
        new_key_id = model_key_id(fresh_tenant, 2)
        wait_until(lambda: client.status().key_id == new_key_id, 10, "Status names the new version")
    assert [healthz for healthz, _ in status.answers] == ["ok", "ok"], "never unhealthy"
    assert provider.stop() == 0
    assert provider.start(wait="healthy").client().decrypt(peer) == b"of a peer"


def model_key_id(tenant, version):
    return registry_model.model.key_id(tenant.scope, version, tenant.created_at(version))


@pytest.mark.parametrize("spoil, mend", FAULTS.values(), ids=FAULTS.keys())
def test_a_disk_that_fails_while_a_node_catches_up(on_small_disk, fresh_tenant, spoil, mend):
    """What the peers left behind may not serve, and what replaces it cannot be saved: unhealthy until it can."""
    provider, disk = on_small_disk
    provider.configure(**{**QUICK, "status.statusMaxStaleness": "2s"})
    state = registry_model.first(fresh_tenant.scope, fresh_tenant.created_at(1), int(time.time()))
    state.write(provider.state_path)
    fresh_tenant.rotate()
    time.sleep(1 + 1 + 2 + 1.5)  # the catching-up age
    lock_path(provider.state_path).touch(0o600)
    spoil(disk)
    with StatusWatch(provider.socket) as status:
        provider.start()
        provider.wait_record("status.changed", reason="state_save_failed")
        time.sleep(2)
        assert status.key_ids == []
        assert refusal(provider.client().encrypt, b"text")[1] == "status unhealthy"
        mend(disk)
        provider.wait_healthy(15)
    assert status.key_ids == [model_key_id(fresh_tenant, 2)]


# The lock


@pytest.mark.parametrize("replace", [False, True], ids=["removed", "replaced"])
def test_a_lock_that_is_lost(fresh_tenant, make_provider, replace):
    """Another process may use the state by now: nothing is written any more, and Status says so."""
    provider = make_provider(fresh_tenant, **QUICK).start(wait="healthy")
    client = provider.client()
    old = client.encrypt(b"before")
    state = provider.state_path.read_bytes()
    lock_path(provider.state_path).unlink()
    if replace:
        lock_path(provider.state_path).touch(0o600)
    fresh_tenant.rotate()
    provider.wait_record("status.changed", healthz="unhealthy", reason="state_save_failed")
    assert refusal(client.encrypt, b"text")[1] == "status unhealthy"
    assert client.decrypt(old) == b"before"
    time.sleep(2)
    assert provider.state_path.read_bytes() == state
    assert provider.stop() == 0
    provider.start(wait="healthy")
    assert provider.client().decrypt(old) == b"before"
