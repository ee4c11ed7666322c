#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`--help` of all commands, word for word: help.txt is what people read, and changes to it are looked at.

Usage: test-help.py PROVIDER HELP_FILE            compares
       test-help.py --update PROVIDER HELP_FILE   writes the file anew
"""

import difflib
import os
import pathlib
import re
import subprocess
import sys

COMMAND = re.compile(r'^  ([a-z][a-z-]*(?: [a-z-]+)?)  +\S', re.MULTILINE)


def help_of(provider, command):
    environment = {'PATH': os.environ['PATH'], 'LC_ALL': 'C'}
    if 'ASAN_OPTIONS' in os.environ:
        environment['ASAN_OPTIONS'] = os.environ['ASAN_OPTIONS']
    result = subprocess.run([provider, *command, '--help'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
                            text=True, env=environment)
    return result.stdout


def all_help(provider):
    whole = help_of(provider, [])
    names = COMMAND.findall(whole.split('Commands:\n')[1].split('\n\n')[0])
    texts = [f'$ bao-kms-provider {name}{" " if name else ""}--help\n{text}\n' for name, text in
             [('', whole), *((name, help_of(provider, name.split())) for name in names)]]
    return re.sub(r'[ \t]+$', '', '\n'.join(texts), flags=re.MULTILINE).rstrip('\n') + '\n'


def main(arguments):
    update = arguments[:1] == ['--update']
    provider, name = arguments[update:]
    path, found = pathlib.Path(name), all_help(provider)
    if update:
        path.write_text(found, encoding='utf-8')
        return 0
    wanted = path.read_text(encoding='utf-8')
    if found == wanted:
        return 0
    sys.stdout.writelines(difflib.unified_diff(wanted.splitlines(True), found.splitlines(True), name, '--help'))
    print(f'\n--help has changed. If that is meant: {sys.argv[0]} --update {provider} {name}')
    return 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
