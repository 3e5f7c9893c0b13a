latchkey_fault_test(fault_device.c ALLOCATION LINK lk_device)
