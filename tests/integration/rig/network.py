# SPDX-License-Identifier: Apache-2.0
"""A loopback of our own, on which packets may get lost, machines on a network with us, and names of our own: nothing
outside of this process and its children sees them."""

import contextlib
import ctypes
import os
import pathlib
import subprocess
import time

from .process import wait_until

_CLONE_NEWNET = 0x40000000
_NETWORK, _BRIDGE = "198.51.100", "machines"
_RESET = ("REJECT", "--reject-with", "tcp-reset")


def _run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def has_ipv6():
    return os.path.exists("/proc/net/if_inet6")


def enter_private_network():
    """Moves the calling thread, and what it starts from now on, into a network namespace that has a loopback alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    _run("ip", "link", "set", "lo", "up")
    # what is not of a loopback, so that the resolver takes the namespace for connected
    _run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
    if has_ipv6():
        _run("ip", "-6", "address", "add", "2001:db8::1/128", "dev", "lo")


def add_bridge():
    """The network that machines are joined to, where we are number 1."""
    _run("ip", "link", "add", _BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{_NETWORK}.1/24", "dev", _BRIDGE)
    _run("ip", "link", "set", _BRIDGE, "up")


@contextlib.contextmanager
def _ruled(*rules, where=(), fate=("DROP",)):
    for rule in rules:
        _run(*where, "iptables", "-w", "-A", *rule, "-j", *fate)
    try:
        yield
    finally:
        for rule in rules:
            _run(*where, "iptables", "-w", "-D", *rule, "-j", *fate)


def _chance(share):
    return [] if share == 1 else ["-m", "statistic", "--mode", "random", "--probability", str(share)]


def loss(port, share):
    """Within it that share of the packets to and from a TCP port is lost; 1 is a partition."""
    return _ruled(*(["INPUT", "-p", "tcp", end, str(port), *_chance(share)] for end in ("--dport", "--sport")))


def refuse(address, port):
    """Within it nobody listens at that address and TCP port."""
    return _ruled(["INPUT", "-p", "tcp", "-d", address, "--dport", str(port)], fate=_RESET)


def silence(address, port):
    """Within it nothing that is sent to that address and TCP port arrives."""
    return _ruled(["INPUT", "-p", "tcp", "-d", address, "--dport", str(port)])


class Machine:
    """A network namespace with an address, joined to the private network of this process by a bridge."""

    def __init__(self, number):
        self.address = f"{_NETWORK}.{number}"
        self._holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "sleep", "infinity"])
        ours = os.stat("/proc/thread-self/ns/net").st_ino
        wait_until(lambda: os.stat(f"/proc/{self._holder.pid}/ns/net").st_ino != ours, 5, "it has a network of its own")
        self._enter = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--"]
        _run("ip", "link", "add", f"to-{number}", "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        _run("ip", "link", "set", f"to-{number}", "master", _BRIDGE, "up")
        for command in (["link", "set", "lo", "up"], ["address", "add", f"{self.address}/24", "dev", "eth0"],
                        ["link", "set", "eth0", "up"]):
            _run(*self._enter, "ip", *command)

    def command(self, command):
        """The command as it runs there."""
        return [*self._enter, *command]

    def loss(self, share, peers=()):
        """Within it that share of the packets from and to the peers, or everybody, is lost; 1 is a partition."""
        ends = [("INPUT", "-i", "-s"), ("OUTPUT", "-o", "-d")]
        return _ruled(*([chain, way, "eth0", *([end, ",".join(peer.address for peer in peers)] if peers else []),
                         *_chance(share)] for chain, way, end in ends), where=self._enter)

    def reset(self, port):
        """Ends the connections to a TCP port that are in use."""
        with _ruled(["INPUT", "-i", "eth0", "-p", "tcp", "--dport", str(port)], where=self._enter, fate=_RESET):
            time.sleep(0.3)

    def close(self):
        self._holder.kill()
        self._holder.wait()


def with_files(command, replaced):
    """The command so that it finds other files in the place of some, {"/etc/hosts": path}; nobody else does."""
    mounts = [part for place, path in replaced.items() for part in (path, place)]
    script = f'for _ in {" ".join("x" * len(replaced))}; do mount --bind "$1" "$2" || exit 125; shift 2; done; exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *mounts, *command]


class Names:
    """The names that one process knows, and the DNS server that it asks for others."""

    def __init__(self, directory):
        self._hosts, self._resolver = pathlib.Path(directory) / "hosts", pathlib.Path(directory) / "resolv.conf"
        self.write()
        self._resolver.write_text("nameserver 127.0.0.153\noptions timeout:3 attempts:1\n")

    def write(self, *entries):
        """(address, name), each; localhost is known at all times."""
        lines = [("127.0.0.1", "localhost"), *entries]
        self._hosts.write_text("".join(f"{address} {name}\n" for address, name in lines))

    def command(self, command):
        return with_files(command, {"/etc/hosts": self._hosts, "/etc/resolv.conf": self._resolver})
