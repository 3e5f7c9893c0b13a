/* Installing a certificate for other servers (live/), the owner's own one (own/) and a bundle, when
 * the process dies before any of its system calls, or one of them fails: what the next start
 * finds is the old state or the new one, whole, and what was left behind is gone. */
#include "device/live.h"
#include "device/owner_cert.h"

#include "base/core/file.h"
#include "tests/unit/vector.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t size);
int __real_fsync(int fd);
int __real_fchmod(int fd, mode_t mode);
int __real_fchown(int fd, uid_t user, gid_t group);
int __real_rename(const char *from, const char *to);
int __real_symlink(const char *target, const char *path);
int __real_unlink(const char *path);
int __real_unlinkat(int fd, const char *path, int flags);
int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __real_chmod(const char *path, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __wrap_fsync(int fd);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchown(int fd, uid_t user, gid_t group);
int __wrap_rename(const char *from, const char *to);
int __wrap_symlink(const char *target, const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlinkat(int fd, const char *path, int flags);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_chmod(const char *path, mode_t mode);

enum mode { MODE_OFF, MODE_DIE, MODE_FULL, MODE_READ_ONLY };

enum { STEPS_MAX = 400, REACHED = 77 };

static enum mode mode;
static int left;
static bool is_reached;
static char folder[64]; /* in memory where there is such a place: a kill needs no disk */
static struct bundle bundles[4]; /* of four keys, for "nas.example" */
static char fingerprints[4][65];

static bool is_hit(void)
{
    if (mode == MODE_OFF || left-- > 0) {
        return false;
    }
    is_reached = true;
    if (mode == MODE_DIE) {
        _exit(REACHED);
    }
    errno = mode == MODE_FULL ? ENOSPC : EROFS;
    return true; /* and all that follow: a disk stays full */
}

int __wrap_open(const char *path, int flags, ...)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    return writes && is_hit() ? -1 : __real_open(path, flags, 0600);
}

#define WRAP(type, name, parameters, arguments)                                          \
    type __wrap_##name parameters                                                        \
    {                                                                                    \
        return is_hit() ? -1 : __real_##name arguments;                                  \
    }

WRAP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fchmod, (int fd, mode_t bits), (fd, bits))
WRAP(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, symlink, (const char *target, const char *path), (target, path))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int, mkdir, (const char *path, mode_t bits), (path, bits))
WRAP(int, rmdir, (const char *path), (path))
WRAP(int, chmod, (const char *path, mode_t bits), (path, bits))

static int make_bundles(void **state)
{
    static const char *const names[] = {"nas.example"};
    struct key *identity = NULL;
    struct cert *issuer = NULL;
    (void)state;
    assert_int_equal(key_generate(KEY_P256, &identity), 0);
    assert_int_equal(cert_make_identity(identity, "id", names, 1, &issuer), 0);
    for (size_t i = 0; i < 4; i++) {
        uint8_t hash[32];
        assert_int_equal(key_generate(KEY_P256, &bundles[i].key), 0);
        assert_int_equal(cert_make_leaf(issuer, identity, bundles[i].key, names, 1, NULL,
                                        0, 1700000000, 1900000000, &bundles[i].cert),
                         0);
        assert_int_equal(cert_fingerprint(bundles[i].cert, hash), 0);
        text_hex(hash, sizeof(hash), fingerprints[i]);
    }
    cert_free(issuer);
    key_free(identity);
    return 0;
}

static int free_bundles(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        bundle_free(&bundles[i]);
    }
    return 0;
}

static void make_place(void)
{
    const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    text_format(folder, sizeof(folder), "%s/latchkey-install-XXXXXX", place);
    assert_non_null(mkdtemp(folder));
}

static void path_of(const char *name, char ret_path[static 256])
{
    text_format(ret_path, 256, "%s/%s", folder, name);
}

/* Removes a folder and what is in it, two levels deep. */
static void remove_tree(const char *path)
{
    DIR *entries = opendir(path);
    if (entries == NULL) {
        unlink(path);
        return;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL;
         entry = readdir(entries)) {
        char name[600];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            text_format(name, sizeof(name), "%s/%s", path, entry->d_name);
            if (entry->d_type == DT_DIR) {
                remove_tree(name);
            } else {
                unlink(name);
            }
        }
    }
    closedir(entries);
    rmdir(path);
}

