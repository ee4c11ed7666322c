/* SPDX-License-Identifier: Apache-2.0 */
/* What an HTTP answer of OpenBao means: its JSON, or an error of the right class. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "openbao/http.h"

G_BEGIN_DECLS

/* Phrases of OpenBao's that the errors repeat, by which doctor tells them apart. */
#define OBK_ANSWER_SAYS_NO_ROLE "could not be found"
#define OBK_ANSWER_SAYS_AUDIENCE "invalid audience (aud) claim"
#define OBK_ANSWER_SAYS_NO_AUDIENCE "no audiences bound to the role"
#define OBK_ANSWER_SAYS_SUBJECT "invalid subject (sub) claim"
#define OBK_ANSWER_SAYS_ISSUER "invalid issuer (iss) claim"
#define OBK_ANSWER_SAYS_EXPIRED "token is expired"
#define OBK_ANSWER_SAYS_NOT_YET "token not yet valid"
#define OBK_ANSWER_SAYS_FUTURE "token issued in the future"
#define OBK_ANSWER_SAYS_NO_KEYSET "fetching keys"
#define OBK_ANSWER_SAYS_NO_ISSUER "keyset configuration error"
#define OBK_ANSWER_SAYS_NO_KEY "no known key successfully validated the token signature"
#define OBK_ANSWER_SAYS_CLAIMS "error validating claims"
#define OBK_ANSWER_SAYS_DENIED "permission denied"
#define OBK_ANSWER_SAYS_NO_ROUTE "no handler for route"
#define OBK_ANSWER_SAYS_NAMESPACE_SEALED "namespace is sealed"
#define OBK_ANSWER_SAYS_NAMESPACE_LOCKED "namespace has been locked"
#define OBK_ANSWER_SAYS_ROLE_TYPE "role_type is not allowed"
#define OBK_ANSWER_SAYS_NO_CLAIM "not found in token"
#define OBK_ANSWER_SAYS_ALGORITHM "unexpected algorithm"
#define OBK_ANSWER_SAYS_NOT_CONFIGURED "could not load configuration"
#define OBK_ANSWER_SAYS_IS_CERT "no client certificate found" /* of logins at other methods than JWT's */
#define OBK_ANSWER_SAYS_IS_APPROLE "missing role_id"
#define OBK_ANSWER_SAYS_IS_KUBERNETES "invalid role name"

/* Ours, of an answer that is none of OpenBao's. */
#define OBK_ANSWER_SAYS_FOREIGN "with an answer that is not OpenBao's"

/**
 * obk_answer_read:
 * @authority: who gave it, for the error's text
 * @login: whether it answers a login
 * @error: the class that spec kms-v2.md's table and openbao.md's facts give it. Its text has nothing of the answer's
 *   own but phrases that are known here: OpenBao's texts name paths and keys
 *
 * A refusal counts as OpenBao's only when it has the shape of one, so that a proxy's page is no verdict on the key.
 *
 * Returns: (transfer full): the object of a 200; an empty one for a 204
 */
json_t *obk_answer_read (const ObkHttpResponse *response, const char *authority, gboolean login,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
