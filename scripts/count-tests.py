#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what `meson test` did: count-tests.py LOG.json...

Counts the cases of programs that speak TAP and each other program as one. Names what failed and what was skipped,
with its reason, and closes with the counts. Exits 1 if a test failed, if none was run, or if CI=true and one was
skipped.
"""

import json
import os
import re
import sys

CASE = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*?)(?:\s*#\s*(SKIP|TODO)\b\s*(.*))?$", re.IGNORECASE)
GOOD = {"OK", "EXPECTEDFAIL"}


def cases_of(program):
    """(passed, failed, skipped) names of one program of meson's log."""
    passed, failed, skipped = [], [], []
    for line in program.get("stdout", "").splitlines():
        match = CASE.match(line)
        if match is None:
            continue
        bad, name, directive, reason = match.groups()
        if (directive or "").upper() == "SKIP":
            skipped.append(f"{name}: {reason}")
        elif bad and (directive or "").upper() != "TODO":
            failed.append(name)
        else:
            passed.append(name)
    if program["result"] == "SKIP" and not skipped:
        skipped.append("the whole program")
    elif program["result"] in GOOD and not passed + failed + skipped:
        passed.append("the whole program")
    elif program["result"] not in GOOD | {"SKIP"} and not failed:
        failed.append(f"the whole program ({program['result'].lower()})")
    return passed, failed, skipped


def main(paths):
    passed = failed = skipped = 0
    for path in paths:
        run = os.path.basename(path).removesuffix(".json")
        try:
            with open(path, encoding="utf-8") as file:
                programs = [json.loads(line) for line in file]
        except OSError as error:
            print(f"{run}: not run: {error.strerror}")
            failed += 1
            continue
        for program in programs:
            good, bad, left_out = cases_of(program)
            passed, failed, skipped = passed + len(good), failed + len(bad), skipped + len(left_out)
            for name in bad:
                print(f"{run}: {program['name']}: failed: {name}")
            for name in left_out:
                print(f"{run}: {program['name']}: skipped: {name}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed or (skipped and os.environ.get("CI") == "true") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
