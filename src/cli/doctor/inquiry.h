/* SPDX-License-Identifier: Apache-2.0 */
/* What an address of OpenBao answers to somebody without a token. */
#pragma once

#include "cli/doctor/doctor.h"

G_BEGIN_DECLS

/* A plain value. */
typedef struct
{
  guint status;
  gint64 date_unix; /* of the Date header, 0 without one */
  gboolean is_json; /* an object */
} ObkInquiryAnswer;

/**
 * obk_inquiry_run:
 * @path: "/v1/…", percent-encoded
 * @body: (nullable): JSON to POST; without it the request is a GET
 *
 * Within openbao.timeout, in openbao.namespace when there is a @body.
 */
gboolean obk_inquiry_run (ObkDoctor *doctor, const ObkDoctorAddress *address, const char *path, const char *body,
                          ObkInquiryAnswer *answer, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
