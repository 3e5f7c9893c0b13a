/* latchkey's commands: each parses its own arguments, does its work and returns the exit
 * status. */
#ifndef DEVICE_COMMAND_H
#define DEVICE_COMMAND_H

#include "device/device_config.h"

enum { COMMAND_USAGE = 2, COMMAND_NO_AGENT = 3 };

/* What several commands take. */
struct command_options {
    const char *config; /* --config */
    const char *state;  /* --state: the state folder, without a configuration */
    bool json;          /* --json */
    bool svg;           /* --svg */
    bool invite;        /* --invite */
};

enum { COMMAND_TAKES_JSON = 1, COMMAND_TAKES_SVG = 2, COMMAND_TAKES_INVITE = 4 };

/* Reads ARGC arguments: --config FILE, --state FOLDER, and those of TAKES. On a wrong one
 * a sentence is printed that names COMMAND and the argument, and false returned. */
bool command_parse(const char *command, int argc, char **argv, unsigned takes,
                   struct command_options *ret_options);
/* Reads the configuration file; its faults are printed. */
int command_read_config(const char *path, struct device_config *ret_config) MUST_CHECK;
/* Whether the files that the configuration names can be read; those that can't are printed. */
bool command_check_files(const char *path, const struct device_config *config);
/* Whether the logo and the texts file can be used; what is wrong with them is printed. */
bool command_check_looks(const char *path, const struct device_config *config);
/* The state folder: OPTIONS' own, or the configuration's. Prints what is wrong. */
int command_find_folder(const struct command_options *options, char *ret_folder,
                        size_t capacity) MUST_CHECK;

/* The agent; blocks until it is told to end. */
int command_run(int argc, char **argv);
/* What the running agent does. */
int command_status(int argc, char **argv);
/* Asks the running agent for a new certificate. */
int command_renew(int argc, char **argv);
/* What is wrong: asks the running agent, or looks by itself. */
int command_doctor(int argc, char **argv);
/* What somebody who helps needs to see, without a secret, as a tar archive. */
int command_support_bundle(int argc, char **argv);
/* The pin as a QR code. */
int command_qr(int argc, char **argv);
/* Checks a device by what its QR code says, and enrols with it. */
int command_verify(int argc, char **argv);
/* Empties the state folder for a golden image. */
int command_factory_prepare(int argc, char **argv);
/* Leaves the relay and empties the state folder for the next owner. */
int command_factory_reset(int argc, char **argv);
/* Backs the identity key up, and brings it back. */
int command_identity(int argc, char **argv);
/* A request for the owner's own CA, and what came back. */
int command_csr(int argc, char **argv);
int command_install(int argc, char **argv);
/* The apps that have enrolled. */
int command_apps(int argc, char **argv);
/* What the owner logs in with on the pages. */
int command_admin_secret(int argc, char **argv);
/* The pages' texts in English, for translators. */
int command_texts(int argc, char **argv);
/* The name that belongs to a key file. */
int command_name(int argc, char **argv);
/* Publishes addresses for a key file. */
int command_publish(int argc, char **argv);

#endif
