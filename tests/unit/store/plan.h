/* How SQLite would look for something: the rows of EXPLAIN QUERY PLAN, a line each. */
#ifndef TESTS_UNIT_STORE_PLAN_H
#define TESTS_UNIT_STORE_PLAN_H

#include "base/core/buffer.h"
#include "relay/store/database.h"

/* A database_row_fn; ARG is the struct buffer that the line is appended to. */
static inline int plan_note(const struct database_row *row, void *arg)
{
    struct buffer *plan = arg;
    buffer_append_text(plan, database_text(row, 3));
    return buffer_append_u8(plan, '\n');
}

#endif
