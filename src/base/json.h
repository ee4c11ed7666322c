/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of foreign JSON, by jansson, and shape checks that give good error texts. */
#pragma once

#include <glib.h>
#include <jansson.h>

G_BEGIN_DECLS

/**
 * obk_json_parse:
 * @error: OBK_ERROR_JSON, with line and column, and without any of the text itself, which may be secret
 *
 * One JSON value, RFC 8259: no comments, no duplicate members, no trailing content, valid UTF-8,
 * no U+0000 in strings. What is freed is wiped.
 *
 * Returns: (transfer full): the value
 */
json_t *obk_json_parse (const char *text, gsize length, GError **error);

/*
 * Members of an object. Each returns FALSE with OBK_ERROR_JSON ('"name" is missing', '"name" is not a
 * string') and leaves the result alone. Strings are borrowed from the object.
 */
gboolean obk_json_get_string (const json_t *object, const char *name, const char **value, GError **error);
gboolean obk_json_get_int (const json_t *object, const char *name, gint64 *value, GError **error);
gboolean obk_json_get_boolean (const json_t *object, const char *name, gboolean *value, GError **error);
gboolean obk_json_get_object (const json_t *object, const char *name, const json_t **value, GError **error);
gboolean obk_json_get_array (const json_t *object, const char *name, const json_t **value, GError **error);

/* FALSE with OBK_ERROR_JSON naming the first member of @object that is not in the %NULL-ended list. */
gboolean obk_json_only (const json_t *object, const char *const *names, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (json_t, json_decref)

G_END_DECLS
