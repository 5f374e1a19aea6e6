"""Channels: an alert is sent to each of its targets, and each try returns an outcome.

A target is one recipient of one channel. Nothing here retries, waits for a due time, or reads a
store: that is `engine.delivery`. Read `alert` first, which has `Alert`, `Outcome` and `Target`.

The packages, each of which imports only from those before it:
    alert          what a target takes and returns; used by all
    redact         masks secrets and plates in texts; used by all
    render         an alert -> a message for a kind of channel
    several        several alerts -> one message for a kind of channel
    fit            a message -> as short as its service takes
    wire/          one try on the network: its evidence, its deadline, its outcome
    plugins/       an Apprise URL -> keywords -> an Apprise plugin
    targets/       what sends: `AppriseTarget`, `WebhookTarget`; who is the same recipient
    definitions/   an entry of `channels:` or a block of `notifications:` -> its targets
"""
