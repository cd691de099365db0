"""The machines: what runs a process. `base` is the interface; each kind lives in a package of its own."""
