"""Apprise's plugins: made from URLs or keywords, and corrected where alerts need it.

Nothing is sent here, and a plugin never retries, sleeps or drops a recipient. Read `plugin` first;
`url` reads Apprise URLs, and `recipients` checks addresses and numbers.
"""
