"""What the commands do with what they should never get: bad files, bad options, a machine that can't, signals at any moment."""
