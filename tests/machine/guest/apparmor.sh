# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# SPDX-License-Identifier: Apache-2.0
# The same where AppArmor confines the service: files have no labels, and the profile is asked to enforce.

profile=/etc/apparmor.d/bao-kms-provider

selinux() { false; }
domain='bao-kms-provider (enforce)'
token_object=kms-token
label_token() { :; }
allow_token() {
  cat >/etc/apparmor.d/local/bao-kms-provider <<'LINES'
/etc/kms-token.conf r,
/var/lib/kms-token/ r,
/var/lib/kms-token/** rwk,
LINES
  apparmor_parser -r $profile
}

has_type() { :; }
denials() { dmesg | tail -n +"$((seen + 1))" | grep -E 'apparmor="(DENIED|ALLOWED)".*profile="bao-kms-provider'; }
# As docs/deployment.md has it.
enforce() { rm /etc/apparmor.d/force-complain/bao-kms-provider && apparmor_parser -r $profile; }
loaded_as() { grep "^bao-kms-provider ($1)" /sys/kernel/security/apparmor/profiles; }
