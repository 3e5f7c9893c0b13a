latchkey_fault_test(fault_http_server.c ALLOCATION LINK lk_net WRAP event_new event_add)
