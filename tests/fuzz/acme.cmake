latchkey_fuzz_target(fuzz_jws.c jws LINK lk_acme)
foreach(noun acme_response acme_load)
  latchkey_fuzz_target(fuzz_${noun}.c ${noun} LINK lk_mock_ca)
endforeach()
