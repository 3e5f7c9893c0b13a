latchkey_fuzz_target(fuzz_lanname.c lanname LINK lk_lanname lk_core)
