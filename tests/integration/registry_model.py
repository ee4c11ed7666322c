# SPDX-License-Identifier: Apache-2.0
"""An independent model of the state file and of how it follows a key, written from spec registry.md alone.

This shares no code and no table with src/registry/. A state is a value; each change gives the next generation.
"""

import base64
import dataclasses
import json
import os

import model

ORDER = ["active", "pending", "retired", "rejected", "removed"]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    version: int
    created_at: int
    state: str
    observed: int = 0
    count: int = 0
    stable: int = 0
    promoted: int = 0

    def members(self, scope):
        """The document's members in their order."""
        found = [("providerName", scope.provider_name), ("clusterId", scope.cluster_id),
                 ("openbaoInstanceId", scope.instance_id)]
        if scope.namespace:
            found.append(("openbaoNamespace", scope.namespace))
        found += [("transitMountId", scope.mount_id), ("transitKeyLineageId", scope.key_lineage_id),
                  ("transitVersion", self.version), ("transitVersionCreatedAtUnix", self.created_at),
                  ("kubernetesKeyId", model.key_id(scope, self.version, self.created_at)),
                  ("state", self.state), ("aadMode", "aad.required")]
        optional = [("observedAtUnix", self.observed), ("stableObservationCount", self.count),
                    ("stableAtUnix", self.stable), ("promotedAtUnix", self.promoted)]
        return found + [(name, value) for name, value in optional if value != 0]


@dataclasses.dataclass(frozen=True)
class State:
    scope: object
    snapshots: tuple
    generation: int = 1
    previous_hash: str = ""

    @property
    def active(self):
        return next(snapshot for snapshot in self.snapshots if snapshot.state == "active")

    @property
    def pending(self):
        return next((snapshot for snapshot in self.snapshots if snapshot.state == "pending"), None)

    def version(self, number):
        return next((snapshot for snapshot in self.snapshots if snapshot.version == number), None)

    @property
    def active_key_id(self):
        return model.key_id(self.scope, self.active.version, self.active.created_at)

    def members(self):
        """The body's, in their order."""
        found = [("schemaVersion", "keyregistry.openbao-kms/v1alpha1"), ("generation", self.generation)]
        if self.generation > 1:
            found.append(("previousHash", self.previous_hash))
        return found + [("activeKeyId", self.active_key_id),
                        ("snapshots", [snapshot.members(self.scope) for snapshot in self.snapshots])]

    @property
    def current_hash(self):
        return hash_of(self.members())

    def document(self):
        """The bytes of the state file."""
        return document_of(self.members())

    def checkpoint(self):
        """The bytes of the checkpoint file."""
        return (indented([("schemaVersion", "keyregistry.openbao-kms/checkpoint/v1alpha1"),
                          ("generation", self.generation), ("currentHash", self.current_hash)]) + "\n").encode()

    def following(self, snapshots):
        """The next generation, with its snapshots in the document's order."""
        ordered = sorted(snapshots, key=lambda snapshot: (ORDER.index(snapshot.state), -snapshot.version))
        return State(self.scope, tuple(ordered), self.generation + 1, self.current_hash)

    def write(self, path):
        """Both files as the provider leaves them."""
        write_files(path, self.document(), self.checkpoint())


def hash_of(members):
    return "krs1." + model.hashed(compact(members))


def document_of(members):
    """The bytes of a state file with that body, whether it makes sense or not."""
    place = [name for name, _ in members].index("activeKeyId")
    return (indented([*members[:place], ("currentHash", hash_of(members)), *members[place:]]) + "\n").encode()


def write_files(path, document, checkpoint):
    for place, content in ((path, document), (path.with_name(path.name + ".checkpoint"), checkpoint)):
        if content is not None:
            place.write_bytes(content)
            os.chmod(place, 0o640)


def _value(value, write):
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return write(value)
    return model.json_string(value) if isinstance(value, str) else str(value)


def compact(members):
    def entry(value):
        if isinstance(value, list) and value and isinstance(value[0], list):
            return "[" + ",".join(map(compact, value)) + "]"
        return _value(value, compact)
    return "{" + ",".join(f"{model.json_string(name)}:{entry(value)}" for name, value in members) + "}"


def indented(members, depth=0):
    inner, outer = "  " * (depth + 1), "  " * depth

    def entry(value):
        if isinstance(value, list) and value and isinstance(value[0], list):
            items = [f"{inner}  {indented(item, depth + 2)}" for item in value]
            return "[\n" + ",\n".join(items) + f"\n{inner}]"
        return _value(value, lambda found: indented(found, depth + 1))
    lines = [f"{inner}{model.json_string(name)}: {entry(value)}" for name, value in members]
    return "{\n" + ",\n".join(lines) + f"\n{outer}}}"


