#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: claim-ports.sh MODULE.pp PORTS.cil OUTPUT.cil
# The module with labels of ports, which only its intermediate language has words for.
set -eu
/usr/libexec/selinux/hll/pp "$1" "$3"
cat "$2" >>"$3"
