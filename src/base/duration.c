/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as Go writes them. */
#include "base/duration.h"

#include "base/error.h"

#include <string.h>

/* Go counts nanoseconds in 63 bits; what does not fit there is out of range here too. */
#define MAX_NANOSECONDS ((guint64)G_MAXINT64)
#define NANOSECONDS_PER_MICROSECOND 1000

typedef struct
{
  const char *name;
  guint64 nanoseconds;
} Unit;

/* Longer names before the shorter ones that they begin with. */
static const Unit units[] = {
  { "ns", 1 },
  { "us", 1000 },
  { "\u00b5s", 1000 }, /* micro sign */
  { "\u03bcs", 1000 }, /* Greek mu */
  { "ms", 1000 * 1000 },
  { "s", 1000 * 1000 * 1000 },
  { "m", G_GUINT64_CONSTANT (60) * 1000 * 1000 * 1000 },
  { "h", G_GUINT64_CONSTANT (3600) * 1000 * 1000 * 1000 },
};

static const Unit *
find_unit (const char *name, gsize length)
{
  for (gsize i = 0; i < G_N_ELEMENTS (units); i++)
    if (strlen (units[i].name) == length && memcmp (units[i].name, name, length) == 0)
      return &units[i];
  return NULL;
}

static gboolean
read_integer (const char **at, guint64 *value)
{
  *value = 0;
  for (; g_ascii_isdigit (**at); (*at)++)
    if (!g_uint64_checked_mul (value, *value, 10) || !g_uint64_checked_add (value, *value, (guint64)(**at - '0'))
        || *value > MAX_NANOSECONDS)
      return FALSE;
  return TRUE;
}

/* The digits after a point, as value / scale. Those beyond what 63 bits hold no longer count. */
static void
read_fraction (const char **at, guint64 *value, double *scale)
{
  gboolean full = FALSE;

  *value = 0;
  *scale = 1;
  for (; g_ascii_isdigit (**at); (*at)++)
    {
      guint64 digit = (guint64)(**at - '0');

      full = full || *value > (MAX_NANOSECONDS - digit) / 10;
      if (full)
        continue;
      *value = *value * 10 + digit;
      *scale *= 10;
    }
}

/* One number with its unit. Returns: %NULL, or what is wrong with it */
static const char *
read_part (const char **at, guint64 *nanoseconds)
{
  const char *start = *at;
  const Unit *unit = NULL;
  guint64 whole = 0, fraction = 0;
  double scale = 1;
  gboolean digits = FALSE;
  gsize unit_length = 0;

  if (!read_integer (at, &whole))
    return "too long";
  digits = *at > start;
  if (**at == '.')
    {
      start = ++*at;
      read_fraction (at, &fraction, &scale);
      digits = digits || *at > start;
    }
  if (!digits)
    return "not a duration";

  unit_length = strcspn (*at, ".0123456789");
  if (unit_length == 0)
    return "a unit is missing";
  unit = find_unit (*at, unit_length);
  if (unit == NULL)
    return "unknown unit";
  *at += unit_length;

  if (!g_uint64_checked_mul (nanoseconds, whole, unit->nanoseconds) || *nanoseconds > MAX_NANOSECONDS)
    return "too long";
  /* In doubles and cut off, as Go does it. */
  *nanoseconds += (guint64)((double)fraction * ((double)unit->nanoseconds / scale));
  return *nanoseconds > MAX_NANOSECONDS ? "too long" : NULL;
}

gboolean
obk_duration_parse (const char *text, gint64 *us, GError **error)
{
  const char *at = text;
  const char *problem = NULL;
  gboolean negative = FALSE;
  guint64 total = 0;

  g_return_val_if_fail (text != NULL && us != NULL, FALSE);

  negative = *at == '-';
  if (*at == '-' || *at == '+')
    at++;
  if (*at == '\0')
    problem = "not a duration";
  while (*at != '\0' && problem == NULL)
    {
      guint64 part = 0;

      problem = read_part (&at, &part);
      if (problem == NULL && part > MAX_NANOSECONDS - total)
        problem = "too long";
      total += part;
    }
  if (problem == NULL && negative && total != 0)
    problem = "negative";
  if (problem != NULL)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "%s; write it like \"90s\", \"1h30m\" or \"500ms\"",
                   problem);
      return FALSE;
    }
  /* Up, so that what is positive stays positive. */
  *us = (gint64)(total / NANOSECONDS_PER_MICROSECOND + (total % NANOSECONDS_PER_MICROSECOND != 0));
  return TRUE;
}

/* Appends whole.fraction without the fraction's trailing zeros. */
static void
append_decimal (GString *out, guint64 value, guint64 unit)
{
  g_string_append_printf (out, "%" G_GUINT64_FORMAT, value / unit);
  value %= unit;
  if (value == 0)
    return;
  g_string_append_c (out, '.');
  while (value != 0)
    {
      unit /= 10;
      g_string_append_c (out, (char)('0' + value / unit));
      value %= unit;
    }
}

char *
obk_duration_format (gint64 us)
{
  GString *out = g_string_new (us < 0 ? "-" : NULL);
  guint64 value = us < 0 ? -(guint64)us : (guint64)us;
  guint64 minutes = value / (60 * G_USEC_PER_SEC);

  if (value == 0)
    g_string_append (out, "0s");
  else if (value < 1000)
    g_string_append_printf (out, "%u\u00b5s", (guint)value);
  else if (value < G_USEC_PER_SEC)
    {
      append_decimal (out, value, 1000);
      g_string_append (out, "ms");
    }
  else
    {
      if (minutes >= 60)
        g_string_append_printf (out, "%" G_GUINT64_FORMAT "h", minutes / 60);
      if (minutes > 0)
        g_string_append_printf (out, "%" G_GUINT64_FORMAT "m", minutes % 60);
      append_decimal (out, value % (60 * G_USEC_PER_SEC), G_USEC_PER_SEC);
      g_string_append_c (out, 's');
    }
  return g_string_free (out, FALSE);
}
