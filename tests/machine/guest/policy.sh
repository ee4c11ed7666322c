# shellcheck shell=bash disable=SC2086,SC2154
# SPDX-License-Identifier: Apache-2.0
# The policy's package goes from below a running provider.

no_module() { ! semodule -l | grep -qx openbao_kms; }
no_label() {
  ! find /usr/bin /usr/lib/systemd/system /etc /run/openbao-kms /run/bao-kms-provider /var/lib/openbao-kms \
    \( -context '*:openbao_kms_*' -o -context '*:unlabeled_t:*' \) | grep .
}

remove() {
  local output=/root/removal
  semodule -n -X 400 -r openbao_kms_test # needs ours, which could not go
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
remove
