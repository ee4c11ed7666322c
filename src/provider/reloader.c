/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the configuration read again, and put in force as a whole or not at all. */
#include "provider/reloader.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/names.h"
#include "config/change.h"
#include "observe/notify.h"
#include "openbao/pin.h"
#include "provider/logging.h"
#include "provider/scope.h"

struct _ObkReloader
{
  const char *path;
  const ObkConfigFlags *flags;
  ObkReloaderParts parts;
  ObkConfig *config;   /* in force, but for what waits for a new way to OpenBao to be proved */
  ObkConfig *fallback; /* (nullable): while it waits: the last one that was in force as a whole */
  char *refusal;       /* (nullable): why the last reload came to nothing */
  gboolean stopped;
};

/* A reload that may still be refused. */
typedef struct
{
  ObkConfig *config;
  GPtrArray *changes;  /* from what is in force */
  char *refused;       /* (nullable): those that keep it from being so */
  ObkSession *session; /* (nullable): the new way to OpenBao */
  gboolean keeps_way;  /* what is in use, or already proposed, stays */
} Draft;

static void
draft_clear (Draft *draft)
{
  g_clear_pointer (&draft->config, obk_config_free);
  g_clear_pointer (&draft->changes, g_ptr_array_unref);
  g_clear_pointer (&draft->session, obk_session_free);
  g_clear_pointer (&draft->refused, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Draft, draft_clear)

/* The log */

static void
log_problem (const char *field, const char *place, const char *text)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_CONFIG_PROBLEM);
  obk_log_string (&record, OBK_FIELD_CONFIG_FIELD, field[0] != '\0' ? field : NULL);
  obk_log_string (&record, OBK_FIELD_PATH, place);
  obk_log_string (&record, OBK_FIELD_DETAIL, text);
  obk_log_emit (&record);
}

static void
log_problems (const GPtrArray *problems, const char *path)
{
  for (guint i = 0; i < problems->len; i++)
    {
      const ObkConfigProblem *problem = problems->pdata[i];
      g_autofree char *place = g_strdup (problem->source != NULL ? problem->source : path);

      if (problem->line > 0)
        {
          g_free (place);
          place = g_strdup_printf ("%s:%u:%u", path, problem->line, problem->column);
        }
      log_problem (problem->field, place, problem->text);
    }
}

/* @fields: (nullable): what it was refused for */
static void
log_refusal (const char *fields, const GError *error)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_CONFIG_RELOADED);
  obk_log_string (&record, OBK_FIELD_STATUS, OBK_STATUS_ERROR);
  obk_log_string (&record, OBK_FIELD_CONFIG_FIELDS, fields);
  obk_log_string (&record, OBK_FIELD_DETAIL, "the former configuration stays in force as a whole");
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

static void
log_success (const GPtrArray *changes, gboolean waits)
{
  g_autofree char *names = obk_config_changes_names (changes);
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_INFO, OBK_EVENT_CONFIG_RELOADED);
  obk_log_string (&record, OBK_FIELD_STATUS, OBK_STATUS_OK);
  obk_log_string (&record, OBK_FIELD_CONFIG_FIELDS, changes->len > 0 ? names : NULL);
  if (waits)
    obk_log_string (&record, OBK_FIELD_DETAIL,
                    "the new way to OpenBao is used as soon as it has shown that it leads to the same key");
  else if (changes->len == 0)
    obk_log_string (&record, OBK_FIELD_DETAIL, "nothing has changed");
  obk_log_emit (&record);
}

/* What may refuse a reload */

static gboolean
read_file (ObkReloader *reloader, Draft *draft, GError **error)
{
  g_autoptr (GPtrArray) problems = NULL;

  draft->config = obk_config_load (reloader->path, reloader->flags, &problems, error);
  if (draft->config != NULL)
    return TRUE;
  log_problems (problems, reloader->path);
  return FALSE;
}

static gboolean
may_change (Draft *draft, GError **error)
{
  g_autoptr (GPtrArray) refused = g_ptr_array_new ();

  for (guint i = 0; i < draft->changes->len; i++)
    {
      const ObkConfigField *field = draft->changes->pdata[i];

      if (field->reload != OBK_RELOAD_REFUSED)
        continue;
      g_ptr_array_add (refused, (gpointer)field);
      log_problem (field->name, NULL, "cannot be changed by a reload: it needs a restart");
    }
  if (refused->len == 0)
    return TRUE;
  draft->refused = obk_config_changes_names (refused);
  g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "cannot be changed by a reload: %s", draft->refused);
  return FALSE;
}

