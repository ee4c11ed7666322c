/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS client connection by NSS on a non-blocking descriptor. */
#include "openbao/tls.h"

#include "base/error.h"
#include "openbao/tls-error.h"

#include <prio.h>
#include <prnetdb.h>
#include <ssl.h>
#include <sslerr.h>
#include <sslproto.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER 2048        /* an answer of Transit with its headers fits; each connection has one */
#define HANDSHAKE_MAX (256 * 1024) /* bytes of a server: its certificates are 128 KiB at most */
#define FAILED "TLS failed"

struct _ObkTls
{
  int fd;
  PRFileDesc *nss;
  char *server_name;
  ObkCaBundle *trusted;
  ObkTlsIdentity *identity; /* %NULL: none */
  GError *refusal;          /* why the certificate was refused */
  gsize heard;              /* bytes, until the handshake is done */
  gboolean open;            /* it is */
  gboolean asked_for_certificate;
  gboolean drained; /* the descriptor has had nothing more */
  gboolean ending;  /* and will have nothing more after what it has */
  gboolean blocked; /* the descriptor has taken no more */
  /* NSS asks for the five bytes of a record's header first: without this each record costs two system calls. */
  guint begin, end;
  char buffer[RECEIVE_BUFFER];
};

static PRDescIdentity layer_identity;
static PRIOMethods layer_methods;

static ObkTls *
tls_of (PRFileDesc *layer)
{
  return (gpointer)layer->secret;
}

static void
set_system_error (int code)
{
  PR_SetError (code == EAGAIN         ? PR_WOULD_BLOCK_ERROR
               : code == ECONNRESET   ? PR_CONNECT_RESET_ERROR
               : code == EPIPE        ? PR_CONNECT_RESET_ERROR
               : code == ENOTCONN     ? PR_NOT_CONNECTED_ERROR
               : code == ECONNABORTED ? PR_CONNECT_ABORTED_ERROR
                                      : PR_IO_ERROR,
               code);
}

/* What a server may begin with. */
static gboolean
is_record_type (guint8 byte)
{
  return byte == ssl_ct_handshake || byte == ssl_ct_alert;
}

/* Whether the server may go on to say that. NSS would wait for as many bytes as the first ones of what is no TLS seem
 * to say, and goes on within one call for as long as a server sends what is to be ignored. */
static gboolean
is_handshake (ObkTls *tls, const guint8 *data, gsize n)
{
  gboolean begins = tls->heard == 0;

  if (tls->open)
    return TRUE;
  tls->heard += n;
  return (!begins || is_record_type (data[0])) && tls->heard <= HANDSHAKE_MAX;
}

/* recv() that remembers a descriptor with nothing more, so that it is not asked in vain. */
static PRInt32
receive (ObkTls *tls, void *buffer, gsize size)
{
  ssize_t n = -1;

  if (tls->drained)
    {
      set_system_error (EAGAIN);
      return -1;
    }
  n = TEMP_FAILURE_RETRY (recv (tls->fd, buffer, size, 0));
  if (n < 0)
    set_system_error (errno);
  else if (n > 0 && !is_handshake (tls, buffer, (gsize)n))
    {
      PR_SetError (SSL_ERROR_RX_UNKNOWN_RECORD_TYPE, 0);
      return -1;
    }
  tls->drained = n < 0 ? errno == EAGAIN : (gsize)n < size && !tls->ending;
  return (PRInt32)n;
}

static PRInt32
layer_recv (PRFileDesc *layer, void *buffer, PRInt32 size, PRIntn flags, PRIntervalTime timeout)
{
  ObkTls *tls = tls_of (layer);
  PRInt32 n = 0;

  if (tls->begin == tls->end && size >= RECEIVE_BUFFER && flags == 0)
    return receive (tls, buffer, (gsize)size);
  if (tls->begin == tls->end)
    {
      n = receive (tls, tls->buffer, RECEIVE_BUFFER);
      if (n <= 0)
        return n;
      tls->begin = 0;
      tls->end = (guint)n;
    }
  n = MIN (size, (PRInt32)(tls->end - tls->begin));
  memcpy (buffer, tls->buffer + tls->begin, (gsize)n);
  if (flags != PR_MSG_PEEK)
    tls->begin += (guint)n;
  return n;
}

static PRInt32
layer_send (PRFileDesc *layer, const void *data, PRInt32 size, PRIntn flags, PRIntervalTime timeout)
{
  ObkTls *tls = tls_of (layer);
  ssize_t n = TEMP_FAILURE_RETRY (send (tls->fd, data, (gsize)size, MSG_NOSIGNAL));

  if (n < 0)
    set_system_error (errno);
  tls->blocked = n < size;
  return (PRInt32)n;
}

