/* Let's Encrypt counts new certificates for a registered domain over seven days, and new orders
 * of an account over three hours; renewals that name their predecessor (ARI) count against
 * neither. New devices are not spread evenly: the busiest three hours are taken as three times
 * the average. */
#include "relay/admin/admin_plan.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "relay/admin/admin_output.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WEEK_DAYS = 7,
    YEAR_DAYS = 365,
    SLOTS_A_DAY = 8, /* of three hours */
    PEAK = 3,
    DEVICES_MAX = 100000000,
    DAYS_MAX = 398,
    DAYS_DEFAULT = 45,
};

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* To two figures, upwards: nobody asks a CA for 1743 certificates. */
static uint64_t round_up(uint64_t number)
{
    uint64_t step = 1;
    while (number / step >= 100) {
        step *= 10;
    }
    return divide_up(number, step) * step;
}

void admin_plan_make(const struct admin_plan_wish *wish, struct admin_plan *ret_plan)
{
    struct admin_plan plan = {
        .week = wish->devices_per_day * WEEK_DAYS,
        .per_day = wish->certificates_week / WEEK_DAYS,
        .orders_3h = divide_up(wish->devices_per_day * PEAK, SLOTS_A_DAY),
        .fleet_in_a_year = wish->fleet + wish->devices_per_day * YEAR_DAYS,
    };
    bool week_fits = plan.week <= wish->certificates_week;
    plan.orders_fit = plan.orders_3h <= wish->orders_3h;
    plan.fits = week_fits && plan.orders_fit;
    plan.cas = plan.week == 0 ? 1 : divide_up(plan.week, wish->certificates_week);
    plan.accounts = plan.orders_3h == 0 ? 1 : divide_up(plan.orders_3h, wish->orders_3h);
    if (!week_fits) {
        uint64_t backlog = (plan.week - wish->certificates_week) * YEAR_DAYS / WEEK_DAYS;
        plan.override_week = round_up(plan.week + plan.week / 4);
        plan.waiting_days = divide_up(backlog * WEEK_DAYS, wish->certificates_week);
    }
    /* The relay's advice ends by 60 % of the life. */
    plan.renewals_per_day = divide_up(plan.fleet_in_a_year * 10, wish->days * 6);
    *ret_plan = plan;
}

static void print_need(const struct admin_plan_wish *wish, const struct admin_plan *plan)
{
    if (plan->week <= wish->certificates_week) {
        printf("  This fits; no override is needed.\n");
        return;
    }
    printf(
        "  This does not fit: after a year the last in the queue would wait %" PRIu64
        " days. Do one of these:\n"
        "    - ask the CA for an override of %" PRIu64
        " new certificates a week, by account ID\n"
        "      ('latchkey-relay ca' prints it; weeks before you ship), and set [issuer] "
        "certificates_per_week to it;\n"
        "    - have %" PRIu64
        " CAs with the same limit, each for a relay and zone of its own.\n"
        "  The Public Suffix List is for isolation; it refuses entries made for "
        "limits.\n",
        plan->waiting_days, plan->override_week, plan->cas);
}

static void print_plan(const struct relay_config *config,
                       const struct admin_plan_wish *wish, const struct admin_plan *plan)
{
    struct relay_config_share share = relay_config_zones_share(config);
    char others[ADMIN_OUTPUT_ZONES_CAPACITY];

    printf("%" PRIu64 " new devices a day, certificates of %" PRIu64 " days\n\n",
           wish->devices_per_day, wish->days);
    if (share.other_count > 0) {
        admin_output_others(&share, ", ", others);
        printf(
            "The CA counts new certificates for '%s': this must be the new devices of %s "
            "too.\n",
            config->registered_domain, others);
    }
    printf("New certificates: %" PRIu64 " a week; the CA's limit is %" PRIu64
           ", which lets in %" PRIu64 " a day.\n",
           plan->week, wish->certificates_week, plan->per_day);
    print_need(wish, plan);
    printf("New orders: about %" PRIu64
           " in the busiest three hours; the limit of an account is "
           "%" PRIu64 ".\n",
           plan->orders_3h, wish->orders_3h);
    if (!plan->orders_fit) {
        printf("  Ask for an override of %" PRIu64 " orders in three hours too.\n",
               round_up(plan->orders_3h + plan->orders_3h / 4));
    }
    printf("Renewals: %" PRIu64 " devices after a year renew %" PRIu64
           " times a day. They count against no limit.\n",
           plan->fleet_in_a_year, plan->renewals_per_day);
}

