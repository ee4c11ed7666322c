# SPDX-License-Identifier: Apache-2.0
"""A child process with its output in a file."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time


def free_port():
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, timeout, what):
    """Calls condition until it gives something true, and returns that; fails by name after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(0.02)


def _set_nice(pid, nice):
    """Of a session against others, where the kernel groups by them and we may."""
    with contextlib.suppress(OSError):
        pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextlib.contextmanager
def precedence():
    """Within it we, and the processes that are started, go before what else this machine does: time is what counts."""
    Process.nice = -15
    _set_nice(os.getpid(), Process.nice)
    try:
        yield
    finally:
        Process.nice = 0
        _set_nice(os.getpid(), 0)


class Process:
    """Runs a command; its standard output and standard error go to one file. It does not outlive the thread that made it."""

    nice = 0  # of those that are started from now on

    def __init__(self, name, command, log, env=None, pass_fds=(), cwd=None):
        self.name = name
        self.log_path = pathlib.Path(log)
        with open(self.log_path, "ab") as output:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=env, pass_fds=pass_fds, cwd=cwd, start_new_session=True)
        if Process.nice:
            _set_nice(self.pid, Process.nice)

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def require_running(self):
        if not self.running():
            last = "\n".join(self.log().splitlines()[-15:])
            raise RuntimeError(f"{self.name} ended with exit code {self.popen.returncode}:\n{last}")
        return True

    def signal(self, number):
        os.kill(self.pid, number)

    def freeze(self):
        """SIGSTOP, until it holds: it takes a moment to reach every thread."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: all("\nState:\tT" in path.read_text() for path in self._thread_files()), 5,
                   f"{self.name} has stopped")

    def thaw(self):
        self.signal(signal.SIGCONT)

    def _thread_files(self):
        return pathlib.Path(f"/proc/{self.pid}/task").glob("*/status")

    def wait(self, timeout=20):
        return self.popen.wait(timeout)

    def kill(self):
        """As a power cut would: no chance to tidy up."""
        if self.running():
            self.popen.kill()
        self.popen.wait()

    def stop(self, timeout=20):
        """SIGTERM, and SIGKILL when that does not help. Returns the exit code; None when it had to be killed."""
        if self.running():
            self.signal(signal.SIGTERM)
            try:
                return self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                return None
        return self.popen.returncode
