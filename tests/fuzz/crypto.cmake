foreach(noun cert csr key)
  latchkey_fuzz_target(fuzz_${noun}.c ${noun} LINK lk_crypto)
endforeach()
