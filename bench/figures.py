# SPDX-License-Identifier: Apache-2.0
"""Numbers from outside: latencies of a load program, processor time and memory of a process."""

import array
import json
import pathlib
import statistics
import subprocess


class Run:
    """One run of a load program: its latencies in microseconds, sorted, and its rate."""

    def __init__(self, report, samples, cpu_us=None):
        self.latencies = sorted(sample / 1000 for sample in samples)
        self.calls = report["calls"]
        self.errors = report["errors"]
        self.rate = report["calls"] / report["seconds"]
        self.cpu_us = cpu_us

    def percentile(self, share):
        return percentile(self.latencies, share)


def percentile(ordered, share):
    """The smallest value that is not below the given share of all."""
    return ordered[min(len(ordered) - 1, max(0, int(len(ordered) * share + 0.999999) - 1))]


def run_load(command, scratch, process=None, warmup=0, **options):
    """Runs a load program to its end. With a process, the processor time that it spent on each call is measured too."""
    out = pathlib.Path(scratch) / "samples.bin"
    before = cpu_ns(process) if process else 0
    done = subprocess.run([*map(str, command), "--warmup", str(warmup), "--out", str(out)],
                          check=True, stdout=subprocess.PIPE, **options)
    spent = cpu_ns(process) - before if process else 0
    report = json.loads(done.stdout)
    samples = array.array("I", out.read_bytes())
    return Run(report, samples, spent / 1000 / (report["calls"] + warmup) if process else None)


def cpu_ns(pid):
    """Processor time of all threads that a process has. Finer than /proc/PID/stat, which counts in 10 ms."""
    return sum(int(task.read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


def memory_kib(pid):
    """Resident and anonymous memory. Of a process that may not be dumped only root sees the exact figures."""
    wanted = {"Rss:": "resident", "Anonymous:": "anonymous", "VmRSS:": "resident", "RssAnon:": "anonymous"}
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    fields = [line.split() for line in text.splitlines()]
    return {wanted[field[0]]: int(field[1]) for field in fields if field and field[0] in wanted}


class Series:
    """The same run several times; machines are noisy, so a figure is the median of the runs'."""

    def __init__(self):
        self.runs = []

    def add(self, run):
        self.runs.append(run)

    def _median(self, figure):
        return statistics.median(figure(run) for run in self.runs)

    def percentile(self, share):
        return self._median(lambda run: run.percentile(share))

    @property
    def rate(self):
        return self._median(lambda run: run.rate)

    @property
    def cpu_us(self):
        return None if self.runs[0].cpu_us is None else self._median(lambda run: run.cpu_us)

    def pooled(self):
        """All latencies of all runs, sorted."""
        return sorted(latency for run in self.runs for latency in run.latencies)

    def summary(self):
        figures = {"p50_us": self.percentile(0.50), "p95_us": self.percentile(0.95), "p99_us": self.percentile(0.99),
                   "rate": self.rate}
        if self.cpu_us is not None:
            figures["cpu_us"] = self.cpu_us
        return {name: round(value, 1) for name, value in figures.items()}
