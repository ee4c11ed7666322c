# shellcheck shell=sh disable=SC2154 # SPDX-License-Identifier: Apache-2.0; the variables are set above
#
# What it needs: bao on PATH, a token that may do it ("bao login", or BAO_TOKEN), and BAO_CACERT when OpenBao's
# certificate is of an authority that this machine does not know. It may be run again at any time.

[ -z "${BAO_ADDR:-}" ] && BAO_ADDR=$address
export BAO_ADDR
if [ -n "$namespace" ]; then
  export BAO_NAMESPACE="$namespace"
fi

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "$0" "$*" >&2
  exit 1
}

# present PATH: whether there is something at it; what there is, is in $found. Anything but a clear no ends the script.
present() {
  if found=$(bao read -format=yaml "$1" 2>&1); then
    return 0
  fi
  case $found in
    *'No value found'* | *'No secret engine mount'* | *'No auth engine'* | *'no handler for route'* | *'Code: 404'*)
      return 1
      ;;
  esac
  die "cannot read $1: $found"
}

# demand WHAT FIELD VALUE: that $found has the field with the value
demand() {
  has=$(printf '%s\n' "$found" | sed -n "s/^  $2: //p")
  [ "$has" = "$3" ] || die "$1 has $2 \"$has\", and must have \"$3\""
}

command -v bao >/dev/null || die "bao is not on PATH"
bao token lookup >/dev/null || die "no usable token for $BAO_ADDR: run \"bao login\" first, or set BAO_TOKEN"

say "1. Transit mount $mount"
if present "sys/mounts/$mount"; then
  demand "mount $mount" type transit
elif [ -n "$new_key" ]; then
  bao secrets enable -path="$mount" transit
else
  die "there is no mount $mount; let init generate this script with --new-key to have it made"
fi

say "2. No key is made by encrypting under a name that is not there (disable_upsert, for the whole mount)"
upsert=$(bao read -field=disable_upsert "$mount/config/keys") || die "cannot read $mount/config/keys"
if [ "$upsert" != true ]; then
  others=$(bao list "$mount/keys" 2>/dev/null | sed '1,2d' | grep -Fvx "$key" || true)
  if [ -n "$others" ] && [ "${ALLOW_SHARED_MOUNT:-}" != yes ]; then
    die "mount $mount has other keys, whose users may count on making keys that way;" \
      "take a mount of its own, or run this again with ALLOW_SHARED_MOUNT=yes"
  fi
  bao write "$mount/config/keys" disable_upsert=true >/dev/null
fi

say "3. Key $key"
if ! present "$mount/keys/$key"; then
  [ -n "$new_key" ] || die "there is no key $key; let init generate this script with --new-key to have it made"
  bao write -force "$mount/keys/$key" type=aes256-gcm96 exportable=false allow_plaintext_backup=false >/dev/null
  present "$mount/keys/$key" || die "key $key was made and is not there"
fi
demand "key $key" type aes256-gcm96
for property in exportable allow_plaintext_backup deletion_allowed derived; do
  demand "key $key" "$property" false
done

say "4. Policy $policy_name"
bao policy write "$policy_name" - <<POLICY
$policy
POLICY

say "5. Auth method $auth_method at auth/$auth_mount"
if present "sys/auth/$auth_mount"; then
  demand "auth/$auth_mount" type "$auth_method"
else
  bao auth enable -path="$auth_mount" "$auth_method"
fi

if [ "$auth_method" = jwt ]; then
  if present "auth/$auth_mount/config"; then
    say "   is configured already, and stays as it is"
  else
    set --
    [ -z "$jwks_url" ] || set -- "$@" "jwks_url=$jwks_url"
    [ -z "$discovery_url" ] || set -- "$@" "oidc_discovery_url=$discovery_url"
    [ -z "$jwks_url" ] || [ -z "$ca_file" ] || set -- "$@" "jwks_ca_pem=@$ca_file"
    [ -z "$discovery_url" ] || [ -z "$ca_file" ] || set -- "$@" "oidc_discovery_ca_pem=@$ca_file"
    while IFS= read -r file; do
      [ -z "$file" ] || set -- "$@" "jwt_validation_pubkeys=@$file"
    done <<FILES
$public_key_files
FILES
    [ $# -gt 0 ] || die "auth/$auth_mount is not configured, and the values name no jwksUrl, discoveryUrl or" \
      "publicKeyFiles to configure it with"
    [ -z "$issuer" ] || set -- "$@" "bound_issuer=$issuer"
    bao write "auth/$auth_mount/config" "$@" >/dev/null
  fi
  say "6. Role $role"
  printf '%s' "$role_json" | bao write "auth/$auth_mount/role/$role" - >/dev/null
else
  say "6. Certificate role $role"
  printf '%s' "$role_json" | bao write "auth/$auth_mount/certs/$role" "certificate=@$ca_file" - >/dev/null
fi

say "Done. On each control-plane node, \"bao-kms-provider doctor\" sees whether all is in place."
