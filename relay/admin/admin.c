/* The table of the operator's commands. Each is a file of its own, admin_<noun>.c. */
#include "relay/admin/admin.h"

#include "relay/admin/admin_audit.h"
#include "relay/admin/admin_backup.h"
#include "relay/admin/admin_ca.h"
#include "relay/admin/admin_change.h"
#include "relay/admin/admin_delegation.h"
#include "relay/admin/admin_list.h"
#include "relay/admin/admin_move.h"
#include "relay/admin/admin_plan.h"
#include "relay/admin/admin_queue.h"
#include "relay/admin/admin_restore.h"
#include "relay/admin/admin_revoke.h"
#include "relay/admin/admin_show.h"
#include "relay/admin/admin_status.h"
#include "relay/admin/admin_stores.h"
#include "relay/admin/admin_token.h"
#include "relay/store/place.h"

#include <stdio.h>
#include <string.h>

const char admin_usage[] =
    "  status [--json]     is the relay well; exit status 0 good, 1 attention, 2 failure\n"
    "  list [--expiring DAYS] [--blocked] [--waiting] [--clones] [--token KID]\n"
    "       [--limit N] [--after ID] [--json]\n"
    "                      the devices, a line each\n"
    "  show ID [--json]    everything about one device; the first characters will do\n"
    "  search TEXT [--json]\n"
    "                      find a device by id, serial, certID, address, token or "
    "contact\n"
    "  block ID [REASON]   no certificate and no published name for this device\n"
    "  unblock ID          lift a block\n"
    "  settle ID           one of two devices with this id was reset: forget the copies\n"
    "  reactivate ID       its account counts again, which the device has deactivated\n"
    "  forget ID           account, names and orders go, its certificates are revoked\n"
    "  revoke ID|CERTID [--reason NAME]\n"
    "                      have the CA revoke a device's live certificates, or one\n"
    "  revoked-keys list [--json] | add HASH|FILE\n"
    "                      the keys that are never certified again\n"
    "  token add [--label TEXT] [--days N] [--devices N] [--for CLIENT]\n"
    "                      make an enrolment token and print it, once; --for agent, "
    "certbot,\n"
    "                      uacme or lego: with the lines for the device\n"
    "  token bulk --count N [--label TEXT] [--days N] [--devices N] > FILE\n"
    "                      many of them, as CSV\n"
    "  token list [--json] | show KID | end KID\n"
    "  audit [list|verify [--head HASH]|head] [--after N] [--limit N] [--json]\n"
    "                      what the operators' commands changed, chained by hash\n"
    "  backup [FILE|-|--nightly]\n"
    "                      databases, keys, secret and configuration in one tar file\n"
    "  restore FILE [--into FOLDER] [--force]\n"
    "                      verify a backup and make a store of it\n"
    "  check-delegation    ask the parent zone, every name server and public resolvers "
    "whether\n"
    "                      the zone is delegated and answers; says what to mend\n"
    "  queue               who waits for the CA's limits, and until when\n"
    "  ca                  the account at the CA, how it is, and what is left of the limits;\n"
    "                      ca rollover gives the account a new key\n"
    "  plan --devices-per-day N\n"
    "                      what that means for the CA's limits: which override, how many "
    "CAs\n"
    "  key                 what devices name this relay by, with the pin of its own key\n"
    "  move --to URL [--relay-key PIN] | --stay\n"
    "                      tell all devices, signed, to go to another relay; or take it "
    "back\n";

typedef int admin_command_fn(const struct relay_config *config, int argc, char **argv);
/* ALL_ZONES: no zone was named, so a list may go on with CONFIG's further ones. */
typedef int admin_lister_fn(const struct relay_config *config, bool all_zones, int argc,
                            char **argv);

/* One of RUN and LIST. Root's commands become the admin role's user, unless a copy of everything
 * needs what is each role's alone. */
static const struct command {
    const char *name;
    admin_command_fn *run;
    admin_lister_fn *list;
    bool as_root;
} commands[] = {
    {"audit", .run = admin_audit_run},
    {"backup", .run = admin_backup_run, .as_root = true},
    {"block", .run = admin_change_run},
    {"ca", .run = admin_ca_run},
    {"check-delegation", .run = admin_delegation_run},
    {"forget", .run = admin_change_run},
    {"key", .run = admin_move_show_key},
    {"list", .list = admin_list_run},
    {"move", .run = admin_move_run},
    {"plan", .run = admin_plan_run},
    {"queue", .run = admin_queue_run},
    {"reactivate", .run = admin_change_run},
    {"restore", .run = admin_restore_run, .as_root = true},
    {"revoke", .run = admin_revoke_run},
    {"revoked-keys", .run = admin_revoke_keys},
    {"search", .list = admin_show_search},
    {"settle", .run = admin_change_run},
    {"show", .run = admin_show_run},
    {"status", .run = admin_status_run},
    {"token", .list = admin_token_run},
    {"unblock", .run = admin_change_run},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

int admin_run(const struct relay_config *config, bool all_zones, int argc, char **argv)
{
    const struct command *command = find_command(argv[0]);

    if (command == NULL) {
        fprintf(stderr, "latchkey-relay: '%s' is not understood; the commands are:\n%s",
                argv[0], admin_usage);
        return ADMIN_USAGE;
    }
    admin_stores_note_operator();
    if (!command->as_root && place_become(config->store, "admin") != 0) {
        return admin_stores_fail("can't become the user of the store's folder 'admin'",
                                 ERROR_DENIED, NULL);
    }
    return command->list != NULL ? command->list(config, all_zones, argc, argv)
                                 : command->run(config, argc, argv);
}
