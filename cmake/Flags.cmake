# Warnings, hardening and sanitizers, the same for every target.
add_compile_definitions(_GNU_SOURCE LATCHKEY_VERSION="${PROJECT_VERSION}")
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
  add_compile_definitions(_FILE_OFFSET_BITS=64) # else readdir fails on large inode numbers
endif()
add_compile_options(
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wmissing-declarations
  -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2
  -Wswitch-enum -Wimplicit-fallthrough -Wcast-qual -Wnull-dereference
  -fno-common -fno-strict-aliasing -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
  # It suspects every literal that goes on in the next line of an initializer.
  add_compile_options(-Wno-string-concatenation)
endif()
if(LATCHKEY_WERROR)
  add_compile_options(-Werror)
endif()

# Hardening (the list of Debian's dpkg-buildflags hardening=+all, plus stack clash).
add_compile_options(-fstack-protector-strong -fstack-clash-protection -fPIE)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-fcf-protection)
endif()
add_link_options(-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
if(NOT LATCHKEY_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")

# What ships on devices is built for size; the relay, and the names that its DNS server reads, for speed. gcc also
# optimizes the device's programs whole: objects then hold both forms, and what else links them (-fno-lto: tests,
# the relay, liblatchkey) takes the usual one. Unwind tables are left out: nobody catches anything in C, and
# debuggers read .debug_frame.
set(LATCHKEY_SMALL_COMPILE "")
set(LATCHKEY_SMALL_LINK "")
set(LATCHKEY_NO_LTO "")
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT LATCHKEY_SANITIZE)
  include(CheckLinkerFlag)
  set(LATCHKEY_SMALL_COMPILE -Oz -fno-plt -ffunction-sections -fdata-sections
                             -fno-asynchronous-unwind-tables -fno-unwind-tables)
  set(LATCHKEY_SMALL_LINK -Wl,--gc-sections)
  check_linker_flag(C -Wl,-z,pack-relative-relocs HAS_PACKED_RELOCATIONS)
  if(HAS_PACKED_RELOCATIONS)
    list(APPEND LATCHKEY_SMALL_LINK -Wl,-z,pack-relative-relocs)
  endif()
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND LATCHKEY_SMALL_COMPILE -flto=auto -ffat-lto-objects)
    # The second half of the compilation is part of linking, and needs the same flags.
    get_property(options DIRECTORY PROPERTY COMPILE_OPTIONS)
    list(FILTER options INCLUDE REGEX "^-f(stack|cf|PIE|no-common|no-strict)")
    list(APPEND LATCHKEY_SMALL_LINK ${options} ${LATCHKEY_SMALL_COMPILE})
    set(LATCHKEY_NO_LTO -fno-lto)
  endif()
endif()

if(LATCHKEY_SANITIZE)
  # -Wnull-dereference and -Wmaybe-uninitialized report false positives under sanitizers.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -O1 -g -Wno-null-dereference)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
  add_link_options(-fsanitize=address,undefined)
endif()
if(LATCHKEY_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_compile_definitions(LATCHKEY_FUZZ)
endif()
