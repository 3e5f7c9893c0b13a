# What a device can do without. LATCHKEY_MINIMAL puts other files in the place of some and leaves the rest out;
# there is no #ifdef for it.
if(LATCHKEY_MINIMAL)
  get_target_property(sources lk_device SOURCES)
  list(REMOVE_ITEM sources admin_secret.c admin_sessions.c agent_pages.c brand.c command_name.c command_pages.c
       command_publish.c command_qr.c command_verify.c page_form.c page_html.c page_login.c page_owner.c
       page_status.c page_style.c pages.c palette.c qr.c way_in.c well_known.c well_known_scripts.c)
  list(APPEND sources agent_features_minimal.c agent_pages_minimal.c essential_page.c)
  set_target_properties(lk_device PROPERTIES SOURCES "${sources}")
  get_target_property(sources latchkey-tool SOURCES)
  list(REMOVE_ITEM sources command_table.c)
  set_target_properties(latchkey-tool PROPERTIES SOURCES "${sources};command_table_minimal.c")
  return()
endif()

latchkey_library(lk_device_mdns SOURCES mdns_message.c LINK lk_lanname lk_core)
target_sources(lk_device PRIVATE agent_features.c agent_mdns.c announcer.c)
target_link_libraries(lk_device PUBLIC lk_device_mdns)

if(AVAHI_FOUND)
  latchkey_program(latchkey-mdns SMALL SOURCES mdns.c mdns_group.c LINK lk_device_mdns PkgConfig::AVAHI)
endif()
