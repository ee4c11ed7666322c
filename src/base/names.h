/* SPDX-License-Identifier: Apache-2.0 */
/* Every name that other programs, files or people depend on. */
#pragma once

#define OBK_PROGRAM "bao-kms-provider"
#define OBK_DEFAULT_CONFIG "/etc/openbao-kms/config.yaml"
#define OBK_DEFAULT_CA_FILE "/etc/openbao-kms/tls/ca.crt"
#define OBK_DEFAULT_JWT_FILE "/var/lib/openbao-kms/identity.jwt"
#define OBK_SOCKET_GROUP "openbao-kms-socket"
#define OBK_DEFAULT_SOCKET "/run/openbao-kms/kms.sock"

/* KMS v2 */
#define OBK_KMS_SERVICE "v2.KeyManagementService"
#define OBK_KMS_API_VERSION "v2"
#define OBK_HEALTHZ_OK "ok"
#define OBK_HEALTHZ_UNHEALTHY "unhealthy"

/* Annotation keys and fixed values (spec identity.md) */
#define OBK_ANNOTATION_PROVIDER "provider.kms.openbao.org"
#define OBK_ANNOTATION_KEY_ID_HASH "key-id-hash.kms.openbao.org"
#define OBK_ANNOTATION_KEY_VERSION "transit-key-version.kms.openbao.org"
#define OBK_ANNOTATION_MOUNT_HASH "transit-mount-hash.kms.openbao.org"
#define OBK_ANNOTATION_KEY_HASH "transit-key-hash.kms.openbao.org"
#define OBK_ANNOTATION_NAMESPACE_HASH "openbao-namespace-hash.kms.openbao.org"
#define OBK_ANNOTATION_PLUGIN_VERSION "plugin-version.kms.openbao.org"
#define OBK_ANNOTATION_AAD_VERSION "aad-version.kms.openbao.org"
#define OBK_PROVIDER_MARKER "openbao-transit"
#define OBK_AAD_VERSION "v1"

/* Log events: the "message" of a record (spec observability.md) */
#define OBK_EVENT_KMS_REQUEST "kms.request"
#define OBK_EVENT_OPENBAO_REQUEST "openbao.request"
#define OBK_EVENT_AUTH_LOGIN "auth.login"
#define OBK_EVENT_AUTH_RENEWAL "auth.renewal"
#define OBK_EVENT_STATUS_PROBE "status.probe"
#define OBK_EVENT_STATUS_CHANGED "status.changed"
#define OBK_EVENT_KEY_OBSERVED "key.observed"
#define OBK_EVENT_KEY_PROMOTED "key.promoted"
#define OBK_EVENT_REGISTRY_SAVED "registry.saved"
#define OBK_EVENT_SOCKET_LISTENING "socket.listening"
#define OBK_EVENT_SOCKET_STALE_REMOVED "socket.stale_removed"
#define OBK_EVENT_PEER_REFUSED "peer.refused"
#define OBK_EVENT_CLOCK_REGRESSED "clock.regressed"
#define OBK_EVENT_CONFIG_RELOADED "config.reloaded"
#define OBK_EVENT_CONFIG_PROBLEM "config.problem"   /* one of those that a reload was refused for */
#define OBK_EVENT_SESSION_CHANGED "session.changed" /* calls go by another way to OpenBao, or why not yet */
#define OBK_EVENT_TRUST_RELOADED "trust.reloaded"
#define OBK_EVENT_SERVICE_STARTED "service.started"
#define OBK_EVENT_SERVICE_STOPPING "service.stopping"
#define OBK_EVENT_LIBRARY "library.message" /* what GLib and those who log through it say */
#define OBK_EVENT_WARNING "warning"         /* what an operator should know and no event above says */

