"""Speech engines that may be installed beside avatar-rt, each a program or library of its own."""
