# shellcheck shell=bash disable=SC2086,SC2154
# SPDX-License-Identifier: Apache-2.0
# The policy's package is upgraded below a running provider, goes from below it and comes back.

policy="/root/packages/bao-kms-provider-selinux_*.deb" # one

no_module() { ! semodule -l | grep -qx openbao_kms; }
no_label() {
  ! find /usr/bin /usr/lib/systemd/system /etc /run/openbao-kms /run/bao-kms-provider /var/lib/openbao-kms \
    \( -context '*:openbao_kms_*' -o -context '*:unlabeled_t:*' \) | grep .
}

main_pid() { systemctl show -P MainPID bao-kms-provider.service; }
upgrade_policy() {
  local before lost=/root/lost
  before=$(main_pid)
  while sleep 0.2; do bao-kms-provider probe --socket $socket --timeout 15s >>$lost 2>&1 || echo LOST >>$lost; done &
  check "an upgrade of the policy is installed" dpkg -i $policy
  kill $! && wait $! 2>/dev/null
  check "calls were answered meanwhile" grep -q '\[ok\] *decrypt' $lost
  check "no call was lost meanwhile" eval "! grep -B5 LOST $lost"
  check "the provider was left alone" test "$before" = "$(main_pid)"
  quiet "an upgrade of the policy"
}

remove() {
  local output=/root/removal
  semodule -n -X 400 -r openbao_kms_test # needs ours, which could not go
  setsebool openbao_kms_use_pkcs11 on # for now, as it is for good: refusals.sh has taken it away
  check "the policy is removed" eval "dpkg --remove bao-kms-provider-selinux >$output 2>&1"
  check "what was given its types is told" grep -F 'port -a -t openbao_kms_openbao_port_t' $output
  check "a boolean that was set is told" grep -F 'boolean -m -1 openbao_kms_use_pkcs11' $output
  check "the module is gone" no_module || sed 's/^/#   /' $output
  check "nothing has a label of it" no_label
  answers "it answers without the policy"
}

rm -f /run/systemd/system/bao-kms-provider.service.d/*
systemctl daemon-reload
install -m 0640 -g openbao-kms $files/config.yaml /etc/openbao-kms/config.yaml
restart
answers "it answers before the policy goes"
heard
upgrade_policy
remove
heard
check "the policy comes back" dpkg -i $policy
answers "it answers with the policy again"
check "it has its domain again" in_domain
label_installed
quiet "the policy's return"
