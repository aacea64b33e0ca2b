"""How runs, functions and entities are shown: text in a terminal, HTML in a notebook, progress while one waits."""
