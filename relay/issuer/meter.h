/* What the issuer counts and measures, and tells on [issuer] status_listen. */
#ifndef RELAY_ISSUER_METER_H
#define RELAY_ISSUER_METER_H

#include "acme/acme.h"
#include "base/net/loop.h"

struct issuer;
struct issuer_meter;

/* Where an issuance is, to measure how long each step takes. All zero at first. */
struct issuer_meter_span {
    bool begun;
    enum acme_order_step step;
    int64_t since_mono_ms;
};

/* Serves on LISTEN_AT ("": nowhere). Where that can't be had the issuer goes on without, and says
 * so. */
int issuer_meter_new(struct loop *loop, const char *listen_at,
                     struct issuer_meter **ret_meter) MUST_CHECK;
/* ISSUER's meter tells of its zone too, from now on and for the meter's life. */
void issuer_meter_add(struct issuer *issuer);
/* Accepts NULL. */
void issuer_meter_free(struct issuer_meter *meter);

/* METER, or ISSUER's, may be NULL in all of them. */
/* An order was admitted, or refused with TYPE. */
void issuer_meter_admission(const struct issuer *issuer, bool admitted,
                            enum acme_problem_type type);
/* The issuance of SPAN is at STEP now. */
void issuer_meter_step(struct issuer_meter *meter, struct issuer_meter_span *span,
                       enum acme_order_step step);
/* An order at the CA, or its account, failed. */
void issuer_meter_failure(struct issuer_meter *meter, const struct acme_error *failure);
/* An issuance that began at STARTED_MONO_MS ended, with a certificate or without. */
void issuer_meter_end(const struct issuer *issuer, int64_t started_mono_ms, bool good);

#endif
