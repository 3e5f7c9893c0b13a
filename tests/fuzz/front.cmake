latchkey_fuzz_target(fuzz_front_request.c front_request LINK lk_front)
latchkey_fuzz_target(fuzz_front_page.c front_page LINK lk_front)
latchkey_fuzz_target(fuzz_exposition.c exposition LINK lk_admin)
latchkey_fuzz_target(fuzz_ct_log.c ct_log LINK lk_admin)
