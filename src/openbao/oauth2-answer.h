/* SPDX-License-Identifier: Apache-2.0 */
/* What a token endpoint's answer means: the access token, or an error of the right class. Pure. */
#pragma once

#include <glib.h>

#include "openbao/http.h"

G_BEGIN_DECLS

/**
 * obk_oauth2_answer_read:
 * @authority: who gave it, for the error's text
 * @lifetime_seconds: (out): its "expires_in"; %OBK_OAUTH2_NO_LIFETIME when it says nothing of it
 * @error: OBK_ERROR_OAUTH2_UNAVAILABLE for 429 and 5xx, else OBK_ERROR_OAUTH2_REJECTED. The text has nothing of the
 *   answer's own but error codes that are known here
 *
 * Source: RFC 6749, sections 5.1 and 5.2.
 *
 * Returns: (transfer full): the access token
 */
ObkSecret *obk_oauth2_answer_read (const ObkHttpResponse *response, const char *authority, gint64 *lifetime_seconds,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

#define OBK_OAUTH2_NO_LIFETIME G_MAXINT64

/* Phrases of errors, by which doctor tells them apart. */
#define OBK_OAUTH2_SAYS_CLIENT "invalid_client"
#define OBK_OAUTH2_SAYS_SCOPE "invalid_scope"
#define OBK_OAUTH2_SAYS_TARGET "invalid_target"
#define OBK_OAUTH2_SAYS_NOT_FOUND "status 404"
#define OBK_OAUTH2_SAYS_NO_JSON "the answer is "
#define OBK_OAUTH2_SAYS_REDIRECT "it redirects"
#define OBK_OAUTH2_SAYS_LIFETIME "\"expires_in\" leaves"
#define OBK_OAUTH2_SAYS_AS_JWT "its access token as JWT"

G_END_DECLS
