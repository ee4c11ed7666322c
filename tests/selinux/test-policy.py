# SPDX-License-Identifier: Apache-2.0
"""What the linked policy lets the provider's domain do, and what it must not: asked of the policy, without a machine.

The module is linked to the distribution's policy, together with a module of faults, which breaks each rule on what must
not be allowed once: exactly that has to be found. What must be allowed is asked of another domain as well, and must not
be there.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import setools

POLICY = pathlib.Path("/usr/share/selinux/default")
DOMAIN = "openbao_kms_t"
OTHER = "irqbalance_t"  # a domain that may do none of it

# What must be allowed: type of the object, class, permissions, booleans that have to be on for it
ALLOWED = [
    ("openbao_kms_etc_t", "file", "open read getattr", ()),
    ("openbao_kms_etc_t", "dir", "search watch", ()),
    ("openbao_kms_secret_t", "file", "open read getattr", ()),
    ("openbao_kms_secret_t", "dir", "search watch", ()),
    ("openbao_kms_var_lib_t", "file", "create open read write rename unlink lock", ()),
    ("openbao_kms_var_lib_t", "dir", "add_name remove_name search", ()),
    ("openbao_kms_runtime_t", "file", "create write rename unlink read", ()),
    ("openbao_kms_runtime_t", "sock_file", "create setattr unlink write", ()),
    ("openbao_kms_runtime_t", "dir", "add_name remove_name create rmdir", ()),
    ("openbao_kms_exec_t", "file", "entrypoint", ()),
    ("cert_t", "file", "open read", ()),
    ("trivnet1_port_t", "tcp_socket", "name_connect", ()),
    ("openbao_kms_openbao_port_t", "tcp_socket", "name_connect", ()),
    ("http_port_t", "tcp_socket", "name_connect", ("openbao_kms_connect_http",)),
    ("smtp_port_t", "tcp_socket", "name_connect", ("openbao_kms_connect_any",)),
    ("transproxy_port_t", "tcp_socket", "name_bind", ()),
    ("openbao_kms_listen_port_t", "tcp_socket", "name_bind", ()),
    ("openbao_kms_token_t", "file", "read write map", ("openbao_kms_use_pkcs11",)),
    ("openbao_kms_token_t", "lnk_file", "read", ("openbao_kms_use_pkcs11",)),
    ("sssd_t", "unix_stream_socket", "connectto", ()),
    ("sssd_public_t", "file", "open read map", ()),
    ("etc_t", "dir", "watch", ()),
    ("usr_t", "dir", "watch", ()),
    ("pcscd_t", "unix_stream_socket", "connectto", ("openbao_kms_use_pkcs11",)),
    ("tpm_device_t", "chr_file", "read write", ("openbao_kms_use_pkcs11",)),
]

# Of the domain's own type are its files in /proc, of which the base policy of Debian 13 allows more than can be done.
# Class, permissions, all that may be their object whatever the booleans are, and the one that the module of faults adds
OWN = {"openbao_kms_var_lib_t", "openbao_kms_token_t"}
SOCKETS = {"openbao_kms_runtime_t"}
ONLY = [
    ("file", "write append", OWN | SOCKETS | {DOMAIN, "init_tmpfs_t"}, {"openbao_kms_etc_t"}),
    ("file", "create unlink rename", OWN | SOCKETS | {DOMAIN}, {"openbao_kms_etc_t"}),
    ("file", "execute_no_trans", set(), {"shell_exec_t"}),
    ("file", "execute", {"openbao_kms_exec_t", "lib_t", "ld_so_t", "textrel_shlib_t"}, {"bin_t"}),
    ("file", "watch", set(), {"openbao_kms_etc_t"}),
    ("dir", "add_name remove_name", OWN | SOCKETS | {DOMAIN}, {"openbao_kms_etc_t"}),
    ("dir", "create rmdir", SOCKETS | {"openbao_kms_token_t"}, {"openbao_kms_etc_t"}),
    ("process", "transition ptrace execmem execstack dyntransition", set(), {"init_t"}),
    ("capability", "", set(), {DOMAIN}),
    ("capability2", "", set(), {DOMAIN}),
    ("system", "module_load", set(), {"bin_t"}),
    ("tcp_socket", "name_bind", {"transproxy_port_t", "openbao_kms_listen_port_t"}, {"ssh_port_t"}),
    ("udp_socket", "name_bind", set(), {"ssh_port_t"}),
    ("rawip_socket", "create", set(), {DOMAIN}),
    ("packet_socket", "create", set(), {DOMAIN}),
    ("filesystem", "mount remount unmount", set(), {"tmpfs_t"}),
]
# Likewise with the booleans as they are
ONLY_BY_DEFAULT = [
    ("tcp_socket", "name_connect", {"trivnet1_port_t", "dns_port_t", "openbao_kms_openbao_port_t"}, {"ssh_port_t"}),
    ("file", "write append create", OWN - {"openbao_kms_token_t"} | SOCKETS | {DOMAIN, "init_tmpfs_t"}, {"openbao_kms_etc_t"}),
    ("chr_file", "write", {"null_device_t", "zero_device_t", "devtty_t", "initrc_devpts_t", "console_device_t"},
     {"random_device_t"}),
    # Names, users and the journal; PID 1 answers for users that units have for as long as they run.
    ("unix_stream_socket", "connectto",
     {DOMAIN, "avahi_t", "init_t", "nscd_t", "setrans_t", "sssd_t", "syslogd_t", "systemd_resolved_t",
      "systemd_socket_proxyd_t", "systemd_userdbd_t"}, {"initrc_t"}),
]
# Who may connect to the socket, by type or attribute; Debian 12 knows no containers
CALLERS = {DOMAIN, "unconfined_domain_type", "container_domain"}
# Who may get into the domain, and who may look into its memory
DOORS = {"init_t", "initrc_t"}
TRACERS = {"livecd_t", "sysadm_t", "unconfined_domain_type"}

# What the domain, or another one, must not have.
FAULTS = """
module faults 1.0;
require {
  type openbao_kms_t, openbao_kms_etc_t, bin_t, init_t, shell_exec_t, ssh_port_t, irqbalance_t, random_device_t;
  type initrc_t, tmpfs_t;
  class file { append create execute execute_no_trans watch };
  class dir { add_name create };
  class process { ptrace transition };
  class capability sys_admin;
  class capability2 syslog;
  class system module_load;
  class tcp_socket { name_bind name_connect };
  class udp_socket name_bind;
  class rawip_socket create;
  class packet_socket create;
  class chr_file write;
  class unix_stream_socket connectto;
  class filesystem mount;
}
allow openbao_kms_t openbao_kms_etc_t:file { append create watch };
allow openbao_kms_t openbao_kms_etc_t:dir { add_name create };
allow openbao_kms_t shell_exec_t:file execute_no_trans;
allow openbao_kms_t bin_t:file execute;
allow openbao_kms_t init_t:process ptrace;
allow openbao_kms_t self:capability sys_admin;
allow openbao_kms_t self:capability2 syslog;
allow openbao_kms_t bin_t:system module_load;
allow openbao_kms_t ssh_port_t:tcp_socket { name_bind name_connect };
allow openbao_kms_t ssh_port_t:udp_socket name_bind;
allow openbao_kms_t self:rawip_socket create;
allow openbao_kms_t self:packet_socket create;
allow openbao_kms_t random_device_t:chr_file write;
allow openbao_kms_t tmpfs_t:filesystem mount;
allow openbao_kms_t initrc_t:unix_stream_socket connectto;
allow irqbalance_t openbao_kms_t:unix_stream_socket connectto;
allow irqbalance_t openbao_kms_t:process { ptrace transition };
"""


class Policy:
    """The allow rules that are about the two domains, each with the types and attributes that it names."""

    def __init__(self, path):
        policy = setools.SELinuxPolicy(str(path))
        self.defaults = {str(boolean): boolean.state for boolean in policy.bools()}
        self.names = {name: {name, *map(str, policy.lookup_type(name).attributes())} for name in
                      {DOMAIN, OTHER, *(target for target, _, _, _ in ALLOWED)}}
        wanted = self.names[DOMAIN] | self.names[OTHER]
        self.rules = [rule for rule in policy.terules() if rule.ruletype == setools.TERuletype.allow
                      and (str(rule.source) in wanted or str(rule.target) in self.names[DOMAIN])]

    def in_force(self, rule, on):
        """Whether it holds, with the booleans as they are but for those that are on."""
        try:
            condition = rule.conditional
        except setools.exception.RuleNotConditional:
            return True
        states = {str(name): str(name) in on or self.defaults[str(name)] for name in condition.booleans}
        return condition.evaluate(**states) == rule.conditional_block

    def permits(self, source, target, tclass, permissions, on=()):
        missing = set(permissions.split())
        for rule in self.rules:
            if (str(rule.tclass) == tclass and str(rule.source) in self.names[source]
                    and str(rule.target) in self.names[target] and self.in_force(rule, on)):
                missing -= set(rule.perms)
        return not missing

    def objects(self, tclass, permissions, on=None):
        """What DOMAIN has one of the permissions on (any, if none is named). on=None: whatever the booleans are.
        Attributes are named as such: they are sets that grow with the system."""
        return {str(rule.target) for rule in self.rules
                if str(rule.tclass) == tclass and str(rule.source) in self.names[DOMAIN]
                and (not permissions or set(rule.perms) & set(permissions.split()))
                and (on is None or self.in_force(rule, on))}

    def subjects(self, tclass, permission):
        """Who has the permission on DOMAIN."""
        return {str(rule.source) for rule in self.rules
                if str(rule.tclass) == tclass and str(rule.target) in self.names[DOMAIN] and permission in rule.perms}

    def surplus(self):
        """For each question: its name, what is allowed beyond what may be, what the module of faults has allowed."""
        for tclass, permissions, expected, fault in ONLY:
            yield f"{tclass} {permissions}", self.objects(tclass, permissions) - expected, fault
        for tclass, permissions, expected, fault in ONLY_BY_DEFAULT:
            yield (f"{tclass} {permissions}, with the booleans as they are",
                   self.objects(tclass, permissions, ()) - expected, fault)
        yield "who may call", self.subjects("unix_stream_socket", "connectto") - CALLERS, {OTHER}
        yield "who may enter the domain", self.subjects("process", "transition") - DOORS, {OTHER}
        yield "who may look into its memory", self.subjects("process", "ptrace") - TRACERS, {OTHER}


def link(directory, name, modules):
    linked, expanded = directory / f"{name}.pp", directory / f"{name}.policy"
    for command in (["semodule_link", "-o", linked, *modules], ["semodule_expand", linked, expanded]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    linked.unlink()
    return Policy(expanded)


def system_modules(directory):
    """The distribution's, unpacked; the base goes first."""
    modules = []
    for name in sorted((POLICY / ".modules").read_text().split(), key=lambda name: name != "base"):
        modules.append(directory / f"{name}.pp")
        with open(modules[-1], "wb") as output:
            subprocess.run(["bunzip2", "-c", POLICY / f"{name}.pp.bz2"], check=True, stdout=output)
    return modules


