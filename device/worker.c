/* latchkey-worker: one task for the agent, then it ends. */
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "device/device_config.h"
#include "device/worker_diagnosis.h"
#include "device/worker_sandbox.h"
#include "device/worker_task.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, DESCRIPTOR_MAX = 1023 };

static void print_help(FILE *out)
{
    fputs("Usage: latchkey-worker --socket FD | --check [--config FILE] | --help | "
          "--version\n"
          "\n"
          "Does one task over the network for latchkey, which starts it: it is not meant "
          "to be\n"
          "started by hand. It holds no key; latchkey signs for it.\n"
          "\n"
          "  --socket FD     the descriptor on which latchkey gives the task\n"
          "  --check         check the configuration as far as it concerns the worker, "
          "and end\n"
          "  --config FILE   the configuration to check (default: " DEVICE_CONFIG_PATH
          ")\n",
          out);
}

static int check_config(const char *path)
{
    struct device_config config;
    struct buffer report = buffer_init(16 << 10);
    int error = device_config_read(path, &config, &report);
    if (report.size > 0) {
        fprintf(stderr, "%s", buffer_text(&report));
    } else if (error < 0) {
        fprintf(stderr, "latchkey-worker: '%s': %s\n", path, error_text(error));
    }
    if (error == 0 && config.ca_file[0] != '\0' && access(config.ca_file, R_OK) != 0) {
        fprintf(stderr, "latchkey-worker: ca_file '%s' can't be read\n", config.ca_file);
        error = ERROR_IO;
    }
    if (error == 0) {
        device_config_print_good(path, &config);
    }
    device_config_free(&config);
    buffer_free(&report);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Before the first byte from the network. An old kernel is no reason to go without a
 * certificate. */
static void enter_sandbox(const struct worker_message *task)
{
    int error = worker_sandbox_enter(json_get_text(task->body, "ca_file"));
    if (error != 0) {
        log_warning("sandbox: %s; going on with what the file modes allow",
                    error_text(error));
    }
}

static int serve(const char *descriptor)
{
    uint64_t fd = 0;
    struct stat info;
    struct worker_channel channel;
    struct worker_message task = {.body = NULL};
    if (text_u64(descriptor, DESCRIPTOR_MAX, &fd) < 0 || fstat((int)fd, &info) != 0 ||
        !S_ISSOCK(info.st_mode)) {
        fprintf(stderr, "latchkey-worker: '%s' is no socket of latchkey's; see --help\n",
                descriptor);
        return EXIT_USAGE;
    }
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    worker_sandbox_close_descriptors((int)fd);
    /* Whoever may trace this process could ask for signatures. */
    prctl(PR_SET_DUMPABLE, 0);
    /* Without latchkey there is nobody to work for. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    log_open("worker", LOG_LEVEL_INFO);
    worker_channel_open(&channel, (int)fd);
    int error = worker_channel_receive(&channel, WORKER_TASK, &task);
    if (error == 0) {
        enter_sandbox(&task);
        error = worker_diagnosis_is_task(&task) ? worker_diagnosis_run(&channel, &task)
                                                : worker_task_run(&channel, &task);
    }
    worker_message_free(&task);
    worker_channel_close(&channel);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--socket") == 0) {
        return serve(argv[2]);
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("latchkey-worker " LATCHKEY_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help(stdout);
        return EXIT_SUCCESS;
    }
    if (argc == 2 && strcmp(argv[1], "--check") == 0) {
        return check_config(DEVICE_CONFIG_PATH);
    }
    if (argc == 4 && strcmp(argv[1], "--check") == 0 &&
        strcmp(argv[2], "--config") == 0) {
        return check_config(argv[3]);
    }
    if (argc > 1) {
        fprintf(stderr, "latchkey-worker: '%s' is not understood\n", argv[argc - 1]);
    }
    print_help(stderr);
    return EXIT_USAGE;
}