/* The way that is in use belongs to the fallback, if there is one. */
static gboolean
open_way (ObkReloader *reloader, Draft *draft, GError **error)
{
  const ObkConfig *of_way = reloader->fallback != NULL ? reloader->fallback : reloader->config;
  g_autoptr (GPtrArray) ways = obk_config_changes (of_way, draft->config);

  if (!obk_config_changes_have (ways, OBK_RELOAD_WHEN_PROVED))
    return TRUE;
  draft->keeps_way = reloader->fallback != NULL && !obk_config_changes_have (draft->changes, OBK_RELOAD_WHEN_PROVED);
  if (draft->keeps_way) /* it has been proposed already */
    return TRUE;
  draft->session = obk_session_new (draft->config, reloader->parts.poller, error);
  return draft->session != NULL;
}

static gboolean
prepare (ObkReloader *reloader, Draft *draft, GError **error)
{
  if (!read_file (reloader, draft, error))
    return FALSE;
  draft->changes = obk_config_changes (reloader->config, draft->config);
  return may_change (draft, error)
         && open_way (reloader, draft, error)
         /* The last one, since it changes something. */
         && obk_endpoints_use (reloader->parts.endpoints, draft->config, error);
}

/* What cannot fail any more */

ObkProberOptions
obk_prober_options_from_config (const ObkConfig *config)
{
  return (ObkProberOptions){
    .rotation = obk_rotation_policy_from_config (config),
    .deep_probe_interval_us = config->status.deep_probe_interval_us,
    .retry_interval_us = config->bootstrap.retry_interval_us,
    .grace_timeout_us = config->bootstrap.grace_timeout_us,
  };
}

static void
correlate (ObkReloader *reloader)
{
  g_autoptr (ObkCorrelation) correlation = obk_logging_correlation (reloader->config);

  obk_service_set_correlation (reloader->parts.service, correlation);
}

static void
put_in_force (ObkReloader *reloader, ObkConfig *config, const GPtrArray *changes)
{
  const ObkReloaderParts *parts = &reloader->parts;
  const ObkProberOptions options = obk_prober_options_from_config (config);
  const GArray *uids = config->server.allowed_uids;

  reloader->config = config;
  obk_handover_tune (parts->handover, config);
  obk_prober_tune (parts->prober, &options);
  obk_service_set_limits (parts->service, config->server.max_concurrent_encrypt, config->server.max_concurrent_decrypt);
  obk_grpc_server_set_max_status (parts->server, config->server.max_concurrent_status);
  obk_listener_set_allowed_uids (parts->listener, (const guint32 *)(gconstpointer)uids->data, uids->len);
  if (obk_config_changes_touch (changes, "logging.debugCorrelation."))
    correlate (reloader);
  obk_logging_install (config);
}

/* Whether the token in use is good for the new way, too. */
static gboolean
shares_token (const ObkReloader *reloader)
{
  g_autoptr (GPtrArray) changes = obk_config_changes (reloader->fallback, reloader->config);

  return !obk_config_changes_touch (changes, "auth.method") && !obk_config_changes_touch (changes, "auth.jwt.")
         && !obk_config_changes_touch (changes, "auth.cert.");
}

/* Who had waited for a new way, waits for another one or none now. */
static void
follow_way (ObkReloader *reloader, Draft *draft, ObkConfig *former)
{
  if (draft->keeps_way)
    {
      obk_config_free (former); /* not the fallback: that is older */
      return;
    }
  if (draft->session == NULL)
    {
      obk_handover_withdraw (reloader->parts.handover);
      g_clear_pointer (&reloader->fallback, obk_config_free);
      obk_config_free (former);
      return;
    }
  if (reloader->fallback == NULL)
    reloader->fallback = former;
  else
    obk_config_free (former);
  obk_handover_propose (reloader->parts.handover, g_steal_pointer (&draft->session), shares_token (reloader));
}

