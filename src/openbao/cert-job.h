/* SPDX-License-Identifier: Apache-2.0 */
/* One login or renewal with a certificate, in a thread of its own. For cert-login.h alone. */
#pragma once

#include "openbao/cert-login.h"

G_BEGIN_DECLS

/* What a thread needs to know: immutable, but for signer and addresses, which one thread at a time uses, and what
 * tuning changes, of which each job has a copy. */
typedef struct _ObkCertWay ObkCertWay;

/* @error: OBK_ERROR_CONFIG_INVALID, OBK_ERROR_CREDENTIAL_INVALID, OBK_ERROR_NO_DESCRIPTORS */
ObkCertWay *obk_cert_way_new (const ObkCertLoginOptions *options, GError **error);

/* Lets go of it, in a thread as well: the end of the last user is the end of the module. */
void obk_cert_way_release (ObkCertWay *way);

/* Returns: (transfer none) (nullable) */
const char *obk_cert_way_certificate_path (const ObkCertWay *way);
const char *obk_cert_way_pin_path (const ObkCertWay *way);

/* As obk_addresses_learn(). No job may be under way. */
void obk_cert_way_learn (ObkCertWay *way, const ObkAddresses *known);

/* As obk_client_tune(), for the jobs to come. On the main loop. */
void obk_cert_way_tune (ObkCertWay *way, gint64 timeout_us, gboolean log_request_ids);

typedef struct _ObkCertJob ObkCertJob;

/* Its thread has ended. Called on the main loop; @job goes right after. */
typedef void (*ObkCertJobEnded) (ObkCertJob *job, gpointer user_data);

/**
 * obk_cert_job_start:
 * @main: (nullable): where @ended is called
 * @token: (nullable): to renew; else a login
 * @error: OBK_ERROR_UNKNOWN: there is no thread to be had
 *
 * No other job may be under way with the same @way.
 */
ObkCertJob *obk_cert_job_start (ObkCertWay *way, GMainContext *main, ObkSecret *token, gint64 increment_us,
                                gint64 deadline_us, ObkCertJobEnded ended, gpointer user_data, GError **error);

/* It ends as soon as it can: not while the token is asked. */
void obk_cert_job_cancel (ObkCertJob *job);

/* The same, and nobody will be told. */
void obk_cert_job_abandon (ObkCertJob *job);

/* Whether it waits for the token, and not for OpenBao. */
gboolean obk_cert_job_is_at_token (const ObkCertJob *job);

/* When it has ended: one of the two, and what it saw of the certificates (0: nothing). */
const json_t *obk_cert_job_answer (const ObkCertJob *job);
const GError *obk_cert_job_error (const ObkCertJob *job);
gint64 obk_cert_job_expires_unix (const ObkCertJob *job);

G_END_DECLS
