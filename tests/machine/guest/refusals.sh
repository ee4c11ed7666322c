# shellcheck shell=bash disable=SC2086,SC2154
# SPDX-License-Identifier: Apache-2.0
# What the domains must not do. Each act is one that ordinary permissions let root do, so that it is the policy that
# refuses it: with the policy permissive, each must work.

# In a directory that the domain may search: what it is refused here, it is for the object's own type.
objects=/etc/openbao-kms/objects

prepare_objects() {
  mkdir -p /root/.kube /var/lib/other /var/lib/kubelet/pki /boot /etc/cron.d /run/containerd "$objects/place" \
    "$objects/state" /etc/kubernetes/pki /etc/rancher/k3s /etc/ssh /etc/ssl/private
  echo secret >/var/lib/kubelet/pki/kubelet.pem
  echo secret | tee /boot/other /var/log/other /etc/openbao-kms/extra >/dev/null
  python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/containerd/containerd.sock")'
  echo secret >/root/.kube/config
  echo secret >/var/lib/other/state
  chown openbao-kms /var/lib/openbao-kms/identity.jwt
  echo secret >/etc/kubernetes/admin.conf
  echo secret >/etc/kubernetes/pki/ca.key
  echo secret >/etc/rancher/k3s/k3s.yaml
  echo secret >/etc/ssh/ssh_host_rsa_key
  echo secret >/etc/ssl/private/other.key
  restorecon -R /etc/kubernetes /etc/rancher /etc/ssh /etc/ssl
  chcon -t openbao_kms_var_lib_t "$objects/state"
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
root act read /etc/rancher/k3s/k3s.yaml openbao_kms_kubernetes_t
root act read /etc/ssh/ssh_host_rsa_key sshd_key_t
root act read /etc/ssl/private/other.key tls_privkey_t
root act read /var/lib/other/state var_lib_t
root act read /var/lib/kubelet/pki/kubelet.pem var_lib_t
root act read /boot/other boot_t
root act read /var/log/other var_log_t
root act read /dev/kmsg kmsg_device_t
root act read /proc/kcore proc_kcore_t
root act read /proc/1/environ init_t
root act read /dev/mem memory_device_t
root act read /dev/vda fixed_disk_device_t
root act write /proc/sys/kernel/core_pattern sysctl_kernel_t
root act write /sys/fs/selinux/enforce security_t
root act write /etc/openbao-kms/config.yaml openbao_kms_etc_t
root act change-mode /etc/openbao-kms/config.yaml setattr
root act change-label /etc/openbao-kms/config.yaml relabelfrom
root act write $objects/provider openbao_kms_exec_t
openbao-kms act write /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
root act create /etc/openbao-kms/new openbao_kms_etc_t
root act remove /etc/openbao-kms/extra openbao_kms_etc_t
root act create /etc/ld.so.preload etc_t
root act create /etc/cron.d/new system_cron_spool_t
root act create /var/log/new var_log_t
root act create /run/new var_run_t
root act create /dev/shm/new tmpfs_t
root act make-node $objects/state/node mknod
root act write /var/log/other var_log_t
root act create /tmp/new tmp_t
root act create /usr/bin/new bin_t
root act create /etc/systemd/system/new.service systemd_unit_t
root act mount $objects/place mounton
root act change-root / sys_chroot
root act become 1 setuid
root act enter-domain unconfined_u:unconfined_r:unconfined_t:s0 setcurrent
openbao-kms act map-code anonymous execmem
openbao-kms act execute $objects/provider execute_no_trans
root act execute $objects/shell shell_exec_t
root act execute $objects/program bin_t
openbao-kms act trace child tclass=process
root act signal 1 signal
root act load-module $tests/dummy.ko sys_module
root act load-program kprobe bpf
root act watch-kernel events sys_admin
root act take-page-faults all sys_ptrace
root act raw-socket icmp tclass=rawip_socket
root act packet-socket all tclass=packet_socket
root act bind 80 name_bind
openbao-kms act bind 9090 name_bind
openbao-kms act bind 8080 name_bind
openbao-kms act bind 8083 unreserved_port_t
openbao-kms act bind 9999 unreserved_port_t
openbao-kms act bind-udp 8083 name_bind
openbao-kms act connect 22 name_connect
openbao-kms act connect 443 name_connect
openbao-kms act connect 2379 name_connect
openbao-kms act connect 6443 name_connect
openbao-kms act connect 10250 name_connect
openbao-kms act connect-socket /run/dbus/system_bus_socket system_dbusd_runtime_t
root act connect-socket /run/containerd/containerd.sock var_run_t
openbao-kms act connect-socket /run/pcscd/pcscd.comm pcscd_runtime_t
openbao-kms stranger-act read /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
openbao-kms stranger-act read /var/lib/openbao-kms/state/key-registry.json openbao_kms_secret_t
openbao-kms stranger-act write /var/lib/openbao-kms/state/key-registry.json openbao_kms_secret_t
root stranger-act read /etc/openbao-kms/config.yaml openbao_kms_etc_t
openbao-kms apiserver-act read /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
openbao-kms container-act read /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
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
openbao-kms act connect 8300
openbao-kms act bind 8081
openbao-kms act bind 8082
openbao-kms act bind 9182
openbao-kms container-act connect-socket $socket
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
setsebool openbao_kms_use_pkcs11 off # the token's life has needed it
systemctl start pcscd.socket
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

while read -r boolean what object; do
  setsebool "$boolean" on
  check "with $boolean, it may $what $object" as openbao-kms act "$what" "$object"
  setsebool "$boolean" off
done <<LIST
openbao_kms_connect_http connect 443
openbao_kms_connect_any connect 10250
openbao_kms_use_pkcs11 connect-socket /run/pcscd/pcscd.comm
LIST

setsebool openbao_kms_containers_connect off
refused openbao-kms container-act connect-socket $socket openbao_kms_runtime_t
setsebool openbao_kms_containers_connect on

say "the same acts, permissive"
stop_service
setenforce 0
while read -r user who what object _; do
  check "permissive, $who may $what $object" as "$user" "$who" "$what" "$object"
done < <(acts)
setenforce 1