static void
reload (ObkReloader *reloader)
{
  g_auto (Draft) draft = { 0 };
  g_autoptr (GError) error = NULL;
  ObkConfig *former = reloader->config;
  gboolean quiet = FALSE;
  gboolean opens_way = FALSE;

  g_clear_pointer (&reloader->refusal, g_free);
  if (!prepare (reloader, &draft, &error))
    {
      log_refusal (draft.refused, error);
      reloader->refusal = g_strdup (error->message);
      return;
    }
  /* By the more talkative one of the two levels. */
  quiet = draft.config->logging.level > OBK_LOG_INFO;
  if (quiet)
    log_success (draft.changes, draft.session != NULL || draft.keeps_way);
  obk_metric_set (OBK_METRIC_CONFIG_RELOAD_SUCCESS, obk_clock_unix ());
  put_in_force (reloader, g_steal_pointer (&draft.config), draft.changes);
  if (!quiet)
    log_success (draft.changes, draft.session != NULL || draft.keeps_way);
  obk_pin_ask_again ();
  opens_way = draft.session != NULL;
  follow_way (reloader, &draft, former);
  if (!opens_way)
    obk_handover_retry (reloader->parts.handover);
}

void
obk_reloader_run (ObkReloader *reloader)
{
  g_return_if_fail (reloader != NULL);

  if (reloader->stopped)
    return;
  obk_notify_reloading ();
  reload (reloader);
  obk_notify_ready ();
  reloader->parts.changed (reloader->parts.user_data);
}

/* What comes of a way that was proposed */

static void
restore (ObkReloader *reloader, const GError *error)
{
  ObkConfig *former = reloader->config;
  g_autoptr (GPtrArray) changes = obk_config_changes (former, reloader->fallback);
  g_autofree char *names = NULL;
  g_autoptr (GError) closed = NULL;

  if (!obk_endpoints_use (reloader->parts.endpoints, reloader->fallback, &closed))
    log_problem ("", NULL, closed->message);
  put_in_force (reloader, g_steal_pointer (&reloader->fallback), changes);
  obk_config_free (former);
  names = obk_config_changes_names (changes);
  log_refusal (names, error);
  g_free (reloader->refusal);
  reloader->refusal = g_strdup (error->message);
}

static void
way_ended (const GError *error, gpointer user_data)
{
  ObkReloader *reloader = user_data;

  if (error != NULL)
    restore (reloader, error);
  else
    {
      g_clear_pointer (&reloader->fallback, obk_config_free);
      reloader->parts.vitals->session = obk_handover_session (reloader->parts.handover);
      obk_prober_retry (reloader->parts.prober);
    }
  reloader->parts.changed (reloader->parts.user_data);
}

static void
logged_in (gpointer user_data)
{
  ObkReloader *reloader = user_data;

  reloader->parts.logged_in (reloader->parts.user_data);
}

/* Life */

ObkReloader *
obk_reloader_new (const char *path, const ObkConfigFlags *flags, ObkConfig *config, const ObkReloaderParts *parts)
{
  ObkReloader *reloader = NULL;

  g_return_val_if_fail (path != NULL && flags != NULL && config != NULL && parts != NULL, NULL);

  reloader = g_new0 (ObkReloader, 1);
  reloader->path = path;
  reloader->flags = flags;
  reloader->config = config;
  reloader->parts = *parts;
  obk_handover_tune (parts->handover, config);
  obk_handover_set_prober (
      parts->handover, parts->prober,
      &(ObkHandoverCallbacks){ .logged_in = logged_in, .ended = way_ended, .user_data = reloader });
  correlate (reloader);
  return reloader;
}

void
obk_reloader_free (ObkReloader *reloader)
{
  if (reloader == NULL)
    return;
  obk_handover_set_prober (reloader->parts.handover, NULL, NULL);
  obk_config_free (reloader->config);
  obk_config_free (reloader->fallback);
  g_free (reloader->refusal);
  g_free (reloader);
}

void
obk_reloader_stop (ObkReloader *reloader)
{
  g_return_if_fail (reloader != NULL);

  reloader->stopped = TRUE;
  obk_handover_withdraw (reloader->parts.handover);
}

char *
obk_reloader_trouble (const ObkReloader *reloader)
{
  const char *trouble = obk_handover_trouble (reloader->parts.handover);

  if (reloader->refusal != NULL)
    return g_strdup_printf ("the configuration was not reloaded: %s", reloader->refusal);
  if (trouble != NULL)
    return g_strdup_printf ("a new way to OpenBao waits to be proved%s%s", *trouble != '\0' ? ": " : "", trouble);
  return NULL;
}
