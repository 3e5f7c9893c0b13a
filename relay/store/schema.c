#include "relay/store/schema.h"

#include <stddef.h>

#define REVISION_TABLE                                                                   \
    "CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), rev BIGINT NOT "    \
    "NULL);"                                                                             \
    "INSERT INTO revision (one, rev) VALUES (1, 0);"

/* front.db, written by front.
 *
 *   accounts   one row a device, keyed by its id. `registration` is the newAccount JWS as it
 *              came (with its externalAccountBinding), so that the issuer can verify enrolment
 *              from signed bytes.
 *   requests   what front asks of the issuer. `number` is the order's 128-bit number in hex;
 *              one order has at most one request of each kind ('order', 'finalize'); 'revoke'
 *              and 'relay' requests have numbers of their own.
 *   addresses  what a device published for its stable names, with the JWS that says so. */
static const char front_1[] = REVISION_TABLE
    "CREATE TABLE accounts ("
    " zone TEXT NOT NULL, id TEXT NOT NULL, rev BIGINT NOT NULL,"
    " jwk TEXT NOT NULL, registration TEXT NOT NULL, token TEXT NOT NULL,"
    " contact TEXT NOT NULL, status TEXT NOT NULL, created_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, id));"
    "CREATE INDEX accounts_rev ON accounts (zone, rev);"
    "CREATE INDEX accounts_token ON accounts (zone, token);"
    "CREATE TABLE requests ("
    " zone TEXT NOT NULL, number TEXT NOT NULL, kind TEXT NOT NULL, rev BIGINT NOT NULL,"
    " id TEXT NOT NULL, jws TEXT NOT NULL, jwk TEXT NOT NULL, received_at BIGINT NOT "
    "NULL,"
    " PRIMARY KEY (zone, number, kind));"
    "CREATE INDEX requests_rev ON requests (zone, rev);"
    "CREATE INDEX requests_received ON requests (received_at);"
    "CREATE TABLE addresses ("
    " zone TEXT NOT NULL, id TEXT NOT NULL, rev BIGINT NOT NULL,"
    " counter BIGINT NOT NULL, addresses TEXT NOT NULL, jws TEXT NOT NULL,"
    " published_at BIGINT NOT NULL, gone INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (zone, id));"
    "CREATE INDEX addresses_rev ON addresses (zone, rev);"
    "CREATE INDEX addresses_published ON addresses (zone, gone, published_at);";

/* receipts   what tells a device from its copy: the random text that the last publication was
 *            answered with, which the next one must show. `former`: the one before, which may
 *            come again when an answer was lost. */
static const char front_2[] =
    "CREATE TABLE receipts ("
    " zone TEXT NOT NULL, id TEXT NOT NULL, rev BIGINT NOT NULL,"
    " receipt TEXT NOT NULL, former TEXT NOT NULL, mismatch_at BIGINT NOT NULL,"
    " cloned_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, id));";

/* terms: every version of the terms that was ever in force, so that each can be read as long as
 * somebody may have agreed to it. */
static const char front_3[] =
    "CREATE TABLE terms ("
    " zone TEXT NOT NULL, version TEXT NOT NULL, rev BIGINT NOT NULL,"
    " text TEXT NOT NULL, since_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, version));";

/* For counting (census.c). */
static const char front_4[] = "CREATE INDEX accounts_status ON accounts (zone, status);";

/* wish_answers: what became of the operator's wishes that front carries out (admin.db's
 * `wishes`); the highest number is where front goes on. The indexes let an operator find a
 * device by contact or address, and the copies, without reading every row. */
static const char front_5[] =
    "CREATE TABLE wish_answers ("
    " zone TEXT NOT NULL, number BIGINT NOT NULL, rev BIGINT NOT NULL,"
    " state TEXT NOT NULL, content TEXT NOT NULL, at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, number));"
    "CREATE INDEX accounts_contact ON accounts (zone, contact, id) WHERE contact <> '[]';"
    "CREATE INDEX addresses_text ON addresses (zone, addresses, id) WHERE addresses <> "
    "'';"
    "CREATE INDEX receipts_cloned ON receipts (zone, id) WHERE cloned_at > 0;";

/* The ids of a token's devices in order, without walking through all others'. */
static const char front_6[] =
    "DROP INDEX accounts_token;"
    "CREATE INDEX accounts_token ON accounts (zone, token, id);";

const char *const schema_front[] = {front_1, front_2, front_3, front_4,
                                    front_5, front_6, NULL};

