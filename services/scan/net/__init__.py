"""How the scanners reach a host: resolve, dial, sweep its ports, and find out what answers."""
