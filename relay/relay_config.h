/* relay.conf: one file for all roles of the relay, read at start and at each SIGHUP; further
 * zones have a file each. Keys, defaults and what is allowed stand in relay_config.c's
 * tables and, for people, in deploy/relay.conf.example. */
#ifndef RELAY_RELAY_CONFIG_H
#define RELAY_RELAY_CONFIG_H

#include "base/core/conf.h"

enum { RELAY_CONFIG_ZONES_MAX = 17 }; /* the main file's, and 16 zone_files */

enum relay_enrolment { RELAY_ENROLMENT_TOKEN, RELAY_ENROLMENT_OPEN };

/* One zone and, by `next`, the further ones in the order of zone_files. What counts for
 * the whole process (its keys are in process_rows) is the same in each. */
struct relay_config {
    char *path;                /* the file that this was read from */
    struct relay_config *next; /* the next zone, or NULL */
    const struct relay_config
        *first;   /* the main file's, from which `next` leads to all */
    bool is_main; /* of the main file, not of a zone's */
    bool
        is_unused; /* the role could do nothing with what needs a restart: a reload takes new
                       values for it too (but for the CA's directory) */
    /* [relay] */
    struct conf_texts zone_files; /* the further zones' files */
    char *zone;     /* "lan.example.com", lower case, no dot at the end; required */
    char *store;    /* folder; default /var/lib/latchkey */
    char *base_url; /* "https://relay.<zone>" is the default; no slash at the end */
    struct conf_texts base_url_aliases; /* old base URLs under which the zone is still
                                           served */
    char *host; /* the relay's host name in its certificate; default: the host of base_url
                 */
    char *secret_file;    /* default the credential `secret`, else <store>/secret */
    char *relay_key_file; /* the zone's own key; default <store>/relay-key.pem, for a
                             further zone <store>/relay-key-<zone>.pem; in
                             <store>/issuer where that is there */
    bool sandbox;         /* roles confine themselves; default yes */
    int log;              /* error, warning, info, debug */
    char *abuse_contact;  /* mail address or https:// address; default dns_contact */
    char *terms_file; /* the operator's own terms, plain text; "" : the built-in ones */
    char *terms_version;  /* their name in URLs; "" : of the built-in ones */
    char *backup_folder;  /* default <store>/backup */
    uint64_t backup_keep; /* nightly backups; default 14, 0: none are made */
    /* [front] */
    struct conf_texts front_listen;  /* addresses; default [::]:443 */
    char *front_ready_file;          /* written "port\n..." once it serves; "" : none */
    char *front_certificate_file;    /* PEM chain served where the relay's own certificate
                                       does not   fit; "" : front signs one itself */
    char *front_key_file;            /* its key */
    int enrolment;                   /* enum relay_enrolment; default token */
    struct conf_texts open_prefixes; /* networks that need no token: "192.0.2.0/24" */
    uint64_t accounts_per_prefix_hour; /* from a /24 or /48; default 100, 0: any number */
    uint64_t orders_per_prefix_hour;   /* of devices without a certificate; default 200,
                                          0: any number */
    uint64_t front_max_connections;    /* default 4096 */
    char *
        front_status_listen; /* /metrics and /healthz: loopback address and port; "" : none */
    uint64_t front_connection_rate; /* new connections a second of one network (/24, /48);
                                       default 50; 0: no limit */
    uint64_t front_request_rate;    /* requests a second of one network that are not on a
                                       known account's connection; default 100 */
    struct conf_texts front_unlimited; /* networks that no limit binds; none by default */
    /* [issuer] */
    char *ca_directory;    /* default Let's Encrypt's */
    char *ca_file;         /* PEM to trust for the CA's HTTPS; "" : the system's */
    char *ca_name;         /* issuer domain for CAA; default letsencrypt.org */
    char *ca_contact;      /* mailto:..., "" : none */
    char *ca_eab_kid;      /* "" : none */
    char *ca_eab_key_file; /* base64url HMAC key */
    bool ca_new_account; /* make a new account when the CA has forgotten ours; default no
                           */
    uint64_t
        caa_wait; /* seconds before an account that replaces another is used: the TTL of
                             its CAA; default 300 */
    bool ca_terms_agreed; /* the operator agrees to the CA's terms; required to be yes */
    char *ca_profile;     /* profile for the relay's own certificate and devices that name
                             none; "" : the CA's default */
    bool budgets;         /* hold to the CA's rate limits; default yes */
    char
        *registered_domain; /* for which the CA counts new certificates; default: the last
                                two labels of the zone */
    bool is_domain_guessed; /* by that default */
    uint64_t budget_certificates_week;  /* default 50 */
    uint64_t budget_certificates_burst; /* at once; default 0: as many as a week's */
    uint64_t budget_orders_3h;          /* default 300 */
    uint64_t budget_orders_burst;       /* default 0: as many as three hours' */
    uint64_t budget_exact_set_week;     /* default 5 */
    uint64_t budget_exact_set_burst;    /* default 0: as many as a week's */
    uint64_t budget_failures_hour;      /* failed validations of a name; default 5 */
    uint64_t
        device_keys_week;    /* new keys per name in 7 days outside renewal; default 3 */
    uint64_t max_in_flight;  /* issuances at once; default 500 */
    uint64_t ca_connections; /* at most this many to the CA; default 32 */
    uint64_t new_orders_at_once;    /* newOrder requests at once at the CA; default 8 */
    uint64_t open_accounts_per_day; /* that open_prefixes may enrol; default 100 */
    struct conf_texts issuer_resolvers; /* "addr:port"; none: the system's */
    struct conf_texts
        name_server_checks; /* addresses to ask for TXT; default: the addresses of
                               dns_name_servers, else dns_listen */
    char *issuer_ready_file;
    char *
        issuer_status_listen; /* /metrics and /healthz: loopback address and port; "" : none */
    /* [dns] */
    struct conf_texts dns_listen;       /* default 0.0.0.0:53 [::]:53 */
    struct conf_texts dns_name_servers; /* "ns1.lan.example.com=192.0.2.1,2001:db8::1" or
                                           an out-of-zone name alone; required */
    struct conf_texts dns_hosts; /* "relay=192.0.2.1,2001:db8::1" : A/AAAA of <host>.Z */
    struct conf_texts dns_apex;  /* addresses of the zone itself; none by default */
    char *
        dns_records_file; /* zone-file text of further records (TXT, MX ...); "" : none */
    char *dns_contact;    /* SOA RNAME as mail address; default hostmaster@<zone> */
    bool dns_shared;      /* answer 100.64/10; default no */
    bool dns_loopback;    /* answer loopback; a lab only; default no */
    uint64_t dns_rate_limit; /* UDP answers a second to one network (/24, /48) by one
                                address; default 1000; 0: no limit */
    struct conf_texts dns_unlimited; /* networks that no limit binds; none by default */
    char *dns_ready_file;
    char *
        dns_status_listen; /* /metrics and /healthz: loopback address and port; "" : none */
    /* [admin] */
    char *
        admin_listen; /* of the dashboard: loopback address and port, or a path; "" : none */
    char *admin_ready_file;
    char *ct_url;     /* of a monitor of CT logs, %s for the zone; "" : none */
    char *ct_ca_file; /* PEM to trust for it; "" : the system's */
    /* [alert] */
    char *alert_command;   /* absolute path of what is told of alerts; "" : none */
    bool alert_delegation; /* look hourly whether the delegation is right; default yes */
};

