/* SPDX-License-Identifier: Apache-2.0 */
/* "serve": wires all parts, answers the socket before OpenBao does, and ends only when it is told to or must. */
#include "cli/command.h"

#include "base/error.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/names.h"
#include "base/process.h"
#include "config-build.h"
#include "health/prober.h"
#include "kms/grpc-server.h"
#include "kms/listener.h"
#include "kms/service.h"
#include "observe/log-sink.h"
#include "observe/notify.h"
#include "openbao/nss.h"
#include "openbao/pin.h"
#include "provider/endpoints.h"
#include "provider/expiry.h"
#include "provider/handover.h"
#include "provider/logging.h"
#include "provider/reloader.h"
#include "provider/scope.h"
#include "registry/store.h"

#include <glib-unix.h>
#include <glib/gi18n.h>

#include <malloc.h>
#include <signal.h>

#define DRAIN_SECONDS 10 /* what running calls get after SIGTERM */
#define MALLOC_ARENAS 2  /* two threads do the work; what glibc gives to the others is only kept, never used */
#define REFUSED_PINS "refused-pins"
#define STATUS_SECONDS 30 /* between lines to systemd that tell the token's time left */

typedef struct
{
  const ObkConfig *config; /* what the parts are made by; the reloader's later */
  GMainLoop *loop;
  ObkScope *scope;
  ObkPoller *poller;
  ObkStore *store; /* the prober's, once there is one, as is the state */
  ObkState *state;
  ObkHandover *handover; /* has the way to OpenBao */
  ObkBoardSlot *board;
  ObkProber *prober;
  ObkService *service;
  ObkGrpcServer *server;
  ObkListener *listener;
  ObkVitals vitals;
  ObkExpiry expiry;
  ObkEndpoints *endpoints;
  ObkReloader *reloader;
  gboolean stopping;
  ObkExit exit;
  GArray *sources; /* of guint: GLib's */
} Serve;

static void
log_event (ObkLogLevel level, const char *event, const GError *error)
{
  ObkLogRecord record;

  obk_log_begin (&record, level, event);
  obk_log_string (&record, OBK_FIELD_VERSION, OBK_VERSION);
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

static void
log_started (void)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_INFO, OBK_EVENT_SERVICE_STARTED);
  obk_log_string (&record, OBK_FIELD_VERSION, OBK_VERSION);
  if (obk_nss_is_fips ())
    obk_log_string (&record, OBK_FIELD_DETAIL, "NSS is in FIPS mode");
  obk_log_emit (&record);
}

/* What systemd is told */

static void
tell_status (Serve *serve)
{
  g_autoptr (ObkBoard) board = obk_board_slot_get (serve->board);
  const char *reason = obk_board_reason (board, obk_clock_boot_us ());
  const ObkKeyIdentity *serving = obk_board_active (board);
  ObkSession *session = obk_handover_session (serve->handover);
  gint64 token_seconds = obk_auth_token_ttl_seconds (obk_session_auth (session));
  g_autofree char *trouble = obk_reloader_trouble (serve->reloader);
  g_autofree char *expiry = obk_expiry_trouble (session);
  g_autoptr (GString) line = g_string_new (*reason == '\0' ? "healthy" : "unhealthy: ");

  g_string_append (line, reason);
  if (serving != NULL)
    g_string_append_printf (line, ", key version %u", obk_key_identity_version (serving));
  if (token_seconds < 0)
    g_string_append (line, ", no token");
  else
    g_string_append_printf (line, ", token for %" G_GINT64_FORMAT " min", token_seconds / 60);
  if (obk_prober_is_degraded (serve->prober))
    g_string_append (line, ", the registry cannot be saved");
  if (expiry != NULL)
    g_string_append_printf (line, ", %s", expiry);
  if (trouble != NULL)
    g_string_append_printf (line, "; %s", trouble);
  obk_notify_status (line->str);
}

