# shellcheck shell=bash disable=SC2086,SC2154
# SPDX-License-Identifier: Apache-2.0
# What the domains must not do. Each act is one that ordinary permissions let root do, so that it is the policy that
# refuses it: with the policy permissive, each must work.

# In a directory that the domain may search: what it is refused here, it is for the object's own type.
objects=/etc/openbao-kms/objects

prepare_objects() {
  mkdir -p /root/.kube /var/lib/other /etc/kubernetes/pki "$objects"
  echo secret >/root/.kube/config
  echo secret >/var/lib/other/state
  chown openbao-kms /var/lib/openbao-kms/identity.jwt
  echo secret >/etc/kubernetes/admin.conf
  echo secret >/etc/kubernetes/pki/ca.key
  restorecon -R /etc/kubernetes
  local name type
  while read -r name type; do
    cp /usr/bin/true "$objects/$name"
    chcon -t "$type" "$objects/$name"
  done <<LIST
provider openbao_kms_exec_t
shell shell_exec_t
program bin_t
LIST
}

# As which user, who, what, on what, and what the denial must name: permission or type of the object
acts() {
  cat <<LIST
root act read /etc/shadow shadow_t
root act read /root/.kube/config user_home_dir_t
root act read /etc/kubernetes/admin.conf openbao_kms_kubernetes_t
root act read /etc/kubernetes/pki/ca.key openbao_kms_kubernetes_t
root act read /var/lib/other/state var_lib_t
root act write /etc/openbao-kms/config.yaml openbao_kms_etc_t
root act write $objects/provider openbao_kms_exec_t
openbao-kms act write /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
root act create /etc/openbao-kms/new openbao_kms_etc_t
root act create /tmp/new tmp_t
root act execute $objects/shell shell_exec_t
root act execute $objects/program bin_t
openbao-kms act trace child tclass=process
root act load-module $tests/dummy.ko sys_module
root act raw-socket icmp tclass=rawip_socket
openbao-kms act bind 9090 name_bind
openbao-kms act bind 8080 name_bind
openbao-kms act bind 8083 unreserved_port_t
openbao-kms act bind 9999 unreserved_port_t
openbao-kms act connect 22 name_connect
openbao-kms act connect 443 name_connect
openbao-kms act connect 6443 name_connect
openbao-kms act connect 10250 name_connect
openbao-kms stranger-act read /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
openbao-kms stranger-act read /var/lib/openbao-kms/state/key-registry.json openbao_kms_secret_t
root stranger-act read /etc/openbao-kms/config.yaml openbao_kms_etc_t
openbao-kms apiserver-act read /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
openbao-kms apiserver-act create /run/openbao-kms/new openbao_kms_runtime_t
openbao-kms stranger-act connect-socket $socket openbao_kms_runtime_t
LIST
}

# What they may do, by the same program: a refusal is not for the program's own sake.
allowed() {
  cat <<LIST
root act read /etc/openbao-kms/config.yaml
openbao-kms act read /var/lib/openbao-kms/identity.jwt
openbao-kms act create /var/lib/openbao-kms/state/new
openbao-kms act connect 8200
openbao-kms act bind 8081
openbao-kms act bind 8082
openbao-kms apiserver-act connect-socket $socket
LIST
}

as() { # USER WHO ACT OBJECT
  setpriv --reuid "$1" --regid "$1" --init-groups "$tests/$2" "$3" "$4"
}

refused() { # USER WHO ACT OBJECT WORD
  local output status
  heard
  output=$(as "$1" "$2" "$3" "$4" 2>&1)
  status=$?
  if [ $status -ne 1 ]; then
    not_ok "$2 is refused to $3 $4: exit code $status $output"
  elif ! denials | grep -qw -- "$5"; then
    not_ok "$2 is refused to $3 $4, and the log says so"
    denials | sed 's/^/#   /'
  else
    ok "$2 is refused to $3 $4"
  fi
}

prepare_objects
# It has the ports of metrics and health; the last act may wake it.
stop_service() { systemctl stop bao-kms-provider.service 2>/dev/null; }
stop_service
while read -r user who what object word; do
  refused "$user" "$who" "$what" "$object" "$word"
done < <(acts)
heard
while read -r user who what object; do
  check "$who may $what $object" as "$user" "$who" "$what" "$object"
done < <(allowed)
quiet "what is allowed"

while read -r boolean port; do
  setsebool "$boolean" on
  check "with $boolean, it may connect to $port" as openbao-kms act connect "$port"
  setsebool "$boolean" off
done <<LIST
openbao_kms_connect_http 443
openbao_kms_connect_any 10250
LIST

say "the same acts, permissive"
stop_service
setenforce 0
while read -r user who what object _; do
  check "permissive, $who may $what $object" as "$user" "$who" "$what" "$object"
done < <(acts)
setenforce 1
