"""One module a method, read beside its paper."""
