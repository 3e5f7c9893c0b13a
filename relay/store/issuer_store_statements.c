/* The statements of issuer.db that the relay signs with its own key: front passes them on. Front
 * may be newer than the issuer, whose file then lacks these tables: nothing is said yet. */
#include "relay/store/issuer_store.h"

int issuer_store_put_announcement(struct database *database, const char *zone,
                                  int64_t rev, const char *what, const char *content,
                                  int64_t at)
{
    return database_run(
        database,
        "INSERT OR REPLACE INTO announcements (zone, what, rev, content, at)"
        " VALUES (?, ?, ?, ?, ?)",
        "ttiti", zone, what, rev, content, at);
}

static int take_content(const struct database_row *row, void *arg)
{
    return buffer_append(arg, database_text(row, 0), database_text_size(row, 0));
}

int issuer_store_announcement(struct database *database, const char *zone,
                              const char *what, struct buffer *content)
{
    size_t before = content->size;
    bool has = false;
    int error = database_has_table(database, "announcements", &has);

    if (error == 0 && has) {
        error = database_query(database,
                               "SELECT content FROM announcements"
                               " WHERE zone = ? AND what = ?",
                               take_content, content, "tt", zone, what);
    }
    return error == 0 && content->size == before ? ERROR_NOT_FOUND : error;
}

int issuer_store_put_time(struct database *database, const char *zone, int64_t rev,
                          const char *number, const char *content, int64_t at)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO times (zone, number, rev, content, at)"
                        " VALUES (?, ?, ?, ?, ?)",
                        "ttiti", zone, number, rev, content, at);
}

int issuer_store_time(struct database *database, const char *zone, const char *number,
                      struct buffer *content)
{
    size_t before = content->size;
    bool has = false;
    int error = database_has_table(database, "times", &has);

    if (error == 0 && has) {
        error = database_query(database,
                               "SELECT content FROM times WHERE zone = ? AND number = ?",
                               take_content, content, "tt", zone, number);
    }
    return error == 0 && content->size == before ? ERROR_NOT_FOUND : error;
}

int issuer_store_forget_times(struct database *database, const char *zone,
                              int64_t before_at)
{
    return database_run(database, "DELETE FROM times WHERE zone = ? AND at < ?", "ti",
                        zone, before_at);
}
