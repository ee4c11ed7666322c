/* SPDX-License-Identifier: Apache-2.0 */
/* The field table: the parser, the schema, the reference page and "config" all go by it. */
#pragma once

#include <glib.h>

#include "config/config.h"
#include "config/rule.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_TYPE_STRING,   /* char * */
  OBK_TYPE_STRINGS,  /* GStrv */
  OBK_TYPE_UIDS,     /* GArray of guint32 */
  OBK_TYPE_INTEGER,  /* guint */
  OBK_TYPE_BOOLEAN,  /* gboolean */
  OBK_TYPE_DURATION, /* gint64, microseconds */
  OBK_TYPE_CHOICE,   /* an enum in the order of choices */
  OBK_TYPE_MODE      /* guint, permission bits */
} ObkConfigType;

/* When a field must be given. */
typedef enum
{
  OBK_REQUIRED_NEVER,
  OBK_REQUIRED_ALWAYS,
  OBK_REQUIRED_JWT,
  OBK_REQUIRED_JWT_FILE,
  OBK_REQUIRED_JWT_OAUTH2,
  OBK_REQUIRED_CERT,
  OBK_REQUIRED_CERT_NO_URI,
  OBK_REQUIRED_LAST
} ObkRequired;

/* What becomes of a value that is another one at a reload. */
typedef enum
{
  OBK_RELOAD_AT_ONCE,     /* in force with the reload */
  OBK_RELOAD_WHEN_PROVED, /* by a new way to OpenBao, used once it has shown that it leads to the same key */
  OBK_RELOAD_REFUSED      /* needs a restart, or is for ever: the reload is refused as a whole */
} ObkReload;

typedef struct
{
  const char *name;  /* "auth.jwt.role" */
  const char *value; /* as `config` would print it */
} ObkConfigEquals;

typedef struct
{
  ObkConfigEquals all[2]; /* every one that has a name */
  const char *text;       /* for the reference page and messages: "with …" */
} ObkFieldCondition;

typedef struct
{
  const char *name;
  ObkConfigType type;
  gsize offset;       /* into ObkConfig */
  const char *preset; /* the default as written in YAML; %NULL: "" or none */
  ObkRequired required;
  ObkReload reload;
  const ObkConfigRule *rule;  /* (nullable): of a string, or of each of a list's */
  const char *const *choices; /* (nullable): %NULL-ended; of a choice, or of a string that is one */
  gboolean is_read_file;      /* a string that names a file to read, or a credential of systemd's */
  gint64 min, max;            /* an integer; a duration in microseconds; how many a list may hold; max 0: no limit */
  const char *suggested;      /* (nullable): in a values file, the default of a field that has none */
  const char *note;           /* (nullable): a rule that goes beyond the field itself */
  const char *help;           /* what it is, one sentence */
} ObkConfigField;

/* The table, in the order of the reference page. The members of a section stand together. */
extern const ObkConfigField obk_config_fields[];
/* How many rows are of the configuration; the rest, of the section "setup", are of values files alone. */
gsize obk_config_n_fields (void);
gsize obk_config_n_fields_of_values (void);

/* Returns: (nullable): the row */
const ObkConfigField *obk_config_field_find (const char *name);
gsize obk_config_field_row (const ObkConfigField *field);
ObkOrigin obk_config_field_origin (const ObkConfigField *field, const ObkConfig *config);

/**
 * obk_config_read_files:
 *
 * Returns: (transfer full) (element-type utf8): all files that @config names to be read, by path or as
 * "credential:NAME", also the PIN's in a PKCS#11 URI. State and socket are not among them, they are written; a PKCS#11
 * module is code.
 */
GPtrArray *obk_config_read_files (const ObkConfig *config);

/* Returns: "at-once", "when-proved", "refused" */
const char *obk_reload_name (ObkReload reload);

const ObkFieldCondition *obk_field_condition_get (ObkRequired required);
gboolean obk_field_condition_holds (ObkRequired required, const ObkConfig *config);

/* Goes through the names directly below @section; "" is the top. Start with { .section = … }. */
typedef struct
{
  const char *section;
  gsize end; /* rows to go through; 0: those of the configuration */
  gsize row;
  char *name;                  /* the full name; for "server" the top's first is "server" */
  const char *leaf;            /* its last part */
  const ObkConfigField *field; /* %NULL when it is a section itself */
} ObkConfigChildren;

/* Returns: FALSE, and frees the name, at the end */
gboolean obk_config_children_next (ObkConfigChildren *children);
/* @end: how many rows to look at */
gboolean obk_config_is_section (const char *name, gsize end);

G_END_DECLS
