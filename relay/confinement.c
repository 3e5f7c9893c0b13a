#include "relay/confinement.h"

#include "base/core/landlock.h"
#include "base/core/log.h"
#include "base/core/syscall_filter.h"
#include "base/core/text.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SYSTEM_PATHS_MAX = 8 };

/* Libraries and time zones; descriptors and limits of our own. Nothing in them is secret. */
static const char *const system_paths[] = {"/usr",         "/lib",      "/lib64",
                                           "/dev/urandom", "/dev/null", "/proc/self"};

static const struct {
    const char *name;
    unsigned denials; /* enum landlock_denial */
    unsigned calls;   /* enum syscall_filter_allow */
    const char *does; /* these in words */
    const char *readable[SYSTEM_PATHS_MAX];
} roles[] = {
    /* It asks name servers, by UDP and by address; the resolver's library still looks at these. */
    [CONFINEMENT_FRONT] = {"front",
                           LANDLOCK_TCP_BIND | LANDLOCK_TCP_CONNECT | LANDLOCK_OUTSIDE,
                           SYSCALL_FILTER_UDP,
                           "connections by UDP alone",
                           {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                            "/etc/host.conf", "/etc/ssl"}},
    /* It talks to the CA. All of /etc, because resolv.conf is replaced by rename; what is secret
     * there is not for the role's user. */
    [CONFINEMENT_ISSUER] = {"issuer",
                            LANDLOCK_TCP_BIND | LANDLOCK_OUTSIDE,
                            SYSCALL_FILTER_UDP | SYSCALL_FILTER_TCP,
                            "connections by TCP and UDP",
                            {"/etc", "/run/systemd/resolve", "/run/resolvconf",
                             "/run/NetworkManager"}},
    /* It answers. Its sockets come after Landlock, which must be there before their threads:
     * that it binds no more is seccomp's part. */
    [CONFINEMENT_DNS] = {"dns",
                         LANDLOCK_TCP_CONNECT | LANDLOCK_OUTSIDE,
                         0,
                         "no connections of its own",
                         {NULL}},
    /* It asks the other roles' status listeners, and a monitor of CT logs. What runs programs for
     * it was started before. */
    [CONFINEMENT_ADMIN] = {"admin",
                           LANDLOCK_TCP_BIND | LANDLOCK_OUTSIDE,
                           SYSCALL_FILTER_UDP | SYSCALL_FILTER_TCP,
                           "connections by TCP and UDP",
                           {"/etc", "/run/systemd/resolve", "/run/resolvconf",
                            "/run/NetworkManager"}},
};

enum { ROLE_COUNT = sizeof(roles) / sizeof(roles[0]) };

/* The folder of PATH; the file alone when its folder is the root or /etc, which hold more than
 * a role should see. */
static int allow_folder_of(int ruleset, const char *path, enum landlock_access access)
{
    char folder[PATH_MAX];
    if (!text_copy(folder, sizeof(folder), path)) {
        return ERROR_LIMIT;
    }
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        return landlock_allow(ruleset, ".", access);
    }
    *slash = '\0';
    bool wide = folder[0] == '\0' || strcmp(folder, "/etc") == 0;
    return landlock_allow(ruleset, wide ? path : folder, access);
}

/* A file that may be replaced while the role runs, so that its folder counts. Certificates are
 * often links into another one (certbot's live/). */
static int allow_file(int ruleset, const char *path, enum landlock_access access)
{
    if (path == NULL || path[0] == '\0') {
        return 0;
    }
    int error = allow_folder_of(ruleset, path, access);
    char *real = error == 0 ? realpath(path, NULL) : NULL;
    if (real != NULL) {
        error = allow_folder_of(ruleset, real, access);
        free(real);
    }
    return error;
}

static int allow_files(int ruleset, const char *const *paths, size_t count)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = allow_file(ruleset, paths[i], LANDLOCK_READ);
    }
    return error;
}

/* What a reload reads again of one zone, and what the issuer reads when it needs it. */
static int allow_zone(int ruleset, enum confinement_role role,
                      const struct relay_config *zone)
{
    const char *const front[] = {zone->path, zone->front_certificate_file,
                                 zone->front_key_file, zone->terms_file};
    const char *const issuer[] = {zone->path, zone->ca_file, zone->ca_eab_key_file};
    const char *const dns[] = {zone->path, zone->dns_records_file};
    const char *const admin[] = {zone->path, zone->ct_ca_file};
    switch (role) {
    case CONFINEMENT_FRONT:
        return allow_files(ruleset, front, sizeof(front) / sizeof(front[0]));
    case CONFINEMENT_ISSUER:
        return allow_files(ruleset, issuer, sizeof(issuer) / sizeof(issuer[0]));
    case CONFINEMENT_DNS:
        return allow_files(ruleset, dns, sizeof(dns) / sizeof(dns[0]));
    case CONFINEMENT_ADMIN:
        return allow_files(ruleset, admin, sizeof(admin) / sizeof(admin[0]));
    }
    return ERROR_INTERNAL;
}

static const char *ready_file(enum confinement_role role,
                              const struct relay_config *config)
{
    switch (role) {
    case CONFINEMENT_FRONT:
        return config->front_ready_file;
    case CONFINEMENT_ISSUER:
        return config->issuer_ready_file;
    case CONFINEMENT_DNS:
        return config->dns_ready_file;
    case CONFINEMENT_ADMIN:
        return config->admin_ready_file;
    }
    return NULL;
}