static size_t count_entries(const char *prefix)
{
    size_t count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *entry = readdir(entries); entry != NULL;
         entry = readdir(entries)) {
        count += text_starts_with(entry->d_name, prefix) ? 1 : 0;
    }
    closedir(entries);
    return count;
}

/* Runs FN in a child that dies before its STEP-th call; whether it came so far. */
static bool die_at(int step, void (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        left = step;
        mode = MODE_DIE;
        fn();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == REACHED;
}

/* --- live/ --- */

static void put_four(void)
{
    struct live live;
    int error = live_open(folder, FILE_ANY_GROUP, &live);
    for (size_t i = 1; i < 4 && error == 0; i++) {
        error = live_put(&live, &bundles[i]);
    }
    if (error == 0) {
        error = live_put(&live, &bundles[2]); /* back to the one before */
    }
    (void)error;
}

/* The three files belong to one of ours; which. */
static size_t look_at_live(void)
{
    char path[256];
    struct bundle both = {.key = NULL};
    struct key *key = NULL;
    struct cert *chain = NULL;
    uint8_t hash[32];
    char text[65];
    struct buffer file = buffer_init(1 << 16);
    path_of("live/bundle.pem", path);
    assert_int_equal(bundle_load(path, &both), 0);
    path_of("live/privkey.pem", path);
    assert_int_equal(file_read(path, &file), 0);
    assert_int_equal(key_from_pem(file.data, file.size, &key), 0);
    assert_true(key_equal(key, both.key));
    buffer_reset(&file);
    path_of("live/fullchain.pem", path);
    assert_int_equal(file_read(path, &file), 0);
    assert_int_equal(cert_from_pem(file.data, file.size, &chain), 0);
    assert_int_equal(cert_fingerprint(chain, hash), 0);
    text_hex(hash, sizeof(hash), text);
    size_t found = 0;
    while (found < 4 && strcmp(fingerprints[found], text) != 0) {
        found++;
    }
    assert_true(found < 4);
    assert_true(key_equal(key, bundles[found].key));
    buffer_free(&file);
    cert_free(chain);
    key_free(key);
    bundle_free(&both);
    return found;
}

static void put_first(void)
{
    struct live live;
    assert_int_equal(live_open(folder, FILE_ANY_GROUP, &live), 0);
    assert_false(live.is_made);
    assert_int_equal(live_put(&live, &bundles[0]), 0);
    assert_int_equal(look_at_live(), 0);
}

/* What a start after a crash does. */
static void restart_live(void)
{
    struct live live;
    size_t found = look_at_live();
    assert_int_equal(file_remove_temporaries(folder), 0);
    assert_int_equal(live_open(folder, FILE_ANY_GROUP, &live), 0);
    assert_true(live.is_made);
    assert_string_equal(live.fingerprint, fingerprints[found]);
    assert_true(count_entries("live-") <= 2);
    assert_int_equal(count_entries("live"), 1 + count_entries("live-"));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(live_put(&live, &bundles[i]), 0);
        assert_int_equal(look_at_live(), i);
        assert_true(count_entries("live") <= 3);
    }
    assert_int_equal(count_entries("live"), 3);
}

static void live_survives_each_death(void **state)
{
    (void)state;
    int step = 0;
    bool went_on = true;
    for (; went_on && step < STEPS_MAX; step++) {
        make_place();
        put_first();
        went_on = die_at(step, put_four);
        restart_live();
        remove_tree(folder);
    }
    print_message("%d calls\n", step - 1);
    assert_true(step > 40 && step < STEPS_MAX);
}

static void live_survives_a_disk_that_fails(void **state)
{
    (void)state;
    static const enum mode modes[] = {MODE_FULL, MODE_READ_ONLY};
    for (size_t i = 0; i < 2; i++) {
        is_reached = true;
        int step = 0;
        for (; is_reached && step < STEPS_MAX; step++) {
            struct live live;
            make_place();
            put_first();
            assert_int_equal(live_open(folder, FILE_ANY_GROUP, &live), 0);
            is_reached = false;
            left = step;
            mode = modes[i];
            int error = live_put(&live, &bundles[1]);
            int errno_seen = errno;
            mode = MODE_OFF;
            size_t found = look_at_live();
            /* What the struct says is what the files are. */
            assert_string_equal(live.fingerprint, fingerprints[found]);
            if (error < 0) {
                assert_int_equal(error, ERROR_IO);
                assert_int_equal(errno_seen, modes[i] == MODE_FULL ? ENOSPC : EROFS);
            } else {
                assert_int_equal(found, 1);
            }
            assert_int_equal(live_put(&live, &bundles[1]), 0);
            assert_int_equal(look_at_live(), 1);
            restart_live();
            remove_tree(folder);
        }
        assert_true(step > 10 && step < STEPS_MAX);
    }
}

