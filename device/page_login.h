/* Logging in and out on the device's own pages, by HTTPS only: a session is a random token
 * in a __Host- cookie that no script and no other site can use, and every form of a session
 * carries its own token against forged requests. */
#ifndef DEVICE_PAGE_LOGIN_H
#define DEVICE_PAGE_LOGIN_H

#include "base/net/http_server.h"
#include "device/admin_secret.h"
#include "device/admin_sessions.h"
#include "device/page_html.h"

struct page_login {
    struct admin_secret secret; /* not set: nobody can log in */
    struct admin_sessions sessions;
};

/* The session that EXCHANGE's cookie belongs to, used now; or NULL. */
struct admin_session *page_login_session(struct page_login *login,
                                         const struct http_exchange *exchange);
/* Whether a request that changes something comes from SESSION's own pages: from this
 * origin, with the session's token as the form's field `csrf`. */
bool page_login_is_own(const struct admin_session *session,
                       const struct http_exchange *exchange);
/* Answers /login and /logout; says whether the path was one of them. */
bool page_login_respond(struct page_login *login, struct http_exchange *exchange,
                        const struct brand *brand);
/* Sends the visitor to the login page. */
void page_login_demand(struct http_exchange *exchange);

#endif
