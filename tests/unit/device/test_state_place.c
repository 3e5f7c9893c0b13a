#include "device/state_place.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <cmocka.h>

static void test_folders(void **state)
{
    (void)state;
    struct statfs info;
    assert_null(state_place_volatile("/nonexistent"));
    if (statfs("/dev/shm", &info) == 0 && info.f_type == 0x01021994) {
        assert_string_equal(state_place_volatile("/dev/shm"), "tmpfs");
    } else {
        print_message("/dev/shm is no tmpfs here\n");
    }
    assert_null(state_place_volatile("/proc"));
}

static void test_mountinfo(void **state)
{
    (void)state;
    static const char text[] =
        "22 1 0:20 / /proc rw,nosuid - proc proc rw\n"
        "30 1 0:28 / / rw,relatime - overlay overlay:/overlay "
        "rw,lowerdir=/rom,upperdir=/overlay/upper,workdir=/overlay/work\n"
        "31 1 0:29 / /mnt rw - overlay none rw,upperdir=/a\\040b\\054c\n"
        "32 1 0:2 / /m2 rw - overlay none rw,xupperdir=/no\n"
        "33 1 8:1 / /disk rw - ext4 /dev/sda1 rw";
    static const struct {
        unsigned major;
        unsigned minor;
        const char *upper; /* NULL: none */
    } rows[] = {
        {0, 28, "/overlay/upper"},
        {0, 29, "/a b,c"},
        {0, 2, NULL},
        {0, 20, NULL},
        {8, 1, NULL},
        {9, 9, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char upper[64] = "";
        bool found =
            state_place_upper(text, rows[i].major, rows[i].minor, upper, sizeof(upper));
        assert_int_equal(found, rows[i].upper != NULL);
        if (found) {
            assert_string_equal(upper, rows[i].upper);
        }
    }
    char small[8];
    assert_false(state_place_upper(text, 0, 28, small, sizeof(small)));
    assert_false(state_place_upper("", 0, 28, small, sizeof(small)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_mountinfo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
