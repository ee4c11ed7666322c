/* SPDX-License-Identifier: Apache-2.0 */
/* The one JSON encoder: members in the order given, strings escaped as Go's encoding/json does. */
#include "base/canonical-json.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 32

struct _ObkCanonicalJson
{
  GString *text;
  guint indent;
  guint depth;
  char closing[MAX_DEPTH];    /* of each open object or array */
  gboolean filled[MAX_DEPTH]; /* whether it has a member already */
};

ObkCanonicalJson *
obk_canonical_json_new (guint indent)
{
  ObkCanonicalJson *json = g_new0 (ObkCanonicalJson, 1);

  json->text = g_string_sized_new (512);
  json->indent = indent;
  return json;
}

void
obk_canonical_json_free (ObkCanonicalJson *json)
{
  if (json == NULL)
    return;
  g_string_free (json->text, TRUE);
  g_free (json);
}

static void
append_newline (ObkCanonicalJson *json)
{
  gsize spaces = (gsize)json->indent * json->depth;
  gsize start = json->text->len + 1;

  g_string_set_size (json->text, start + spaces);
  json->text->str[start - 1] = '\n';
  memset (json->text->str + start, ' ', spaces);
}

/*
 * What Go's encoding/json escapes with HTML escaping on; U+007F is not among it. 0xe2 is only what U+2028
 * and U+2029 begin with.
 */
static const guint8 special[256] = {
  [0x00 ... 0x1f] = 1, ['"'] = 1, ['\\'] = 1, ['<'] = 1, ['>'] = 1, ['&'] = 1, [0xe2] = 1,
};

static void
append_escaped (GString *out, guchar c)
{
  static const char from[] = "\"\\\b\f\n\r\t";
  static const char to[] = "\"\\bfnrt";
  static const char digits[] = "0123456789abcdef";
  const char *found = memchr (from, c, sizeof from - 1);

  if (found != NULL)
    {
      const char pair[] = { '\\', to[found - from] };
      g_string_append_len (out, pair, sizeof pair);
    }
  else
    {
      const char hex[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 0xf] };
      g_string_append_len (out, hex, sizeof hex);
    }
}

/* U+2028 is E2 80 A8, U+2029 E2 80 A9. Returns: whether @at begins one */
static gboolean
is_separator (const guchar *at)
{
  return at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9);
}

static void
append_string (GString *out, const char *value)
{
  const guchar *run = (const guchar *)value; /* start of what is copied as it is */
  const guchar *at = run;

  g_string_append_c (out, '"');
  for (;;)
    {
      while (!special[*at] || (*at == 0xe2 && !is_separator (at)))
        at++;
      g_string_append_len (out, (const char *)run, at - run);
      if (*at == '\0')
        break;
      if (*at == 0xe2)
        {
          g_string_append (out, at[2] == 0xa8 ? "\\u2028" : "\\u2029");
          at += 3;
        }
      else
        append_escaped (out, *at++);
      run = at;
    }
  g_string_append_c (out, '"');
}

/* Everything that stands before a value. Returns: whether it may stand here */
static gboolean
begin_value (ObkCanonicalJson *json, const char *name)
{
  g_return_val_if_fail (json != NULL, FALSE);

  if (json->depth == 0)
    {
      g_return_val_if_fail (name == NULL && json->text->len == 0, FALSE);
      return TRUE;
    }
  g_return_val_if_fail ((name != NULL) == (json->closing[json->depth - 1] == '}'), FALSE);
  g_return_val_if_fail (name == NULL || g_utf8_validate (name, -1, NULL), FALSE);

  if (json->filled[json->depth - 1])
    g_string_append_c (json->text, ',');
  json->filled[json->depth - 1] = TRUE;
  if (json->indent > 0)
    append_newline (json);
  if (name != NULL)
    {
      append_string (json->text, name);
      g_string_append (json->text, json->indent > 0 ? ": " : ":");
    }
  return TRUE;
}

static void
open_level (ObkCanonicalJson *json, const char *name, char opening, char closing)
{
  g_return_if_fail (json->depth < MAX_DEPTH);

  if (!begin_value (json, name))
    return;
  g_string_append_c (json->text, opening);
  json->closing[json->depth] = closing;
  json->filled[json->depth] = FALSE;
  json->depth++;
}

static void
close_level (ObkCanonicalJson *json, char closing)
{
  g_return_if_fail (json->depth > 0 && json->closing[json->depth - 1] == closing);

  json->depth--;
  if (json->indent > 0 && json->filled[json->depth])
    append_newline (json);
  g_string_append_c (json->text, closing);
}

void
obk_canonical_json_begin_object (ObkCanonicalJson *json, const char *name)
{
  open_level (json, name, '{', '}');
}

void
obk_canonical_json_end_object (ObkCanonicalJson *json)
{
  close_level (json, '}');
}

void
obk_canonical_json_begin_array (ObkCanonicalJson *json, const char *name)
{
  open_level (json, name, '[', ']');
}

void
obk_canonical_json_end_array (ObkCanonicalJson *json)
{
  close_level (json, ']');
}

void
obk_canonical_json_string (ObkCanonicalJson *json, const char *name, const char *value)
{
  g_return_if_fail (value != NULL && g_utf8_validate (value, -1, NULL));

  if (begin_value (json, name))
    append_string (json->text, value);
}

void
obk_canonical_json_int (ObkCanonicalJson *json, const char *name, gint64 value)
{
  if (begin_value (json, name))
    g_string_append_printf (json->text, "%" G_GINT64_FORMAT, value);
}

void
obk_canonical_json_double (ObkCanonicalJson *json, const char *name, double value)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  if (!begin_value (json, name))
    return;
  g_string_append (json->text, isfinite (value) ? g_ascii_formatd (number, sizeof number, "%.15g", value) : "null");
}

void
obk_canonical_json_boolean (ObkCanonicalJson *json, const char *name, gboolean value)
{
  if (begin_value (json, name))
    g_string_append (json->text, value ? "true" : "false");
}

void
obk_canonical_json_null (ObkCanonicalJson *json, const char *name)
{
  if (begin_value (json, name))
    g_string_append (json->text, "null");
}

char *
obk_canonical_json_steal (ObkCanonicalJson *json, gsize *length)
{
  GString *text = NULL;

  g_return_val_if_fail (json != NULL && json->depth == 0, NULL);

  text = g_steal_pointer (&json->text);
  json->text = g_string_sized_new (512);
  if (length != NULL)
    *length = text->len;
  return g_string_free (text, FALSE);
}
