#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: build-policy.sh NAME FOLDER OUTPUT SOURCE...
# The makefile of the policy headers works where its sources are and leaves a folder "tmp" there: FOLDER is for that.
set -eu
name=$1 folder=$2 output=$3
shift 3
mkdir -p "$folder"
cp "$@" "$folder"
module=$(basename "$output")
log=$(make -C "$folder" NAME="$name" -f /usr/share/selinux/devel/Makefile "$module" 2>&1) || {
  echo "$log" >&2
  exit 1
}
mv "$folder/$module" "$output"
