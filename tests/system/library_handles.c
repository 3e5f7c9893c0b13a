/* Several handles in one process and one loop, for test_library.py: each has a folder and a name of
 * its own. Prints "trusted ID SERIAL" for each and ends when all have a certificate.
 *
 *     library_handles DIRECTORY_URL CA_FILE FOLDER... */
#include <latchkey-curl.h>
#include <latchkey.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { HANDLES_MAX = 8, FIRST_FOLDER = 3 };

static size_t trusted_count;

static int on_certificate(void *arg, struct latchkey *handle,
                          const struct latchkey_certificate *certificate)
{
    (void)arg;
    if (certificate->is_trusted) {
        printf("trusted %s %s\n", latchkey_id(handle), certificate->serial);
        trusted_count++;
    }
    return LATCHKEY_OK;
}

static struct latchkey *open_handle(char **argv, const char *folder)
{
    struct latchkey_options options = LATCHKEY_OPTIONS_INIT;
    struct latchkey_transport transport = LATCHKEY_TRANSPORT_INIT;
    struct latchkey_events events = LATCHKEY_EVENTS_INIT;
    struct latchkey_curl_options curl = LATCHKEY_CURL_OPTIONS_INIT;
    struct latchkey *handle = NULL;
    curl.ca_file = argv[2];
    events.certificate = on_certificate;
    options.directory_url = argv[1];
    options.folder = folder;
    options.transport = &transport;
    options.events = &events;
    if (latchkey_curl_new(&curl, &transport) < 0 || latchkey_new(&options, &handle) < 0) {
        (void)fprintf(stderr, "%s: no handle\n", folder);
        exit(1);
    }
    return handle;
}

int main(int argc, char **argv)
{
    struct latchkey *handles[HANDLES_MAX];
    struct pollfd fds[HANDLES_MAX];
    size_t count = 0;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (; FIRST_FOLDER + (int)count < argc && count < HANDLES_MAX; count++) {
        handles[count] = open_handle(argv, argv[FIRST_FOLDER + count]);
    }
    while (trusted_count < count) {
        int timeout_ms = 1000;
        for (size_t i = 0; i < count; i++) {
            int own_ms = latchkey_timeout_ms(handles[i]);
            timeout_ms = own_ms < timeout_ms ? own_ms : timeout_ms;
            fds[i] = (struct pollfd){latchkey_fd(handles[i]), POLLIN, 0};
        }
        (void)poll(fds, count, timeout_ms);
        for (size_t i = 0; i < count; i++) {
            if (latchkey_process(handles[i]) < 0) {
                return 1;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        latchkey_free(handles[i]);
    }
    return 0;
}
