#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that check-hardening.py refuses what it should: test-check-hardening.py COMPILER...

Builds one small program well and then once without each property.
"""

import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).with_name('check-hardening.py')
SOURCE = r'''
#include <stdio.h>
#include <string.h>
#ifdef WRITABLE_CODE
__asm__ (".pushsection .odd, \"awx\", @progbits; .zero 16; .popsection");
#endif
int main (int argc, char **argv) { char b[32]; memset (b, argc, sizeof b); strcpy (b, argv[0]); puts (b); return 0; }
'''
GOOD = ['-O2', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2', '-fPIE', '-pie', '-fstack-protector-strong',
        '-Wl,-z,relro', '-Wl,-z,now', '-Wl,-z,noexecstack', '-fcf-protection=full']
WORSE = {
    'position-independent': ['-no-pie', '-fno-PIE'],
    'read-only relocations': ['-Wl,-z,norelro'],
    'lazily': ['-Wl,-z,lazy'],
    'execute its stack': ['-Wl,-z,execstack'],
    'writable and executable': ['-DWRITABLE_CODE'],
    'search path': ['-Wl,-rpath,/nowhere'],
    'stack protector': ['-fno-stack-protector'],
    'fortified': ['-U_FORTIFY_SOURCE'],
    'indirect branch': ['-fcf-protection=none'],
}


def check(compiler, directory, flags):
    program = directory / 'program'
    subprocess.run([*compiler, '-x', 'c', '-', '-o', program, *flags], input=SOURCE, text=True, check=True)
    return subprocess.run([sys.executable, CHECK, program], stdout=subprocess.PIPE, text=True)


def main(compiler):
    x86 = subprocess.run([*compiler, '-dumpmachine'], check=True, stdout=subprocess.PIPE, text=True).stdout
    failed = False
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        for what, flags in {'': [], **WORSE}.items():
            if what == 'indirect branch' and not x86.startswith('x86_64'):
                continue
            base = GOOD if x86.startswith('x86_64') else GOOD[:-1]
            result = check(compiler, directory, base + flags)
            right = result.returncode == 1 and what in result.stdout if what else result.returncode == 0
            if not right:
                print(f'with {flags}: exit code {result.returncode}\n{result.stdout}')
                failed = True
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
