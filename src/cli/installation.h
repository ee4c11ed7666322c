/* SPDX-License-Identifier: Apache-2.0 */
/* The files that `init` makes of one values file, all of which must agree. */
#pragma once

#include <glib.h>

#include "config/config.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_MODEL_SYSTEMD,
  OBK_MODEL_STATIC_POD
} ObkInstallationModel;

/* What is to be installed. */
typedef struct
{
  const ObkConfig *values;
  ObkInstallationModel model;
  gboolean new_key;  /* the administrator's script makes mount and key where they are missing */
  const char *image; /* of the static pod: "NAME@sha256:DIGEST" */
} ObkInstallation;

typedef struct
{
  char *name;              /* below the output directory */
  guint mode;              /* permission bits */
  char *content;           /* text */
  const char *destination; /* (nullable): where it belongs on a control-plane node */
  const char *owner;       /* (nullable): whom it belongs to there */
} ObkInstallationFile;

/**
 * obk_installation_make:
 * @error: OBK_ERROR_CONFIG_INVALID when the values do not go together with the model or with a policy
 *
 * Returns: (transfer full) (element-type ObkInstallationFile): the files, installation.json as the last one
 */
GPtrArray *obk_installation_make (const ObkInstallation *installation, GError **error);

/**
 * obk_installation_write:
 * @directory: made with mode 0750 when it is not there; else it must be an empty directory
 * @error: OBK_ERROR_FILE; nothing of ours is left behind then
 */
gboolean obk_installation_write (const GPtrArray *files, const char *directory, GError **error);

/* Parts, one a file. Each returns (transfer full) a text. */
char *obk_installation_setup (const ObkInstallation *installation, const char *policy);
char *obk_installation_pod (const ObkInstallation *installation);

/* Returns: (transfer full): a file of data/init */
char *obk_installation_template (const char *name);

G_END_DECLS
