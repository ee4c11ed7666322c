# SPDX-License-Identifier: Apache-2.0
"""OpenBao on several nodes that share their data by raft: on loopback with a relay in front of each node's cluster port,
or each on a machine of its own."""

import pathlib

from .openbao import OpenBao
from .process import wait_until
from .relay import Relay

STANDBY, ACTIVE, SEALED = 429, 200, 503


class RaftCluster:
    """Nodes a, b, c, one for each of the machines. Without those they are on loopback, and what the others send to a node
    comes by its relay: cut, it lags."""

    def __init__(self, directory, authority, machines=(None, None, None)):
        # without an audit log: the nodes share the path, and each would write to the one file
        self.nodes = [OpenBao(pathlib.Path(directory) / name, authority, storage="raft", audit=False, name=name,
                              machine=machine) for name, machine in zip("abc", machines)]
        self.relays = {}
        for node in self.nodes:
            if not node.machine:
                self.relays[node.name] = Relay(node.cluster_port)
                node.advertised_port = self.relays[node.name].port

    def up(self):
        first, *others = self.nodes
        first.up()
        first.write("sys/storage/raft/autopilot/configuration", {"server_stabilization_time": "1s"})
        for node in others:
            node.unseal_key, node.root_token = first.unseal_key, first.root_token
            node.start()
            node.request("POST", "sys/storage/raft/join", {
                "leader_api_addr": first.address, "leader_ca_cert": first.authority.file.read_text()}, token="")
            self.unseal(node)
        wait_until(lambda: len(self.voters()) == len(self.nodes), 40, "all nodes vote")
        return self

    @staticmethod
    def unseal(node):
        """Of a standby, or of one that may become the leader again."""
        node.request("PUT", "sys/unseal", {"key": node.unseal_key}, token="")
        wait_until(lambda: node.health_code() in (STANDBY, ACTIVE), 30, f"node {node.name} is unsealed")

    def bring_back(self, node):
        """One that was killed."""
        node.start()
        self.unseal(node)

    def mend(self):
        """All nodes run, see each other, and vote."""
        for relay in self.relays.values():
            relay.mend()
        for node in self.nodes:
            if not node.process.running():
                self.bring_back(node)
            elif node.health_code() == SEALED:
                self.unseal(node)
        wait_until(lambda: len(self.standbys()) == len(self.nodes) - 1 and self._in_step(), 60, "all nodes are in step")

    def _in_step(self):
        servers = self.leader().read("sys/storage/raft/autopilot/state")["data"]["servers"].values()
        return all(server["healthy"] for server in servers) and len({server["last_index"] for server in servers}) == 1

    def stop(self):
        for node in self.nodes:
            if node.process:
                node.kill()
        for relay in self.relays.values():
            relay.close()

    # Roles

    def running(self):
        return [node for node in self.nodes if node.process and node.process.running()]

    def leader(self, timeout=40, other_than=None):
        """The active node, as soon as there is one."""
        def active():
            return next((node for node in self.running() if node is not other_than and node.health_code() == ACTIVE), None)
        return wait_until(active, timeout, "a node is active")

    def standbys(self):
        leader = self.leader()
        return [node for node in self.running() if node is not leader]

    def voters(self):
        answer = self.leader().read("sys/storage/raft/configuration")
        return [server["node_id"] for server in answer["data"]["config"]["servers"] if server["voter"]]

    # As if it were one node: what a Tenant asks of it goes to the leader

    @property
    def address(self):
        return self.nodes[0].address

    @property
    def authority(self):
        return self.nodes[0].authority

    def request(self, *arguments, **options):
        return self.leader().request(*arguments, **options)

    def snapshot(self):
        """The data of all, as it is now."""
        leader = self.leader()
        return leader.transfer("GET", "sys/storage/raft/snapshot", None, {"X-Vault-Token": leader.root_token})

    def restore(self, snapshot):
        """The standbys of OpenBao answer from what they had read before until they are started anew, and one that is
        started before it has the snapshot reads what was before."""
        leader, standbys = self.leader(), self.standbys()
        leader.transfer("POST", "sys/storage/raft/snapshot-force", snapshot, {"X-Vault-Token": leader.root_token})
        restored = self._applied(leader)
        for node in standbys:
            wait_until(lambda: self._applied(node) >= restored, 20, f"node {node.name} has the snapshot")
            node.kill()
            self.bring_back(node)

    @staticmethod
    def _applied(node):
        """How far a node has come in the log of all."""
        return node.read("sys/leader", token="")["raft_applied_index"]
