"""A testbed whose relay sees its CA through a fault proxy."""
import fault_proxy
import testbed


class ProxiedLab(testbed.Testbed):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.proxy_port = testbed.free_port("127.0.0.1", {self.pebble_port, self.pebble_management})
        self.pebble_directory = f"https://localhost:{self.proxy_port}/dir"
        self.proxy = None

    def start_pebble(self):
        super().start_pebble()
        if self.proxy is None:
            key, pem = self.ca.issue("proxy", ["localhost"], ["127.0.0.1"])
            self.proxy = fault_proxy.FaultProxy(self.proxy_port, self.pebble_port, pem, key,
                                                self.ca.ca_file)

    def stop(self):
        results = super().stop()
        if self.proxy is not None:
            self.proxy.stop()
            self.proxy = None
        return results
