"""Training of the built-in networks. Needs the ``training`` extra (PyTorch); nothing at run time imports this."""
