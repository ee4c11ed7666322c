/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS handshake for the sake of what the server shows, also when that is refused. Blocking; for reports. */
#include "openbao/handshake.h"

#include "base/clock.h"
#include "base/error.h"
#include "openbao/tls.h"

#include <prnetdb.h>
#include <secoid.h>
#include <ssl.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#define MAX_NAMES 64 /* of one certificate; more are left out */

static void
certificate_free (gpointer data)
{
  ObkPeerCertificate *certificate = data;

  g_free (certificate->subject);
  g_free (certificate->issuer);
  g_strfreev (certificate->names);
  g_free (certificate);
}

void
obk_handshake_clear (ObkHandshake *handshake)
{
  g_clear_pointer (&handshake->protocol, g_free);
  g_clear_pointer (&handshake->chain, g_ptr_array_unref);
}

/* Returns: (transfer full) (nullable): a DNS name or an IP address; %NULL for one of another kind */
static char *
name_to_text (const CERTGeneralName *name)
{
  const SECItem *item = &name->name.other;
  PRNetAddr address;
  char text[64] = "";

  if (name->type == certDNSName)
    return g_strndup ((const char *)item->data, item->len);
  if (name->type != certIPAddress || (item->len != 4 && item->len != 16))
    return NULL;
  memset (&address, 0, sizeof address);
  address.raw.family = item->len == 4 ? PR_AF_INET : PR_AF_INET6;
  memcpy (item->len == 4 ? (gpointer)&address.inet.ip : (gpointer)&address.ipv6.ip, item->data, item->len);
  return PR_NetAddrToString (&address, text, sizeof text) == PR_SUCCESS ? g_strdup (text) : NULL;
}

static GStrv
read_names (CERTCertificate *certificate)
{
  GPtrArray *names = g_ptr_array_new ();
  PLArenaPool *arena = PORT_NewArena (DER_DEFAULT_CHUNKSIZE);
  SECItem extension = { .data = NULL };
  CERTGeneralName *first = NULL;

  if (arena != NULL && CERT_FindCertExtension (certificate, SEC_OID_X509_SUBJECT_ALT_NAME, &extension) == SECSuccess)
    first = CERT_DecodeAltNameExtension (arena, &extension);
  for (CERTGeneralName *name = first; name != NULL && names->len < MAX_NAMES;)
    {
      char *text = name_to_text (name);

      if (text != NULL)
        g_ptr_array_add (names, text);
      name = CERT_GetNextGeneralName (name);
      if (name == first)
        break;
    }
  SECITEM_FreeItem (&extension, PR_FALSE);
  if (arena != NULL)
    PORT_FreeArena (arena, PR_FALSE);
  g_ptr_array_add (names, NULL);
  return (GStrv)g_ptr_array_free (names, FALSE);
}

static void
read_certificate (ObkHandshake *handshake, CERTCertificate *certificate)
{
  ObkPeerCertificate *read = g_new0 (ObkPeerCertificate, 1);
  PRTime not_before = 0, not_after = 0;

  (void)CERT_GetCertTimes (certificate, &not_before, &not_after);
  read->subject = g_strdup (certificate->subjectName != NULL ? certificate->subjectName : "");
  read->issuer = g_strdup (certificate->issuerName != NULL ? certificate->issuerName : "");
  read->names = read_names (certificate);
  read->not_before_unix = not_before / PR_USEC_PER_SEC;
  read->not_after_unix = not_after / PR_USEC_PER_SEC;
  g_ptr_array_add (handshake->chain, read);
}

static void
read_connection (ObkHandshake *handshake, const ObkTls *tls)
{
  PRFileDesc *nss = obk_tls_nss (tls);
  g_autoptr (CERTCertList) chain = SSL_PeerCertificateChain (nss);
  SSLChannelInfo info;

  if (SSL_GetChannelInfo (nss, &info, sizeof info) == SECSuccess && info.protocolVersion != 0)
    handshake->protocol = g_strdup_printf ("TLS 1.%d", (info.protocolVersion & 0xff) - 1);
  if (chain == NULL)
    return;
  for (CERTCertListNode *node = CERT_LIST_HEAD (chain); !CERT_LIST_END (node, chain); node = CERT_LIST_NEXT (node))
    read_certificate (handshake, node->cert);
}

/* Returns: FALSE when the deadline has come */
static gboolean
wait_for (int fd, ObkTls *tls, gint64 deadline_us, GError **error)
{
  struct pollfd ready = { .fd = fd, .events = obk_tls_wants_write (tls) ? POLLOUT : POLLIN };
  gint64 left_us = deadline_us - obk_clock_boot_us ();
  int n = left_us > 0 ? TEMP_FAILURE_RETRY (poll (&ready, 1, (int)MIN (left_us / 1000 + 1, G_MAXINT))) : 0;

  if (n > 0)
    {
      obk_tls_readable (tls, (ready.revents & (POLLHUP | POLLERR)) != 0);
      return TRUE;
    }
  g_set_error_literal (error, OBK_ERROR, OBK_ERROR_TIMEOUT, "the server did not answer the handshake in time");
  return FALSE;
}

gboolean
obk_handshake_run (int fd, const char *server_name, ObkCaBundle *trusted, gint64 deadline_us, ObkHandshake *handshake,
                   GError **error)
{
  g_autoptr (ObkTls) tls = NULL;
  ObkTlsResult result = OBK_TLS_AGAIN;

  g_return_val_if_fail (handshake != NULL, FALSE);

  *handshake = (ObkHandshake){ .chain = g_ptr_array_new_with_free_func (certificate_free) };
  tls = obk_tls_new (fd, server_name, trusted, NULL, error);
  if (tls == NULL)
    return FALSE;
  for (;;)
    {
      result = obk_tls_handshake (tls, error);
      if (result != OBK_TLS_AGAIN || !wait_for (fd, tls, deadline_us, error))
        break;
    }
  read_connection (handshake, tls);
  return result == OBK_TLS_DONE;
}
