#include "relay/admin/admin_token_lines.h"

#include "relay/store/url.h"

#include <stdio.h>
#include <string.h>

const char admin_token_lines_clients[] = "agent, certbot, uacme, lego";

/* Each begins with DIRECTORY, ZONE, KID and KEY set. The agent's come first and need none. */
static const struct {
    const char *client;
    const char *lines;
} clients[] = {
    {"certbot",
     "certbot register -n --agree-tos --register-unsafely-without-email --server "
     "\"$DIRECTORY\" "
     "--eab-kid \"$KID\" --eab-hmac-key \"$KEY\"\n"
     "ID=$(certbot show_account -n --server \"$DIRECTORY\" | sed -n "
     "'s|.*/acct/\\([a-z2-7]*\\).*|\\1|p')\n"
     "certbot certonly -n --manual --manual-auth-hook /bin/false --server \"$DIRECTORY\" "
     "-d \"*.$ID.$ZONE\"\n"},
    {"uacme",
     "uacme -y -v -a \"$DIRECTORY\" -e \"$KID:$KEY\" new\n"
     "ID=$(openssl pkey -in /etc/ssl/uacme/private/key.pem -pubout -outform DER | "
     "openssl dgst -sha256 -binary | head -c 20 | base32 | tr A-Z a-z)\n"
     "uacme -y -o -a \"$DIRECTORY\" -h /bin/false issue \"*.$ID.$ZONE\"\n"},
    {"lego", "lego -a -m nobody@example.com -s \"$DIRECTORY\" --eab --kid \"$KID\" "
             "--hmac \"$KEY\" "
             "--path /etc/lego --dns manual -d \"*.unknown.$ZONE\" run || true\n"
             "ID=$(sed -n 's|.*\"uri\": \".*/acct/\\([a-z2-7]*\\)\".*|\\1|p' "
             "/etc/lego/accounts/*/nobody@example.com/account.json)\n"
             "lego -a -m nobody@example.com -s \"$DIRECTORY\" --eab --kid \"$KID\" "
             "--hmac \"$KEY\" "
             "--path /etc/lego --dns manual -d \"*.$ID.$ZONE\" run\n"},
};

enum { CLIENT_COUNT = sizeof(clients) / sizeof(clients[0]) };

bool admin_token_lines_knows(const char *client)
{
    for (size_t i = 0; i < CLIENT_COUNT; i++) {
        if (strcmp(client, clients[i].client) == 0) {
            return true;
        }
    }
    return strcmp(client, "agent") == 0;
}

static void print_agent(const char *directory, const char *kid, const char *key)
{
    printf("# latchkey's agent\n"
           "(umask 077; cat > /etc/latchkey/token) <<'END'\n%s:%s\nEND\n"
           "printf '%%s\\n' 'relay = %s' 'token_file = /etc/latchkey/token' >> "
           "/etc/latchkey/latchkey.conf\n",
           kid, key, directory);
}

void admin_token_lines_print(const struct relay_config *config, const char *client,
                             const char *kid, const char *key)
{
    char directory[LIMIT_URL_BYTES];
    bool agent = client == NULL || strcmp(client, "agent") == 0;

    if (!url_directory(config->base_url, directory)) {
        return;
    }
    if (agent) {
        print_agent(directory, kid, key);
    }
    if (client == NULL || !agent) {
        printf("%s# before the lines of another client:\n"
               "DIRECTORY=%s\nZONE=%s\nKID=%s\nKEY=%s\n",
               agent ? "\n" : "", directory, config->zone, kid, key);
    }
    for (size_t i = 0; i < CLIENT_COUNT; i++) {
        if (client == NULL || strcmp(client, clients[i].client) == 0) {
            printf("%s# %s\n%s", client == NULL ? "\n" : "", clients[i].client,
                   clients[i].lines);
        }
    }
}
