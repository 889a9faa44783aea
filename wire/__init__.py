"""What proxy, worker and sandbox must agree on. Pure: values in, values out; imports nothing of ours but itself."""
