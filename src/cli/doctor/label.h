/* SPDX-License-Identifier: Apache-2.0 */
/* What SELinux makes of the provider: its mode, our module and domain, labels of files, who may connect. */
#pragma once

#include <glib.h>

#include <sys/types.h>

#include "cli/doctor/check.h"

G_BEGIN_DECLS

#define OBK_SELINUX_DOMAIN "openbao_kms_t"
#define OBK_SELINUX_TOKENS "openbao_kms_use_pkcs11"
#define OBK_SELINUX_PACKAGE "bao-kms-provider-selinux"

/**
 * obk_label_judge:
 * @paths: %NULL-ended; those that exist must be labelled as the policy's file contexts say
 * @pid: of the provider, which must run in our domain; 0 when that is not known
 * @service: the unit of it
 * @boolean: (nullable): one of the policy without which a token is out of reach; %NULL when none is used
 *
 * Adds the findings; passes over where SELinux is off.
 */
void obk_label_judge (const char *const *paths, pid_t pid, const char *service, const char *boolean,
                      ObkCheckReport *report);

/* One question to the loaded policy. A plain value, everything borrowed. */
typedef struct
{
  const char *source; /* contexts */
  const char *target;
  const char *object_class;
  const char *permission;
} ObkLabelAccess;

/* Returns: whether SELinux is on, enforcing or not */
gboolean obk_label_enabled (void);

/* Returns: (transfer full) (nullable): the context */
char *obk_label_of_process (pid_t pid);
char *obk_label_of_file (const char *path);

/* FALSE with OBK_ERROR_POLICY_DENIED, or OBK_ERROR_UNKNOWN when the policy cannot be asked */
gboolean obk_label_allows (const ObkLabelAccess *access, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
