#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a built program for the hardening that the build promises: check-hardening.py PROGRAM

Reads it with readelf and objdump, before it is stripped. Prints one line a fault; exits 1 if there is one, 2 if the file cannot be read.
"""

import re
import subprocess
import sys


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                          env={'LC_ALL': 'C', 'PATH': '/usr/bin:/bin'}).stdout


def readelf(option, path):
    return output_of('readelf', '--wide', option, path)


def main_code(path):
    return output_of('objdump', '--disassemble=main', '--no-show-raw-insn', path)


def segments(headers):
    """Type and flags ("R E") of each program header."""
    pattern = re.compile(r'^\s+([A-Z_0-9]+)\s+0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ (...) ', re.MULTILINE)
    return pattern.findall(headers)


def faults_of(path):
    header = readelf('--file-header', path)
    dynamic = readelf('--dynamic', path)
    symbols = readelf('--dyn-syms', path)
    parts = segments(readelf('--program-headers', path))
    machine = re.search(r'Machine:\s+(.*)', header).group(1)

    if not re.search(r'Type:\s+DYN', header) or not re.search(r'FLAGS_1\).*\bPIE\b', dynamic):
        yield 'is not position-independent (-pie)'
    if 'GNU_RELRO' not in [kind for kind, _ in parts]:
        yield 'has no read-only relocations (-z relro)'
    if not re.search(r'\((FLAGS|FLAGS_1)\).*\b(BIND_NOW|NOW)\b', dynamic):
        yield 'resolves symbols lazily (-z now)'
    if any(kind == 'GNU_STACK' and 'E' in flags for kind, flags in parts) or \
            'GNU_STACK' not in [kind for kind, _ in parts]:
        yield 'may execute its stack (-z noexecstack)'
    if any(kind == 'LOAD' and 'W' in flags and 'E' in flags for kind, flags in parts):
        yield 'has memory that is writable and executable'
    if re.search(r'\((TEXTREL|RPATH|RUNPATH)\)', dynamic):
        yield 'has text relocations or a search path of its own for libraries'
    if '__stack_chk_fail' not in symbols:
        yield 'has no stack protector (-fstack-protector-strong)'
    if not re.search(r'\b__\w+_chk@', symbols.replace('__stack_chk', '')):
        yield 'calls no fortified function (-D_FORTIFY_SOURCE)'
    # The linker's mark is no witness: it goes as soon as one object of the C library's start-up lacks it.
    if 'X86-64' in machine and not re.search(r'<main>:\n.*\bendbr64\b', main_code(path)):
        yield 'has a main() that is no place for an indirect branch (-fcf-protection)'


def main(path):
    try:
        faults = list(faults_of(path))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f'{path}: {error}', file=sys.stderr)
        return 2
    for fault in faults:
        print(f'{path}: {fault}')
    return 1 if faults else 0


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
