if(TARGET lk_acme AND TARGET lk_net AND NOT LATCHKEY_FUZZ)
  latchkey_program(bench_front_load SOURCES front_load.c
    LINK lk_acme lk_net lk_crypto lk_core PkgConfig::OPENSSL)
endif()
