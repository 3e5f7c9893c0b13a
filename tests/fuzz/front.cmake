latchkey_fuzz_target(fuzz_front_request.c front_request LINK lk_front)
latchkey_fuzz_target(fuzz_front_page.c front_page LINK lk_front)
