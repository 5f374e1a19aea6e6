"""Text to tokens to tree, and a tree back to text.

Nothing here knows what a name means. Read `tree.py` first.
"""
