"""Pure decisions of the proxy: no I/O, no clock, no randomness, no logging."""
