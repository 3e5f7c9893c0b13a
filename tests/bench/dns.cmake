if(NOT LATCHKEY_FUZZ)
  latchkey_program(bench_dns_echo SOURCES dns_echo.c LINK lk_core)
endif()
