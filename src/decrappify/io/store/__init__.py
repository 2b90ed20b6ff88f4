"""Writing of outputs: temporary names, locks and synchronization with the disk; `planes` for growing stores."""
