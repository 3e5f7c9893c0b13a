#include "device/command_table.h"

#include <stddef.h>

/* What a device can't be made, mended or given away without. */
const struct command_table_row command_table[] = {
    {"status", command_status},
    {"doctor", command_doctor},
    {"renew", command_renew},
    {"factory-prepare", command_factory_prepare},
    {"factory-reset", command_factory_reset},
    {"identity", command_identity},
    {"csr", command_csr},
    {"install", command_install},
    {NULL, NULL},
};

bool command_table_check(const char *path, const struct device_config *config)
{
    return command_check_files(path, config);
}
