/* `latchkey identity export FILE` and `import FILE`: the identity key under a passphrase.
 * Who has both the file and the passphrase is the device. The counter of publications need
 * not be kept: the agent counts by the clock, so a device that comes back is ahead. */
#include "base/core/file.h"
#include "base/core/text.h"
#include "base/crypto/key_backup.h"
#include "device/command.h"
#include "device/identity.h"
#include "device/passphrase.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDER_CAPACITY = 4096, FILE_BYTES = 64 << 10 };

struct options {
    const char *file;
    const char *passphrase_file; /* or NULL: the terminal */
    bool replace;
    char folder[FOLDER_CAPACITY];
};

static int complain(const char *what, const char *path, int error)
{
    fprintf(stderr, "latchkey identity: '%s' %s: %s\n", path, what,
            error == ERROR_IO ? strerror(errno) : error_text(error));
    return error;
}

static int read_passphrase(const struct options *options, bool twice,
                           struct buffer *passphrase)
{
    int error =
        passphrase_read(options->passphrase_file, "Passphrase: ", twice, passphrase);
    if (error == ERROR_CONFLICT) {
        fputs("latchkey identity: the two passphrases differ\n", stderr);
    } else if (error < 0 && options->passphrase_file != NULL) {
        complain("can't be read", options->passphrase_file, error);
    } else if (error < 0) {
        fputs("latchkey identity: there is no terminal to ask for a passphrase; name a "
              "--passphrase-file\n",
              stderr);
    } else if (strlen(buffer_text(passphrase)) != passphrase->size ||
               passphrase->size < KEY_BACKUP_PASSPHRASE_MIN ||
               passphrase->size > KEY_BACKUP_PASSPHRASE_MAX) {
        fprintf(stderr, "latchkey identity: a passphrase has %d to %d characters\n",
                KEY_BACKUP_PASSPHRASE_MIN, KEY_BACKUP_PASSPHRASE_MAX);
        error = ERROR_RANGE;
    }
    return error;
}

static int export(const struct options *options)
{
    struct identity identity = {.key = NULL};
    struct buffer passphrase = buffer_init_secret(FILE_BYTES);
    struct buffer pem = buffer_init(FILE_BYTES);
    int error = identity_read(options->folder, &identity);
    if (error < 0) {
        fprintf(stderr,
                "latchkey identity: '%s/identity.pem': %s; a key in a token is backed up "
                "by its own tools\n",
                options->folder, error_text(error));
        goto out;
    }
    error = read_passphrase(options, true, &passphrase);
    if (error < 0) {
        goto out;
    }
    buffer_printf(&pem, "latchkey identity %s\n", identity.id);
    error = key_backup_write(identity.key, buffer_text(&passphrase), &pem);
    if (error == 0) {
        error = file_write_new(options->file, pem.data, pem.size, 0600);
    }
    if (error < 0) {
        complain("can't be written", options->file, error);
    } else {
        printf("exported     %s to '%s': with the passphrase it is the device; keep both "
               "apart\n",
               identity.id, options->file);
    }
out:
    identity_free(&identity);
    buffer_free(&passphrase);
    buffer_free(&pem);
    return error;
}

static int read_backup(const struct options *options, struct key **ret_key)
{
    struct buffer passphrase = buffer_init_secret(FILE_BYTES);
    struct buffer pem = buffer_init_secret(FILE_BYTES);
    int error = file_read(options->file, &pem);
    if (error < 0) {
        complain("can't be read", options->file, error);
    } else {
        error = read_passphrase(options, false, &passphrase);
        if (error == 0) {
            error =
                key_backup_read(pem.data, pem.size, buffer_text(&passphrase), ret_key);
            if (error == ERROR_DENIED) {
                fputs("latchkey identity: the passphrase is wrong\n", stderr);
            } else if (error < 0) {
                complain("is no identity that was exported", options->file, error);
            }
        }
    }
    buffer_free(&passphrase);
    buffer_free(&pem);
    return error;
}

/* Nothing of another identity may stay beside the key: its certificates and its account are
 * of no use to this one. */
