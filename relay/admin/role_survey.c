#include "relay/admin/role_survey.h"

#include "base/core/text.h"
#include "relay/admin/exposition.h"
#include "relay/admin/scrape.h"
#include "relay/store/place.h"

#include <string.h>

enum { ANSWER_MS = 3000 };

struct survey;

struct question {
    struct survey *survey;
    struct role_survey *role;
    struct scrape *scrape;
};

struct survey {
    struct loop *loop;
    struct question metrics[ROLE_SURVEY_COUNT];
    struct question health[ROLE_SURVEY_COUNT];
    size_t open;
};

static void close_question(const struct question *question)
{
    struct survey *survey = question->survey;
    survey->open--;
    if (survey->open == 0) {
        loop_stop(survey->loop);
    }
}

/* Somebody else may have the port: another relay's role, for one. */
static void take_build(const char *role, const char *version, double value, void *arg)
{
    struct role_survey *asked = arg;
    (void)version;
    (void)value;
    asked->has_answered = asked->has_answered || strcmp(role, asked->name) == 0;
}

static void on_metrics(int status, struct bytes body, void *arg)
{
    const struct question *question = arg;
    struct role_survey *role = question->role;
    double started_at = 0;
    if (status == 200) {
        exposition_each(body, "latchkey_build_info", take_build, role);
    }
    if (role->has_answered &&
        exposition_value(body, "process_start_time_seconds", &started_at)) {
        role->started_at = (int64_t)started_at;
    }
    close_question(question);
}

static void on_health(int status, struct bytes body, void *arg)
{
    const struct question *question = arg;
    struct role_survey *role = question->role;
    while (body.size > 0 && body.data[body.size - 1] == '\n') {
        body.size--;
    }
    role->is_well = status == 200;
    text_printable(role->reason, sizeof(role->reason), (const char *)body.data,
                   status == 503 ? body.size : 0);
    close_question(question);
}

static int ask(struct survey *survey, struct question *question, struct role_survey *role,
               const char *path)
{
    *question = (struct question){.survey = survey, .role = role};
    int error = scrape_new(survey->loop, role->listen, ANSWER_MS,
                           strcmp(path, "/metrics") == 0 ? on_metrics : on_health,
                           question, &question->scrape);
    if (error == 0) {
        survey->open++;
        scrape_get(question->scrape, path);
    }
    return error;
}

static void describe(const struct relay_config *config,
                     struct role_survey roles[static ROLE_SURVEY_COUNT])
{
    const struct role_survey known[ROLE_SURVEY_COUNT] = {
        [ROLE_SURVEY_FRONT] = {"front", config->front_status_listen, .is_wanted = true},
        [ROLE_SURVEY_ISSUER] = {"issuer", config->issuer_status_listen,
                                .is_wanted = true},
        [ROLE_SURVEY_DNS] = {"dns", config->dns_status_listen, .is_wanted = true},
        [ROLE_SURVEY_ADMIN] = {"admin", config->admin_listen,
                               .is_wanted = config->admin_listen[0] != '\0' ||
                                            config->alert_command[0] != '\0'},
    };
    for (size_t i = 0; i < ROLE_SURVEY_COUNT; i++) {
        roles[i] = known[i];
        roles[i].is_held = place_is_held(config->store, known[i].name);
    }
}

int role_survey_run(const struct relay_config *config,
                    struct role_survey ret_roles[static ROLE_SURVEY_COUNT])
{
    struct survey survey = {.open = 0};
    int error = loop_new(&survey.loop);
    describe(config, ret_roles);
    for (size_t i = 0; error == 0 && i < ROLE_SURVEY_COUNT; i++) {
        if (ret_roles[i].listen[0] != '\0') {
            error = ask(&survey, &survey.metrics[i], &ret_roles[i], "/metrics");
            error = error == 0
                        ? ask(&survey, &survey.health[i], &ret_roles[i], "/healthz")
                        : error;
        }
    }
    if (error == 0 && survey.open > 0) {
        error = loop_run(survey.loop);
    }
    for (size_t i = 0; i < ROLE_SURVEY_COUNT; i++) {
        scrape_free(survey.metrics[i].scrape);
        scrape_free(survey.health[i].scrape);
    }
    if (survey.loop != NULL) {
        loop_free(survey.loop);
    }
    return error;
}
