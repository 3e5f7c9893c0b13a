/* Roles as `status` sees them: children that hold what a role holds and answer as one does. */
#include "relay/admin/role_survey.h"

#include "base/net/status_server.h"
#include "relay/store/place.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct relay_config config;
    struct role_survey roles[ROLE_SURVEY_COUNT];
    char store[64];
    char listen[4][32]; /* of front, issuer, dns, admin; "" : none */
    char command[32];
    pid_t children[4];
    size_t child_count;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    *state = fixture;
    snprintf(fixture->store, sizeof(fixture->store), "/tmp/latchkey-survey-XXXXXX");
    fixture->config = (struct relay_config){
        .store = fixture->store,
        .front_status_listen = fixture->listen[0],
        .issuer_status_listen = fixture->listen[1],
        .dns_status_listen = fixture->listen[2],
        .admin_listen = fixture->listen[3],
        .alert_command = fixture->command,
    };
    return mkdtemp(fixture->store) == NULL;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"dns.lock", "admin.lock", "front.db.lock"};
    struct fixture *fixture = *state;
    char path[128];
    for (size_t i = 0; i < fixture->child_count; i++) {
        kill(fixture->children[i], SIGKILL);
        waitpid(fixture->children[i], NULL, 0);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", fixture->store, names[i]);
        (void)unlink(path);
    }
    int left = rmdir(fixture->store);
    free(fixture);
    return left;
}

struct child {
    const char *holds; /* the role whose lock it has; NULL: none */
    const char *role;  /* as which it answers; NULL: it does not */
    const char *ill;   /* the reason that it gives; NULL: it is well */
};

static bool is_well(void *arg, struct buffer *reason)
{
    const struct child *child = arg;
    if (child->ill != NULL) {
        buffer_append_text(reason, child->ill);
    }
    return child->ill == NULL;
}

/* In the child: says its port, and goes on until it is killed. */
static void live(const char *store, struct child *child, int fd)
{
    struct loop *loop = NULL;
    struct status_server *server = NULL;
    const struct status_server_options options = {
        .listen = "127.0.0.1:0", .role = child->role, .health = is_well, .arg = child};
    uint16_t port = 0;
    if ((child->holds != NULL && place_hold(store, child->holds) != 0) ||
        loop_new(&loop) != 0) {
        _exit(1);
    }
    if (child->role != NULL) {
        if (status_server_new(loop, &options, &server) != 0) {
            _exit(1);
        }
        port = status_server_port(server);
    }
    if (write(fd, &port, sizeof(port)) != (ssize_t)sizeof(port)) {
        _exit(1);
    }
    for (;;) {
        (void)!loop_run(loop);
        pause();
    }
}

/* LISTEN_AT: where its address goes; NULL: nowhere. */
static void start(struct fixture *fixture, struct child child, char *listen_at)
{
    int ends[2];
    uint16_t port = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        live(fixture->store, &child, ends[1]);
    }
    close(ends[1]);
    fixture->children[fixture->child_count++] = pid;
    assert_int_equal(read(ends[0], &port, sizeof(port)), sizeof(port));
    close(ends[0]);
    if (listen_at != NULL) {
        snprintf(listen_at, 32, "127.0.0.1:%u", port);
    }
}

static const struct role_survey *survey(struct fixture *fixture,
                                        enum role_survey_index index)
{
    assert_int_equal(role_survey_run(&fixture->config, fixture->roles), 0);
    return &fixture->roles[index];
}

static void test_nobody_is_there(void **state)
{
    struct fixture *fixture = *state;
    snprintf(fixture->listen[2], 32, "127.0.0.1:1");
    const struct role_survey *dns = survey(fixture, ROLE_SURVEY_DNS);
    assert_true(dns->is_wanted);
    assert_false(dns->is_held || dns->has_answered);
    assert_string_equal(dns->name, "dns");
    assert_false(fixture->roles[ROLE_SURVEY_ADMIN].is_wanted);
    snprintf(fixture->command, sizeof(fixture->command), "/bin/true");
    assert_true(survey(fixture, ROLE_SURVEY_ADMIN)->is_wanted);
}

static void test_a_role_that_is_well(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, (struct child){.holds = "dns", .role = "dns"}, fixture->listen[2]);
    const struct role_survey *dns = survey(fixture, ROLE_SURVEY_DNS);
    assert_true(dns->is_held && dns->has_answered && dns->is_well);
    assert_true(dns->started_at > 1700000000);
    assert_string_equal(dns->reason, "");
}

static void test_what_ails_it(void **state)
{
    struct fixture *fixture = *state;
    start(fixture,
          (struct child){
              .holds = "dns", .role = "dns", .ill = "front.db can't be read\x1b[2J"},
          fixture->listen[2]);
    const struct role_survey *dns = survey(fixture, ROLE_SURVEY_DNS);
    assert_true(dns->has_answered && !dns->is_well);
    assert_string_equal(dns->reason, "front.db can't be read?[2J");
}

/* The lock alone: no listener, or one that is silent. */
static void test_a_role_that_can_not_be_asked(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, (struct child){.holds = "admin"}, NULL);
    snprintf(fixture->listen[3], 32, "127.0.0.1:1");
    const struct role_survey *admin = survey(fixture, ROLE_SURVEY_ADMIN);
    assert_true(admin->is_held && admin->is_wanted);
    assert_false(admin->has_answered);
}

/* Another role, of another relay say, has the port. */
static void test_somebody_else_answers(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, (struct child){.role = "issuer"}, fixture->listen[0]);
    const struct role_survey *front = survey(fixture, ROLE_SURVEY_FRONT);
    assert_false(front->is_held || front->has_answered);
    assert_int_equal(front->started_at, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_role_that_is_well, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_ails_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_role_that_can_not_be_asked, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_somebody_else_answers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
