# shellcheck shell=bash disable=SC2086,SC2154,SC2317
# SPDX-License-Identifier: Apache-2.0
# The life of a provider under the enforced policy, or profile. What is done as root here, an administrator does.

healthy() { bao-kms-provider probe --socket "$socket" --timeout 5s 2>&1; }
key_id() { healthy | grep -o 'key_id.*'; }
openbao() { # PATH CURL-OPTION...: as OpenBao's administrator
  curl -sS --cacert $files/ca.crt --resolve localhost:8200:10.0.2.2 -H "X-Vault-Token: $(cat $files/root-token)" \
    "https://localhost:8200/v1/$1" "${@:2}"
}
answers() { # WHAT: within a minute; says what the provider's log says if not
  eventually "$1" 60 healthy && return
  journalctl -u bao-kms-provider.service -n 12 -o cat | cut -c 1-400 | sed 's/^/#   /'
  return 1
}
restart() { systemctl restart bao-kms-provider.service; }

# A user of its own would be one of the socket's group; ours is.
as_apiserver() { setpriv --reuid openbao-kms --regid openbao-kms --init-groups "$tests/apiserver-probe" "$@"; }
in_domain() {
  local label
  label=$(tr -d '\0' <"/proc/$(systemctl show -P MainPID bao-kms-provider.service)/attr/current")
  echo "$label"
  [ "$label" = "$domain" ]
}
said() { journalctl -b -u bao-kms-provider.service -o cat | grep "$1"; }
sees() { denials | grep -w "$1"; }

label_installed() {
  check "the program is labelled" has_type /usr/bin/bao-kms-provider openbao_kms_exec_t
  check "the runtime directory is labelled" has_type /run/openbao-kms openbao_kms_runtime_t
  check "the state directory is labelled" has_type /var/lib/openbao-kms/state openbao_kms_var_lib_t
  check "the place of the JWT is labelled" has_type /var/lib/openbao-kms openbao_kms_secret_t
}

configure() {
  install -m 0644 $files/ca.crt /etc/openbao-kms/tls/ca.crt
  install -m 0640 -g openbao-kms $files/config.yaml /etc/openbao-kms/config.yaml
  install -m 0640 -g openbao-kms $files/identity.jwt /var/lib/openbao-kms/identity.jwt
  check "configuration has its type without restorecon" has_type /etc/openbao-kms/config.yaml openbao_kms_etc_t
  check "the CA has its type without restorecon" has_type /etc/openbao-kms/tls/ca.crt openbao_kms_etc_t
  check "the JWT has its type without restorecon" has_type /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
  quiet "configuring"
}

start_by_socket() {
  check "the socket starts" systemctl start bao-kms-provider.socket
  check "the socket is labelled" has_type $socket openbao_kms_runtime_t
  answers "a call starts the service and is answered" || {
    quiet "start by socket"
    exit 1 # nothing below would say more
  }
  check "the service has its domain, at plain s0" in_domain
  check "the state has its type" has_type /var/lib/openbao-kms/state/key-registry.json openbao_kms_var_lib_t
  quiet "start by socket"
}

call() {
  ! selinux || check "a confined container calls" \
    setpriv --reuid openbao-kms --regid openbao-kms --init-groups "$tests/container-probe" probe --socket $socket
  check "a confined API server that was let in calls" as_apiserver probe --socket $socket
  check "a service of the host calls" systemd-run --quiet --wait /usr/local/bin/service-probe probe --socket $socket
  quiet "calls"
}

rotate() {
  local before
  before=$(key_id)
  changed() { [ "$(key_id)" != "$before" ]; }
  openbao transit/keys/k8s/rotate -X POST >/dev/null
  eventually "a rotation is followed" 40 changed
  quiet "rotation"
}

replace_jwt() {
  cp $files/identity.jwt /var/lib/openbao-kms/.new
  chown root:openbao-kms /var/lib/openbao-kms/.new
  chmod 0640 /var/lib/openbao-kms/.new
  mv /var/lib/openbao-kms/.new /var/lib/openbao-kms/identity.jwt
  check "a renamed JWT has its type" has_type /var/lib/openbao-kms/identity.jwt openbao_kms_secret_t
  sleep 2
  check "calls go on" healthy
  quiet "another JWT"
}

