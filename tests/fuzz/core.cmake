foreach(noun conf json text)
  latchkey_fuzz_target(fuzz_${noun}.c ${noun} LINK lk_core)
endforeach()
