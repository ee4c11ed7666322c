#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the folders of src/ to what they may use: check-includes.py SOURCE_ROOT

Reads the #include "..." lines. A folder always may use itself. Prints one line a fault; exits 1 if
there is one, 2 if there is nothing to read.
"""

import pathlib
import re
import sys

BELOW = ['base', 'identity', 'registry', 'config', 'openbao', 'health', 'kms', 'observe']
MAY_USE = {
    'base': [],
    'identity': ['base'],
    'registry': ['base', 'identity'],
    'config': ['base', 'identity'],
    'openbao': ['base', 'config'],
    'health': ['base', 'identity', 'registry', 'openbao'],
    'kms': ['base', 'identity', 'registry', 'openbao', 'health', 'proto'],
    'observe': ['base'],
    'provider': BELOW,
    'cli': BELOW + ['provider', 'proto'],
    'main.c': ['provider', 'cli'],
}
# Written into the build folder without a folder in their name; None: for everyone
GENERATED = {'config-build.h': None, 'commit.h': ['provider', 'cli'], 'build-date.h': ['cli'], 'schemas.h': ['cli'],
             'init-files.h': ['cli']}

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>)')


def faults_of(path, owner):
    """Yields (line number, text) for each include that may not be."""
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        match = INCLUDE.match(line)
        if match is None:
            continue
        quoted, angled = match.groups()
        first = (quoted if quoted is not None else angled).split('/')[0]
        if angled is not None:
            if first in MAY_USE and '/' in angled:
                yield number, f'our own header <{angled}> is included like a library\'s'
        elif quoted in GENERATED and (GENERATED[quoted] is None or owner in GENERATED[quoted]):
            continue
        elif '/' not in quoted or '..' in quoted.split('/'):
            yield number, f'"{quoted}" does not name its folder'
        elif first != owner and first not in MAY_USE[owner]:
            yield number, f'{owner} may not use "{quoted}"'


def main(root):
    source = pathlib.Path(root) / 'src'
    files = sorted(p for p in source.rglob('*') if p.suffix in ('.c', '.h'))
    if not files:
        print(f'{source}: no source files', file=sys.stderr)
        return 2
    faults = 0
    for path in files:
        owner = path.relative_to(source).parts[0]
        if owner not in MAY_USE:
            print(f'{path}: unknown folder "{owner}"')
            faults += 1
            continue
        for number, text in faults_of(path, owner):
            print(f'{path}:{number}: {text}')
            faults += 1
    return 1 if faults else 0


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
