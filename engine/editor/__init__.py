"""Help for editors of rule files: the JSON schema, and the language server `alert-engine lsp`.

It finds no faults of its own: the readers of `engine.rules` do, on the texts of open documents. It
never sends anything, and needs neither Kafka nor a store. Read `workspace.py` first.
"""
