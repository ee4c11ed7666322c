#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: lint.sh FOLDER
# The policy's sources and its man page, each read by its own linter; then a source with a known mistake, which must be
# found, since selint is content with what it does not understand.
set -eu
headers=/usr/share/selinux/devel/include
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# S-001 wants an interface for each type of the system; for those that the module requires there is none.
lint() { selint --fail --disable=S-001 --context="$headers" "$1/openbao_kms.te" "$1/openbao_kms.if" "$1/openbao_kms.fc"; }

status=0
lint "$1" || status=1
mandoc -T lint -W warning "$1/bao_kms_provider_selinux.8" || status=1

cp "$1"/openbao_kms.* "$work"
echo 'allow openbao_kms_t self:process { signal getsched };' >>"$work/openbao_kms.te" # not in order
if lint "$work" >"$work/log" 2>&1; then
  echo "selint has not found a mistake" >&2
  cat "$work/log" >&2
  status=1
fi
exit "$status"