/* The CA's limit for a registered domain, and who shares it. */
struct relay_config_share {
    const char *others[RELAY_CONFIG_ZONES_MAX - 1]; /* zones; borrowed */
    size_t other_count;
    uint64_t week;  /* certificates in seven days: the lowest that one of them has */
    uint64_t burst; /* at once */
};

/* Which zones the CA counts together with that of CONFIG: those of the same registered domain and
 * CA, unless they hold to no budgets. Pure. */
struct relay_config_share relay_config_zones_share(const struct relay_config *config);
/* The INDEXth URL that the zone of CONFIG is served under: base_url, then the aliases; NULL: no
 * more. Borrowed. */
const char *relay_config_zones_base(const struct relay_config *config, size_t index);

/* Reads and checks PATH and its zones' files, fills in what follows from other keys. On
 * failure REPORT has one line per fault. Free with relay_config_free in any case. */
int relay_config_read(const char *path, struct relay_config *ret_config,
                      struct buffer *report) MUST_CHECK;
/* Reads OLD's file again, for SIGHUP. NULL when it can't be used: the log then has each wrong
 * line, and OLD holds on. What needs a restart keeps OLD's value, with a warning if it is
 * ROLE's ("front", "issuer", "dns", "admin") or everybody's. The log's level changes at once. The
 * caller hands the result to relay_config_replace when nothing points into OLD any more. */
struct relay_config *relay_config_reload(const struct relay_config *old,
                                         const char *role);
/* Takes ZONE's configuration out of the list *CONFIG, so that it outlives the others; the
 * caller frees it with relay_config_replace(..., NULL). NULL when there is none. */
struct relay_config *relay_config_detach(struct relay_config **config, const char *zone);
/* Frees *CONFIG (NULL: nothing), which was allocated, and puts NEW_CONFIG in its place. */
void relay_config_replace(struct relay_config **config, struct relay_config *new_config);
/* Frees what CONFIG holds and its further zones, not CONFIG itself. */
void relay_config_free(struct relay_config *config);

#endif