static PRInt32
layer_read (PRFileDesc *layer, void *buffer, PRInt32 size)
{
  return layer_recv (layer, buffer, size, 0, PR_INTERVAL_NO_TIMEOUT);
}

static PRInt32
layer_write (PRFileDesc *layer, const void *data, PRInt32 size)
{
  return layer_send (layer, data, size, 0, PR_INTERVAL_NO_TIMEOUT);
}

/* NSS wants it as a key of its session cache, which is off. */
static PRStatus
layer_getpeername (PRFileDesc *layer, PRNetAddr *address)
{
  return PR_InitializeNetAddr (PR_IpAddrLoopback, 0, address);
}

static PRStatus
layer_getsocketoption (PRFileDesc *layer, PRSocketOptionData *data)
{
  if (data->option != PR_SockOpt_Nonblocking)
    {
      PR_SetError (PR_NOT_IMPLEMENTED_ERROR, 0);
      return PR_FAILURE;
    }
  data->value.non_blocking = PR_TRUE;
  return PR_SUCCESS;
}

/* NSS asks for some before it closes; the link has set what it wants. */
static PRStatus
layer_setsocketoption (PRFileDesc *layer, const PRSocketOptionData *data)
{
  return PR_SUCCESS;
}

static PRInt16
layer_poll (PRFileDesc *layer, PRInt16 in, PRInt16 *out)
{
  *out = in;
  return in;
}

/* The descriptor itself belongs to others. */
static PRStatus
layer_close (PRFileDesc *layer)
{
  layer->secret = NULL;
  layer->dtor (layer);
  return PR_SUCCESS;
}

static gpointer
make_layer (gpointer data)
{
  layer_methods = *PR_GetDefaultIOMethods ();
  layer_methods.recv = layer_recv;
  layer_methods.send = layer_send;
  layer_methods.read = layer_read;
  layer_methods.write = layer_write;
  layer_methods.getpeername = layer_getpeername;
  layer_methods.getsocketoption = layer_getsocketoption;
  layer_methods.setsocketoption = layer_setsocketoption;
  layer_methods.poll = layer_poll;
  layer_methods.close = layer_close;
  layer_identity = PR_GetUniqueIdentity ("obk");
  return NULL;
}

static SECStatus
verify_server (void *data, PRFileDesc *nss, PRBool check_signature, PRBool is_server)
{
  ObkTls *tls = data;
  g_autoptr (CERTCertificate) certificate = SSL_PeerCertificate (nss);
  /* NSS finds the authorities in between among the certificates that somebody holds; newer ones do not do it for us. */
  g_autoptr (CERTCertList) held = SSL_PeerCertificateChain (nss);

  g_clear_error (&tls->refusal);
  if (certificate != NULL && obk_ca_bundle_verify (tls->trusted, certificate, tls->server_name, &tls->refusal))
    return SECSuccess;
  PR_SetError (SSL_ERROR_BAD_CERTIFICATE, 0); /* chooses the alert; @refusal has the reason */
  return SECFailure;
}

/* Without an identity it is still worth knowing that the server wants one. */
static SECStatus
present_identity (void *data, PRFileDesc *nss, CERTDistNames *names, CERTCertificate **certificate,
                  SECKEYPrivateKey **key)
{
  ObkTls *tls = data;

  tls->asked_for_certificate = TRUE;
  if (tls->identity == NULL)
    return SECFailure;
  tls->identity->asked_for = TRUE;
  *certificate = CERT_DupCertificate (tls->identity->certificate);
  *key = SECKEY_CopyPrivateKey (tls->identity->key);
  return *key != NULL ? SECSuccess : SECFailure;
}

/* TLS 1.2 and 1.3, as far as the crypto policy lets. */
static SECStatus
set_versions (PRFileDesc *nss, const ObkTlsIdentity *identity)
{
  SSLVersionRange range = { .min = 0, .max = 0 };

  if (SSL_VersionRangeGet (nss, &range) != SECSuccess)
    return SECFailure;
  range.min = MAX (range.min, SSL_LIBRARY_VERSION_TLS_1_2);
  range.max = identity != NULL && identity->without_pss ? SSL_LIBRARY_VERSION_TLS_1_2 : SSL_LIBRARY_VERSION_TLS_1_3;
  if (SSL_VersionRangeSet (nss, &range) == SECSuccess)
    return SECSuccess;
  range.max = SSL_LIBRARY_VERSION_TLS_1_2;
  return SSL_VersionRangeSet (nss, &range);
}

