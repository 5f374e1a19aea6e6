"""The stream of plate events: from Kafka's records to events.

It reads, decodes and commits records, and keeps what the registry says of their schemas; it never
decides what becomes of an event, and stores nothing. Read `record.py` first, then `consumer.py`.
"""