static gboolean
status_due (gpointer user_data)
{
  Serve *serve = user_data;

  obk_expiry_look (&serve->expiry, obk_handover_session (serve->handover));
  tell_status (serve);
  return G_SOURCE_CONTINUE;
}

/* What happens */

static void
health_changed (gpointer user_data)
{
  Serve *serve = user_data;

  if (serve->reloader != NULL)
    tell_status (serve);
}

static void
reload_changed (gpointer user_data)
{
  tell_status (user_data);
}

static void
logged_in (gpointer user_data)
{
  Serve *serve = user_data;

  obk_prober_retry (serve->prober);
  obk_expiry_look (&serve->expiry, obk_handover_session (serve->handover));
  tell_status (serve);
}

static void
end (Serve *serve, ObkExit exit)
{
  serve->exit = exit;
  g_main_loop_quit (serve->loop);
}

static void
state_refused (const GError *error, gpointer user_data)
{
  log_event (OBK_LOG_ERROR, OBK_EVENT_SERVICE_STOPPING, error);
  end (user_data, OBK_EXIT_RUNTIME);
}

static void
accepted (int fd, gpointer user_data)
{
  Serve *serve = user_data;
  g_autoptr (GError) error = NULL;

  if (obk_grpc_server_add_connection (serve->server, fd, &error))
    return;
  obk_metric_count (OBK_METRIC_PEER_REFUSED, NULL, NULL);
  log_event (OBK_LOG_WARN, OBK_EVENT_PEER_REFUSED, error);
}

static void
drained (gpointer user_data)
{
  end (user_data, OBK_EXIT_OK);
}

static gboolean
drained_too_long (gpointer user_data)
{
  end (user_data, OBK_EXIT_OK);
  return G_SOURCE_CONTINUE;
}

static void
watch (Serve *serve, guint source)
{
  g_array_append_val (serve->sources, source);
}

/* No new calls; running ones get their time. */
static gboolean
told_to_stop (gpointer user_data)
{
  Serve *serve = user_data;

  if (serve->stopping)
    return G_SOURCE_CONTINUE;
  serve->stopping = TRUE;
  log_event (OBK_LOG_INFO, OBK_EVENT_SERVICE_STOPPING, NULL);
  obk_notify_stopping ();
  obk_reloader_stop (serve->reloader);
  g_clear_pointer (&serve->listener, obk_listener_free);
  serve->vitals.socket_open = FALSE;
  obk_grpc_server_drain (serve->server, drained, serve);
  watch (serve, g_timeout_add_seconds (DRAIN_SECONDS, drained_too_long, serve));
  return G_SOURCE_CONTINUE;
}

static gboolean
told_to_reload (gpointer user_data)
{
  Serve *serve = user_data;

  obk_reloader_run (serve->reloader);
  return G_SOURCE_CONTINUE;
}

/* The parts, in the order in which they need each other */

/* The lock first: whoever has it may have the socket. */
static gboolean
open_registry (Serve *serve, GError **error)
{
  serve->store = obk_store_open (serve->config->state.path, error);
  return serve->store != NULL && obk_store_load (serve->store, serve->scope, &serve->state, error);
}

static void
make_prober (Serve *serve)
{
  ObkProberOptions options = obk_prober_options_from_config (serve->config);

  options.poller = serve->poller;
  options.transit = obk_handover_transit (serve->handover);
  options.board = serve->board;
  options.scope = serve->scope;
  options.changed = health_changed;
  options.refused = state_refused;
  options.user_data = serve;
  serve->prober = obk_prober_new (&options, g_steal_pointer (&serve->store), g_steal_pointer (&serve->state));
}

