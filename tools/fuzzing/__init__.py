"""What strangers send, changed at random: what cmgen's readers make of it."""