/* The folders of all roles are there, or none counts: see place.h. */
static bool has_folders(const char *store)
{
    char path[PATH_MAX];
    struct stat info;
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (!text_format(path, sizeof(path), "%s/%s", store, roles[i].name) ||
            stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
            return false;
        }
    }
    return true;
}

static int allow_store(int ruleset, const char *store, const char *own)
{
    char path[PATH_MAX];
    int error = 0;
    if (!has_folders(store)) {
        (void)mkdir(store, 0750); /* a rule needs it; else the first writer would make it */
        return landlock_allow(ruleset, store, LANDLOCK_WRITE);
    }
    for (size_t i = 0; error == 0 && i < ROLE_COUNT; i++) {
        enum landlock_access access =
            strcmp(roles[i].name, own) == 0 ? LANDLOCK_WRITE : LANDLOCK_READ;
        error = text_format(path, sizeof(path), "%s/%s", store, roles[i].name)
                    ? landlock_allow(ruleset, path, access)
                    : ERROR_LIMIT;
    }
    return error;
}

/* The names in FOLDER, which the first backup may make later: until then, those in the nearest
 * folder above it that is there, unless that holds more than a role should see. */
static int allow_backups(int ruleset, const char *folder)
{
    static const char *const wide[] = {"", "/var", "/var/lib", "/etc", "/home"};
    char path[PATH_MAX];
    struct stat info;
    if (!text_copy(path, sizeof(path), folder)) {
        return ERROR_LIMIT;
    }
    while (stat(path, &info) != 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (slash == NULL) {
            return 0;
        }
        *slash = '\0';
        for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
            if (strcmp(path, wide[i]) == 0) {
                return 0;
            }
        }
    }
    return landlock_allow(ruleset, path, LANDLOCK_LIST);
}

/* A reload that finds a new zone reads the secret again; by itself, as it lies beside others. */
static int allow_secret(int ruleset, enum confinement_role role,
                        const struct relay_config *config)
{
    return role == CONFINEMENT_FRONT || role == CONFINEMENT_ISSUER
               ? landlock_allow(ruleset, config->secret_file, LANDLOCK_READ)
               : 0;
}

static int allow_all(int ruleset, enum confinement_role role,
                     const struct relay_config *config)
{
    int error = allow_store(ruleset, config->store, roles[role].name);
    for (size_t i = 0; error == 0 && i < sizeof(system_paths) / sizeof(system_paths[0]);
         i++) {
        error = landlock_allow(ruleset, system_paths[i], LANDLOCK_READ);
    }
    for (size_t i = 0; error == 0 && i < SYSTEM_PATHS_MAX; i++) {
        const char *path = roles[role].readable[i];
        error = path != NULL ? landlock_allow(ruleset, path, LANDLOCK_READ) : 0;
    }
    if (error == 0) {
        error = allow_secret(ruleset, role, config);
    }
    if (error == 0 && role == CONFINEMENT_ADMIN) {
        error = allow_backups(ruleset, config->backup_folder);
    }
    for (const struct relay_config *zone = config; error == 0 && zone != NULL;
         zone = zone->next) {
        error = allow_zone(ruleset, role, zone);
    }
    return error == 0 ? allow_file(ruleset, ready_file(role, config), LANDLOCK_WRITE)
                      : error;
}

/* One line whatever came of it. */
static int say(int error, const char *what, const char *lacks)
{
    if (error == ERROR_UNSUPPORTED) {
        log_warning(
            "not confined by %s, which this kernel lacks (or the unit's SystemCallFilter "
            "denies); %s",
            what, lacks);
        return 0;
    }
    if (error != 0) {
        log_error("can't be confined by %s: %s ('[relay] sandbox = no' starts without)",
                  what, error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    return error;
}

int confinement_files(enum confinement_role role, const struct relay_config *config)
{
    int ruleset = -1;
    int version = landlock_version();
    if (!config->sandbox) {
        log_warning("not confined: [relay] sandbox = no");
        return 0;
    }
    int error = landlock_new(roles[role].denials, &ruleset);
    if (error == 0) {
        error = landlock_enter(ruleset, allow_all(ruleset, role, config));
    }
    if (error == 0) {
        bool folders = has_folders(config->store);
        log_info("confined by Landlock (version %d: files%s%s): of the store it writes "
                 "'%s%s%s'",
                 version, version >= 4 ? ", TCP" : "", version >= 6 ? ", signals" : "",
                 config->store, folders ? "/" : "", folders ? roles[role].name : "");
    }
    return say(error, "Landlock", "files are kept apart by their modes alone");
}

int confinement_calls(enum confinement_role role, const struct relay_config *config)
{
    if (!config->sandbox) {
        return 0;
    }
    int error = syscall_filter_enter(roles[role].calls);
    if (error == 0) {
        log_info("confined by seccomp: no programs, no listeners, %s", roles[role].does);
    }
    return say(error, "seccomp", "system calls are bounded by the unit alone");
}

int confinement_enter(enum confinement_role role, const struct relay_config *config)
{
    int error = confinement_files(role, config);
    return error == 0 ? confinement_calls(role, config) : error;
}
