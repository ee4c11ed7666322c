/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of the way to OpenBao share: its addresses, connections to them, and what to say where one fails. */
#pragma once

#include "cli/doctor/doctor.h"

G_BEGIN_DECLS

/* Returns: (transfer none): one of doctor->addresses */
ObkDoctorAddress *obk_doctor_address (ObkDoctor *doctor, guint i);

/* Returns: (transfer full) (nullable): connected, not blocking */
GSocket *obk_doctor_connect_to (GInetAddress *to, guint16 port, gint64 timeout_us, GError **error);

/* Adds @text as a failure; where @others_pass as a warning: what serves is enough. */
void obk_doctor_add_failure (ObkCheckReport *report, const char *authority, const char *text, gboolean others_pass);

/* Adds the remedy for a connection that failed with @error. */
void obk_doctor_advise_on_connection (ObkCheckReport *report, const ObkDoctorAddress *address, const GError *error);

G_END_DECLS