/* What the journal knows each event by (sd-journal's MESSAGE_ID); data/bao-kms-provider.catalog explains them */
#define OBK_MESSAGE_ID_KMS_REQUEST "cc22bba397294f93a16afc627dabb16a"
#define OBK_MESSAGE_ID_OPENBAO_REQUEST "149b278e79d743d68b495d7f01e802cd"
#define OBK_MESSAGE_ID_AUTH_LOGIN "6299f6e583e248a5aaa6620984772625"
#define OBK_MESSAGE_ID_AUTH_RENEWAL "4d296d0938c845fab80f88f9a4a13cc9"
#define OBK_MESSAGE_ID_STATUS_PROBE "793e164818a64b269a9cb410652aee2c"
#define OBK_MESSAGE_ID_STATUS_CHANGED "e2079e186b4349a5897fe18ced9a774a"
#define OBK_MESSAGE_ID_KEY_OBSERVED "da981d117be34fce9ddca03b9168aee2"
#define OBK_MESSAGE_ID_KEY_PROMOTED "c956c87e2468429aa8b13ba1726f2411"
#define OBK_MESSAGE_ID_REGISTRY_SAVED "f1e3a1834694475cb70a993039dff2df"
#define OBK_MESSAGE_ID_SOCKET_LISTENING "e64d6c94a1cc4034ae470bf206b55618"
#define OBK_MESSAGE_ID_SOCKET_STALE_REMOVED "a5e8b2e10219454b8544914b933a2015"
#define OBK_MESSAGE_ID_PEER_REFUSED "74211fe8bb644d6f822767cfc4f46073"
#define OBK_MESSAGE_ID_CLOCK_REGRESSED "6adb839fb4e24044a43cb1599d716e0a"
#define OBK_MESSAGE_ID_CONFIG_RELOADED "f559e80fd8274f9db4fa3630539410b2"
#define OBK_MESSAGE_ID_CONFIG_PROBLEM "bb70dbcbb0a049318c2a942167ac2f55"
#define OBK_MESSAGE_ID_SESSION_CHANGED "b812f7b075dc4a30959a96dd68c31faa"
#define OBK_MESSAGE_ID_TRUST_RELOADED "727282bd609248cfb842ec70a71a5184"
#define OBK_MESSAGE_ID_SERVICE_STARTED "51696509544344fcb2dd3c4fde808d34"
#define OBK_MESSAGE_ID_SERVICE_STOPPING "f3c6a093850e4685a9b1f7cbfc585309"
#define OBK_MESSAGE_ID_LIBRARY "037b8fda032142cda45caaf0ee0d71c7"
#define OBK_MESSAGE_ID_WARNING "7ba707840e974616bf2d9c3e376bcd0d"

/* Log fields (spec observability.md) */
#define OBK_FIELD_TS "ts"
#define OBK_FIELD_LEVEL "level"
#define OBK_FIELD_MESSAGE "message"
#define OBK_FIELD_OPERATION "operation"
#define OBK_FIELD_STATUS "status"
#define OBK_FIELD_DURATION_MS "duration_ms"
#define OBK_FIELD_ERROR_CLASS "error_class"
#define OBK_FIELD_KEY_ID_HASH "key_id_hash"
#define OBK_FIELD_KEY_VERSION "transit_key_version"
#define OBK_FIELD_OPENBAO_OPERATION "openbao_operation"
#define OBK_FIELD_OPENBAO_REQUEST_ID "openbao_request_id"
#define OBK_FIELD_PROBE_KIND "probe_kind"
#define OBK_FIELD_HEALTHZ "healthz"
#define OBK_FIELD_REASON "reason"
#define OBK_FIELD_REQUEST_UID_HASH "request_uid_hash"
#define OBK_FIELD_CORRELATION_INCIDENT "debug_correlation_incident"
#define OBK_FIELD_CORRELATION_EXPIRES_AT "debug_correlation_expires_at"
/* ours beyond the stable ones */
#define OBK_FIELD_CAUSE "cause"           /* an error's own text */
#define OBK_FIELD_DETAIL "detail"         /* a sentence for people */
#define OBK_FIELD_SUPPRESSED "suppressed" /* identical records held back since the last one */
#define OBK_FIELD_COMPONENT "component"   /* the library that a message comes from */
#define OBK_FIELD_ADDRESS_INDEX "address_index"
#define OBK_FIELD_ADDRESS "address" /* where metrics or health are served */
#define OBK_FIELD_PATH "path"
#define OBK_FIELD_UID "uid"
#define OBK_FIELD_GID "gid"
#define OBK_FIELD_PID "pid"
#define OBK_FIELD_GENERATION "generation"
#define OBK_FIELD_TTL_SECONDS "ttl_seconds"
#define OBK_FIELD_VERSION "version"
#define OBK_FIELD_CONFIG_FIELD "config_field"   /* "auth.jwt.role": what a problem is about */
#define OBK_FIELD_CONFIG_FIELDS "config_fields" /* those that a reload changed, with commas */
#define OBK_FIELD_IMPACT "impact"               /* of a finding: cryptographic_safety or api_server_availability */
#define OBK_STATUS_OK "ok"
#define OBK_STATUS_ERROR "error"