def parse(scope, content):
    """A state of a document's text. What it holds is compared by its document(), not here."""
    document = json.loads(content)
    return State(scope, tuple(Snapshot(
        entry["transitVersion"], entry["transitVersionCreatedAtUnix"], entry["state"], entry.get("observedAtUnix", 0),
        entry.get("stableObservationCount", 0), entry.get("stableAtUnix", 0), entry.get("promotedAtUnix", 0))
        for entry in document["snapshots"]), document["generation"], document.get("previousHash", ""))


# How it changes


def first(scope, created_at, now):
    return State(scope, (Snapshot(1, created_at, "active", observed=now, promoted=now),))


def retired(snapshot):
    """One that encrypts no more, or never will: it keeps when it was observed and promoted."""
    return dataclasses.replace(snapshot, state="retired", count=0, stable=0)


def later(now, *times):
    return max(now, *times)


def observed(snapshots, created, latest, active, now):
    """The latest version as candidate, and what was jumped over, both where they are not yet."""
    known = {snapshot.version: snapshot for snapshot in snapshots}
    for version in range(active + 1, latest):
        known.setdefault(version, Snapshot(version, created[version], "retired", observed=now))
    candidate = known.get(latest)
    if candidate is None or candidate.state != "pending":
        before = candidate.observed if candidate else 0
        known[latest] = Snapshot(latest, created[latest], "pending", observed=later(now, before))
    return [retired(snapshot) if snapshot.state == "pending" and snapshot.version != latest else snapshot
            for snapshot in known.values()]


def counted(candidate, required, now):
    candidate = dataclasses.replace(candidate, count=candidate.count + 1)
    if candidate.stable == 0 and candidate.count >= required:
        candidate = dataclasses.replace(candidate, stable=later(now, candidate.observed))
    return candidate


def probe(state, created, now, required, due):
    """A good probe. created: version to creation time, as OpenBao has them; due: the activation delay is over, if the
    candidate is stable. Returns the same state when nothing changes."""
    latest, active = max(created), state.active.version
    removed = state.version(latest) is not None and state.version(latest).state == "removed"
    if latest <= active or removed:
        return state
    snapshots = [counted(snapshot, required, now) if snapshot.version == latest else snapshot
                 for snapshot in observed(state.snapshots, created, latest, active, now)]
    candidate = next(snapshot for snapshot in snapshots if snapshot.version == latest)
    if due and candidate.stable:
        promoted = dataclasses.replace(candidate, state="active", promoted=later(now, candidate.observed,
                                                                                 candidate.stable))
        snapshots = [promoted if snapshot.version == latest else
                     retired(snapshot) if snapshot.state == "active" else snapshot for snapshot in snapshots]
    return state.following(snapshots)


def discovery(state, created, now):
    """A read that a peer's key_id brought about: no count and no promotion."""
    latest, known = max(created), {snapshot.version for snapshot in state.snapshots}
    snapshots = list(state.snapshots)
    for version in sorted(set(created) - known):
        candidate = version == latest and version > state.active.version
        snapshots.append(Snapshot(version, created[version], "pending" if candidate else "retired", observed=now))
    if latest not in known:
        snapshots = [retired(snapshot) if snapshot.state == "pending" and snapshot.version != latest else snapshot
                     for snapshot in snapshots]
    return state if len(snapshots) == len(known) else state.following(snapshots)


def after_rotations(scope, created, now, active=None):
    """The state of a node that followed every version up to the active one (the latest, if none is named)."""
    active = active or max(created)
    state = first(scope, created[1], now)
    for version in range(2, active + 1):
        state = probe(state, {number: created[number] for number in range(1, version + 1)}, now, 1, True)
    return state


# A value as its API server would have had it encrypted

BATCH = 100  # OpenBao refuses JSON with too many strings


def encrypted_elsewhere(tenant, version, plaintexts):
    """What a peer's Encrypt under a version answers, made by Transit itself: (ciphertext, key_id, annotations) each."""
    created_at = tenant.created_at(version)
    associated_data = base64.b64encode(model.associated_data(tenant.scope, version, created_at)).decode()
    batch = [{"plaintext": base64.b64encode(plaintext).decode(), "associated_data": associated_data,
              "key_version": version} for plaintext in plaintexts]
    annotations = {name: value.encode() for name, value in {
        **model.annotations(tenant.scope, version, created_at),
        f"plugin-version.{model.PREFIX}": "peer"}.items()}
    key_id = model.key_id(tenant.scope, version, created_at)
    found = []
    for start in range(0, len(batch), BATCH):
        answer = tenant.request("POST", f"{tenant.mount}/encrypt/{tenant.key}",
                                {"batch_input": batch[start:start + BATCH]})
        found += [Encrypted(entry["ciphertext"].encode(), key_id, annotations)
                  for entry in answer["data"]["batch_results"]]
    return found


@dataclasses.dataclass(frozen=True)
class Encrypted:
    """Has the fields of an EncryptResponse."""

    ciphertext: bytes
    key_id: str
    annotations: dict
