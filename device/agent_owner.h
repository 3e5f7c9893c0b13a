/* The owner's own certificate in the agent, for the pages and the command line.
 *
 *   request   a host name and a key of its own; the CSR goes to the owner's CA
 *   offer     what came back is judged; good, it is served for that name: for five minutes
 *   confirm   ... by a connection that was shown it: now it stays
 *
 * Without a confirmation what was there before is served again, by itself. */
#ifndef DEVICE_AGENT_OWNER_H
#define DEVICE_AGENT_OWNER_H

#include "base/core/json.h"
#include "base/crypto/upload.h"
#include "base/net/http_server.h"
#include "device/owner_cert.h"

struct agent;

/* For status.json and the pages; texts are borrowed from the agent. */
struct status_owner {
    const char *state;        /* "none", "requested", "trial", "active", "expired" */
    const char *host;         /* of the certificate that is served, on trial, or expired; "" */
    const char *request_host; /* of the request that waits for a certificate; "" */
    const char *issuer;       /* of that certificate; "" */
    const char *fingerprint;  /* hex SHA-256 of its leaf; "" */
    int64_t not_after_at;     /* 0: there is none */
    int64_t trial_s;          /* what is left of the trial */
    int warn_days;            /* it ends within so many: 30, 14, 7, 1; 0: not so soon */
    const char *failure;      /* why the last trial ended without a confirmation; "" */
};

void agent_owner_open(struct agent *agent);
void agent_owner_close(struct agent *agent);

/* A request (DER, appended) for HOST, with the same key whenever asked again for the same name.
 * ERROR_RANGE with a sentence in REASON when it is no name for this; else what failed. */
int agent_owner_request(struct agent *agent, const char *host, struct buffer *der, char *reason,
                        size_t capacity) MUST_CHECK;
/* Judges an upload, and begins its trial when all is good. ERROR_RANGE: refused, the verdicts
 * say why; ERROR_STATE: there was no request to be answered, and no certificate to renew. */
int agent_owner_offer(struct agent *agent, struct bytes upload,
                      struct upload_verdicts *ret_verdicts) MUST_CHECK;
/* Keeps what is on trial: LEAF is what the connection was shown that asks for it
 * (http_exchange_leaf). ERROR_STATE: nothing is on trial; ERROR_DENIED: it was shown another
 * certificate; ERROR_IO: the disk refuses. */
int agent_owner_confirm(struct agent *agent, const uint8_t leaf[static 32]) MUST_CHECK;
/* Ends a trial, if there is one: back to what was there before. */
void agent_owner_cancel(struct agent *agent);
/* Forgets the owner's certificate and request: back to the relay's. */
int agent_owner_remove(struct agent *agent) MUST_CHECK;

/* Whether a host name is that of the owner's certificate, served or on trial: for the Host
 * allow-list. */
bool agent_owner_is_host(const struct agent *agent, const char *host);
void agent_owner_fill_status(const struct agent *agent, struct status_owner *ret_status);
/* {"good":bool,"checks":[{"check","good","code","sentence"}]}; json_decref() it. */
int agent_owner_verdicts_json(const struct upload_verdicts *verdicts,
                              json_t **ret_object) MUST_CHECK;
/* Answers /own... on the control socket; false when the path is not ours. */
bool agent_owner_on_control(struct agent *agent, struct http_exchange *exchange);

/* agent_live.c: serves what is to be served by name, and tells when the look at a trial is over
 * (CODE is "" or why it failed). */
const struct bundle *agent_owner_bundle(const struct agent *agent);
void agent_owner_looked(struct agent *agent, const char *code, const char *text);

#endif
