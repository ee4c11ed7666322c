# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# debian/rules puts this into the scripts that install and remove the module.

# Sockets first: one cannot start below its running service, and while it is there a call starts the service again.
running_units() {
    [ ! -d /run/systemd/system ] || systemctl list-units --plain --no-legend --state=active bao-kms-provider.socket \
        bao-kms-provider.service 'bao-kms-provider@*.socket' 'bao-kms-provider@*.service' | cut -d ' ' -f 1 |
        sort -r
}

# What is labelled otherwise than without the module.
relabel() {
    # Debian's policy has no label for what is in /run: what had a type that is gone would be left with none.
    [ ! -e /run/openbao-kms ] || chcon -R --reference=/run /run/openbao-kms || true
    for path in /usr/bin/bao-kms-provider /etc/kubernetes /etc/rancher /etc/openbao-kms /var/lib/openbao-kms \
        /run/openbao-kms; do
        [ ! -e "$path" ] || restorecon -R "$path" || true
    done
    for directory in /lib/systemd/system /usr/lib/systemd/system; do
        for type in service socket; do
            for unit in "$directory/bao-kms-provider.$type" "$directory/bao-kms-provider@.$type"; do
                [ ! -e "$unit" ] || restorecon "$unit" || true
            done
        done
    done
}

# load [UNIT...]: loads the policy. Socket and process get their labels when they are made, and one whose type is gone is
# good for nothing: the units are down meanwhile.
load() {
    loaded=0
    [ $# -eq 0 ] || systemctl stop "$@" || true
    load_policy || loaded=$?
    relabel
    [ $# -eq 0 ] || systemctl start "$@" || true
    return "$loaded"
}