/* issuer.db, written by issuer.
 *
 *   orders        the issuer's word on each request 'order' and what became of it. state:
 *                 'refused' (problem, retry_at), 'ready', 'processing', 'valid' (certificate),
 *                 'invalid' (problem).
 *   issuances     the ACME client's saved state for an order at the CA; `generation` guards
 *                 each write (a lease).
 *   certificates  every chain issued; `lane` is 'device' or 'relay'. ari_*: the CA's window
 *                 passed on, 0 when unknown.
 *   challenges    the TXT values to show at _acme-challenge.<name>; one row a value.
 *   ledger        order numbers already finalized, and SPKI hashes of keys seen, revoked or
 *                 blocked.
 *   revocations   the answer to each 'revoke' request.
 *   ca_accounts   account URL per CA directory (accounturi for CAA).
 *   budgets       one row per spent unit, summed over a window; until issuer_3. */
static const char issuer_1[] = REVISION_TABLE
    "CREATE TABLE orders ("
    " zone TEXT NOT NULL, number TEXT NOT NULL, rev BIGINT NOT NULL,"
    " id TEXT NOT NULL, names TEXT NOT NULL, profile TEXT NOT NULL, replaces TEXT NOT "
    "NULL,"
    " state TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,"
    " retry_at BIGINT NOT NULL, problem TEXT NOT NULL, certificate TEXT NOT NULL,"
    " PRIMARY KEY (zone, number));"
    "CREATE INDEX orders_rev ON orders (zone, rev);"
    "CREATE INDEX orders_id ON orders (zone, id, created_at);"
    "CREATE INDEX orders_state ON orders (state, expires_at);"
    "CREATE TABLE issuances ("
    " zone TEXT NOT NULL, number TEXT NOT NULL, rev BIGINT NOT NULL,"
    " ca TEXT NOT NULL, lane TEXT NOT NULL, generation BIGINT NOT NULL,"
    " saved TEXT NOT NULL, csr TEXT NOT NULL, attempts BIGINT NOT NULL, next_at BIGINT "
    "NOT NULL,"
    " done INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (zone, number));"
    "CREATE INDEX issuances_open ON issuances (done, next_at);"
    "CREATE TABLE certificates ("
    " zone TEXT NOT NULL, cert_id TEXT NOT NULL, rev BIGINT NOT NULL,"
    " id TEXT NOT NULL, number TEXT NOT NULL, lane TEXT NOT NULL, ca TEXT NOT NULL,"
    " serial TEXT NOT NULL, names TEXT NOT NULL, spki_hash TEXT NOT NULL, csr_hash TEXT "
    "NOT NULL,"
    " chain TEXT NOT NULL, alternates TEXT NOT NULL,"
    " not_before_at BIGINT NOT NULL, not_after_at BIGINT NOT NULL,"
    " ari_start_at BIGINT NOT NULL, ari_end_at BIGINT NOT NULL, ari_checked_at BIGINT "
    "NOT NULL,"
    " replaced INTEGER NOT NULL DEFAULT 0, revoked_at BIGINT NOT NULL DEFAULT 0,"
    " revoke_reason INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (zone, cert_id));"
    "CREATE INDEX certificates_rev ON certificates (zone, rev);"
    "CREATE INDEX certificates_id ON certificates (zone, id, not_after_at);"
    "CREATE INDEX certificates_ended ON certificates (not_after_at);"
    "CREATE INDEX certificates_checked ON certificates (ari_checked_at)"
    " WHERE replaced = 0 AND revoked_at = 0;"
    "CREATE INDEX certificates_relay ON certificates (zone, not_before_at)"
    " WHERE lane = 'relay';"
    "CREATE TABLE challenges ("
    " zone TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, rev BIGINT NOT NULL,"
    " expires_at BIGINT NOT NULL, gone INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (zone, name, value));"
    "CREATE INDEX challenges_rev ON challenges (zone, rev);"
    "CREATE TABLE ledger ("
    " zone TEXT NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL, rev BIGINT NOT NULL,"
    " id TEXT NOT NULL, at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, kind, what));"
    "CREATE INDEX ledger_id ON ledger (zone, id, kind, at);"
    "CREATE INDEX ledger_at ON ledger (zone, kind, at, what);"
    "CREATE TABLE revocations ("
    " zone TEXT NOT NULL, number TEXT NOT NULL, rev BIGINT NOT NULL,"
    " cert_id TEXT NOT NULL, state TEXT NOT NULL, problem TEXT NOT NULL,"
    " answered_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, number));"
    "CREATE INDEX revocations_rev ON revocations (zone, rev);"
    "CREATE INDEX revocations_answered ON revocations (answered_at);"
    "CREATE TABLE ca_accounts ("
    " zone TEXT NOT NULL, ca TEXT NOT NULL, rev BIGINT NOT NULL,"
    " url TEXT NOT NULL, caa TEXT NOT NULL, created_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, ca));"
    "CREATE INDEX ca_accounts_rev ON ca_accounts (zone, rev);"
    "CREATE TABLE budgets ("
    " zone TEXT NOT NULL, ca TEXT NOT NULL, budget TEXT NOT NULL, number TEXT NOT NULL,"
    " rev BIGINT NOT NULL, id TEXT NOT NULL, spent_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, ca, budget, number));"
    "CREATE INDEX budgets_spent ON budgets (zone, ca, budget, spent_at);"
    "CREATE INDEX budgets_time ON budgets (spent_at);"
    "CREATE INDEX budgets_number ON budgets (number);";

