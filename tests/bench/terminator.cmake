if(NOT LATCHKEY_FUZZ)
  latchkey_program(bench_terminator_load SOURCES terminator_load.c LINK lk_core PkgConfig::OPENSSL)
endif()
