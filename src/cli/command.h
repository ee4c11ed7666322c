/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, their options and help, and the exit codes (spec cli.md). */
#pragma once

#include <glib.h>

#include "config/config.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_EXIT_OK = 0,
  OBK_EXIT_FAILED = 1,
  OBK_EXIT_USAGE = 2,
  OBK_EXIT_CONFIG = 3,
  OBK_EXIT_CHECK = 4,
  OBK_EXIT_RUNTIME = 5
} ObkExit;

/* What every command gets of the options that the framework parses. */
typedef struct
{
  const char *config_path; /* %NULL: not given */
  ObkConfigFlags flags;
  gboolean json; /* --output json; only for commands with a report */
} ObkGlobals;

typedef struct
{
  const char *name;                      /* "serve", "config schema" */
  const char *summary;                   /* one line, N_() */
  const char *details;                   /* (nullable): what else is to be known, a few sentences, N_() */
  const char *example;                   /* a command line that works */
  const GOptionEntry *(*options) (void); /* (nullable): its own, parsed before run(); texts N_() */
  ObkExit (*run) (const ObkGlobals *globals);
  gboolean has_report; /* takes --output text|json */
} ObkCommand;

/* One definition in each command's file; command.c has the table. */
extern const ObkCommand obk_command_benchmark;
extern const ObkCommand obk_command_serve;
extern const ObkCommand obk_command_probe;
extern const ObkCommand obk_command_completion_bash;
extern const ObkCommand obk_command_completion_fish;
extern const ObkCommand obk_command_completion_zsh;
extern const ObkCommand obk_command_config;
extern const ObkCommand obk_command_config_schema;
extern const ObkCommand obk_command_doctor;
extern const ObkCommand obk_command_init;
extern const ObkCommand obk_command_policy_openbao;
extern const ObkCommand obk_command_recover_state;
extern const ObkCommand obk_command_restore_versions;
extern const ObkCommand obk_command_retire_versions;
extern const ObkCommand obk_command_rotation_plan;
extern const ObkCommand obk_command_schema;
extern const ObkCommand obk_command_status;
extern const ObkCommand obk_command_probe_apiserver;
extern const ObkCommand obk_command_verify_key;
extern const ObkCommand obk_command_verify_rotation;
extern const ObkCommand obk_command_version;

/* All commands, by name. For what is generated from them: completion and manual */
gsize obk_command_count (void);
const ObkCommand *obk_command_at (gsize index);

/* Returns: (transfer container) (element-type GOptionEntry): all options of @command: its own, then those of every
 *   report, then those of every command; %NULL for the last alone */
GPtrArray *obk_command_list_options (const ObkCommand *command);

/* Whether there are commands named "GROUP SOMETHING" */
gboolean obk_command_is_group (const char *group);

/* Finds and runs the command. Returns: the process's exit code */
int obk_command_main (int argc, char **argv);

/* Loads the configuration, or prints every problem to standard error and returns %NULL (exit code 3). */
ObkConfig *obk_command_load_config (const ObkGlobals *globals);

/* Prints what is wrong with the file at @path to standard error: each problem, and @error's summary. */
void obk_command_complain_about_config (const GPtrArray *problems, const char *path, const GError *error);

/* Prints "bao-kms-provider: TEXT" to standard error. */
void obk_command_complain (const char *format, ...) G_GNUC_PRINTF (1, 2);

G_END_DECLS
