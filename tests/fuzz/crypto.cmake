foreach(noun cert csr key upload)
  latchkey_fuzz_target(fuzz_${noun}.c ${noun} LINK lk_crypto)
endforeach()
