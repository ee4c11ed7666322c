#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completion in the shells themselves: bash, fish, zsh are run, a command line is given, and what they offer is read.

Usage: test-completion.py PROVIDER SHELL
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROVIDER, SHELL = sys.argv[1:3]

BASH = r"""
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_bao_kms_provider
printf '%s\n' "${COMPREPLY[@]}"
"""

# In a shell with a terminal of its own, what completion offers is printed instead of shown.
ZSH = r"""
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner "source $1/setup"
zpty -r inner output '*READY-NOW*'
zpty -n -w inner "$2"$'\t'$'\x18\x18'
zpty -r inner output '*ALL-OFFERED*'
print -r -- "$output"
"""

ZSH_SETUP = r"""
fpath=(${0:h} $fpath)
autoload -Uz compinit
compinit -u -d ${0:h}/dump
setopt no_beep
compadd() {
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
  local -a hits
  builtin compadd -A hits "$@"
  print -rl -- OFFER:${^hits}
  return 1
}
finish() { print -r -- ALL-OFFERED; exit }
zle -N finish
bindkey "^X^X" finish
PROMPT=READY-NOW
"""


def split(line):
    """As bash does it: "=" is a word of its own."""
    words = line.split(' ')
    return [part for word in words for part in (re.split('(=)', word) if '=' in word else [word])]


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.script = pathlib.Path(cls.directory.name, '_bao-kms-provider')
        cls.script.write_bytes(subprocess.run([PROVIDER, 'completion', SHELL], stdout=subprocess.PIPE, check=True).stdout)
        pathlib.Path(cls.directory.name, 'setup').write_text(ZSH_SETUP, encoding='utf-8')
        cls.place = pathlib.Path(cls.directory.name, 'place')
        cls.place.mkdir()
        (cls.place / 'some file.yaml').touch()

    def ask(self, arguments):
        return subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=True, timeout=60, cwd=self.place,
                              env={'PATH': '/usr/bin:/bin', 'HOME': self.directory.name, 'TERM': 'dumb', 'LC_ALL': 'C.UTF-8'})

    def offers(self, line):
        """Returns: the words that the shell offers for the last one of the line."""
        line = f'bao-kms-provider {line}'
        if SHELL == 'bash':
            words = split(line)
            if words[-1] == '' and words[-2] == '=':
                words.pop()
            result = self.ask(['bash', '-c', BASH, 'bash', self.script, *words])
            self.assertEqual(result.stderr, '')
            return {offer for offer in result.stdout.splitlines() if offer}
        if SHELL == 'fish':
            result = self.ask(['fish', '--no-config', '-c', f'source {self.script}; complete -C"{line}"'])
            offers = [offer.split('\t')[0] for offer in result.stdout.splitlines()]
            return {offer.split('=', 1)[-1] if '=' in line.split(' ')[-1] else offer for offer in offers}
        result = self.ask(['zsh', '-f', '-c', ZSH, 'zsh', self.directory.name, line])
        return {offer.strip().replace('\\ ', ' ') for offer in re.findall(r'OFFER:([^\r\n]+)', result.stdout)}

    def test_commands(self):
        offers = self.offers('')
        for word in ('serve', 'config', 'policy', 'completion', 'rotation-plan'):
            self.assertIn(word, offers)
        self.assertNotIn('openbao', offers)
        self.assertEqual(self.offers('rotation-'), {'rotation-plan'})

    def test_words_of_a_group(self):
        self.assertEqual(self.offers('policy '), {'openbao'})
        self.assertEqual(self.offers('completion '), {'bash', 'fish', 'zsh'})
        self.assertIn('schema', self.offers('config '))

    def test_options_of_the_command(self):
        offers = self.offers('probe --')
        for option in ('--socket', '--timeout', '--output', '--config', '--help'):
            self.assertIn(option, offers)
        self.assertNotIn('--apply', offers)
        self.assertNotIn('--output', self.offers('config schema --'))
        self.assertIn('--output', self.offers('config --'))
        self.assertEqual(self.offers('policy openbao --incl'), {'--include-token-renewal'})

    def test_options_before_the_command(self):
        offers = self.offers('--')
        self.assertIn('--config', offers)
        self.assertNotIn('--socket', offers)
        self.assertIn('openbao', self.offers('--config /x --log-level=debug policy '))
        self.assertIn('--socket', self.offers('--config /x probe --'))

    def test_values(self):
        self.assertEqual(self.offers('probe --output '), {'text', 'json'})
        self.assertEqual(self.offers('probe --output j'), {'json'})
        self.assertEqual(self.offers('probe --output='), {'text', 'json'})
        self.assertEqual(self.offers('probe --output=te'), {'text'})
        self.assertEqual(self.offers('init --model '), {'systemd', 'static-pod'})
        self.assertEqual(self.offers('--log-level '), {'debug', 'info', 'warn', 'error'})
        self.assertEqual(self.offers('policy openbao --include-token-renewal='), {'true', 'false'})

    def test_files(self):
        for line in ('probe --config ', '--config so', 'init --values so', 'doctor --encryption-config so'):
            self.assertEqual(self.offers(line), {'some file.yaml'}, line)

    def test_what_nobody_can_say(self):
        self.assertEqual(self.offers('probe --timeout '), set())


if __name__ == '__main__':
    if shutil.which(SHELL, path='/usr/bin:/bin') is None:
        print(f'{SHELL} is not installed')
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
