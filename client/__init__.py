"""The commands in scripts/: what a person runs beside the proxy, with the proxy's own client, finder and naming."""
