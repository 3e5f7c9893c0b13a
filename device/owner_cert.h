/* The owner's own certificate on the disk: FOLDER/own/request.pem is the key of a request,
 * FOLDER/own/active.pem key and chain of what is in use; each begins with a line "host: <name>",
 * so that name, key and chain change in one step. A certificate on trial is in memory alone:
 * any end of the program is an end of the trial. */
#ifndef DEVICE_OWNER_CERT_H
#define DEVICE_OWNER_CERT_H

#include "base/crypto/upload.h"
#include "device/bundle.h"
#include "device/owner_host.h"

enum { OWNER_PATH_CAPACITY = 4096 };

struct owner_cert {
    char folder[OWNER_PATH_CAPACITY];
    struct key *request_key; /* NULL: no request waits */
    char request_host[OWNER_HOST_CAPACITY];
    struct bundle active; /* empty: none */
    char host[OWNER_HOST_CAPACITY];
    struct bundle trial; /* empty: none */
    char trial_host[OWNER_HOST_CAPACITY];
};

/* Loads what is there. A file that is damaged is logged and counts as none. Blocks on the
 * disk. */
void owner_cert_open(struct owner_cert *owner, const char *state_folder);
void owner_cert_close(struct owner_cert *owner);

/* Appends a request for HOST (checked) in DER. Its key is made and saved, or the one that an
 * earlier request for the same name had. Blocks on the disk. */
int owner_cert_request(struct owner_cert *owner, const char *host,
                       struct buffer *der) MUST_CHECK;
/* Judges an upload; a good one is `trial` then. ERROR_STATE without request and certificate;
 * else as upload_judge. */
int owner_cert_offer(struct owner_cert *owner, struct bytes upload,
                     const struct upload_clock *clock,
                     struct upload_verdicts *ret_verdicts) MUST_CHECK;
/* Makes the trial the active one, durably. Blocks on the disk. */
int owner_cert_commit(struct owner_cert *owner) MUST_CHECK;
/* Forgets the trial. */
void owner_cert_cancel(struct owner_cert *owner);
/* Removes all of it. Blocks on the disk. */
int owner_cert_remove(struct owner_cert *owner) MUST_CHECK;

#endif
