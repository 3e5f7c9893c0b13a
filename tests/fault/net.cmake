latchkey_fault_test(fault_http_server.c ALLOCATION LINK lk_net WRAP event_new event_add)
latchkey_fault_test(fault_http_client.c ALLOCATION LINK lk_net_client
                    WRAP event_new event_add curl_easy_init curl_slist_append
                         curl_multi_add_handle ares_init_options)
