#include "device/passphrase.h"

#include "base/core/file.h"

#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

/* Cuts TEXT at its first line end. */
static void cut(struct buffer *text)
{
    const uint8_t *end = text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;
    size_t size = end != NULL ? (size_t)(end - text->data) : text->size;
    if (size > 0 && text->data[size - 1] == '\r') {
        size--;
    }
    if (size < text->size) {
        explicit_bzero(text->data + size, text->size - size);
        text->size = size;
    }
}

/* The terminal in its cooked mode gives whole lines. */
static int read_line(int fd, const char *prompt, struct buffer *text)
{
    char line[LINE_BYTES];
    if (write(fd, prompt, strlen(prompt)) < 0) {
        return ERROR_IO;
    }
    ssize_t size = read(fd, line, sizeof(line));
    int error = size > 0 ? buffer_append(text, line, (size_t)size) : ERROR_IO;
    explicit_bzero(line, sizeof(line));
    cut(text);
    return write(fd, "\n", 1) == 1 ? error : ERROR_IO;
}

static int ask(int fd, const char *prompt, bool twice, struct buffer *text)
{
    struct termios before;
    struct buffer again = buffer_init_secret(LINE_BYTES);
    if (tcgetattr(fd, &before) != 0) {
        return ERROR_NOT_FOUND;
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(fd, TCSAFLUSH, &silent) != 0) {
        return ERROR_IO;
    }
    int error = read_line(fd, prompt, text);
    if (error == 0 && twice) {
        error = read_line(fd, "Once more: ", &again);
        if (error == 0 &&
            (again.size != text->size ||
             memcmp(buffer_text(&again), buffer_text(text), text->size) != 0)) {
            error = ERROR_CONFLICT;
        }
    }
    tcsetattr(fd, TCSAFLUSH, &before);
    buffer_free(&again);
    return error;
}

int passphrase_read(const char *path, const char *prompt, bool twice, struct buffer *text)
{
    if (path != NULL) {
        int error = file_read(path, text);
        cut(text);
        return error;
    }
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return ERROR_NOT_FOUND;
    }
    int error = ask(fd, prompt, twice, text);
    close(fd);
    return error;
}
