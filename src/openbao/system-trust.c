/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate authorities that the machine trusts. */
#include "openbao/system-trust.h"

#include "base/error.h"

/* What update-ca-certificates and update-ca-trust write: the file itself, not the links to it. */
static const char *const files[] = {
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
  "/etc/ca-certificates/extracted/tls-ca-bundle.pem",  /* Arch */
  "/var/lib/ca-certificates/ca-bundle.pem",            /* SUSE */
  "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Alpine */
};

const char *
obk_system_trust_file (GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    if (g_file_test (files[i], G_FILE_TEST_IS_REGULAR))
      return files[i];
  g_set_error (
      error, OBK_ERROR, OBK_ERROR_FILE,
      "no file with the system's certificate authorities is found; install the package ca-certificates, or set "
      "auth.jwt.oauth2.caCertFile");
  return NULL;
}
