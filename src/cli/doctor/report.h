/* SPDX-License-Identifier: Apache-2.0 */
/* How doctor's findings are shown: text for people, JSON for programs, and what it is at meanwhile. */
#pragma once

#include <glib.h>

#include "base/canonical-json.h"
#include "cli/doctor/doctor.h"

G_BEGIN_DECLS

/* What the text goes by. A plain value. */
typedef struct
{
  guint width;           /* columns; 0: lines are not broken */
  gboolean colour;       /* a little of it */
  const char *mount;     /* (nullable): in commands, for "<mount>" … */
  const char *key;       /* … "<key>" … */
  const char *auth;      /* … "<auth>" … */
  const char *role;      /* … "<role>" … */
  const char *namespace; /* … and "<namespace>"; else (nullable): "bao" is to be told of it */
} ObkDoctorStyle;

/* By the terminal, if standard output is one: NO_COLOR and TERM=dumb are honoured. */
ObkDoctorStyle obk_doctor_style (void);
/* From when on there is a configuration. Borrowed. */
void obk_doctor_style_set_config (ObkDoctorStyle *style, const ObkConfig *config);

/* Returns: (transfer full): the lines of one check */
char *obk_doctor_report_text (const char *id, const ObkCheckReport *report, const ObkDoctorStyle *style);
/* Returns: (transfer full): the last line */
char *obk_doctor_summary_text (const GPtrArray *reports);

/* An element of an array: what one check has found. @in_namespace: commands for "bao" are told of "<namespace>" */
void obk_doctor_report_add_json (ObkCanonicalJson *json, const char *id, const ObkCheckReport *report,
                                 gboolean in_namespace);
/* The members of one finding, into an object that is begun */
void obk_doctor_report_add_finding (ObkCanonicalJson *json, const ObkCheckFinding *finding, gboolean in_namespace);

/* What the whole report says of itself. A plain value, everything borrowed. */
typedef struct
{
  const char *config_path;
  const char *service;   /* (nullable): whom the checks as the service ran as */
  gboolean is_service;   /* else as the caller */
  gboolean in_namespace; /* openbao.namespace is configured */
  gboolean passed;
} ObkDoctorSummary;

/* Returns: (transfer full): the whole report (data/schemas/doctor.schema.json). Commands keep their "<mount>" */
char *obk_doctor_report_json (const GPtrArray *reports, const ObkDoctorSummary *summary);

/* On standard error, where that is a terminal: what has been waited for since @since_us; %NULL takes it away. */
void obk_doctor_show_progress (const char *id, gint64 since_us);

G_END_DECLS