restart_and_stop() {
  check "it restarts" restart
  answers "it answers after a restart"
  check "it stops" systemctl stop bao-kms-provider.socket bao-kms-provider.service
  check "it starts without the socket unit" systemctl start bao-kms-provider.service
  check "its own socket is labelled" has_type $socket openbao_kms_runtime_t
  answers "it answers on its own socket"
  check "the API server reaches that one" as_apiserver probe --socket $socket
  systemctl stop bao-kms-provider.service
  systemctl start bao-kms-provider.socket
  answers "it answers by the socket unit again"
  quiet "restarts"
}

credential() {
  mkdir -p /run/systemd/system/bao-kms-provider.service.d
  printf '[Service]\nLoadCredential=jwt:/var/lib/openbao-kms/identity.jwt\n' >/run/systemd/system/bao-kms-provider.service.d/credential.conf
  sed -i 's,"jwtFile": "[^"]*","jwtFile": "credential:jwt",' /etc/openbao-kms/config.yaml
  systemctl daemon-reload
  check "it restarts with a credential" restart
  answers "it answers with the JWT as a credential"
  quiet "a credential of systemd"
}

observe() {
  check "metrics are served" curl -fsS -o /dev/null http://127.0.0.1:8081/metrics
  check "health is served" curl -fsS -o /dev/null http://127.0.0.1:8082/ready
  check "status reads them" bao-kms-provider status
  quiet "metrics and health"
}

# What docs/selinux.md has for other places and ports, in one transaction of the policy's store.
customize() {
  check "other places and ports are labelled" semanage import <<LINES
port -a -t openbao_kms_openbao_port_t -p tcp 8300
port -a -t openbao_kms_listen_port_t -p tcp 9182
fcontext -a -t openbao_kms_secret_t '/srv/kms/identity(/.*)?'
fcontext -a -t openbao_kms_var_lib_t '/srv/kms/state(/.*)?'
LINES
  heard
}

elsewhere() {
  local drop_in=/run/systemd/system/bao-kms-provider.service.d
  mkdir -p /srv/kms/identity $drop_in
  cp $files/identity.jwt /srv/kms/identity/jwt
  cp -rp /var/lib/openbao-kms/state /srv/kms/state
  chown -R root:openbao-kms /srv/kms/identity
  chmod 0640 /srv/kms/identity/jwt
  restorecon -R /srv/kms
  printf '[Service]\nReadWritePaths=/srv/kms/state\n' >$drop_in/state.conf
  sed -i 's,"socketGroup": "[^"]*",&\, "metricsAddress": "127.0.0.1:9182"\, "healthAddress": "",
          s,/var/lib/openbao-kms/identity.jwt,/srv/kms/identity/jwt,
          s,"state": {},"state": {"path": "/srv/kms/state/key-registry.json"},' /etc/openbao-kms/config.yaml
  systemctl daemon-reload
  check "it restarts with its files elsewhere" restart
  answers "it answers with its files elsewhere"
  check "metrics are served on another port" curl -fsS -o /dev/null http://127.0.0.1:9182/metrics
  check "the state elsewhere is written" has_type /srv/kms/state/key-registry.json openbao_kms_var_lib_t
  rm $drop_in/state.conf
  install -m 0640 -g openbao-kms $files/config.yaml /etc/openbao-kms/config.yaml
  systemctl daemon-reload
  restart
  quiet "other places and ports"
}

look() {
  local report=/root/doctor
  bao-kms-provider doctor >$report 2>&1
  check "doctor finds nothing wrong with SELinux" grep -E '^\[ok\] +selinux' $report || sed 's/^/#   /' $report
  quiet "doctor"
}

log_to_journal() {
  sed -i 's/"level": "info"/"level": "info", "format": "journal"/' /etc/openbao-kms/config.yaml
  check "it restarts" restart
  answers "it answers when it logs to the journal"
  check "its fields are in the journal" journalctl -b -n 1 --output=cat KEY_VERSION=1 || {
    journalctl -b -u bao-kms-provider.service -n 2 -o verbose | tail -n 40 | sed 's/^/#   /'
  }
  quiet "the journal"
}

reload() {
  sed -i 's/"probeInterval": "1s"/"probeInterval": "2s"/' /etc/openbao-kms/config.yaml
  check "it is told to reload" systemctl reload bao-kms-provider.service
  eventually "it says that it has" 20 said config.reloaded
  check "calls go on" healthy
  quiet "reload"
}

