/* SPDX-License-Identifier: Apache-2.0 */
/* What one check of doctor is, and what it has found. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  OBK_CHECK_OK,
  OBK_CHECK_WARN,
  OBK_CHECK_FAIL,
  OBK_CHECK_SKIP
} ObkCheckResult;

/* Returns: "ok", "warn", … */
const char *obk_check_result_name (ObkCheckResult result);

typedef struct
{
  ObkCheckResult result;
  char *text;    /* what was found */
  char *remedy;  /* (nullable): what to do, a sentence */
  char *command; /* (nullable): that does it, one a line; "<mount>" and "<key>" stand for the configured ones */
} ObkCheckFinding;

/**
 * ObkCheckReport:
 *
 * The findings of one check. A check says something at least once.
 */
typedef struct
{
  GPtrArray *findings; /* of ObkCheckFinding */
  gboolean blocks;     /* what depends on the check cannot be run */
} ObkCheckReport;

ObkCheckReport *obk_check_report_new (void);
void obk_check_report_free (ObkCheckReport *report);

void obk_check_ok (ObkCheckReport *report, const char *format, ...) G_GNUC_PRINTF (2, 3);
void obk_check_warn (ObkCheckReport *report, const char *format, ...) G_GNUC_PRINTF (2, 3);
void obk_check_fail (ObkCheckReport *report, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* It cannot be judged; what depends on it neither. */
void obk_check_skip (ObkCheckReport *report, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* There is nothing to judge in this configuration; what depends on it goes on. */
void obk_check_pass_over (ObkCheckReport *report, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Of the last finding */
void obk_check_remedy (ObkCheckReport *report, const char *format, ...) G_GNUC_PRINTF (2, 3);
void obk_check_command (ObkCheckReport *report, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* A failure says what to do: one without a remedy or command, when no later failure has one for it too, gets @remedy.
 */
void obk_check_report_complete (ObkCheckReport *report, const char *remedy);

/* Returns: the worst of its findings */
ObkCheckResult obk_check_report_result (const ObkCheckReport *report);

gboolean obk_check_report_has_failed (const ObkCheckReport *report);

/* From one process to another; what is read may be anything. Returns: (transfer full) (nullable) */
GBytes *obk_check_report_write (const ObkCheckReport *report);
ObkCheckReport *obk_check_report_read (GBytes *bytes);

struct _ObkDoctor;

/* Where it runs. */
typedef enum
{
  OBK_CHECK_AS_SERVICE, /* with the ids of the service */
  OBK_CHECK_AS_CALLER   /* as whoever has called, root where it can be; nothing depends on it */
} ObkCheckPlace;

#define OBK_MAX_PREREQUISITES 4

typedef struct
{
  const char *id;
  const char *needs[OBK_MAX_PREREQUISITES]; /* ids of checks before it; all of them must not block */
  ObkCheckPlace place;
  void (*run) (struct _ObkDoctor *doctor, ObkCheckReport *report);
  const char *meaning; /* what it looks at; a sentence of docs/doctor.md */
  const char *remedy;  /* what to do in general; likewise */
} ObkCheck;

/* The table, in the order in which they run. */
extern const ObkCheck obk_checks[];
gsize obk_n_checks (void);

/* Returns: (transfer none) (nullable): the row of that id */
const ObkCheck *obk_check_find (const char *id);

/**
 * obk_check_run:
 * @index: into the table
 * @reports: (element-type ObkCheckReport): of all before it
 *
 * Returns: (transfer full): what it has found; a skip when a prerequisite blocks it
 */
ObkCheckReport *obk_check_run (gsize index, const GPtrArray *reports, struct _ObkDoctor *doctor);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCheckReport, obk_check_report_free)

G_END_DECLS
