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
#include "device/device_status.h"
#include "device/owner_cert.h"

struct agent;

struct agent_owner {
    struct owner_cert cert;
    struct loop_timer *timer; /* the end of the trial, or of the certificate */
    int64_t trial_until_mono_ms;
    bool is_looked_at;               /* the trial was seen served, by agent_live.c */
    bool is_expired;                 /* the active one: it is not served any more */
    int warned_days;                 /* the last warning that was logged */
    struct status_certificate facts; /* of the one on trial, else of the active one */
    char failure[LIMIT_DETAIL_BYTES];
};

/* Loads what is there, and serves it. Before the terminator listens. */
void agent_owner_open(struct agent *agent);
/* A trial ends with it. */
void agent_owner_close(struct agent *agent);

/* A request (DER, appended) for HOST, with the same key whenever asked again for the same name.
 * ERROR_RANGE with a sentence in REASON when it is no name for this; else what failed. */
int agent_owner_request(struct agent *agent, const char *host, struct buffer *der,
                        char *reason, size_t capacity) MUST_CHECK;
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

/* For the snapshot; borrowed from the agent. */
void agent_owner_fill_status(const struct agent *agent, struct status_owner *ret_status);
/* {"good":bool,"checks":[{"check","good","code","sentence"}]}; json_decref() it. */
int agent_owner_verdicts_json(const struct upload_verdicts *verdicts,
                              json_t **ret_object) MUST_CHECK;
/* Answers /own... on the control socket; false when the path is not ours. */
bool agent_owner_on_control(struct agent *agent, struct http_exchange *exchange);

/* For agent_live.c: what is served by the owner's name, or NULL; that name, or "". */
const struct bundle *agent_owner_bundle(const struct agent *agent);
const char *agent_owner_host(const struct agent *agent);
/* Whether a trial waits to be looked at, and what came of it: CODE is "" or why it failed. */
bool agent_owner_wants_look(const struct agent *agent);
void agent_owner_looked(struct agent *agent, const char *code, const char *text);

#endif
