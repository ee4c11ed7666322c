#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sees scripts/count-tests.py count rightly, and fail where it must."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "scripts" / "count-tests.py"


def count(*programs, ci=""):
    """Exit code and output for programs of (result, standard output)."""
    with tempfile.TemporaryDirectory() as root:
        log = pathlib.Path(root, "run.json")
        log.write_text("".join(json.dumps({"name": "program", "result": result, "stdout": out}) + "\n"
                               for result, out in programs), encoding="utf-8")
        done = subprocess.run([sys.executable, SCRIPT, log], capture_output=True, text=True, check=False,
                              env={**os.environ, "CI": ci})
        return done.returncode, done.stdout


class CountTests(unittest.TestCase):
    def assert_count(self, programs, code, last, ci=""):
        found, out = count(*programs, ci=ci)
        self.assertEqual((found, out.splitlines()[-1]), (code, last))
        return out

    def test_passed(self):
        self.assert_count([("OK", "TAP version 13\n1..2\nok 1 /a\nok 2 - b\n"), ("OK", "")], 0,
                          "3 passed, 0 failed, 0 skipped")

    def test_failed(self):
        out = self.assert_count([("FAIL", "ok 1 /a\nnot ok 2 /b # no\n")], 1, "1 passed, 1 failed, 0 skipped")
        self.assertIn("failed: /b", out)

    def test_a_program_that_ends_badly_after_good_cases(self):
        for result in ("ERROR", "TIMEOUT", "FAIL", "INTERRUPT", "UNEXPECTEDPASS"):
            self.assert_count([(result, "ok 1 /a\n")], 1, "1 passed, 1 failed, 0 skipped")

    def test_skipped(self):
        programs = [("OK", "ok 1 /a # SKIP no root here\nok 2 /b\n"), ("SKIP", "")]
        out = self.assert_count(programs, 0, "1 passed, 0 failed, 2 skipped")
        self.assertIn("skipped: /a: no root here", out)
        self.assert_count(programs, 1, "1 passed, 0 failed, 2 skipped", ci="true")

    def test_nothing_was_run(self):
        self.assert_count([], 1, "0 passed, 0 failed, 0 skipped")

    def test_a_log_that_is_not_there(self):
        done = subprocess.run([sys.executable, SCRIPT, "/nowhere.json"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (1, "0 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