static SECStatus
set_options (PRFileDesc *nss, const ObkTlsIdentity *identity)
{
  static const struct
  {
    PRInt32 option;
    PRIntn value;
  } options[] = {
    { SSL_SECURITY, PR_TRUE },
    { SSL_HANDSHAKE_AS_CLIENT, PR_TRUE },
    { SSL_ENABLE_ALPN, PR_TRUE },
    { SSL_NO_CACHE, PR_TRUE },
    { SSL_ENABLE_SESSION_TICKETS, PR_FALSE },
    { SSL_ENABLE_0RTT_DATA, PR_FALSE },
    { SSL_ENABLE_RENEGOTIATION, SSL_RENEGOTIATE_NEVER },
    { SSL_ENABLE_FALSE_START, PR_FALSE },
    { SSL_ENABLE_EXTENDED_MASTER_SECRET, PR_TRUE },
    { SSL_NO_LOCKS, PR_TRUE },
  };
  /* Without SHA-1, which NSS still has at the end of its list. */
  static const SSLSignatureScheme schemes[] = {
    ssl_sig_ecdsa_secp256r1_sha256, ssl_sig_ecdsa_secp384r1_sha384, ssl_sig_ecdsa_secp521r1_sha512,
    ssl_sig_rsa_pss_rsae_sha256,    ssl_sig_rsa_pss_rsae_sha384,    ssl_sig_rsa_pss_rsae_sha512,
    ssl_sig_rsa_pkcs1_sha256,       ssl_sig_rsa_pkcs1_sha384,       ssl_sig_rsa_pkcs1_sha512,
  };
  static const SSLSignatureScheme without_pss[] = {
    ssl_sig_ecdsa_secp256r1_sha256, ssl_sig_ecdsa_secp384r1_sha384, ssl_sig_ecdsa_secp521r1_sha512,
    ssl_sig_rsa_pkcs1_sha256,       ssl_sig_rsa_pkcs1_sha384,       ssl_sig_rsa_pkcs1_sha512,
  };
  static const unsigned char protocols[] = "\x08http/1.1";

  for (gsize i = 0; i < G_N_ELEMENTS (options); i++)
    if (SSL_OptionSet (nss, options[i].option, options[i].value) != SECSuccess)
      return SECFailure;
  if (identity != NULL && identity->without_pss
          ? SSL_SignatureSchemePrefSet (nss, without_pss, G_N_ELEMENTS (without_pss)) != SECSuccess
          : SSL_SignatureSchemePrefSet (nss, schemes, G_N_ELEMENTS (schemes)) != SECSuccess)
    return SECFailure;
  return SSL_SetNextProtoNego (nss, protocols, sizeof protocols - 1);
}

/* NSS' module for FIPS mode goes on to do what FIPS does not allow, and leaves it to the application not to ask. */
static SECStatus
keep_to_fips (PRFileDesc *nss)
{
  static const SSLNamedGroup groups[] = { ssl_grp_ec_secp256r1, ssl_grp_ec_secp384r1, ssl_grp_ec_secp521r1,
                                          ssl_grp_ffdhe_2048,   ssl_grp_ffdhe_3072,   ssl_grp_ffdhe_4096 };

  for (PRUint16 i = 0; i < SSL_GetNumImplementedCiphers (); i++)
    {
      SSLCipherSuiteInfo info;
      PRUint16 suite = SSL_GetImplementedCiphers ()[i];

      if (SSL_GetCipherSuiteInfo (suite, &info, sizeof info) != SECSuccess
          || (!info.isFIPS && SSL_CipherPrefSet (nss, suite, PR_FALSE) != SECSuccess))
        return SECFailure;
    }
  return SSL_NamedGroupConfig (nss, groups, G_N_ELEMENTS (groups));
}

