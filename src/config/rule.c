/* SPDX-License-Identifier: Apache-2.0 */
/* What a single string of the configuration must look like. */
#include "config/rule.h"

#include "config-build.h"
#include "config/pkcs11-uri.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

#include <string.h>
#include <sys/un.h>

#define MAX_SOCKET_PATH (sizeof ((struct sockaddr_un *)NULL)->sun_path - 1)
#define MAX_GID 4294967294U /* the last one means "none" */
#define CREDENTIAL_PREFIX "credential:"

static gboolean
has_control (const char *text)
{
  for (; *text != '\0'; text = g_utf8_next_char (text))
    if (g_unichar_iscntrl (g_utf8_get_char (text)))
      return TRUE;
  return FALSE;
}

static gboolean
has_surrounding_space (const char *text)
{
  const char *last = g_utf8_find_prev_char (text, text + strlen (text));

  return last != NULL && (g_unichar_isspace (g_utf8_get_char (text)) || g_unichar_isspace (g_utf8_get_char (last)));
}

static const char *
check_printable (const char *text)
{
  if (has_control (text))
    return _ ("must not hold control characters");
  if (has_surrounding_space (text))
    return _ ("must not begin or end with white space");
  return NULL;
}

static const char *
check_identifier (const char *text)
{
  return text[0] == '\0' ? _ ("must not be empty") : check_printable (text);
}

/* Whether a segment between slashes is empty, "." or "..". */
static gboolean
has_bad_segment (const char *path)
{
  g_auto (GStrv) segments = g_strsplit (path, "/", -1);

  if (path[0] == '\0') /* of which g_strsplit() makes no segment at all */
    return TRUE;
  for (gsize i = 0; segments[i] != NULL; i++)
    if (segments[i][0] == '\0' || strcmp (segments[i], ".") == 0 || strcmp (segments[i], "..") == 0)
      return TRUE;
  return FALSE;
}

static const char *
check_relative_path (const char *text)
{
  if (text[0] == '/')
    return _ ("must be a relative path, without a slash at the start");
  if (has_bad_segment (text))
    return _ ("must not have an empty, \".\" or \"..\" segment");
  if (strchr (text, '%') != NULL)
    return _ ("must not hold \"%\"");
  return NULL;
}

static const char *
check_mount_path (const char *text)
{
  const char *problem = check_identifier (text);

  return problem != NULL ? problem : check_relative_path (text);
}

static const char *
check_namespace (const char *text)
{
  return text[0] == '\0' ? NULL : check_mount_path (text);
}

static const char *
check_key_name (const char *text)
{
  gsize length = strlen (text);

  if (length == 0)
    return _ ("must not be empty");
  for (gsize i = 0; i < length; i++)
    {
      gboolean inside = i > 0 && i + 1 < length;

      if (!g_ascii_isalnum (text[i]) && text[i] != '_' && !(inside && (text[i] == '.' || text[i] == '-')))
        return _ ("must be of letters, digits and \"_\", and inside also of \".\" and \"-\"");
    }
  return NULL;
}

static const char *
check_absolute_path (const char *text)
{
  if (text[0] != '/')
    return _ ("must be an absolute path");
  if (text[strlen (text) - 1] == '/')
    return _ ("must name a file, not a directory");
  return has_control (text) ? _ ("must not hold control characters") : NULL;
}

static const char *
check_credential (const char *text)
{
  const char *name = text + strlen (CREDENTIAL_PREFIX);

  if (!g_str_has_prefix (text, CREDENTIAL_PREFIX))
    return text[0] == '/' ? check_absolute_path (text) : _ ("must be an absolute path or \"credential:NAME\"");
  /* What systemd takes for a name; obk_credential_path() holds to the same. */
  if (name[0] == '\0' || strlen (name) > 255 || strcmp (name, ".") == 0 || strcmp (name, "..") == 0)
    return _ ("does not name a credential");
  for (const char *at = name; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at) || *at == '/' || *at == ':')
      return _ ("does not name a credential");
  return NULL;
}

