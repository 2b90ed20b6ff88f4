"""Run of one restoration: plan, network, state, and concurrent reading, restoring and writing of the windows."""