/* announcements  what the relay says of itself and front passes on: 'key' (its public JWK) and
 *                'move' (a signed statement).
 * times          signed answers to 'time' requests; gone after a minute. */
static const char issuer_2[] =
    "CREATE TABLE announcements ("
    " zone TEXT NOT NULL, what TEXT NOT NULL, rev BIGINT NOT NULL,"
    " content TEXT NOT NULL, at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, what));"
    "CREATE TABLE times ("
    " zone TEXT NOT NULL, number TEXT NOT NULL, rev BIGINT NOT NULL,"
    " content TEXT NOT NULL, at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, number));"
    "CREATE INDEX times_at ON times (zone, at);";

/* buckets       the CA's limits, mirrored as token buckets: full again at full_at_us, microseconds
 *               since 1970; held: units reserved and not yet spent. `budgets` is read once, by the
 *               first issuer that knows buckets, and empty from then on.
 * holds         what an order has reserved in each bucket.
 * queue         who waits for a budget, in order of ticket; lost at kept_until_at. reason: the
 *               limit. It was in the ledger before.
 * queue_blocks  how many places there are in each 256 (level 1) and 65536 (level 2) tickets, so
 *               that a place is counted without walking the queue.
 * ca_states     what the issuer thinks of its CA, for people. */
static const char issuer_3[] =
    "CREATE TABLE buckets ("
    " zone TEXT NOT NULL, ca TEXT NOT NULL, bucket TEXT NOT NULL, rev BIGINT NOT NULL,"
    " full_at_us BIGINT NOT NULL, held BIGINT NOT NULL,"
    " PRIMARY KEY (zone, ca, bucket));"
    "CREATE INDEX buckets_full ON buckets (zone, held, full_at_us);"
    "CREATE TABLE holds ("
    " zone TEXT NOT NULL, number TEXT NOT NULL, bucket TEXT NOT NULL, rev BIGINT NOT "
    "NULL,"
    " ca TEXT NOT NULL, units BIGINT NOT NULL, held_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, number, bucket));"
    "CREATE INDEX holds_bucket ON holds (zone, ca, bucket);"
    "CREATE TABLE queue ("
    " zone TEXT NOT NULL, ticket BIGINT NOT NULL, rev BIGINT NOT NULL,"
    " id TEXT NOT NULL, reason TEXT NOT NULL, asked_at BIGINT NOT NULL,"
    " turn_at BIGINT NOT NULL, kept_until_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, ticket));"
    "CREATE UNIQUE INDEX queue_id ON queue (zone, id);"
    "CREATE INDEX queue_kept ON queue (zone, kept_until_at);"
    "CREATE TABLE queue_blocks ("
    " zone TEXT NOT NULL, level BIGINT NOT NULL, block BIGINT NOT NULL,"
    " places BIGINT NOT NULL,"
    " PRIMARY KEY (zone, level, block));"
    "CREATE TABLE ca_states ("
    " zone TEXT NOT NULL, ca TEXT NOT NULL, rev BIGINT NOT NULL,"
    " state TEXT NOT NULL, reason TEXT NOT NULL, until_at BIGINT NOT NULL,"
    " terms TEXT NOT NULL, thumbprint TEXT NOT NULL, rollover_at BIGINT NOT NULL,"
    " changed_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, ca));"
    "INSERT INTO queue (zone, ticket, rev, id, reason, asked_at, turn_at, kept_until_at)"
    " SELECT q.zone, ROW_NUMBER() OVER (PARTITION BY q.zone ORDER BY q.at, q.what) - 1,"
    " q.rev, q.what, 'the CA''s certificates per domain and week', q.at,"
    " COALESCE(p.at, q.at), COALESCE(p.at, q.at) + 93600"
    " FROM ledger q LEFT JOIN ledger p"
    " ON p.zone = q.zone AND p.kind = 'promise' AND p.what = q.what"
    " WHERE q.kind = 'queue';"
    "INSERT INTO queue_blocks SELECT zone, 1, ticket / 256, COUNT(*) FROM queue"
    " GROUP BY zone, ticket / 256;"
    "INSERT INTO queue_blocks SELECT zone, 2, ticket / 65536, COUNT(*) FROM queue"
    " GROUP BY zone, ticket / 65536;"
    "DELETE FROM ledger WHERE kind IN ('queue', 'promise');";

