"""What the commands decide. Pure: values in, values out; no I/O, no clock, no randomness, no logging."""