/* The methods of the KMS service: log field "operation", metric label "method" */
#define OBK_METHOD_NAME_STATUS "status"
#define OBK_METHOD_NAME_ENCRYPT "encrypt"
#define OBK_METHOD_NAME_DECRYPT "decrypt"

/* Values of metric labels (base/metric.h has the metrics) */
#define OBK_OUTCOME_CANCELED "canceled" /* a request to OpenBao that nobody waits for any more */
#define OBK_OBSERVATION_LAGGING "lagging"
#define OBK_AAD_REASON_ANNOTATION_INVALID "annotation_invalid"
#define OBK_AAD_REASON_MISMATCH "aad_mismatch"
#define OBK_AAD_REASON_TAG "authentication_tag"
#define OBK_KEY_ID_REASON_MALFORMED "key_id_malformed"
#define OBK_KEY_ID_REASON_UNKNOWN "key_id_unknown"
#define OBK_KEY_ID_REASON_REFRESH_FAILED "key_metadata_refresh_failed"

/* Why Status is unhealthy (spec observability.md, "Health") */
#define OBK_REASON_STATE_UNAVAILABLE "state_unavailable"
#define OBK_REASON_STATUS_STALE "status_stale"
#define OBK_REASON_METADATA_READ_FAILED "metadata_read_failed"
#define OBK_REASON_UPSERT_CHECK_FAILED "upsert_check_failed"
#define OBK_REASON_UPSERT_ALLOWED "upsert_allowed"
#define OBK_REASON_PROFILE_INVALID "profile_invalid"
#define OBK_REASON_VERSION_ROLLBACK "version_rollback"
#define OBK_REASON_STATE_SAVE_FAILED "state_save_failed"
#define OBK_REASON_VERSION_LOST "version_lost"
#define OBK_REASON_CREATION_TIME_CHANGED "creation_time_changed"
#define OBK_REASON_MINIMUM_ABOVE_RETAINED "minimum_above_retained"
#define OBK_REASON_STANDBY_LAGGING "standby_lagging"
#define OBK_REASON_ENCRYPTION_BLOCKED "encryption_blocked"
#define OBK_REASON_DEEP_PROBE_PENDING "deep_probe_pending"
#define OBK_REASON_DEEP_PROBE_FAILED "deep_probe_failed"
#define OBK_REASON_DEEP_PROBE_INVALID "deep_probe_invalid"
#define OBK_REASON_CANARY_FAILED "canary_failed"
#define OBK_REASON_CIRCUIT_BREAKER_OPEN "circuit_breaker_open"
#define OBK_REASON_AUTH_FAILED "auth_failed"

/* OpenBao operations (spec openbao.md) */
#define OBK_OPERATION_JWT_LOGIN "jwt login"
#define OBK_OPERATION_CERT_LOGIN "cert login"
#define OBK_OPERATION_TOKEN_RENEW "token renew self"
#define OBK_OPERATION_METADATA_READ "transit metadata read"
#define OBK_OPERATION_UPSERT_READ "transit disable_upsert read"
#define OBK_OPERATION_ENCRYPT "transit encrypt"
#define OBK_OPERATION_DECRYPT "transit decrypt"
#define OBK_OPERATION_CAPABILITIES "capabilities self"