/* For counting (census.c). What the conditions name is in them too: else each row would be read,
 * chain and all. */
static const char issuer_4[] =
    "CREATE INDEX certificates_current ON certificates"
    " (zone, not_after_at, id, lane, replaced, revoked_at)"
    " WHERE lane = 'device' AND replaced = 0 AND revoked_at = 0;"
    "CREATE INDEX certificates_issued ON certificates (zone, not_before_at, lane)"
    " WHERE lane = 'device';";

/* wish_answers: as in front.db, of the wishes that the issuer carries out. The index lets an
 * operator find a certificate by its serial. */
static const char issuer_5[] =
    "CREATE TABLE wish_answers ("
    " zone TEXT NOT NULL, number BIGINT NOT NULL, rev BIGINT NOT NULL,"
    " state TEXT NOT NULL, content TEXT NOT NULL, at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, number));"
    "CREATE INDEX certificates_serial ON certificates (zone, serial);";

/* For counting, a device after the other: certificates_current is for those that end next. */
static const char issuer_6[] =
    "CREATE INDEX certificates_lives ON certificates"
    " (zone, id, not_after_at, lane, replaced, revoked_at)"
    " WHERE lane = 'device' AND replaced = 0 AND revoked_at = 0;";

const char *const schema_issuer[] = {issuer_1, issuer_2, issuer_3, issuer_4,
                                     issuer_5, issuer_6, NULL};

/* admin.db, written by the operator's commands.
 * tokens: enrolment tokens (the EAB kid); their MAC keys are derived from the secret
 * file, never stored. blocks: blocked ids. audit: what was done, each row hashed over the
 * one before. */
static const char admin_1[] = REVISION_TABLE
    "CREATE TABLE tokens ("
    " zone TEXT NOT NULL, kid TEXT NOT NULL, rev BIGINT NOT NULL,"
    " label TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,"
    " max_devices BIGINT NOT NULL, gone INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (zone, kid));"
    "CREATE INDEX tokens_rev ON tokens (zone, rev);"
    "CREATE TABLE blocks ("
    " zone TEXT NOT NULL, id TEXT NOT NULL, rev BIGINT NOT NULL,"
    " reason TEXT NOT NULL, blocked_at BIGINT NOT NULL, gone INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (zone, id));"
    "CREATE INDEX blocks_rev ON blocks (zone, rev);"
    "CREATE TABLE audit ("
    " zone TEXT NOT NULL, number BIGINT NOT NULL, rev BIGINT NOT NULL,"
    " at BIGINT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL,"
    " hash TEXT NOT NULL,"
    " PRIMARY KEY (zone, number));";

/* moves: where the relay's devices shall go; the highest serial counts. clones: since when what
 * was seen of an id's copies is settled. */
static const char admin_2[] =
    "CREATE TABLE moves ("
    " zone TEXT NOT NULL, serial BIGINT NOT NULL, rev BIGINT NOT NULL,"
    " target TEXT NOT NULL, pin TEXT NOT NULL, issued_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, serial));"
    "CREATE TABLE clones ("
    " zone TEXT NOT NULL, id TEXT NOT NULL, rev BIGINT NOT NULL,"
    " settled_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, id));";

/* rollovers: that the CA account shall get a new key; the highest serial counts. */
static const char admin_3[] =
    "CREATE TABLE rollovers ("
    " zone TEXT NOT NULL, serial BIGINT NOT NULL, rev BIGINT NOT NULL,"
    " asked_at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, serial));";

/* wishes: what the operator wants of front or of the issuer, which follow this table and
 * answer each in their own file. notes: what a command found, for `status`: 'delegation',
 * 'backup'. */
static const char admin_4[] =
    "CREATE TABLE wishes ("
    " zone TEXT NOT NULL, number BIGINT NOT NULL, rev BIGINT NOT NULL,"
    " kind TEXT NOT NULL, id TEXT NOT NULL, detail TEXT NOT NULL, at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, number));"
    "CREATE INDEX wishes_id ON wishes (zone, id);"
    "CREATE TABLE notes ("
    " zone TEXT NOT NULL, what TEXT NOT NULL, rev BIGINT NOT NULL,"
    " content TEXT NOT NULL, at BIGINT NOT NULL,"
    " PRIMARY KEY (zone, what));";

const char *const schema_admin[] = {admin_1, admin_2, admin_3, admin_4, NULL};
