"""How reading is run: behind one port, in worker processes on this machine or on a cluster."""
