/* Each look at the network compares the addresses with those that were known. What is new
 * is published at once: any task at work but an order gives way. What is gone is forgotten
 * with two exceptions: the last address stays until there is another (between two leases a
 * device has none for a while), and an interface whose cable is out keeps its own for half
 * a minute. */
#include "device/agent_network.h"

#include "base/core/log.h"
#include "device/agent_parts.h"

#include <errno.h>
#include <string.h>

enum { PATIENCE_MS = 30 * 1000 };

static void warn_of_failure(struct agent *agent)
{
    if (!agent->network.is_unreadable) {
        log_warning("network: the addresses can't be read: %s; name them as `address` in "
                    "the configuration",
                    strerror(errno));
    }
    agent->network.is_unreadable = true;
}

/* What is now, after the patience with cables; false when it can't be read. */
static bool look(struct agent *agent, struct own_addresses *ret_addresses,
                 bool *ret_changed)
{
    struct agent_network *network = &agent->network;
    struct own_addresses_rules rules = {
        .addresses = &agent->config->addresses,
        .interfaces = &agent->config->interfaces,
        .skipped = &agent->config->skip_interfaces,
    };
    struct interfaces interfaces = {.count = 0};
    struct own_addresses addresses = {.count = 0};
    bool is_held = false;
    if (interfaces_read(&interfaces) < 0 && agent->config->addresses.count == 0) {
        warn_of_failure(agent);
        return false;
    }
    if (own_addresses_select(&rules, &interfaces,
                             network->is_over ? NULL : &agent->addresses, &addresses,
                             &is_held) < 0) {
        return false;
    }
    if (is_held && !network->is_held && network->patience != NULL) {
        loop_timer_set(network->patience, PATIENCE_MS);
    } else if (!is_held && network->is_held && !network->is_over) {
        loop_timer_cancel(network->patience);
    }
    *ret_changed = !own_addresses_equal(&addresses, &agent->addresses) ||
                   is_held != network->is_held ||
                   interfaces.default_index != network->default_index;
    network->is_unreadable = false;
    network->is_held = is_held;
    network->default_index = interfaces.default_index;
    *ret_addresses = addresses;
    return true;
}

static void take(struct agent *agent, const struct own_addresses *addresses)
{
    char text[512];
    /* The last one stays until there is another. */
    if (addresses->count == 0 || own_addresses_equal(addresses, &agent->addresses)) {
        return;
    }
    own_addresses_text(addresses, text, sizeof(text));
    log_info("network: the addresses are now %s", text);
    agent->addresses = *addresses;
    for (size_t i = 0; agent_features[i] != NULL; i++) {
        if (agent_features[i]->addresses_changed != NULL) {
            agent_features[i]->addresses_changed(agent);
        }
    }
    agent_diagnosis_soon(agent, AGENT_DIAGNOSIS_NETWORK);
    if (agent->session != NULL && agent->task != AGENT_TASK_CERTIFY) {
        /* Whoever follows the device's name waits for nothing else. */
        agent_drop_task(agent);
    }
}

static void on_change(void *arg)
{
    struct agent *agent = arg;
    struct own_addresses addresses;
    struct life_event event = {.kind = LIFE_NETWORK};
    struct life_now now = agent_now();
    bool changed = false;
    if (!look(agent, &addresses, &changed) || !changed) {
        return;
    }
    take(agent, &addresses);
    if (!agent->publish_imposed) {
        agent->publish_failures = 0;
        agent->publish_mono_ms = 0;
    }
    life_step(&agent->life, &event, &now);
    agent_plan(agent);
}

static void on_patience(void *arg)
{
    struct agent *agent = arg;
    agent->network.is_over = true;
    on_change(agent);
    agent->network.is_over = false;
}


void agent_network_open(struct agent *agent)
{
    bool changed = false;
    if (look(agent, &agent->addresses, &changed) && agent->addresses.count == 0) {
        log_info("network: no address yet");
    }
}

int agent_network_watch(struct agent *agent)
{
    struct agent_network *network = &agent->network;
    int error = loop_timer_new(agent->loop, on_patience, agent, &network->patience);
    if (error == 0 &&
        network_watch_new(agent->loop, on_change, agent, &network->watch) < 0) {
        log_warning("network: changes can't be watched: %s; looking once a minute",
                    strerror(errno));
    }
    return error;
}

void agent_network_tick(struct agent *agent)
{
    struct own_addresses addresses;
    bool changed = false;
    if (agent->network.watch == NULL && look(agent, &addresses, &changed)) {
        take(agent, &addresses);
    }
}

void agent_network_close(struct agent *agent)
{
    network_watch_free(agent->network.watch);
    if (agent->network.patience != NULL) {
        loop_timer_free(agent->network.patience);
    }
}
