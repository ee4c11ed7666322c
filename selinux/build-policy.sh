#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: build-policy.sh NAME FOLDER OUTPUT SOURCE...
# The makefile of the policy headers works where its sources are and leaves a folder "tmp" there: FOLDER is for that.
set -eu
name=$1 folder=$2 output=$3
shift 3
mkdir -p "$folder"
cp "$@" "$folder"
# The files of Kubernetes are ours to label where the policy does not know it. Those of Fedora leave them to
# container-selinux, which has no headers here.
if [ "$name" = default ] && [ ! -e /usr/share/selinux/devel/include/services/kubernetes.if ]; then
  sed -i '1i define(`openbao_kms_labels_kubernetes'"'"')dnl' "$folder/openbao_kms.te" "$folder/openbao_kms.fc"
fi
module=$(basename "$output")
log=$(make -C "$folder" NAME="$name" -f /usr/share/selinux/devel/Makefile "$module" 2>&1) || {
  echo "$log" >&2
  exit 1
}
mv "$folder/$module" "$output"
