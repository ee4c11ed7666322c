# SPDX-License-Identifier: Apache-2.0
"""A loopback of our own, on which packets may get lost, and names of our own: nothing outside of this process and its
children sees them."""

import contextlib
import ctypes
import os
import pathlib
import subprocess

_CLONE_NEWNET = 0x40000000


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


@contextlib.contextmanager
def _dropped(*rules):
    for rule in rules:
        _run("iptables", "-w", "-A", *rule, "-j", "DROP")
    try:
        yield
    finally:
        for rule in rules:
            _run("iptables", "-w", "-D", *rule, "-j", "DROP")


def loss(port, share):
    """Within it that share of the packets to and from a TCP port is lost; 1 is a partition."""
    chance = [] if share == 1 else ["-m", "statistic", "--mode", "random", "--probability", str(share)]
    return _dropped(*(["INPUT", "-p", "tcp", end, str(port), *chance] for end in ("--dport", "--sport")))


def silence(address, port):
    """Within it nothing that is sent to that address and TCP port arrives."""
    return _dropped(["INPUT", "-p", "tcp", "-d", address, "--dport", str(port)])


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
