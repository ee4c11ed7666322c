#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the sources to the few rules that no other tool knows: check-sources.py FILE...

Each file says its licence in the first lines; no white space at the end of a line, a newline at the end of the file.
A .c file has at most 600 lines, names its own header first, then project headers, then those of libraries, and leaves
the process's end to main.c. No two types of src/ have one name. Where a comment names the contract (spec PAGE.md,
"Title"), docs/spec has it. Prints one line a fault; exits 1 if there is one.
"""

import pathlib
import re
import sys

LONGEST = 600
WITHOUT_LICENCE = {".json", ".svg", ".txt", ".ini", ".jwt", ".pem", ".md", ""}
ALLOWED = {("src/base/secret-pool.c", "g_error")}  # no memory left, as in g_malloc()
INCLUDE = re.compile(r'^#include\s+("[^"]+"|<[^>]+>)')
SPEC = re.compile(r'\bspec ([a-z0-9-]+\.md)(?:,? "([^"]+)")?')
TYPE = re.compile(r"^\} (Obk\w+);")
ENDS = re.compile(r"\b(g_error|abort|exit|_exit|g_abort)\s*\(")
def code_of(text):
    """Without comments and strings, line by line."""
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match.group().count("\n"), text, flags=re.DOTALL)
    return [re.sub(r'"(?:[^"\\]|\\.)*"|//.*', '""', line) for line in text.splitlines()]


def faults_of_c(path, text):
    lines = text.splitlines()
    if len(lines) > LONGEST:
        yield len(lines), f"more than {LONGEST} lines: make it two files"
    includes = [(number, match.group(1)) for number, line in enumerate(lines, 1) if (match := INCLUDE.match(line))]
    if includes and path.with_suffix(".h").exists() and not includes[0][1].endswith(f'{path.stem}.h"'):
        yield includes[0][0], "the file's own header comes first"
    angled = False
    for number, include in includes:
        if angled and include.startswith('"'):
            yield number, f"{include} comes after a library's header"
        angled = angled or include.startswith("<")
    if path.parts[0] == "src" and path.name != "main.c":
        for number, line in enumerate(code_of(text), 1):
            match = ENDS.search(line)
            if match and (str(path), match.group(1)) not in ALLOWED:
                yield number, f"{match.group(1)} () outside main.c"


def faults_of_references(text):
    for number, line in enumerate(text.splitlines(), 1):
        for page, title in SPEC.findall(line):
            place = pathlib.Path("docs/spec", page)
            if not place.exists() or title not in place.read_text(encoding="utf-8"):
                yield number, f'docs/spec has no {page}' + (f', "{title}"' if title else "")


def faults_of_types(paths):
    """A type that has the name of another one: no file can include both, and no debugger tells them apart."""
    seen = {}
    for path in paths:
        if path.parts[0] != "src" or path.suffix not in {".c", ".h"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = TYPE.match(line)
            if match and match.group(1) in seen:
                yield path, number, f"{match.group(1)} is a type of {seen[match.group(1)]} already"
            elif match:
                seen[match.group(1)] = path


def faults_of(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix not in WITHOUT_LICENCE and "SPDX-License-Identifier: Apache-2.0" not in text[:300]:
        yield 1, "no SPDX line"
    if path.suffix != ".json":
        if text and not text.endswith("\n"):
            yield text.count("\n") + 1, "no newline at the end"
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip():
                yield number, "white space at the end"
    if path.suffix in (".c", ".h"):
        yield from faults_of_references(text)
    if path.suffix == ".c":
        yield from faults_of_c(path, text)


def main(names):
    paths = [pathlib.Path(name) for name in names]
    faults = [(path, *fault) for path in paths for fault in faults_of(path)]
    faults += faults_of_types(paths)
    for path, number, fault in faults:
        print(f"{path}:{number}: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