def make_faults(directory):
    source, module, package = (directory / f"faults.{suffix}" for suffix in ("te", "mod", "pp"))
    source.write_text(FAULTS)
    subprocess.run(["checkmodule", "-M", "-m", "-o", module, source], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["semodule_package", "-o", package, "-m", module], check=True)
    return package


def shared_paths(module, directory):
    """The expressions for what is not the provider's own."""
    contexts = directory / "module.fc"
    subprocess.run(["semodule_unpackage", module, directory / "module.mod", contexts], check=True)
    for line in contexts.read_text().splitlines():
        if line.startswith("/") and "bao-kms" not in line:
            yield line.split()[0]


def results(policy, paths):
    """(what, whether it holds, what was found instead)"""
    for target, tclass, permissions, booleans in ALLOWED:
        what = f"{target}:{tclass} {permissions}" + "".join(f" with {boolean}" for boolean in booleans)
        yield f"allowed: {what}", policy.permits(DOMAIN, target, tclass, permissions, booleans), "it is not"
        yield f"to {OTHER} not: {what}", not policy.permits(OTHER, target, tclass, permissions, booleans), "it is"
        if booleans:
            yield f"not without: {what}", not policy.permits(DOMAIN, target, tclass, permissions), "it is"
    for what, found, fault in policy.surplus():
        yield f"nothing but the fault is found: {what}", found == fault, f"{sorted(found)} and not {sorted(fault)}"
    # Two modules with the same words and two types cannot be loaded together, and these are how all others spell it.
    for path in paths:
        yield f"spelled as nowhere else: {path}", not path.endswith("(/.*)?"), "it is not"
        stem = path.split("(")[0]
        yield (f"the folder and all below: {path}",
               [bool(re.fullmatch(path, stem + end)) for end in ("", "/", "/a/b", "a")] == [True, True, True, False],
               "it is not")


def main(module):
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        policy = link(directory, "policy", [*system_modules(directory), module, make_faults(directory)])
        lines = list(results(policy, shared_paths(module, directory)))
    print(f"1..{len(lines)}")
    for number, (what, holds, found) in enumerate(lines, 1):
        print(f"ok {number} - {what}" if holds else f"not ok {number} - {what}: {found}")
    return int(not all(holds for _, holds, _ in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