static int print_json(const struct relay_config *config,
                      const struct admin_plan_wish *wish, const struct admin_plan *plan)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"devicesPerDay", wish->devices_per_day},
        {"certificatesPerWeek", plan->week},
        {"limitPerWeek", wish->certificates_week},
        {"devicesPerDayWithinLimit", plan->per_day},
        {"overridePerWeek", plan->override_week},
        {"casNeeded", plan->cas},
        {"ordersPer3Hours", plan->orders_3h},
        {"limitPer3Hours", wish->orders_3h},
        {"accountsNeeded", plan->accounts},
        {"fleetInAYear", plan->fleet_in_a_year},
        {"renewalsPerDay", plan->renewals_per_day},
        {"waitingDays", plan->waiting_days},
    };
    json_t *object = json_object();
    int error = object == NULL ? ERROR_MEMORY : json_set_bool(object, "fits", plan->fits);
    for (size_t i = 0; error == 0 && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        error = json_set_i64(object, numbers[i].name, (int64_t)numbers[i].value);
    }
    if (error == 0) {
        error = admin_output_share(object, config);
    }
    if (error != 0) {
        json_decref(object);
        return error;
    }
    return admin_output_line(object);
}

static bool parse_options(int argc, char **argv, struct admin_plan_wish *wish,
                          bool *ret_json)
{
    static const struct option options[] = {
        {"devices-per-day", required_argument, NULL, 'n'},
        {"fleet", required_argument, NULL, 'f'},
        {"days", required_argument, NULL, 'd'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0}};
    bool has_number = false;
    bool is_good = true;
    optind = 1;
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1 && is_good;
         c = getopt_long(argc, argv, "", options, NULL)) {
        if (c == 'n') {
            is_good = text_u64(optarg, DEVICES_MAX, &wish->devices_per_day) == 0;
            has_number = true;
        } else if (c == 'f') {
            is_good = text_u64(optarg, DEVICES_MAX, &wish->fleet) == 0;
        } else if (c == 'd') {
            is_good = text_u64(optarg, DAYS_MAX, &wish->days) == 0 && wish->days > 0;
        } else {
            is_good = c == 'j';
            *ret_json = true;
        }
    }
    if (!is_good || !has_number || optind != argc) {
        fprintf(stderr,
                "latchkey-relay: plan takes --devices-per-day N, and perhaps --fleet N "
                "(devices "
                "that are there already), --days N (life of a certificate, 1 to %d) and "
                "--json\n",
                DAYS_MAX);
        return false;
    }
    return true;
}

int admin_plan_run(const struct relay_config *config, int argc, char **argv)
{
    struct admin_plan_wish wish = {
        .days = DAYS_DEFAULT,
        .certificates_week = relay_config_zones_share(config).week,
        .orders_3h = config->budget_orders_3h,
    };
    struct admin_plan plan;
    bool json = false;
    if (!parse_options(argc, argv, &wish, &json)) {
        return 2;
    }
    admin_plan_make(&wish, &plan);
    if (!json) {
        print_plan(config, &wish, &plan);
    } else if (print_json(config, &wish, &plan) != 0) {
        return EXIT_FAILURE;
    }
    return plan.fits ? EXIT_SUCCESS : EXIT_FAILURE;
}
