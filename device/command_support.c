/* `latchkey support-bundle [FILE]`: what somebody who helps needs to see, in one tar archive,
 * and nothing that must stay on the device. Nothing is copied as it lies: each part is made
 * from what may be shown (the certificates without their keys, the configuration key by key),
 * so that a new file in the state folder is not in it by itself. */
#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/text.h"
#include "device/bundle.h"
#include "device/command.h"
#include "device/control_client.h"
#include "device/doctor.h"
#include "device/interfaces.h"
#include "device/public_config.h"
#include "device/system_log.h"
#include "device/tar.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    ARCHIVE_BYTES = 2 << 20,
    PART_BYTES = 256 << 10,
    PATH_CAPACITY = 4096 + 64,
    LOG_WAIT_MS = 5000,
};

struct collection {
    const struct command_options *options;
    char folder[4096];
    struct buffer archive;
    int64_t at;
    bool is_alone;
};

/* Adds PART (freed) as NAME; ERROR says why it is not whole. */
static int add_part(struct collection *collection, const char *name, struct buffer *part,
                    int error)
{
    if (error < 0 && part->size == 0) {
        buffer_free(part);
        *part = buffer_init(1024);
        buffer_printf(part, "(not available: %s)\n",
                      error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    error = tar_add(&collection->archive, name, buffer_bytes(part), collection->at);
    buffer_free(part);
    return error;
}

static int add_json(struct collection *collection, const char *name, json_t *object,
                    int error)
{
    struct buffer part = buffer_init(PART_BYTES);
    if (error == 0) {
        error = json_dump(object, &part);
        buffer_append_text(&part, "\n");
    }
    json_decref(object);
    return add_part(collection, name, &part, error);
}

static int add_status(struct collection *collection)
{
    json_t *object = NULL;
    int error = control_client_call(collection->folder, "GET", "/status.json", &object);
    return add_json(collection, "status.json", object, error);
}

static int add_diagnosis(struct collection *collection)
{
    json_t *object = NULL;
    int error = doctor_diagnose(collection->options, &collection->is_alone, &object);
    return add_json(collection, "diagnosis.json", object, error);
}

static int add_config(struct collection *collection)
{
    struct buffer text = buffer_init(PART_BYTES);
    struct buffer part = buffer_init(PART_BYTES);
    int error = file_read(collection->options->config, &text);
    if (error == 0) {
        error = public_config_write(buffer_text(&text), text.size, &part);
    }
    buffer_free(&text);
    return add_part(collection, "config.txt", &part, error);
}

static int add_file(struct collection *collection, const char *path, const char *name)
{
    struct buffer part = buffer_init(PART_BYTES);
    int error = file_read(path, &part);
    return add_part(collection, name, &part, error);
}

/* FOLDER/FILE is a key and its chain: only the chain. */
static int add_chain(struct collection *collection, const char *file, const char *name)
{
    char path[PATH_CAPACITY];
    struct bundle bundle = {.key = NULL};
    struct buffer part = buffer_init(PART_BYTES);
    int error = text_format(path, sizeof(path), "%s/%s", collection->folder, file)
                    ? bundle_load(path, &bundle)
                    : ERROR_LIMIT;
    if (error == 0) {
        error = cert_to_pem(bundle.cert, &part);
    }
    bundle_free(&bundle);
    return add_part(collection, name, &part, error);
}

static int add_versions(struct collection *collection)
{
    struct buffer part = buffer_init(PART_BYTES);
    struct utsname system;
    char at[TEXT_TIME_CAPACITY];
    text_time(collection->at, at);
    buffer_printf(&part, "latchkey %s\nmade at %s\n", LATCHKEY_VERSION, at);
    if (uname(&system) == 0) {
        buffer_printf(&part, "%s %s %s %s\n", system.sysname, system.release,
                      system.version, system.machine);
    }
    buffer_printf(&part, "up for %lld s\n\n", (long long)(clock_mono_ms() / 1000));
    int error = file_read("/etc/os-release", &part);
    return add_part(collection, "versions.txt", &part, error);
}

static int add_interfaces(struct collection *collection)
{
    struct buffer part = buffer_init(PART_BYTES);
    struct interfaces *interfaces = calloc(1, sizeof(*interfaces));
    int error = interfaces != NULL ? interfaces_read(interfaces) : ERROR_MEMORY;
    for (size_t i = 0; error == 0 && i < interfaces->count; i++) {
        const struct interface *link = &interfaces->at[i];
        buffer_printf(&part, "%u %s%s%s%s%s%s%s\n", link->index, link->name,
                      link->kind[0] != '\0' ? " " : "", link->kind,
                      link->is_up ? " up" : " down",
                      link->has_carrier ? "" : " without a carrier",
                      link->is_point_to_point ? " point-to-point" : "",
                      link->index == interfaces->default_index ? " default" : "");
        for (size_t j = 0; j < interfaces->address_count; j++) {
            char text[46];
            if (interfaces->addresses[j].index == link->index) {
                lanname_address_text(&interfaces->addresses[j].address, text);
                buffer_printf(&part, "    %s\n", text);
            }
        }
    }
    free(interfaces);
    return add_part(collection, "interfaces.txt", &part, error);
}

static int add_log(struct collection *collection)
{
    struct buffer part = buffer_init(PART_BYTES);
    int error = system_log_read(LOG_WAIT_MS, &part);
    return add_part(collection, "log.txt", &part, error);
}

static int collect(struct collection *collection)
{
    static const struct {
        const char *path;
        const char *name;
    } files[] = {
        {"/etc/resolv.conf", "resolv.conf"},
        {"/proc/self/net/route", "routes-ipv4.txt"},
        {"/proc/self/net/ipv6_route", "routes-ipv6.txt"},
    };
    static const struct {
        const char *file;
        const char *name;
    } chains[] = {
        {"trusted.pem", "trusted-chain.pem"},
        {"fallback.pem", "fallback-chain.pem"},
    };
    int error = add_versions(collection);
    if (error == 0) {
        error = add_diagnosis(collection);
    }
    if (error == 0) {
        error = add_status(collection);
    }
    if (error == 0) {
        error = add_config(collection);
    }
    if (error == 0) {
        error = add_interfaces(collection);
    }
    for (size_t i = 0; error == 0 && i < sizeof(files) / sizeof(files[0]); i++) {
        error = add_file(collection, files[i].path, files[i].name);
    }
    for (size_t i = 0; error == 0 && i < sizeof(chains) / sizeof(chains[0]); i++) {
        error = add_chain(collection, chains[i].file, chains[i].name);
    }
    if (error == 0) {
        error = add_log(collection);
    }
    return error == 0 ? tar_end(&collection->archive) : error;
}

static int write_archive(const struct collection *collection, const char *path)
{
    if (strcmp(path, "-") == 0) {
        return fwrite(collection->archive.data, 1, collection->archive.size, stdout) ==
                           collection->archive.size &&
                       fflush(stdout) == 0
                   ? 0
                   : ERROR_IO;
    }
    return file_write_atomic(path, collection->archive.data, collection->archive.size,
                             0600);
}

static int support(const struct command_options *options, const char *path)
{
    struct collection collection = {.options = options, .at = clock_wall_at()};
    collection.archive = buffer_init(ARCHIVE_BYTES);
    collection.at = collection.at > 0 ? collection.at : 0;
    int error =
        command_find_folder(options, collection.folder, sizeof(collection.folder));
    if (error == 0) {
        error = collect(&collection);
        if (error < 0) {
            fprintf(stderr, "latchkey support-bundle: %s\n", error_text(error));
        }
    }
    if (error == 0) {
        error = write_archive(&collection, path);
        if (error < 0) {
            fprintf(stderr, "latchkey support-bundle: '%s' can't be written: %s\n", path,
                    error == ERROR_IO ? strerror(errno) : error_text(error));
        } else if (strcmp(path, "-") != 0) {
            printf("%s is written: no key, token or password is in it, but names and "
                   "addresses are.\n",
                   path);
        }
    }
    buffer_free(&collection.archive);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_support_bundle(int argc, char **argv)
{
    struct command_options options;
    const char *path = "latchkey-support.tar";
    /* FILE may stand first; what follows are options. */
    if (argc > 0 && (argv[0][0] != '-' || strcmp(argv[0], "-") == 0)) {
        path = argv[0];
        argc--;
        argv++;
    }
    if (!command_parse("support-bundle", argc, argv, 0, &options)) {
        return COMMAND_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    return support(&options, path);
}
