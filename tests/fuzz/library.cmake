if(TARGET lk_latchkey)
  latchkey_fuzz_target(fuzz_library.c library LINK lk_latchkey lk_mock_ca)
endif()