static int clear_others(const char *folder)
{
    static const char *const names[] = {"state.json",  "trusted.pem",  "candidate.pem",
                                        "pending.pem", "fallback.pem", "apps.json"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[FOLDER_CAPACITY + 16];
        if (!text_format(path, sizeof(path), "%s/%s", folder, names[i])) {
            return ERROR_LIMIT;
        }
        int error = file_remove(path);
        if (error < 0 && error != ERROR_NOT_FOUND) {
            return complain("can't be removed", path, error);
        }
    }
    return file_sync_folder(folder);
}

static int install(const struct options *options, const struct key *key, const char *path)
{
    struct identity old = {.key = NULL};
    struct buffer pem = buffer_init_secret(FILE_BYTES);
    bool is_same = identity_read(options->folder, &old) == 0 && key_equal(old.key, key);
    int error = key_to_pem(key, &pem);
    if (error == 0 && options->replace && !is_same) {
        error = clear_others(options->folder);
    }
    if (error == 0) {
        error = options->replace ? file_write_atomic(path, pem.data, pem.size, 0600)
                                 : file_write_new(path, pem.data, pem.size, 0600);
    }
    if (error == ERROR_EXISTS) {
        fprintf(stderr,
                "latchkey identity: '%s' is this device's name already; --replace gives "
                "it up for ever\n",
                path);
    } else if (error < 0) {
        complain("can't be written", path, error);
    }
    identity_free(&old);
    buffer_free(&pem);
    return error;
}

static int import(const struct options *options)
{
    char path[FOLDER_CAPACITY + 16];
    char id[KEY_ID_SIZE + 1] = "";
    struct key *key = NULL;
    int fd = -1;
    if (!text_format(path, sizeof(path), "%s/lock", options->folder)) {
        return ERROR_LIMIT;
    }
    int error = file_make_folder(options->folder, 0700);
    if (error == 0) {
        error = file_lock(path, &fd);
    }
    if (error < 0) {
        fprintf(stderr, "latchkey identity: '%s': %s\n", options->folder,
                error == ERROR_BUSY ? "an agent runs with it; stop it first"
                                    : strerror(errno));
        return error;
    }
    error = read_backup(options, &key);
    if (error == 0) {
        error = key_id(key, id);
    }
    if (error == 0 &&
        text_format(path, sizeof(path), "%s/identity.pem", options->folder)) {
        error = install(options, key, path);
    }
    if (error == 0) {
        printf("imported     %s; see to it that no other device has this key\n", id);
    }
    key_free(key);
    close(fd);
    return error;
}

/* Takes what is ours out of the arguments; the rest is command_parse's. */
static bool parse(int argc, char **argv, struct options *options, int *ret_count)
{
    int count = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--passphrase-file") == 0 && i + 1 < argc) {
            options->passphrase_file = argv[++i];
        } else if (strcmp(argv[i], "--replace") == 0) {
            options->replace = true;
        } else if ((strcmp(argv[i], "--config") == 0 ||
                    strcmp(argv[i], "--state") == 0) &&
                   i + 1 < argc) {
            argv[count++] = argv[i];
            argv[count++] = argv[++i];
        } else if (argv[i][0] != '-' && options->file == NULL) {
            options->file = argv[i];
        } else {
            argv[count++] = argv[i];
        }
    }
    *ret_count = count;
    if (options->file == NULL) {
        fputs("latchkey identity: needs a file: identity export FILE, or import FILE\n",
              stderr);
    }
    return options->file != NULL;
}

int command_identity(int argc, char **argv)
{
    struct options options = {.file = NULL};
    struct command_options common;
    const char *verb = NULL;
    int count = 0;
    for (int i = 0; i < argc && verb == NULL; i++) {
        if (strcmp(argv[i], "export") == 0 || strcmp(argv[i], "import") == 0) {
            verb = argv[i];
            argc--;
            for (int j = i; j < argc; j++) {
                argv[j] = argv[j + 1];
            }
        }
    }
    if (verb == NULL) {
        fputs("latchkey identity: needs 'export FILE' or 'import FILE'\n", stderr);
        return COMMAND_USAGE;
    }
    if (!parse(argc, argv, &options, &count) ||
        !command_parse("identity", count, argv, 0, &common)) {
        return COMMAND_USAGE;
    }
    if (command_find_folder(&common, options.folder, sizeof(options.folder)) < 0) {
        return EXIT_FAILURE;
    }
    int error = strcmp(verb, "export") == 0 ? export(&options) : import(&options);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