token() {
  local drop_in=/run/systemd/system/bao-kms-provider.service.d
  cp -r $files/softhsm /var/lib/kms-token
  chown -R openbao-kms:openbao-kms /var/lib/kms-token
  label_token
  install -m 0640 -g openbao-kms $files/client.crt /etc/openbao-kms/tls/client.crt
  install -m 0640 -g openbao-kms $files/pin /var/lib/openbao-kms/pin
  install -m 0640 -g openbao-kms $files/cert.yaml /etc/openbao-kms/config.yaml
  rm -f $drop_in/*
  printf '[Service]\nEnvironment=SOFTHSM2_CONF=/etc/kms-token.conf\nReadWritePaths=/var/lib/kms-token\n' >$drop_in/token.conf
  printf 'directories.tokendir = /var/lib/kms-token\nobjectstore.backend = file\nlog.level = ERROR\n' >/etc/kms-token.conf
  systemctl daemon-reload
  restart
  sleep 5
  check "a token is refused while nothing allows it" sees "$token_object"
  bao-kms-provider doctor >/root/doctor 2>&1
  ! selinux || check "doctor names the boolean that would" grep -F 'setsebool -P openbao_kms_use_pkcs11 on' /root/doctor
  ! selinux || check "doctor shows how to see refusals" grep -F 'ausearch -m avc' /root/doctor
  check "a token is allowed" allow_token
  heard
  check "it restarts with a token" restart
  answers "it answers with the key in the token"
  quiet "a PKCS #11 token"
}

upgrade() {
  check "an upgrade is installed" dpkg -i $files/upgrade/*.deb
  answers "it answers after an upgrade"
  check "the new program is labelled" has_type /usr/bin/bao-kms-provider openbao_kms_exec_t
  check "the upgraded service has its domain" in_domain
  quiet "upgrade"
}

second_instance() { # before the rotation: a node without a state does not take a key that was rotated
  sed 's,"socketGroup": "[^"]*",&\, "socketPath": "/run/openbao-kms/second/kms.sock"\, "metricsAddress": "unix:/run/openbao-kms/second/metrics.sock"\, "healthAddress": "unix:/run/openbao-kms/second/health.sock",
       s,"state": {},"state": {"path": "/var/lib/openbao-kms/second/key-registry.json"},' \
    $files/config.yaml >/etc/openbao-kms/second.yaml
  chgrp openbao-kms /etc/openbao-kms/second.yaml
  chmod 0640 /etc/openbao-kms/second.yaml
  check "a second instance starts" systemctl start bao-kms-provider@second.socket
  local socket=/run/openbao-kms/second/kms.sock
  eventually "the second instance answers" 60 healthy ||
    journalctl -u 'bao-kms-provider@second*' -n 12 -o cat | cut -c 1-400 | sed 's/^/#   /'
  check "the API server reaches the second instance" as_apiserver probe --socket $socket
  check "its metrics are served on a Unix socket" \
    curl -fsS -o /dev/null --unix-socket /run/openbao-kms/second/metrics.sock http://localhost/metrics
  check "its health is served on a Unix socket" \
    curl -fsS -o /dev/null --unix-socket /run/openbao-kms/second/health.sock http://localhost/ready
  check "these sockets are labelled" has_type /run/openbao-kms/second/metrics.sock openbao_kms_runtime_t
  check "its state has its type" has_type /var/lib/openbao-kms/second/key-registry.json openbao_kms_var_lib_t
  systemctl stop bao-kms-provider@second.socket bao-kms-provider@second.service
  quiet "a second instance"
}

# The eyes: what is mislabelled is refused, and that is seen.
mislabel() {
  chcon -t user_home_t /var/lib/openbao-kms/identity.jwt
  restart
  sleep 3
  check "a mislabelled JWT is noticed" sees user_home_t
  bao-kms-provider doctor >/root/doctor 2>&1
  check "doctor tells which label is wrong" grep -E 'identity.jwt.* is labelled .*user_home_t' /root/doctor ||
    grep -A4 selinux /root/doctor | sed 's/^/#   /'
  restorecon /var/lib/openbao-kms/identity.jwt
  answers "it heals when the label is mended"
  heard
}

label_installed
configure
start_by_socket
call
second_instance
rotate
observe
! selinux || customize
! selinux || elsewhere
! selinux || look
replace_jwt
! selinux || mislabel
restart_and_stop
reload
log_to_journal
credential
token
upgrade
