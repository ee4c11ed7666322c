/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd says of units, read and judged. */
#pragma once

#include <glib.h>

#include "cli/doctor/check.h"

G_BEGIN_DECLS

/* Properties of one unit, as "systemctl show" prints them: char * -> char *. */
typedef GHashTable ObkUnit;

/* @text: "NAME=VALUE" a line. Returns: (transfer full) */
ObkUnit *obk_unit_parse (const char *text);

/* Asks systemd. Returns: (transfer full): %NULL with @error when it cannot be asked */
ObkUnit *obk_unit_read (const char *name, GError **error);

/* Returns: (transfer none): "" when it is not there */
const char *obk_unit_get (const ObkUnit *unit, const char *property);

gboolean obk_unit_is_active (const ObkUnit *unit);
gboolean obk_unit_is_masked (const ObkUnit *unit);

/* Whether it could not be started for want of its user or group */
gboolean obk_unit_lacks_user (const ObkUnit *unit);

#define OBK_SYSTEMD_RUNS "/run/systemd/system" /* only where systemd runs the machine */

/* Returns: (transfer full) (nullable): that the service does not run, and how it ended; %NULL when it does, or when
 * systemd knows no such unit */
char *obk_unit_describe_outage (const char *name, const ObkUnit *service);

/* What they are held against. A plain value, everything borrowed. */
typedef struct
{
  const char *service_name;
  const char *socket_name;
  const ObkUnit *service;
  const ObkUnit *socket;
  const ObkUnit *kubelet;
  const char *config_path;
  const char *socket_path; /* of the configuration, as are the next two */
  guint socket_mode;
  const char *socket_group;
  gboolean before_start; /* neither needs to run or be enabled yet */
  gboolean runs_without; /* a provider has the state, whether systemd knows of it or not */
} ObkUnitQuestion;

/* Adds the findings on how the service is started. */
void obk_unit_judge (const ObkUnitQuestion *question, ObkCheckReport *report);

G_END_DECLS
