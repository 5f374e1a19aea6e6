"""Definitions: makes the targets that the `channels:` and `notifications:` of rule files define.

It sends nothing; it collects all faults of a definition, and makes the targets that have none. Read
`channel_entry` first, then `notification_block`; both read their keys with `block`. `apprise_url`
makes the recipients of a URL, and `webhook_settings` and `security` read and check parts of a
definition.
"""