static gboolean
make_server (Serve *serve, GError **error)
{
  const ObkConfig *config = serve->config;
  serve->service = obk_service_new (&(ObkServiceOptions){
      .poller = serve->poller,
      .board = serve->board,
      .transit = obk_handover_transit (serve->handover),
      .prober = serve->prober,
      .max_encrypt = config->server.max_concurrent_encrypt,
      .max_decrypt = config->server.max_concurrent_decrypt,
  });
  serve->server
      = obk_grpc_server_new (serve->poller, serve->board, serve->service, config->server.max_concurrent_status, error);
  return serve->server != NULL;
}

static gboolean
open_socket (Serve *serve, GError **error)
{
  const ObkConfig *config = serve->config;
  const GArray *uids = config->server.allowed_uids;

  serve->listener = obk_listener_new (serve->poller,
                                      &(ObkListenerOptions){
                                          .path = config->server.socket_path,
                                          .mode = config->server.socket_mode,
                                          .group = config->server.socket_group,
                                          .allowed_uids = (const guint32 *)(gconstpointer)uids->data,
                                          .n_allowed_uids = uids->len,
                                      },
                                      accepted, serve, error);
  return serve->listener != NULL;
}

/* Not on a disk, and gone when the service is stopped: see the unit. */
static void
remember_refused_pins (void)
{
  g_autofree char *directory = obk_process_runtime_directory ();
  g_autofree char *path = directory != NULL ? g_build_filename (directory, REFUSED_PINS, NULL) : NULL;

  obk_pin_set_provider (path);
}

static gboolean
open_way (Serve *serve, GError **error)
{
  ObkSession *session = NULL;

  remember_refused_pins ();
  session = obk_session_new (serve->config, serve->poller, error);
  if (session == NULL)
    return FALSE;
  serve->handover = obk_handover_new (serve->poller, session);
  return TRUE;
}

/* @config: (transfer full) */
static void
make_reloader (Serve *serve, const ObkGlobals *globals, ObkConfig *config)
{
  serve->reloader = obk_reloader_new (obk_config_path (globals->config_path), &globals->flags, config,
                                      &(ObkReloaderParts){
                                          .poller = serve->poller,
                                          .handover = serve->handover,
                                          .prober = serve->prober,
                                          .service = serve->service,
                                          .server = serve->server,
                                          .listener = serve->listener,
                                          .vitals = &serve->vitals,
                                          .endpoints = serve->endpoints,
                                          .logged_in = logged_in,
                                          .changed = reload_changed,
                                          .user_data = serve,
                                      });
  serve->config = NULL;
}

