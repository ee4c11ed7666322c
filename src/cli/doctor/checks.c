/* SPDX-License-Identifier: Apache-2.0 */
/* The table of doctor's checks. docs/doctor.md is made from it. */
#include "cli/doctor/doctor.h"

#include <glib/gi18n.h>

const ObkCheck obk_checks[] = {
  { .id = "config.load",
    .run = obk_doctor_config_load,
    .meaning = N_ ("The service's user can read the configuration file, and nobody else can read or change it."),
    .remedy = N_ ("Owner root, group openbao-kms, mode 0640; or name another file by --config.") },
  { .id = "config.validate",
    .needs = { "config.load" },
    .run = obk_doctor_config_validate,
    .meaning = N_ ("Every field is known, there, of its type and within its rule."),
    .remedy = N_ ("Each finding names file, line, column and field; bao-kms-provider.yaml(5) has them all.") },
  { .id = "socket.group",
    .needs = { "config.validate" },
    .run = obk_doctor_socket_group,
    .meaning = N_ ("server.socketGroup exists, the service may give the socket to it, and the socket that is there has "
                   "that group and server.socketMode."),
    .remedy = N_ ("groupadd, or usermod -aG for the service's user; SocketGroup= and SocketMode= in the socket unit "
                  "must say the same.") },
  { .id = "socket.parent",
    .needs = { "config.validate" },
    .run = obk_doctor_socket_parent,
    .meaning = N_ ("The socket's directory is there, only root or the service can change it, the socket group can pass "
                   "through it, and nothing but a socket is in the socket's place."),
    .remedy = N_ ("install -d -m 2750 -o openbao-kms -g openbao-kms-socket /run/openbao-kms, which is what the "
                  "package's tmpfiles.d does.") },
  { .id = "jwt.local",
    .needs = { "config.validate" },
    .run = obk_doctor_jwt_local,
    .meaning
    = N_ ("The JWT file can be read by the service and by nobody else, and what is in it has the form, the "
          "times and the claims that the configuration expects. A systemd credential is warned about, since it "
          "is copied once. Where times are wrong, this node's clock is held against OpenBao's."),
    .remedy = N_ ("Have its issuer write a fresh one; root:openbao-kms, mode 0640; or set the clock.") },
  { .id = "oauth2.local",
    .needs = { "config.validate" },
    .run = obk_doctor_oauth2_local,
    .meaning
    = N_ ("With auth.jwt.source oauth2: the file of the client's secret can be read by the service and by nobody "
          "else."),
    .remedy = N_ ("root:openbao-kms, mode 0640.") },
  { .id = "oauth2.acquire",
    .needs = { "oauth2.local" },
    .run = obk_doctor_oauth2_acquire,
    .meaning
    = N_ ("The token endpoint grants a JWT in the half of auth.loginTimeout, and it has the form, the times and "
          "the claims that the configuration expects."),
    .remedy = N_ ("The finding says whether the endpoint is out of reach or refuses, and by which error code.") },
  { .id = "auth.cert.pkcs11",
    .needs = { "config.validate" },
    .run = obk_doctor_cert_pkcs11,
    .meaning = N_ ("With auth.method cert: the PKCS#11 module loads for the service's user, and one token fits the "
                   "configuration."),
    .remedy = N_ ("p11-kit list-modules shows what is there; correct modulePath, tokenLabel or uri.") },
  { .id = "auth.cert.local",
    .needs = { "auth.cert.pkcs11" },
    .run = obk_doctor_cert_local,
    .meaning
    = N_ ("The certificate and its issuers, from their file or the token, are a chain, in their time, for "
          "clients, and of keys and signatures that may be used. One that ends within a week is warned about."),
    .remedy = N_ ("Have a new one issued, or put the chain in order.") },
  { .id = "auth.cert.signer",
    .needs = { "auth.cert.local" },
    .run = obk_doctor_cert_signer,
    .meaning
    = N_ ("The PIN is right (it is tried once), the key is there, and the certificate verifies what it signs."),
    .remedy = N_ ("Correct the PIN file, keyLabel or certificateFile. A token that shows a wrong PIN since the last "
                  "right one is not tried.") },
  { .id = "kubernetes.encryption_config",
    .needs = { "config.validate" },
    .place = OBK_CHECK_AS_CALLER,
    .run = obk_doctor_encryption_config,
    .meaning = N_ ("Each file of --encryption-config is one that API servers take, and has this provider by its name "
                   "(transit.keyIdScope.providerName) with apiVersion v2, the very socket and a timeout that is not "
                   "shorter than openbao.timeout. Warned about: identity or another provider before or behind it, "
                   "resources without it, Secrets not covered, a file that others can read."),
    .remedy = N_ ("Each finding names the line and what to write there. API servers read the file at their start, or "
                  "with --encryption-provider-config-automatic-reload within a minute.") },
  { .id = "openbao.dns",
    .needs = { "config.validate" },
    .run = obk_doctor_dns,
    .meaning = N_ ("The names of all configured addresses are found within openbao.timeout. Here and in the next two, "
                   "an address that fails while another one passes is a warning."),
    .remedy = N_ ("Correct openbao.address or openbao.additionalAddresses, the DNS, or /etc/hosts.") },
  { .id = "openbao.connect",
    .needs = { "openbao.dns" },
    .run = obk_doctor_connect,
    .meaning = N_ ("All configured addresses take TCP connections within openbao.timeout."),
    .remedy = N_ ("Refused: OpenBao does not run there, or the port is wrong. No answer: a firewall or a route.") },
  { .id = "openbao.tls",
    .needs = { "openbao.connect" },
    .run = obk_doctor_tls,
    .meaning = N_ ("All that take connections show a certificate that openbao.caCertFile has issued, for "
                   "openbao.tlsServerName, in its time; shown with its chain, names and end. One that ends within a "
                   "week is warned about, and an authority that ends within two weeks."),
    .remedy = N_ ("The finding says which of file, name or certificate is the wrong one, and what the server shows.") },
  { .id = "openbao.clock",
    .needs = { "openbao.tls" },
    .run = obk_doctor_clock,
    .meaning
    = N_ ("This node's clock against the Date header of each address: more than 5 s is a warning, more than "
          "clockSkewLeeway of the login's method a failure. Something that does not answer as OpenBao's health does "
          "is warned about."),
    .remedy = N_ ("timedatectl on both; set the one that is wrong.") },
  { .id = "openbao.auth",
    .needs = { "openbao.tls", "jwt.local", "oauth2.acquire", "auth.cert.signer" },
    .run = obk_doctor_auth,
    .meaning = N_ ("OpenBao takes the login, as the provider does it, and the token lasts longer than "
                   "auth.loginBeforeTokenExpiry."),
    .remedy = N_ ("The finding says what OpenBao refuses: the mount, the role, a claim, the signature; or that it is "
                  "sealed.") },
  { .id = "transit.capabilities",
    .needs = { "openbao.auth" },
    .run = obk_doctor_capabilities,
    .meaning
    = N_ ("The token may do what the provider needs, and not what it must not: make, rotate, configure, trim, "
          "delete, restore, rewrap, export or back up the key, change the mount or its config/keys, write "
          "policies, logins, roles or identities, or make tokens, import into the key, take data keys or the keys of "
          "others by a wildcard, read raw storage, remount, seal or step down; nor sudo or delete on any of them."),
    .remedy = N_ ("bao-kms-provider policy openbao | bao policy write NAME -, and no other policy at the role.") },
  { .id = "transit.metadata",
    .needs = { "openbao.auth" },
    .run = obk_doctor_metadata,
    .meaning = N_ ("The key is there, and its metadata can be read."),
    .remedy = N_ ("Correct transit.mountPath, transit.keyName or openbao.namespace.") },
  { .id = "transit.profile",
    .needs = { "transit.metadata" },
    .run = obk_doctor_profile,
    .meaning = N_ ("The key is aes256-gcm96, and not derived, convergent, exportable, deletable, or open to plaintext "
                   "backup."),
    .remedy = N_ ("Deletion can be forbidden again; the others cannot be taken back: use another key.") },
  { .id = "transit.disable_upsert",
    .needs = { "transit.metadata" },
    .run = obk_doctor_disable_upsert,
    .meaning = N_ ("The mount makes no key that an encrypt call asks for and that is missing."),
    .remedy = N_ ("bao write MOUNT/config/keys disable_upsert=true.") },
  { .id = "transit.version_restrictions",
    .needs = { "transit.metadata" },
    .run = obk_doctor_version_restrictions,
    .meaning = N_ ("All versions that this node's state still needs are there, are those that they were, and lie above "
                   "the minima of Transit; what encrypts now may."),
    .remedy = N_ ("Lower min_decryption_version or min_encryption_version; restore OpenBao where a version is lost.") },
  { .id = "transit.probe",
    .needs = { "transit.metadata" },
    .run = obk_doctor_transit_probe,
    .meaning = N_ ("Random bytes go to the active version and come back the same; with other associated data they do "
                   "not."),
    .remedy = N_ ("What the findings before it name.") },
  { .id = "registry.state",
    .needs = { "config.validate" },
    .run = obk_doctor_registry_state,
    .meaning
    = N_ ("The state and its checkpoint can be loaded under this configuration, the service can lock and save them, "
          "and there is room for it; where there is none, a first one may be made."),
    .remedy = N_ (
        "The finding names the file and the way out: both files from a backup or a healthy peer, or recover-state.") },
  { .id = "key_id.deterministic",
    .needs = { "registry.state", "transit.metadata" },
    .run = obk_doctor_key_id,
    .meaning
    = N_ ("The active version's key_id, made anew from the configuration and OpenBao's creation time, is the one "
          "of the state: so all nodes have the same."),
    .remedy = N_ ("Take the change of an identity field back, or restore the key.") },
  { .id = "kms.status_encrypt",
    .needs = { "config.validate" },
    .run = obk_doctor_status_encrypt,
    .meaning
    = N_ ("The running provider, and no other process, listens on the socket; Status is ok and names a key_id "
          "of this node's state; bytes go through Encrypt and Decrypt. Where none runs: the health and metrics "
          "addresses are free, and nobody else holds the state's lock. With --before-start only that is looked at."),
    .remedy = N_ ("systemctl enable --now bao-kms-provider.socket bao-kms-provider.service; journalctl -u "
                  "bao-kms-provider.service.") },
  { .id = "systemd.unit",
    .needs = { "config.validate" },
    .place = OBK_CHECK_AS_CALLER,
    .run = obk_doctor_systemd,
    .meaning
    = N_ ("The service runs and does not end again and again, is ordered before kubelet.service and after the "
          "network, starts at boot, is not masked, and the socket unit has the path, mode and group of the "
          "configuration. A service that starts with another configuration than the one that is judged is warned "
          "about."),
    .remedy = N_ ("systemctl edit, enable, daemon-reload, as the finding says.") },
  { .id = "selinux",
    .needs = { "config.validate" },
    .place = OBK_CHECK_AS_CALLER,
    .run = obk_doctor_selinux,
    .meaning
    = N_ ("Where SELinux is on: our module is loaded, the provider runs in openbao_kms_t, and the files have the "
          "labels that the policy gives them. With auth.method cert, the boolean openbao_kms_use_pkcs11 is on."),
    .remedy = N_ ("Install bao-kms-provider-selinux; restorecon -v FILE; setsebool -P.") },
};

gsize
obk_n_checks (void)
{
  return G_N_ELEMENTS (obk_checks);
}