static const char *
check_socket_path (const char *text)
{
  g_auto (GStrv) approved = g_strsplit (OBK_SOCKET_DIRECTORIES, ":", -1);
  g_autofree char *message = NULL;
  const char *problem = check_absolute_path (text);

  if (problem != NULL)
    return problem;
  if (strlen (text) > MAX_SOCKET_PATH)
    return _ ("must not be longer than 107 bytes");
  if (has_bad_segment (text + 1))
    return _ ("must not have an empty, \".\" or \"..\" segment");
  for (gsize i = 0; approved[i] != NULL; i++)
    if (g_str_has_prefix (text, approved[i]) && text[strlen (approved[i])] == '/')
      return NULL;
  message = g_strdup_printf (_ ("must lie below one of these directories: %s"), OBK_SOCKET_DIRECTORIES);
  return g_intern_string (message);
}

static const char *
check_group (const char *text)
{
  guint64 gid = 0;

  if (text[0] == '\0')
    return _ ("must not be empty");
  if (g_ascii_isdigit (text[0]) && !g_ascii_string_to_unsigned (text, 10, 0, MAX_GID, &gid, NULL))
    return _ ("must be a group's name or a decimal gid");
  if (strpbrk (text, ":/") != NULL || has_control (text) || strpbrk (text, " ") != NULL || text[0] == '-'
      || text[0] == '+')
    return _ ("must be a group's name or a decimal gid");
  return NULL;
}

static gboolean
is_url_text (const char *text)
{
  for (const char *at = text; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at) || strchr ("\"<>\\^`{|}", *at) != NULL)
      return FALSE;
  return TRUE;
}

/* Whether the host is written with percent-encoding: who reads it next may see another host than we do. */
static gboolean
has_encoded_host (const char *url)
{
  const char *host = strstr (url, "://");
  const char *percent = strchr (url, '%');

  return host != NULL && percent != NULL && percent < host + 3 + strcspn (host + 3, "/?#");
}

/* Returns: (nullable): what keeps @text from being an https URL with a host */
static const char *
check_https (const char *text, GUri **uri)
{
  *uri = is_url_text (text) ? g_uri_parse (text, G_URI_FLAGS_ENCODED, NULL) : NULL;
  if (*uri == NULL || has_encoded_host (text))
    return _ ("must be an https URL");
  if (strcmp (g_uri_get_scheme (*uri), "https") != 0)
    return _ ("must be an https URL");
  if (g_uri_get_host (*uri) == NULL || g_uri_get_host (*uri)[0] == '\0')
    return _ ("must have a host");
  if (g_uri_get_port (*uri) == 0)
    return _ ("must not have port 0");
  if (g_uri_get_userinfo (*uri) != NULL)
    return _ ("must not hold a user name or password");
  return g_uri_get_fragment (*uri) != NULL ? _ ("must not have a fragment (\"#\")") : NULL;
}

static const char *
check_openbao_address (const char *text)
{
  g_autoptr (GUri) uri = NULL;
  g_autofree char *path = NULL;
  const char *problem = check_https (text, &uri);
  const char *slash = NULL;

  if (problem != NULL)
    return problem;
  if (g_uri_get_query (uri) != NULL)
    return _ ("must not have a query (\"?\")");
  slash = strchr (strstr (text, "://") + 3, '/'); /* as written: a GUri has no dots any more */
  path = g_strdup (slash != NULL ? slash + 1 : "");
  if (path[0] == '\0')
    return NULL;
  if (g_str_has_suffix (path, "/"))
    path[strlen (path) - 1] = '\0';
  if (has_bad_segment (path))
    return _ ("must not have an empty, \".\" or \"..\" segment in its path");
  return NULL;
}

static const char *
check_token_url (const char *text)
{
  g_autoptr (GUri) uri = NULL;

  return check_https (text, &uri);
}

static const char *
check_resource (const char *text)
{
  g_autoptr (GUri) uri = is_url_text (text) ? g_uri_parse (text, G_URI_FLAGS_ENCODED, NULL) : NULL;

  return uri == NULL || g_uri_get_fragment (uri) != NULL ? _ ("must be an absolute URI without fragment (RFC 8707)")
                                                         : NULL;
}

/* No other name than "localhost": whoever listens waits for no resolver (observe/web-listen.h). */
static gboolean
is_listen_host (const char *host)
{
  gsize length = strlen (host);
  gboolean in_brackets = length > 2 && host[0] == '[' && host[length - 1] == ']';
  g_autofree char *number = in_brackets ? g_strndup (host + 1, length - 2) : g_strdup (host);
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (number);

  if (address == NULL)
    return strcmp (host, "localhost") == 0;
  return in_brackets == (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6);
}

