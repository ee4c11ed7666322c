#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`init` from outside: what it makes agrees, what is wrong is found, nothing is overwritten. Needs no OpenBao.

Usage: test-init.py PROVIDER EXAMPLE_VALUES SCHEMA_FOLDER
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

PROVIDER, EXAMPLE, SCHEMAS = sys.argv[1:4]
IMAGE = 'registry.example/bao-kms-provider@sha256:' + '0123456789abcdef' * 4
POD = ('--model', 'static-pod', '--image', IMAGE, '--socket-gid', '990')


def run(*arguments, **options):
    return subprocess.run([PROVIDER, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=30, **options)


class Init(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name, 'values.yaml')
        self.out = pathlib.Path(directory.name, 'out')
        self.values = yaml.safe_load(pathlib.Path(EXAMPLE).read_text(encoding='utf-8'))

    def init(self, *options, text=None, **more):
        self.path.write_text(yaml.safe_dump(self.values) if text is None else text, encoding='utf-8')
        self.path.chmod(0o644)
        return run('init', '--values', self.path, '--out', self.out, *options, **more)

    def made(self, *options):
        result = self.init(*options)
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        return {path.name: path.read_text(encoding='utf-8') for path in self.out.iterdir()}

    def refused(self, code, *options, text=None):
        """Returns: its lines; nothing was made."""
        result = self.init(*options, text=text)
        self.assertEqual((result.returncode, result.stdout), (code, ''))
        self.assertFalse(self.out.exists())
        return result.stderr.splitlines()

    def test_all_agree(self):
        files = self.made()
        self.assertEqual(set(files), {'config.yaml', 'encryption-1-read.yaml', 'encryption-2-write.yaml',
                                      'openbao-setup.sh', 'policy.hcl', 'installation.json'})
        config = yaml.safe_load(files['config.yaml'])
        for section in ('openbao', 'transit'):
            for name, value in self.values[section].items():
                self.assertEqual(config[section][name], value)
        self.assertNotIn('setup', config)
        self.assertEqual(config['server']['socketGroup'], 'openbao-kms-socket')
        shown = json.loads(run('config', '--config', self.out / 'config.yaml', '--output', 'json').stdout)
        self.assertEqual(shown['fingerprint'], json.loads(files['installation.json'])['fingerprint'])
        self.assertEqual(run('policy', 'openbao', '--config', self.out / 'config.yaml').stdout, files['policy.hcl'])
        self.assertIn(files['policy.hcl'], files['openbao-setup.sh'])
        for phase, providers in (('1-read', ['identity', 'kms']), ('2-write', ['kms', 'identity'])):
            document = yaml.safe_load(files[f'encryption-{phase}.yaml'])
            self.assertEqual(document['kind'], 'EncryptionConfiguration')
            resources, = document['resources']
            self.assertEqual(resources['resources'], ['secrets'])
            self.assertEqual([name for provider in resources['providers'] for name in provider], providers)
            kms, = [provider['kms'] for provider in resources['providers'] if 'kms' in provider]
            self.assertEqual(kms, {'apiVersion': 'v2', 'name': 'openbao', 'timeout': '3s',
                                   'endpoint': 'unix:///run/openbao-kms/kms.sock'})

    def test_modes_do_not_depend_on_the_umask(self):
        for umask in (0o000, 0o077):
            self.out = self.path.with_name(f'out-{umask}')
            self.assertEqual(self.init(umask=umask).returncode, 0)
            modes = {path.name: path.stat().st_mode & 0o7777 for path in self.out.iterdir()}
            self.assertEqual(modes, {'config.yaml': 0o640, 'encryption-1-read.yaml': 0o600,
                                     'encryption-2-write.yaml': 0o600, 'openbao-setup.sh': 0o750,
                                     'policy.hcl': 0o640, 'installation.json': 0o640})

    def test_the_report_keeps_to_its_schema(self):
        schema = json.loads(pathlib.Path(SCHEMAS, 'init.schema.json').read_text(encoding='utf-8'))
        for options in ((), ('--new-key',), POD):
            self.out = self.path.with_name(f'out-{len(options)}')
            result = self.init('--output', 'json', *options)
            jsonschema.validate(json.loads(result.stdout), schema)
            self.assertEqual(result.stdout, (self.out / 'installation.json').read_text(encoding='utf-8'))

    def test_the_schema_of_values(self):
        schema = json.loads(run('init', '--schema').stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        self.assertEqual(list(validator.iter_errors(self.values)), [])
        del self.values['setup']['jwt']['subjects']
        del self.values['transit']['keyName']
        self.values['setup']['pod'] = {'uid': 0}
        self.assertEqual(sorted('.'.join(map(str, error.absolute_path)) for error in validator.iter_errors(self.values)),
                         ['setup.jwt', 'setup.pod.uid', 'transit'])

    def test_problems_are_found_like_those_of_a_configuration(self):
        lines = self.refused(3, text='transit:\n  keyNmae: x\nsetup:\n  jwt:\n    subject: [a]\n  tokenTtl: 5\n')
        for line in (f'{self.path}:2:3: transit.keyNmae: unknown field; did you mean "transit.keyName"?',
                     f'{self.path}:5:5: setup.jwt.subject: unknown field; did you mean "setup.jwt.subjects"?',
                     f'{self.path}:4:3: setup.jwt.subjects: is missing; it is required with auth.method jwt'):
            self.assertIn(line, lines)
        self.assertTrue(any(f'{self.path}:6:13: setup.tokenTtl: ' in line for line in lines), lines)
        self.assertEqual(lines[-1], f'bao-kms-provider: {len(lines) - 1} problems in "{self.path}"')

    def test_values_that_do_not_go_together(self):
        def problem(name, **changes):
            values = yaml.safe_load(pathlib.Path(EXAMPLE).read_text(encoding='utf-8'))
            for path, value in changes.items():
                *sections, leaf = path.split('__')
                at = values
                for section in sections:
                    at = at.setdefault(section, {})
                at[leaf] = value
            self.values = values
            lines = self.refused(3)
            self.assertTrue(any(f': {name}: ' in line for line in lines), lines)
        problem('setup.tokenTtl', setup__tokenTtl='4m')
        problem('setup.tokenMaxTtl', setup__tokenMaxTtl='30m')
        problem('setup.kubernetes.timeout', setup__kubernetes__timeout='2s')
        problem('setup.jwt.jwksUrl', setup__jwt__publicKeyFiles=['/x'])
        problem('auth.jwt.mountPath', auth__jwt__mountPath='jwt')
        problem('transit.keyIdScope.providerName', transit__keyIdScope__providerName='a:b')
        problem('auth.cert.name', auth__method='cert')
        problem('setup.cert.commonNames', auth__method='cert')

    def test_a_configuration_has_no_setup(self):
        self.made()
        path = self.out / 'config.yaml'
        path.write_text(path.read_text(encoding='utf-8') + 'setup:\n  policyName: x\n', encoding='utf-8')
        result = run('config', '--config', path)
        self.assertEqual(result.returncode, 3)
        self.assertIn(': setup: unknown field\n', result.stderr)

    def test_a_policy_that_would_mean_more(self):
        self.values['transit']['mountPath'] = 'tran*'
        lines = self.refused(3)
        self.assertEqual(len(lines), 1)

    def test_wrong_usage(self):
        for options, text in (
                (('--model', 'pod'), '"pod"'), (('--model', 'static-pod'), '--image'),
                (('--model', 'static-pod', '--image', 'x:latest', '--socket-gid', '1'), 'DIGEST'),
                (('--model', 'static-pod', '--image', IMAGE), '--socket-gid'),
                (('--image', IMAGE), 'static-pod'), (('--socket-gid', 'kms'), '"kms"'),
                (('--policy-name', 'a b'), '--policy-name'), (('--policy-name', ''), '--policy-name')):
            lines = self.refused(2, *options)
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(text, lines[0])
        self.assertEqual(run('init', '--values', self.path).returncode, 2)

    def test_nothing_is_overwritten(self):
        before = self.made()
        result = self.init()
        self.assertEqual(result.returncode, 1)
        self.assertIn('is not empty', result.stderr)
        self.assertEqual({path.name: path.read_text(encoding='utf-8') for path in self.out.iterdir()}, before)

    def test_an_empty_directory_will_do(self):
        self.out.mkdir()
        self.made()

    def test_no_directory(self):
        for out in (self.path.with_name('absent') / 'out', self.path):
            self.out = out
            result = self.init()
            self.assertEqual(result.returncode, 1)
            self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_nothing_is_left_behind(self):
        """The third file does not fit; not even root may write more than its limit."""
        def limit():
            import resource
            import signal
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        result = self.init(preexec_fn=limit)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn('openbao-setup.sh', result.stderr)
        self.assertFalse(self.out.exists())

    def test_policy_name(self):
        files = self.made('--policy-name', 'kms-a')
        self.assertEqual(json.loads(files['installation.json'])['policyName'], 'kms-a')
        self.assertIn('"kms-a"', files['openbao-setup.sh'])

    def test_the_environment_does_not_get_in(self):
        self.assertEqual(self.init(env={**os.environ, 'BAO_KMS_PROVIDER_LOG_LEVEL': 'debug'}).returncode, 0)
        self.assertNotIn('debug', (self.out / 'config.yaml').read_text(encoding='utf-8'))

    def test_what_needs_quotes_gets_them(self):
        awkward = ['yes', '0x1f', "it's $(x) `y` \"z\" \\", 'a: b', '# no comment', 'ü', '<&>']
        for number, text in enumerate(awkward):
            self.out = self.path.with_name(f'out-{number}')
            self.values['transit']['keyIdScope']['clusterId'] = text
            self.values['auth']['jwt']['role'] = text
            files = self.made()
            self.assertEqual(yaml.safe_load(files['config.yaml'])['transit']['keyIdScope']['clusterId'], text)
            header = files['openbao-setup.sh'].split('\n[ -z')[0]
            echoed = subprocess.run(['sh', '-c', header + '\nprintf %s "$role"'], stdout=subprocess.PIPE, check=True)
            self.assertEqual(echoed.stdout.decode(), text)

    def test_the_manifest(self):
        files = self.made(*POD)
        pod = yaml.safe_load(files['bao-kms-provider.yaml'])
        self.assertNotRegex(files['bao-kms-provider.yaml'], re.compile(r'@[A-Z_]+@'))
        spec = pod['spec']
        container, = spec['containers']
        self.assertEqual(container['image'], IMAGE)
        self.assertEqual(spec['securityContext']['supplementalGroups'], [990])
        self.assertEqual(spec['priorityClassName'], 'system-node-critical')
        self.assertFalse(spec['automountServiceAccountToken'])
        self.assertTrue(container['securityContext']['readOnlyRootFilesystem'])
        self.assertEqual(container['securityContext']['capabilities'], {'drop': ['ALL']})
        for kind in ('configMap', 'secret', 'serviceAccount'):
            self.assertNotIn(kind, json.dumps(spec).replace('automountServiceAccountToken', ''))
        mounts = {mount['mountPath']: mount.get('readOnly', False) for mount in container['volumeMounts']}
        self.assertEqual(mounts, {'/tmp': False, '/etc/openbao-kms': True, '/var/lib/openbao-kms': True,
                                  '/var/lib/openbao-kms/state': False, '/run/openbao-kms': False})
        host = {volume['name']: volume['hostPath']['path'] for volume in spec['volumes'] if 'hostPath' in volume}
        self.assertEqual(set(host.values()), set(mounts) - {'/tmp'})
        self.assertEqual(container['livenessProbe']['httpGet'], {'host': '127.0.0.1', 'port': 8082, 'path': '/live'})
        self.assertEqual(yaml.safe_load(files['config.yaml'])['server']['socketGroup'], '990')

    def test_a_pod_sees_the_pin_that_a_uri_names(self):
        self.values['setup']['cert'] = {'caCertFile': '/etc/ca.pem', 'commonNames': ['node']}
        for pin in ('file:/etc/kms%20pin/pin', 'file:///etc/kms%20pin/pin'):
            self.out = self.path.with_name(f'out-{len(pin)}')
            self.values['auth'] = {'method': 'cert', 'cert': {
                'mountPath': 'auth/cert', 'name': 'kms', 'source': 'pkcs11',
                'pkcs11': {'uri': f'pkcs11:token=t;object=o?pin-source={pin}', 'maxSessions': 2}}}
            container, = yaml.safe_load(self.made(*POD)['bao-kms-provider.yaml'])['spec']['containers']
            self.assertIn('/etc/kms pin', [mount['mountPath'] for mount in container['volumeMounts']])

    def test_a_pod_without_health_address_has_no_probes(self):
        self.values['server'] = {'healthAddress': ''}
        pod = yaml.safe_load(self.made(*POD)['bao-kms-provider.yaml'])
        self.assertNotIn('livenessProbe', pod['spec']['containers'][0])

    def test_a_pod_has_no_credentials_of_systemd(self):
        self.values['auth']['jwt']['jwtFile'] = 'credential:jwt'
        self.made()
        self.out = self.path.with_name('pod')
        self.assertIn('credential:jwt', self.refused(3, *POD)[0])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
