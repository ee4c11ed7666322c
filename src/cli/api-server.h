/* SPDX-License-Identifier: Apache-2.0 */
/* The running kube-apiserver as a process: found, looked at, and stood in for. */
#pragma once

#include <glib.h>

#include "cli/ids.h"

G_BEGIN_DECLS

#define OBK_API_SERVER_NAME "kube-apiserver"

/* As its user's and groups' rights go. A plain value. */
typedef struct
{
  pid_t pid;
  ObkIds ids;
  guint64 capabilities; /* effective */
} ObkApiServer;

/* Returns: (transfer full) (element-type pid_t): all processes of that name */
GArray *obk_api_server_find (void);

/* @error: OBK_ERROR_UNKNOWN: there is no such process (any more) */
gboolean obk_api_server_read (pid_t pid, ObkApiServer *server, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_api_server_become:
 * @error: OBK_ERROR_UNKNOWN, saying what the kernel forbids
 *
 * Sees the files that it sees (its mount namespace and root), with its ids and no more capabilities. For good; by root,
 * before there are threads.
 */
gboolean obk_api_server_become (const ObkApiServer *server, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
