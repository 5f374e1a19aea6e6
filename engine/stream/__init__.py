"""The stream of plate events on Kafka."""
