"""The level `vm`: tests that need more than a host's kernel may have, and the emulated machine that runs them.

The machine boots Debian's kernel and sees this one's files, read-only, with a layer in memory above them: nothing has
to be installed in it, and nothing it writes stays. It is emulated everywhere, also where the processor could do
better: so it runs in containers, and takes as long everywhere.
"""