static const char *
check_listen_address (const char *text)
{
  const char *colon = strrchr (text, ':');
  g_autofree char *host = NULL;

  if (text[0] == '\0')
    return NULL;
  if (g_str_has_prefix (text, "unix:"))
    {
      if (strlen (text) - strlen ("unix:") > MAX_SOCKET_PATH)
        return _ ("must not have a path of more than 107 bytes");
      return check_absolute_path (text + strlen ("unix:"));
    }
  host = colon != NULL ? g_strndup (text, (gsize)(colon - text)) : NULL;
  if (host == NULL || !is_listen_host (host) || !g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT16, NULL, NULL))
    return _ ("must be IP:PORT as in 127.0.0.1:8081, 0.0.0.0:8081 or [::1]:8081, localhost:PORT, unix:/PATH, or "
              "empty to switch it off; no other name is looked up");
  return NULL;
}

static const char *
check_pkcs11_uri (const char *text)
{
  return text[0] == '\0' ? NULL : obk_pkcs11_uri_check (text);
}

const ObkConfigRule obk_rule_identifier = {
  .check = check_identifier,
  .text = "no control character, no surrounding white space",
  .pattern = "^\\S(.*\\S)?$",
};
const ObkConfigRule obk_rule_printable = {
  .check = check_printable,
  .text = "no control character, no surrounding white space",
  .pattern = "^(\\S(.*\\S)?)?$",
};
const ObkConfigRule obk_rule_namespace = {
  .check = check_namespace,
  .text = "relative path without empty, `.` or `..` segment, without `%`",
  .pattern = "^[^/%]*(/[^/%]+)*$",
};
const ObkConfigRule obk_rule_mount_path = {
  .check = check_mount_path,
  .text = "relative path without empty, `.` or `..` segment, without `%`",
  .pattern = "^[^/%]+(/[^/%]+)*$",
};
const ObkConfigRule obk_rule_key_name = {
  .check = check_key_name,
  .text = "letters, digits, `_`, and inside also `.` and `-`",
  .pattern = "^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$",
};
const ObkConfigRule obk_rule_absolute_path = {
  .check = check_absolute_path,
  .text = "absolute path",
  .pattern = "^/.*[^/]$",
};
const ObkConfigRule obk_rule_credential = {
  .check = check_credential,
  .text = "absolute path or `credential:NAME`",
  .pattern = "^(/.*[^/]|credential:[^/:]+)$",
};
const ObkConfigRule obk_rule_socket_path = {
  .check = check_socket_path,
  .text = "absolute path below an approved directory, at most 107 bytes",
  .pattern = "^/.*[^/]$",
};
const ObkConfigRule obk_rule_group = {
  .check = check_group,
  .text = "group name or decimal gid",
  .pattern = "^[^:/ ]+$",
};
const ObkConfigRule obk_rule_openbao_address = {
  .check = check_openbao_address,
  .text = "https URL with a host, without user info, query or fragment",
  .pattern = "^[Hh][Tt][Tt][Pp][Ss]://[^/?#@]+(/[^?#]*)?$",
};
const ObkConfigRule obk_rule_token_url = {
  .check = check_token_url,
  .text = "https URL with a host, without user info or fragment",
  .pattern = "^[Hh][Tt][Tt][Pp][Ss]://[^/?#@]+([/?][^#]*)?$",
};
const ObkConfigRule obk_rule_resource = {
  .check = check_resource,
  .text = "absolute URI without fragment (RFC 8707)",
  .pattern = "^[A-Za-z][A-Za-z0-9+.-]*:[^#]*$",
};
const ObkConfigRule obk_rule_listen_address = {
  .check = check_listen_address,
  .text = "`IP:PORT` (an IPv6 address in brackets), `localhost:PORT`, `unix:/PATH`, or empty to switch it off",
  .pattern = "^(unix:/.*[^/]|([0-9.]+|\\[[^\\]]+\\]|localhost):[0-9]+)?$",
};
const ObkConfigRule obk_rule_pkcs11_uri = {
  .check = check_pkcs11_uri,
  .text = "RFC 7512, with `object` or `id`, without `pin-value`",
  .pattern = "^(pkcs11:.+)?$",
};
