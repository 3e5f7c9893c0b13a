latchkey_fault_test(fault_device.c ALLOCATION LINK lk_device)
latchkey_fault_test(fault_apps.c ALLOCATION LINK lk_device)
latchkey_fault_test(fault_install.c LINK lk_device
                    WRAP open write fsync fchmod fchown rename symlink unlink unlinkat mkdir rmdir chmod)
latchkey_fault_test(fault_mdns.c ALLOCATION LINK lk_device WRAP socket send recvfrom)
