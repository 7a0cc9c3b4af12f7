"""The nouns: frozen values without torch and without input or output.

Nothing is imported here: `facts` and `vocabulary` serve the probe inside the user's process, which
must not load numpy, while `run` needs it.
"""
