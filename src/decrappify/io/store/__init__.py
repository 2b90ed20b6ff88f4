"""Writing of outputs: temporary names, locks, journals and synchronization with the disk."""