/* --- the owner's own certificate --- */

static void offer(struct owner_cert *owner, size_t index)
{
    owner_cert_cancel(owner);
    owner->trial =
        (struct bundle){.key = key_ref(bundles[index].key), .cert = bundles[index].cert};
    bundles[index].cert = NULL; /* lent, see take_back */
    text_copy(owner->trial_host, sizeof(owner->trial_host), "nas.example");
}

static void commit_two(void)
{
    struct owner_cert owner;
    struct buffer der = buffer_init(4096);
    owner_cert_open(&owner, folder);
    int error = owner_cert_request(&owner, "nas.example", &der);
    if (error == 0) {
        offer(&owner, 1);
        error = owner_cert_commit(&owner);
    }
    if (error == 0) {
        offer(&owner, 2);
        error = owner_cert_commit(&owner);
    }
    if (error == 0) {
        error = owner_cert_remove(&owner);
    }
    (void)error;
}

static void own_survives_each_death(void **state)
{
    (void)state;
    int step = 0;
    bool went_on = true;
    for (; went_on && step < STEPS_MAX; step++) {
        struct owner_cert owner;
        make_place();
        went_on = die_at(step, commit_two);
        /* Loading checks that host, key and chain belong together. */
        owner_cert_open(&owner, folder);
        if (owner.active.cert != NULL) {
            assert_string_equal(owner.host, "nas.example");
        }
        char path[256];
        path_of("own/active.pem", path);
        assert_true((access(path, F_OK) == 0) == (owner.active.cert != NULL));
        path_of("own/request.pem", path);
        assert_true((access(path, F_OK) == 0) == (owner.request_key != NULL));
        assert_int_equal(owner_cert_remove(&owner), 0);
        owner_cert_close(&owner);
        path_of("own", path);
        assert_true(rmdir(path) == 0 || errno == ENOENT); /* nothing was left in it */
        remove_tree(folder);
    }
    print_message("%d calls\n", step - 1);
    assert_true(step > 20 && step < STEPS_MAX);
}

/* --- trusted.pem and candidate.pem --- */

static void save_bundles(void)
{
    char candidate[256];
    char trusted[256];
    path_of("candidate.pem", candidate);
    path_of("trusted.pem", trusted);
    int error = 0;
    for (size_t i = 1; i < 4 && error == 0; i++) {
        error = bundle_save(candidate, &bundles[i]);
        if (error == 0) {
            error = bundle_save(trusted, &bundles[i]);
        }
        if (error == 0) {
            error = file_remove(candidate);
        }
    }
}

static void bundles_survive_each_death(void **state)
{
    (void)state;
    int step = 0;
    bool went_on = true;
    for (; went_on && step < STEPS_MAX; step++) {
        char path[256];
        struct bundle bundle = {.key = NULL};
        make_place();
        path_of("trusted.pem", path);
        assert_int_equal(bundle_save(path, &bundles[0]), 0);
        went_on = die_at(step, save_bundles);
        assert_int_equal(bundle_load(path, &bundle), 0);
        bundle_free(&bundle);
        path_of("candidate.pem", path);
        int error = bundle_load(path, &bundle);
        assert_true(error == 0 || error == ERROR_NOT_FOUND);
        bundle_free(&bundle);
        assert_int_equal(file_remove_temporaries(folder), 0);
        assert_true(count_entries("") <= 4); /* two files, "." and ".." */
        remove_tree(folder);
    }
    assert_true(step > 20 && step < STEPS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_survives_each_death),
        cmocka_unit_test(live_survives_a_disk_that_fails),
        cmocka_unit_test(own_survives_each_death),
        cmocka_unit_test(bundles_survive_each_death),
    };
    return cmocka_run_group_tests(tests, make_bundles, free_bundles);
}
