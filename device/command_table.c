#include "device/command_table.h"

#include <stddef.h>

const struct command_table_row command_table[] = {
    {"status", command_status},
    {"doctor", command_doctor},
    {"support-bundle", command_support_bundle},
    {"renew", command_renew},
    {"qr", command_qr},
    {"name", command_name},
    {"publish", command_publish},
    {"factory-prepare", command_factory_prepare},
    {"factory-reset", command_factory_reset},
    {"identity", command_identity},
    {"csr", command_csr},
    {"install", command_install},
    {"apps", command_apps},
    {"verify", command_verify},
    {"admin-secret", command_admin_secret},
    {"texts", command_texts},
    {NULL, NULL},
};

bool command_table_check(const char *path, const struct device_config *config)
{
    bool is_good = command_check_files(path, config);
    return command_check_looks(path, config) && is_good;
}
