"""Speed, measured: udplb beside nginx and Envoy on this machine. Start with bench/README.md."""
