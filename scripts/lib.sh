# shellcheck shell=bash disable=SC2034 # some names are for those that source this
# SPDX-License-Identifier: Apache-2.0
# What the scripts share: saying what is done, installing what is missing, building.
# Sourced with the working directory anywhere; sets $root, the project's folder.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/bao-kms-provider
# Debian's own interpreter: its modules (grpcio, pytest, cryptography) are what the tests use.
python=/usr/bin/python3

say() { printf '==> %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# What the help of a script says: the comment at its top, from the second line after the licence on.
usage() { sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# Asks for a password now, if one is needed, where the terminal still is ours.
become_root() {
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null || die "packages are missing: run this as root, or install sudo"
  sudo -v
}

# What `quietly` has running is a process group of its own; it must not outlive us.
running=
stop_running() {
  [ -z "$running" ] || kill -- "-$running" 2>/dev/null || as_root kill -- "-$running" 2>/dev/null || true
  exit "$1"
}
trap 'stop_running 129' HUP
trap 'stop_running 130' INT
trap 'stop_running 143' TERM

# quietly WHAT COMMAND...: runs it with its output in a file; shows that it goes on, and the output when it fails.
quietly() {
  local what=$1 log started=$SECONDS beat=$((SECONDS + 15)) status=0
  shift
  say "$what"
  log=$(mktemp)
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  set +m
  running=$!
  while kill -0 "$running" 2>/dev/null; do
    sleep 0.2
    [ "$SECONDS" -lt "$beat" ] || {
      say "  ... $((SECONDS - started)) s: $(tail -n 1 "$log" | cut -c 1-80)"
      beat=$((SECONDS + 15))
    }
  done
  wait "$running" || status=$?
  running=
  if [ "$status" -ne 0 ]; then
    cat "$log" >&2
    say "failed: $what (exit code $status)"
  fi
  rm -f "$log"
  return "$status"
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 --yes --no-install-recommends "$@"; }

apt_update() {
  [ -z "${apt_updated:-}" ] || return 0
  become_root
  quietly "reading the lists of packages" apt update
  apt_updated=1
}

# Build-Depends of debian/control is the one list of what building and testing need.
install_build_dependencies() {
  if command -v dpkg-checkbuilddeps >/dev/null && dpkg-checkbuilddeps "$root/debian/control" 2>/dev/null; then
    return
  fi
  apt_update
  (cd "$root" && quietly "installing the packages of debian/control (a few minutes the first time)" apt build-dep ./)
}

# install_packages NAME...: for what is no part of building and testing (a downloader, linters).
install_packages() {
  local name missing=()
  for name; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q ' installed$' || missing+=("$name")
  done
  [ "${#missing[@]}" -ne 0 ] || return 0
  apt_update
  quietly "installing ${missing[*]}" apt install "${missing[@]}"
}

# copy_tree TARGET: the files that git knows, as they lie here; all files where this is no clone (a tarball).
copy_tree() {
  mkdir -p "$1"
  if [ -e "$root/.git" ]; then
    git -c safe.directory="$root" -C "$root" ls-files -z | tar -C "$root" --null -T - -c | tar -C "$1" -x
  else
    tar -C "$root" --exclude='./build-*' -c . | tar -C "$1" -x
  fi
}

# locked FOLDER COMMAND...: two scripts that want the same build folder take turns.
locked() {
  local folder=$root/$1 status=0
  shift
  mkdir -p "$folder"
  exec 8>"$folder/.lock"
  flock 8
  "$@" || status=$?
  exec 8>&-
  return "$status"
}

# configure FOLDER OPTION...: a build folder of the project, as told.
# Sockets may lie below /tmp as well, so that quickstart and tests need no place of their own in the system.
configure() {
  local folder=$1 again=()
  shift
  [ ! -f "$root/$folder/build.ninja" ] || again=(--reconfigure)
  [ "${CI:-}" != true ] || set -- -Dwerror=true "$@"
  locked "$folder" quietly "configuring $folder" meson setup "${again[@]}" "$root/$folder" "$root" \
    -Dsocket_directories=/run/openbao-kms,/var/run/openbao-kms,/tmp "$@"
}

# compile FOLDER [TARGET...]
compile() {
  local folder=$1
  shift
  locked "$folder" quietly "building $folder" meson compile -C "$root/$folder" "$@"
}

# forget_old PATTERN: what of that name in the cache is older than any that is still asked for; those are made each month.
forget_old() { find "$cache" -maxdepth 1 -name "$1" -mtime +40 -exec rm -rf --one-file-system {} +; }

# make_upgrade DEB VERSION NEW_DEB: the same files as the next release.
make_upgrade() {
  local work
  work=$(mktemp -d)
  dpkg-deb --raw-extract "$1" "$work/root"
  sed -i "s/^Version: .*/Version: $2/" "$work/root/DEBIAN/control"
  dpkg-deb --build --root-owner-group "$work/root" "$3" >/dev/null
  rm -rf "$work"
}
