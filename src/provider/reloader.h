/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the configuration read again, and put in force as a whole or not at all. */
#pragma once

#include <glib.h>

#include "config/config.h"
#include "kms/grpc-server.h"
#include "kms/listener.h"
#include "provider/endpoints.h"
#include "provider/handover.h"

G_BEGIN_DECLS

/* The durations and rules that a prober goes by; the rest is empty. */
ObkProberOptions obk_prober_options_from_config (const ObkConfig *config);

/* Of the main loop. */
typedef struct _ObkReloader ObkReloader;

/* What a reload reaches. A plain value; all borrowed, and outlives the reloader. */
typedef struct
{
  ObkPoller *poller;
  ObkHandover *handover;
  ObkProber *prober;
  ObkService *service;
  ObkGrpcServer *server;
  ObkListener *listener;
  ObkVitals *vitals; /* told of what it is to read */
  ObkEndpoints *endpoints;
  void (*logged_in) (gpointer user_data); /* the session in use has */
  void (*changed) (gpointer user_data);   /* obk_reloader_trouble() may say something else */
  gpointer user_data;
} ObkReloaderParts;

/* @config: (transfer full): what was made of @path and @flags, and what @parts go by. Borrows both. */
ObkReloader *obk_reloader_new (const char *path, const ObkConfigFlags *flags, ObkConfig *config,
                               const ObkReloaderParts *parts);
void obk_reloader_free (ObkReloader *reloader);

/**
 * obk_reloader_run:
 *
 * Tells systemd of the beginning and the end, logs each problem, and one config.reloaded.
 *
 * Source: spec configuration.md, "Reload".
 */
void obk_reloader_run (ObkReloader *reloader);

/* The service ends: nothing is reloaded any more. */
void obk_reloader_stop (ObkReloader *reloader);

/* Returns: (transfer full) (nullable): what an operator should know of the last reload, a part of a line */
char *obk_reloader_trouble (const ObkReloader *reloader);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkReloader, obk_reloader_free)

G_END_DECLS
