if(TARGET lk_net AND NOT LATCHKEY_FUZZ)
  latchkey_program(bench_bare_tls SOURCES device_bare_tls.c LINK lk_net lk_crypto lk_core)
endif()
