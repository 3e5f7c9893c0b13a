if(TARGET lk_library_fixture)
  latchkey_fault_test(fault_library.c ALLOCATION LINK lk_library_fixture WRAP json_parse)
endif()
