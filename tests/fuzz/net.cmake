latchkey_fuzz_target(fuzz_http_request.c http_request LINK lk_net)
