latchkey_fault_test(fault_acme.c ALLOCATION LINK lk_mock_ca WRAP json_parse)
