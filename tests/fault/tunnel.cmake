latchkey_fault_test(fault_tunnel.c ALLOCATION LINK lk_net WRAP event_new event_add socket connect)