ObkTls *
obk_tls_new (int fd, const char *server_name, ObkCaBundle *trusted, ObkTlsIdentity *identity, GError **error)
{
  static GOnce layer = G_ONCE_INIT;
  g_autoptr (ObkTls) tls = g_new0 (ObkTls, 1);
  PRFileDesc *stub = NULL;

  g_return_val_if_fail (fd >= 0 && server_name != NULL && trusted != NULL, NULL);

  g_once (&layer, make_layer, NULL);
  tls->fd = fd;
  tls->server_name = g_strdup (server_name);
  tls->trusted = obk_ca_bundle_ref (trusted);
  tls->identity = identity;
  stub = PR_CreateIOLayerStub (layer_identity, &layer_methods);
  if (stub != NULL)
    {
      stub->secret = (gpointer)tls;
      tls->nss = SSL_ImportFD (NULL, stub);
    }
  if (stub != NULL && tls->nss == NULL)
    PR_Close (stub);
  if (tls->nss == NULL || set_options (tls->nss, identity) != SECSuccess
      || set_versions (tls->nss, identity) != SECSuccess
      || (obk_nss_is_fips () && keep_to_fips (tls->nss) != SECSuccess)
      || SSL_AuthCertificateHook (tls->nss, verify_server, tls) != SECSuccess
      || SSL_GetClientAuthDataHook (tls->nss, present_identity, tls) != SECSuccess
      || SSL_SetURL (tls->nss, server_name) != SECSuccess || SSL_ResetHandshake (tls->nss, PR_FALSE) != SECSuccess)
    {
      obk_tls_error_set (error, PR_GetError (), "cannot set up TLS");
      return NULL;
    }
  return g_steal_pointer (&tls);
}

void
obk_tls_free (ObkTls *tls)
{
  if (tls == NULL)
    return;
  if (tls->nss != NULL)
    PR_Close (tls->nss);
  g_clear_error (&tls->refusal);
  obk_ca_bundle_unref (tls->trusted);
  g_free (tls->server_name);
  g_free (tls);
}

/* Whether the two sides have nothing in common. */
static gboolean
is_mismatch (PRErrorCode code)
{
  switch (code)
    {
    case SSL_ERROR_NO_CYPHER_OVERLAP:
    case SSL_ERROR_HANDSHAKE_FAILURE_ALERT:
    case SSL_ERROR_INSUFFICIENT_SECURITY_ALERT:
    case SSL_ERROR_ILLEGAL_PARAMETER_ALERT:
    case SSL_ERROR_UNSUPPORTED_VERSION:
    case SSL_ERROR_PROTOCOL_VERSION_ALERT:
    case SSL_ERROR_UNSUPPORTED_SIGNATURE_ALGORITHM:
      return TRUE;
    default:
      return FALSE;
    }
}

/* What a failed call of NSS means. */
static ObkTlsResult
failed (ObkTls *tls, GError **error)
{
  PRErrorCode code = PR_GetError ();

  if (code == PR_WOULD_BLOCK_ERROR)
    return OBK_TLS_AGAIN;
  if (code == SSL_ERROR_HANDSHAKE_FAILURE_ALERT && tls->asked_for_certificate) /* TLS 1.2 has no alert of its own */
    code = SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT;
  if (tls->refusal != NULL)
    g_propagate_error (error, g_steal_pointer (&tls->refusal));
  else
    obk_tls_error_set (error, code,
                       is_mismatch (code) && obk_nss_is_fips () ? FAILED ", with what FIPS mode leaves to offer"
                                                                : FAILED);
  return OBK_TLS_FAILED;
}

ObkTlsResult
obk_tls_handshake (ObkTls *tls, GError **error)
{
  tls->blocked = FALSE;
  tls->open = SSL_ForceHandshake (tls->nss) == SECSuccess;
  return tls->open ? OBK_TLS_DONE : failed (tls, error);
}

ObkTlsResult
obk_tls_read (ObkTls *tls, char *buffer, gsize size, gsize *n, GError **error)
{
  PRInt32 got = PR_Read (tls->nss, buffer, (PRInt32)size);

  *n = got > 0 ? (gsize)got : 0;
  return got > 0 ? OBK_TLS_DONE : got == 0 ? OBK_TLS_END : failed (tls, error);
}

ObkTlsResult
obk_tls_write (ObkTls *tls, const char *data, gsize size, gsize *n, GError **error)
{
  PRInt32 taken = 0;

  tls->blocked = FALSE;
  taken = PR_Write (tls->nss, data, (PRInt32)size);
  *n = taken > 0 ? (gsize)taken : 0;
  if (taken < 0)
    return failed (tls, error);
  return (gsize)taken < size ? OBK_TLS_AGAIN : OBK_TLS_DONE;
}

void
obk_tls_readable (ObkTls *tls, gboolean ending)
{
  tls->drained = FALSE;
  tls->ending = tls->ending || ending;
}

gboolean
obk_tls_wants_write (const ObkTls *tls)
{
  return tls->blocked;
}

PRFileDesc *
obk_tls_nss (const ObkTls *tls)
{
  return tls->nss;
}
