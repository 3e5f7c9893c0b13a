/* Replays a corpus through a fuzz target without libFuzzer, so that the normal test run holds every
 * input that was ever interesting. Arguments: files or folders. Fails when nothing was replayed. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "'%s': %s\n", path, strerror(errno));
        return -1;
    }
    /* An exact-size heap copy: a read past the end is then seen by ASan. */
    uint8_t chunk[65536];
    size_t size = fread(chunk, 1, sizeof(chunk), file);
    fclose(file);
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        return -1;
    }
    memcpy(copy, chunk, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 1;
}

static int replay(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        fprintf(stderr, "'%s': %s\n", path, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(info.st_mode)) {
        return replay_file(path);
    }
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return -1;
    }
    int count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        int replayed = replay_file(name);
        if (replayed < 0) {
            count = -1;
            break;
        }
        count += replayed;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int count = replay(argv[i]);
        if (count < 0) {
            return 1;
        }
        total += count;
    }
    printf("replayed %d inputs\n", total);
    return total > 0 ? 0 : 1;
}
