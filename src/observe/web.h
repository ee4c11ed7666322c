/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP server for metrics and health: a few pages, made by the main loop when they are asked for. */
#pragma once

#include <glib.h>

#include "base/poller.h"

G_BEGIN_DECLS

typedef struct _ObkWeb ObkWeb;

/* A plain value; all of it borrowed while the page is made. */
typedef struct
{
  const char *accept; /* (nullable): its header */
} ObkWebRequest;

typedef struct
{
  guint status;             /* 200 unless the page says else */
  const char *content_type; /* static */
  char *body;               /* the page's, transfer full */
  gsize length;
} ObkWebAnswer;

/* One path, and who makes its page. */
typedef struct
{
  const char *path; /* "/metrics" */
  void (*make) (const ObkWebRequest *request, ObkWebAnswer *answer, gpointer user_data);
} ObkWebPage;

/**
 * obk_web_new:
 * @poller: of the main loop
 * @address: as configured (observe/web-listen.h)
 * @pages: ended by one without a path; outlives the server
 * @error: OBK_ERROR_SOCKET_UNAVAILABLE
 *
 * GET and HEAD of the pages; another method is a 405, another path a 404. One request a connection, which has a few
 * seconds from its begin to its end; a head that is too long is refused, and when there are too many connections, the
 * oldest one goes. An address that others than this machine may reach is logged as a warning.
 */
ObkWeb *obk_web_new (ObkPoller *poller, const char *address, const ObkWebPage *pages, gpointer user_data,
                     GError **error);
/* Serves other pages from now on, at the same address; likewise. */
void obk_web_set_pages (ObkWeb *web, const ObkWebPage *pages);
void obk_web_free (ObkWeb *web); /* not while a page is made */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkWeb, obk_web_free)

G_END_DECLS
