# What a device can do without. LATCHKEY_MINIMAL leaves it all out; there is no #ifdef for it, only files.
latchkey_library(lk_device_mdns SOURCES mdns_message.c LINK lk_lanname lk_core)
target_sources(lk_device PRIVATE agent_features.c agent_mdns.c announcer.c)
target_link_libraries(lk_device PUBLIC lk_device_mdns)

if(AVAHI_FOUND)
  latchkey_program(latchkey-mdns SMALL SOURCES mdns.c mdns_group.c LINK lk_device_mdns PkgConfig::AVAHI)
endif()
