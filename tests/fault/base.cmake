latchkey_fault_test(fault_core.c ALLOCATION LINK lk_core)
latchkey_fault_test(fault_crypto.c ALLOCATION LINK lk_crypto)
latchkey_fault_test(fault_file.c LINK lk_core
                    WRAP open write fchmod fsync close rename link)