static void
serve_clear (Serve *serve)
{
  for (guint i = 0; i < serve->sources->len; i++)
    g_source_remove (g_array_index (serve->sources, guint, i));
  g_clear_pointer (&serve->sources, g_array_unref);
  g_clear_pointer (&serve->reloader, obk_reloader_free);
  g_clear_pointer (&serve->endpoints, obk_endpoints_free);
  g_clear_pointer (&serve->listener, obk_listener_free);
  g_clear_pointer (&serve->server, obk_grpc_server_free);
  g_clear_pointer (&serve->service, obk_service_free);
  g_clear_pointer (&serve->prober, obk_prober_free);
  g_clear_pointer (&serve->handover, obk_handover_free);
  g_clear_pointer (&serve->poller, obk_poller_free);
  g_clear_pointer (&serve->state, obk_state_free);
  g_clear_pointer (&serve->store, obk_store_free);
  g_clear_pointer (&serve->board, obk_board_slot_free);
  g_clear_pointer (&serve->scope, obk_scope_free);
  g_clear_pointer (&serve->loop, g_main_loop_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Serve, serve_clear)

static gboolean
open_endpoints (Serve *serve, GError **error)
{
  serve->vitals = (ObkVitals){
    .board = serve->board,
    .session = obk_handover_session (serve->handover),
    .prober = serve->prober,
    .service = serve->service,
    .socket_open = TRUE,
  };
  serve->endpoints = obk_endpoints_new (serve->poller, &serve->vitals);
  return obk_endpoints_use (serve->endpoints, serve->config, error);
}

static ObkExit
refuse_to_start (const GError *error, ObkExit exit)
{
  log_event (OBK_LOG_ERROR, OBK_EVENT_SERVICE_STOPPING, error);
  return exit;
}

/* The way to OpenBao is as the configuration says, but for the socket of our own on it. */
static ObkExit
exit_without_session (const GError *error)
{
  return g_error_matches (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE) ? OBK_EXIT_RUNTIME : OBK_EXIT_CONFIG;
}

/* They are dealt with once the main loop runs. */
static void
catch_signals (Serve *serve)
{
  watch (serve, g_unix_signal_add (SIGTERM, told_to_stop, serve));
  watch (serve, g_unix_signal_add (SIGINT, told_to_stop, serve));
  watch (serve, g_unix_signal_add (SIGHUP, told_to_reload, serve));
}

static ObkExit
run_until_told (Serve *serve)
{
  watch (serve, g_timeout_add_seconds (STATUS_SECONDS, status_due, serve));
  obk_auth_start (obk_session_auth (obk_handover_session (serve->handover)));
  obk_prober_start (serve->prober);
  obk_notify_ready ();
  obk_notify_start_watchdog ();
  tell_status (serve);
  log_started ();
  g_main_loop_run (serve->loop);
  return serve->exit;
}

/* @config: (inout) (transfer full): %NULL after it was used */
static ObkExit
serve_with (const ObkGlobals *globals, ObkConfig **config)
{
  g_auto (Serve) serve = { .config = *config };
  g_autoptr (GError) error = NULL;

  serve.loop = g_main_loop_new (NULL, FALSE);
  serve.sources = g_array_new (FALSE, FALSE, sizeof (guint));
  catch_signals (&serve);
  serve.scope = obk_scope_from_config (serve.config);
  serve.board = obk_board_slot_new (serve.scope);
  serve.poller = obk_poller_new (NULL, &error);
  if (serve.poller == NULL || !open_registry (&serve, &error) || !open_socket (&serve, &error))
    return refuse_to_start (error, OBK_EXIT_RUNTIME);
  /* Callers can connect from here on; the libraries of what follows take their time to start. */
  if (!open_way (&serve, &error))
    return refuse_to_start (error, exit_without_session (error));
  make_prober (&serve);
  if (!make_server (&serve, &error) || !open_endpoints (&serve, &error))
    return refuse_to_start (error, OBK_EXIT_RUNTIME);
  make_reloader (&serve, globals, g_steal_pointer (config));
  return run_until_told (&serve);
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autoptr (ObkConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  ObkExit exit = OBK_EXIT_FAILED;

  signal (SIGHUP, SIG_IGN); /* until it means something: the configuration is about to be read */
  if (!obk_process_harden (&error))
    {
      obk_command_complain ("%s", error->message);
      return OBK_EXIT_RUNTIME;
    }
  obk_process_raise_descriptors ();
  config = obk_command_load_config (globals);
  if (config == NULL)
    return OBK_EXIT_CONFIG;
  obk_logging_install (config);
  obk_metric_set (OBK_METRIC_CONFIG_RELOAD_SUCCESS, obk_clock_unix ());
  (void)mallopt (M_ARENA_MAX, MALLOC_ARENAS);
  exit = serve_with (globals, &config);
  obk_log_sink_flush ();
  return exit;
}

const ObkCommand obk_command_serve = {
  .name = "serve",
  .summary = N_ ("Answer the API server at the socket, until told to stop."),
  .details = N_ ("The socket answers before OpenBao does, and an outage of OpenBao or of the credential never ends the "
                 "service. It ends by itself only for what must be mended on this machine: the configuration (exit "
                 "code 3), or state, socket or lock (exit code 5)."),
  .example = OBK_PROGRAM " serve --config " OBK_DEFAULT_CONFIG,
  .run = run,
};
