/* SPDX-License-Identifier: Apache-2.0 */
/* What the running provider tells of itself: the pages /metrics, /live and /ready. */
#pragma once

#include <glib.h>

#include "health/prober.h"
#include "kms/service.h"
#include "observe/web.h"
#include "provider/session.h"

G_BEGIN_DECLS

/* Where it looks, at each request: a plain value that serve keeps up to date. All borrowed; main loop only. */
typedef struct
{
  ObkBoardSlot *board;
  ObkSession *session;
  ObkProber *prober;
  ObkService *service;
  gboolean socket_open; /* the KMS socket takes connections */
} ObkVitals;

/* For obk_web_new(), with an ObkVitals as its user data: the metrics address', and the health address' */
extern const ObkWebPage obk_vitals_metrics_pages[];
extern const ObkWebPage obk_vitals_health_pages[];

G_END_DECLS
