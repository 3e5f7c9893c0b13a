/* Every text of the pages: X(symbol, key in a texts file, English). {1} and {2} stand for
 * what the page fills in; a translation has the same ones. A key once shipped keeps its
 * meaning: translations outlive releases. */
#ifndef DEVICE_PAGE_TEXT_LIST_H
#define DEVICE_PAGE_TEXT_LIST_H

#define PAGE_TEXT_LIST(X)                                                                \
    X(LANGUAGE, "language", "en")                                                        \
    X(DIRECTION, "direction", "ltr")                                                     \
    X(TITLE, "title", "latchkey")                                                        \
    X(SKIP, "skip", "Skip to the content")                                               \
    X(NAVIGATION, "nav", "Pages of this device")                                         \
    X(NAV_STATUS, "nav.status", "Status")                                                \
    X(NAV_OWNER, "nav.owner", "Your certificate")                                        \
    X(NAV_LOGIN, "nav.login", "Log in")                                                  \
    X(NAV_LOGOUT, "nav.logout", "Log out")                                               \
    X(TRUSTED_HEAD, "state.trusted.head", "Browsers trust this device")                  \
    X(TRUSTED_BODY, "state.trusted.body",                                                \
      "It has a certificate that every browser accepts, for the names below. Its key "   \
      "was made on this device and never left it.")                                      \
    X(NEW_HEAD, "state.new.head", "No trusted certificate yet")                          \
    X(NEW_BODY, "state.new.body",                                                        \
      "The device serves a certificate that it made itself, so browsers warn. It is "    \
      "ordering a trusted one.")                                                         \
    X(EXPIRED_HEAD, "state.expired.head", "The trusted certificate has run out")         \
    X(EXPIRED_BODY, "state.expired.body",                                                \
      "It could not be renewed in time. Until it can, the device serves a certificate "  \
      "that it made itself, so browsers warn. The connection is still encrypted.")       \
    X(VISIT_NAME, "state.visit",                                                         \
      "You came by an address or a name that the trusted certificate does not cover. "   \
      "Use one of the names below.")                                                     \
    X(FAILURE_HEAD, "failure.head", "What happened last")                                \
    X(NEXT_TRY, "failure.next", "Next try in {1}.")                                      \
    X(DIAGNOSIS_HEAD, "diagnosis.head", "What is wrong, and what helps")                 \
    X(DIAGNOSIS_AT, "diagnosis.at", "Last looked: {1}")                                  \
    X(DIAGNOSIS_ALL, "diagnosis.all", "Everything that was looked at")                   \
    X(DIAGNOSIS_SETTINGS, "diagnosis.settings", "The setting for your router")           \
    X(LEVEL_OK, "level.ok", "Good")                                                      \
    X(LEVEL_SKIPPED, "level.skipped", "Not looked at")                                   \
    X(LEVEL_UNKNOWN, "level.unknown", "Not known")                                       \
    X(LEVEL_WARN, "level.warn", "Warning")                                               \
    X(LEVEL_FAIL, "level.fail", "Problem")                                               \
    X(TIME_NOW, "time.now", "just now")                                                  \
    X(TIME_IN, "time.in", "in {1}")                                                      \
    X(TIME_AGO, "time.ago", "{1} ago")                                                   \
    X(TIME_DAY, "time.day", "1 day")                                                     \
    X(TIME_DAYS, "time.days", "{1} days")                                                \
    X(TIME_HOUR, "time.hour", "1 hour")                                                  \
    X(TIME_HOURS, "time.hours", "{1} hours")                                             \
    X(TIME_MINUTE, "time.minute", "1 minute")                                            \
    X(TIME_MINUTES, "time.minutes", "{1} minutes")                                       \
    X(TIME_SECONDS, "time.seconds", "{1} seconds")                                       \
    X(NAMES_HEAD, "names.head", "Addresses of this device")                              \
    X(STABLE_NAME, "names.stable", "For bookmarks")                                      \
    X(STABLE_NOTE, "names.stable.note",                                                  \
      "Stays the same when the device's address changes.")                               \
    X(ADDRESS_NAME, "names.address", "By its present address")                           \
    X(LOCAL_NAME, "names.local", "Without the internet")                                 \
    X(LOCAL_NOTE, "names.local.note",                                                    \
      "Always there, but browsers warn: no public certificate can cover it.")            \
    X(CERTIFICATE_HEAD, "certificate.head", "Certificate")                               \
    X(IN_USE, "certificate.use", "In use")                                               \
    X(IN_USE_TRUSTED, "certificate.use.trusted", "the trusted one")                      \
    X(IN_USE_FALLBACK, "certificate.use.fallback", "the device's own (fallback)")        \
    X(ISSUER, "certificate.issuer", "Issued by")                                         \
    X(SERIAL, "certificate.serial", "Serial number")                                     \
    X(VALID_UNTIL, "certificate.until", "Valid until")                                   \
    X(OBTAINED, "certificate.since", "Last renewed")                                     \
    X(RENEWAL, "certificate.renewal", "Next renewal")                                    \
    X(RENEWAL_ADVISED, "certificate.renewal.advised", "as the relay advises")            \
    X(ORDER, "certificate.order", "Order")                                               \
    X(ORDER_AT_WORK, "certificate.order.work", "at work now")                            \
    X(ORDER_WAITS, "certificate.order.waits", "waits, next try {1}")                     \
    X(VERIFY_HEAD, "verify.head", "Is this really your device?")                         \
    X(VERIFY_BODY, "verify.body",                                                        \
      "When a browser warns, compare the fingerprint in its certificate viewer with "    \
      "the one that the device itself shows: on its screen, on its console with the "    \
      "command “latchkey qr”, or as a QR code for the maker's app.")                     \
    X(VERIFY_NOT_HERE, "verify.nothere",                                                 \
      "This page does not show the fingerprint now: your browser could not check whose " \
      "page this is, and whoever could imitate the device could imitate this page too.") \
    X(VERIFY_HERE, "verify.here",                                                        \
      "Your browser has checked that this page comes from the device. Keep these for "   \
      "the day on which it warns.")                                                      \
    X(QR_LABEL, "verify.qr", "QR code with the pin of this device")                      \
    X(LEAF_FINGERPRINT, "verify.leaf",                                                   \
      "For your eyes: SHA-256 of the device's own certificate")                          \
    X(LEAF_NOTE, "verify.leaf.note",                                                     \
      "What a browser's certificate viewer shows when it warns.")                        \
    X(PIN, "verify.pin", "For apps: pin of the identity key")                            \
    X(PIN_NOTE, "verify.pin.note",                                                       \
      "What the QR code carries. Browsers don't show it.")                               \
    X(DEVICE_HEAD, "device.head", "Device")                                              \
    X(ID, "device.id", "Id")                                                             \
    X(RELAY, "device.relay", "Relay")                                                    \
    X(ADDRESSES, "device.addresses", "Addresses")                                        \
    X(NO_ADDRESSES, "device.addresses.none", "none in a private network")                \
    X(TIME, "device.time", "Its clock says")                                             \
    X(VERSION, "device.version", "Version")                                              \
    X(ATTENTION_HEAD, "attention.head", "Needs your attention")                          \
    X(ATTENTION_DISK, "attention.disk",                                                  \
      "The device can't write to its storage: it is full or read-only. HTTPS goes on, "  \
      "but a renewal may be lost. Free some space, or restart the device.")              \
    X(ATTENTION_CLONE, "attention.clone",                                                \
      "Another device uses the same identity key: one of them is a copy. Whoever has "   \
      "the copy can pass for this device. Reset the one that was copied to its factory " \
      "state.")                                                                          \
    X(ATTENTION_CLOCK, "attention.clock",                                                \
      "The device's own clock is wrong. It goes by the time that the relay has signed, " \
      "until its clock is right again.")                                                 \
    X(ATTENTION_RELOAD, "attention.reload",                                              \
      "A new certificate came, but the program that serves it did not take it over. "    \
      "The previous one is in use again. The log says more.")                            \
    X(ATTENTION_OWNER, "attention.owner",                                                \
      "The certificate that its owner has brought runs out {1}. Bring a new one.")       \
    X(NOT_FOUND, "error.notfound", "There is no such page on this device.")              \
    X(WRONG_HOST, "error.host", "This device does not go by that name.")                 \
    X(WRONG_METHOD, "error.method", "This device's pages can only be read.")             \
    X(BROKEN, "error.broken", "This page can't be made just now. Try again.")            \
    X(BACK, "error.back", "Back to the status page")                                     \
    X(WAY_HEAD, "way.head", "Opening the secure address")                                \
    X(WAY_TRYING, "way.trying",                                                          \
      "Your browser tries whether it can reach this device securely from here.")         \
    X(WAY_NO_SCRIPT, "way.noscript",                                                     \
      "Scripts are off in your browser, so this page can't try it for you. Choose one:") \
    X(WAY_OPEN, "way.open", "Open the secure page")                                      \
    X(WAY_OPEN_NOTE, "way.open.note", "Browsers trust this address.")                    \
    X(WAY_FALLBACK, "way.fallback", "Open it with the device's own certificate")         \
    X(WAY_FALLBACK_NOTE, "way.fallback.note",                                            \
      "Your browser will warn, because no one else has vouched for this certificate. "   \
      "The connection is encrypted all the same.")                                       \
    X(WAY_AGAIN, "way.again", "Try again")                                               \
    X(WAY_FAILED_HEAD, "way.failed.head", "The secure address does not work from here")  \
    X(WAY_WAIT_HEAD, "way.wait.head", "The secure address is not ready yet")             \
    X(WAY_FILTER, "way.filter",                                                          \
      "Your browser could not find this name of the device. Most often the router, or "  \
      "the name server that this network uses, drops names that lead to addresses at "   \
      "home (“DNS rebinding protection”). Allow {1} there.")                             \
    X(WAY_FILTER_SURE, "way.filter.sure",                                                \
      "The device has looked too: the name server of this network drops such answers.")  \
    X(WAY_OFFLINE, "way.offline",                                                        \
      "The device can't reach its relay on the internet just now. Without the internet " \
      "names can't be found, while the device itself works.")                            \
    X(WAY_UNTRUSTED, "way.untrusted",                                                    \
      "Your browser found this name of the device, but did not accept its certificate. " \
      "Is the clock of the computer or phone that you are using right?")                 \
    X(WAY_NEW, "way.new",                                                                \
      "The device has no trusted certificate yet. It is ordering one; this page goes "   \
      "on by itself when it is there.")                                                  \
    X(WAY_EXPIRED, "way.expired",                                                        \
      "The trusted certificate has run out and could not be renewed yet. This page "     \
      "goes on by itself when it is renewed.")                                           \
    X(WAY_PLAIN, "way.plain",                                                            \
      "This page itself came without encryption. Don't type anything secret into pages " \
      "like this one.")                                                                  \
    X(EMBED_TRUSTED, "embed.trusted", "Secure address ready")                            \
    X(EMBED_UNTRUSTED, "embed.untrusted", "Secure address not ready")                    \
    X(EMBED_UNTIL, "embed.until", "Valid until {1}")                                     \
    X(LOGIN_HEAD, "login.head", "Log in")                                                \
    X(LOGIN_BODY, "login.body",                                                          \
      "With the admin secret of this device. It is on the device's label or screen, or " \
      "on its console with “latchkey admin-secret”.")                                    \
    X(LOGIN_SECRET, "login.secret", "Admin secret")                                      \
    X(LOGIN_BUTTON, "login.button", "Log in")                                            \
    X(LOGIN_WRONG, "login.wrong", "That is not the admin secret of this device.")        \
    X(LOGIN_MANY, "login.many", "Too many wrong tries. Wait a minute, then try again.")  \
    X(LOGIN_NONE, "login.none",                                                          \
      "Logging in is off: the device has no admin secret that it can read. Its log "     \
      "says why.")                                                                       \
    X(LOGIN_UNTRUSTED, "login.untrusted",                                                \
      "Your browser could not check whose page this is. Type the secret only when you "  \
      "have compared the certificate's fingerprint with the one that the device itself " \
      "shows, or open the page by one of its trusted addresses.")                        \
    X(LOGIN_ENDED, "login.ended", "Your session has ended. Log in again.")               \
    X(OWNER_HEAD, "owner.head", "Your own certificate")                                  \
    X(OWNER_BODY, "owner.body",                                                          \
      "For those who run a certificate authority of their own: the device then serves "  \
      "your certificate for a host name of your choice, beside the one from its relay.") \
    X(OWNER_HOST, "owner.host", "Host name")                                             \
    X(OWNER_HOST_NOTE, "owner.host.note",                                                \
      "As you will type it into the browser, e.g. nas.example.net. Your name server "    \
      "has to lead it to this device.")                                                  \
    X(OWNER_HOST_BUTTON, "owner.host.button", "Save the name")                           \
    X(OWNER_HOST_BAD, "owner.host.bad", "That is no host name: {1}")                     \
    X(OWNER_CSR, "owner.csr", "Download the request (CSR)")                              \
    X(OWNER_CSR_NOTE, "owner.csr.note",                                                  \
      "Have it signed by your authority. The private key stays on the device.")          \
    X(OWNER_UPLOAD, "owner.upload", "Signed certificate")                                \
    X(OWNER_UPLOAD_NOTE, "owner.upload.note",                                            \
      "PEM or DER, with its chain in any order, at most 64 KiB. Never a private key.")   \
    X(OWNER_UPLOAD_BUTTON, "owner.upload.button", "Check and try it")                    \
    X(OWNER_STEP_NAME, "owner.step.name", "1. Choose the name")                          \
    X(OWNER_STEP_SIGN, "owner.step.sign", "2. Have it signed")                           \
    X(OWNER_STEP_TRY, "owner.step.try", "3. Try it")                                     \
    X(OWNER_VERDICTS, "owner.verdicts", "What was checked")                              \
    X(OWNER_CHECK_READ, "owner.check.read", "It can be read")                            \
    X(OWNER_CHECK_SECRET, "owner.check.secret", "There is no private key in it")         \
    X(OWNER_CHECK_KEY, "owner.check.key", "It is for the key of this device")            \
    X(OWNER_CHECK_LINKS, "owner.check.links", "Its chain holds together")                \
    X(OWNER_CHECK_NAME, "owner.check.name", "It is for this name")                       \
    X(OWNER_CHECK_DATES, "owner.check.dates", "It is valid now")                         \
    X(OWNER_CHECK_PURPOSE, "owner.check.purpose", "It is made for web servers")          \
    X(OWNER_CHECK_STRENGTH, "owner.check.strength", "Its keys and signatures are strong enough")\
    X(OWNER_PASSED, "owner.passed", "Good")                                              \
    X(OWNER_REFUSED, "owner.refused", "Not good")                                        \
    X(OWNER_NOT_TAKEN, "owner.nottaken",                                                 \
      "The certificate was not taken. Nothing has changed.")                             \
    X(OWNER_TRIAL_HEAD, "owner.trial.head", "On trial")                                  \
    X(OWNER_TRIAL_BODY, "owner.trial.body",                                              \
      "The device serves your certificate for {1}. Open the link below and confirm "     \
      "there; else what was before comes back {2}.")                                     \
    X(OWNER_TRIAL_HERE, "owner.trial.here",                                              \
      "The device serves your certificate for {1}. Unless you confirm it, what was "     \
      "before comes back {2}.")                                                          \
    X(OWNER_TRIAL_LINK, "owner.trial.link", "Open it with the new certificate")          \
    X(OWNER_CONFIRM, "owner.confirm", "It works: keep it")                               \
    X(OWNER_CONFIRM_NOTE, "owner.confirm.note",                                          \
      "This connection uses the new certificate, so you can confirm it here.")           \
    X(OWNER_CONFIRM_NOT, "owner.confirm.not",                                            \
      "This connection does not use the new certificate, so it proves nothing.")         \
    X(OWNER_RETURN, "owner.return", "Go back at once")                                   \
    X(OWNER_ACTIVE, "owner.active", "Your certificate is in use for {1}.")               \
    X(OWNER_REMOVE, "owner.remove", "Stop using it")                                     \
    X(OWNER_DONE, "owner.done", "Done.")                                                 \
    X(OWNER_FAILED, "owner.failed", "That did not work: {1}")                            \
    X(FAILURE_NET, "failure.net",                                                        \
      "The relay can't be reached. Is the device connected to the internet?")            \
    X(FAILURE_SERVER, "failure.server",                                                  \
      "The relay has a problem of its own. The device tries again by itself.")           \
    X(FAILURE_PROTOCOL, "failure.protocol",                                              \
      "The relay answered something that makes no sense. Is its address right?")         \
    X(FAILURE_RATE_LIMIT, "failure.rate-limit",                                          \
      "The relay asks the device to wait: certificates are rationed by those who issue " \
      "them. The device keeps its place and tries again by itself.")                     \
    X(FAILURE_PAUSED, "failure.paused",                                                  \
      "Certificates for this device are paused at their issuer. The relay's operator "   \
      "can lift that.")                                                                  \
    X(FAILURE_ACCOUNT, "failure.account",                                                \
      "The relay does not accept this device. Ask its operator.")                        \
    X(FAILURE_EAB, "failure.eab",                                                        \
      "The relay wants an enrolment token, or does not accept this one. Ask its "        \
      "operator for one and name its file as token_file in the configuration.")          \
    X(FAILURE_USER_ACTION, "failure.user-action",                                        \
      "The relay's operator has to agree to something first.")                           \
    X(FAILURE_REJECTED, "failure.rejected",                                              \
      "The relay refuses a certificate for this device. Ask its operator.")              \
    X(FAILURE_CSR, "failure.csr",                                                        \
      "The relay does not accept the device's request. It makes a new one.")             \
    X(FAILURE_DNS, "failure.dns",                                                        \
      "The certificate's issuer could not see the relay's proof. The device tries "      \
      "again.")                                                                          \
    X(FAILURE_CAA, "failure.caa",                                                        \
      "The zone does not allow this issuer. The relay's operator can mend that.")        \
    X(FAILURE_ORDER, "failure.order",                                                    \
      "The order was lost or took too long. The device makes a new one.")                \
    X(FAILURE_CHAIN, "failure.chain",                                                    \
      "The certificate that came is not what was asked for. It was not installed.")      \
    X(FAILURE_NO_RELAY, "failure.no-relay",                                              \
      "The configured address is no latchkey relay. Check `relay` in the "               \
      "configuration.")                                                                  \
    X(FAILURE_NOT_ITSELF, "failure.relay-not-itself",                                    \
      "The relay does not have the key that it should have: this is another relay, or "  \
      "somebody in its place. Check the pin behind '#' in `relay`.")                      \
    X(FAILURE_ZONE, "failure.zone-changed",                                              \
      "The relay has another zone than before. That is not taken over by itself: ask "   \
      "its operator.")                                                                   \
    X(FAILURE_RELAY_DATE, "failure.relay-date",                                          \
      "The relay's certificate is not valid at this device's time: the clock is wrong, " \
      "or the relay let its certificate run out.")                                       \
    X(FAILURE_PROXY, "failure.proxy",                                                    \
      "The HTTP proxy does not let the device through to the relay. Check `proxy`, and " \
      "what the proxy allows.")                                                          \
    X(FAILURE_WAIT, "failure.wait",                                                      \
      "The relay asks the device to come back later. It does so by itself.")             \
    X(FAILURE_NOT_SERVED, "failure.not-served",                                          \
      "A new certificate came, but the device does not serve it. It keeps the old one "  \
      "and tries again.")                                                                \
    X(FAILURE_RELOAD, "failure.reload-failed",                                           \
      "A new certificate came, but the web server could not be told. The device keeps "  \
      "the old one and tries again.")                                                    \
    X(FAILURE_DEVICE, "failure.device",                                                  \
      "The device could not use what came. Its log says more.")                          \
    X(FAILURE_DISK, "failure.disk",                                                      \
      "The device can't write to its storage. Is it full or read-only?")                 \
    X(FAILURE_WORKER, "failure.worker",                                                  \
      "The device's own program for network work failed. It tries again by itself.")     \
    X(FAILURE_OTHER, "failure.other",                                                    \
      "Something went wrong. The device tries again by itself.")

#endif
