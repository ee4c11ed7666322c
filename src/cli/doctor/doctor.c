/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of one run of doctor share. */
#include "cli/doctor/doctor.h"

#include "base/clock.h"
#include "cli/doctor/lock.h"
#include "registry/state-directory.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

void
obk_doctor_clear (ObkDoctor *doctor)
{
  g_clear_pointer (&doctor->session, obk_session_free);
  g_clear_pointer (&doctor->policies, g_strfreev);
  g_clear_pointer (&doctor->signer, obk_cert_signer_free);
  g_clear_pointer (&doctor->addresses, g_ptr_array_unref);
  g_clear_pointer (&doctor->poller, obk_poller_free);
  g_clear_pointer (&doctor->metadata, obk_key_metadata_free);
  g_clear_pointer (&doctor->state, obk_state_free);
  g_clear_error (&doctor->state_error);
  g_clear_pointer (&doctor->units, g_free);
  g_clear_pointer (&doctor->outage, g_free);
  g_clear_pointer (&doctor->scope, obk_scope_free);
  g_clear_pointer (&doctor->config, obk_config_free);
}

const ObkState *
obk_doctor_state (ObkDoctor *doctor)
{
  if (!doctor->state_read
      && !obk_store_peek (doctor->config->state.path, doctor->scope, &doctor->state, &doctor->checkpoint,
                          &doctor->state_error))
    doctor->checkpoint = OBK_CHECKPOINT_ABSENT;
  doctor->state_read = TRUE;
  return doctor->state;
}

ObkPoller *
obk_doctor_poller (ObkDoctor *doctor, GError **error)
{
  if (doctor->poller == NULL)
    doctor->poller = obk_poller_new (NULL, error);
  return doctor->poller;
}

pid_t
obk_doctor_lock_holder (const ObkDoctor *doctor)
{
  g_autoptr (ObkStateDirectory) directory = obk_state_directory_open (doctor->config->state.path, NULL);

  return directory != NULL ? obk_lock_holder_of_file (obk_state_directory_lock_path (directory)) : 0;
}

char *
obk_doctor_socket_unit (const ObkDoctor *doctor)
{
  return g_strndup (doctor->units, strcspn (doctor->units, " "));
}

char *
obk_doctor_service_unit (const ObkDoctor *doctor)
{
  return g_strdup (doctor->units + strcspn (doctor->units, " ") + 1);
}

char *
obk_doctor_run_as_root (const ObkDoctor *doctor)
{
  return g_strdup_printf (_ ("this was run by uid %u and not by root; run \"doctor\" as root, which checks as the "
                             "service's user"),
                          geteuid ());
}

gboolean
obk_doctor_may_not_read (const char *path)
{
  return access (path, R_OK) != 0 && (errno == EACCES || errno == EPERM);
}

char *
obk_doctor_span (gint64 us)
{
  gint64 s = ABS (us) / G_USEC_PER_SEC;

  if (s >= 2 * 86400)
    return g_strdup_printf (_ ("%d days"), (int)(s / 86400));
  if (s >= 2 * 3600)
    return g_strdup_printf (_ ("%d h"), (int)(s / 3600));
  if (s >= 2 * 60)
    return g_strdup_printf (_ ("%d min"), (int)(s / 60));
  return g_strdup_printf (_ ("%d s"), (int)s);
}

char *
obk_doctor_quote (const char *text)
{
  return text[strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "/._-+:@,")] == '\0' ? g_strdup (text)
                                                                                         : g_shell_quote (text);
}
