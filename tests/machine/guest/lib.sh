# shellcheck shell=bash disable=SC2034 # some names are for those that source this
# SPDX-License-Identifier: Apache-2.0
# Saying what held, and reading what the kernel has refused.

tests=/usr/lib/kms-test
files=/root/files
socket=/run/openbao-kms/kms.sock
failed=0
seen=0

say() { printf '# %5.1f %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*"; }
ok() { printf 'ok - %s\n' "$*"; }
not_ok() {
  printf 'not ok - %s\n' "$*"
  failed=1
}

# check WHAT COMMAND...: shows the output if it fails.
check() {
  local what=$1 output
  shift
  if output=$("$@" 2>&1); then
    ok "$what"
  else
    not_ok "$what"
    printf '%s\n' "$output" | tail -n 15 | sed 's/^/#   /'
    return 1
  fi
}

# eventually WHAT SECONDS COMMAND...
eventually() {
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || {
      check "$what" "$@"
      return $?
    }
    sleep 0.3
  done
  ok "$what"
}

# What is SELinux's own; apparmor.sh says the same for the other.
selinux() { true; }
domain=system_u:system_r:openbao_kms_t:s0
token_object=openbao_kms_token_t
label_token() { chcon -R -t openbao_kms_token_t /var/lib/kms-token; }
allow_token() { setsebool -P openbao_kms_use_pkcs11 on; }

has_type() { # FILE TYPE
  local label
  label=$(stat -c %C "$1")
  echo "$1 is $label"
  [ "$(echo "$label" | cut -d: -f3)" = "$2" ]
}

# What was refused since the last call of `heard`, of ours or by us, with what policies keep out of the log as well. Left
# out is what is refused on purpose: three of process that are asked of every transition, NSS's look into /tmp, and the C
# library's count of processors in /sys.
denials() {
  dmesg | tail -n +"$((seen + 1))" | grep 'avc: *denied' | grep openbao_kms |
    grep -vE '\{ (siginh |rlimitinh |noatsecure )+\}|comm="bao-kms-provide".*:tmp_t:s0 tclass=dir' |
    grep -vE '\{ read \}.* comm="bao-kms-provide" name="possible".*:sysfs_t:s0 tclass=file'
}
none_dropped() { ! dmesg | grep -E 'kauditd_printk_skb: .* suppressed|audit: .*(lost|backlog limit exceeded)'; }
heard() { seen=$(dmesg | wc -l); }

# quiet WHAT: nothing was refused in this step.
quiet() {
  local found
  if found=$(denials); then
    not_ok "$*: something was refused"
    printf '%s\n' "$found" | sed 's/.*avc/#   avc/' | sort | uniq -c | head -n 20
  else
    ok "$*: nothing was refused"
  fi
  heard
}
