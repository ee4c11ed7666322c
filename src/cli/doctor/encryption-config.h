/* SPDX-License-Identifier: Apache-2.0 */
/* The API server's EncryptionConfiguration, held against this provider's configuration. Pure. */
#pragma once

#include <glib.h>

#include "cli/doctor/check.h"

G_BEGIN_DECLS

#define OBK_ENCRYPTION_CONFIG_MAX_BYTES (1024 * 1024)

/* What it is held against. A plain value, everything borrowed. */
typedef struct
{
  const char *provider_name;
  const char *socket_path;
  gint64 openbao_timeout_us;
} ObkEncryptionQuestion;

/**
 * obk_encryption_config_judge:
 * @path: the file's, for the texts
 *
 * apiserver.config.k8s.io/v1, YAML or JSON, as strictly as API servers read it. Adds at least one finding.
 *
 * Source: https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/ and k8s.io/apiserver's
 * pkg/apis/apiserver/validation, of 1.34 to 1.37.
 */
void obk_encryption_config_judge (const char *text, gsize length, const char *path,
                                  const ObkEncryptionQuestion *question, ObkCheckReport *report);

G_END_DECLS
